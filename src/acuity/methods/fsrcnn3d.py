"""3D-FSRCNN: a compact network that works on coarse slices and spreads them at its end."""

from typing import Literal

from acuity.errors import AcuityError
from acuity.methods.base import (
    LearnedMethod,
    LearnedSettings,
    PredictSettings,
    TrainSettings,
    setting,
)


class Fsrcnn3dSettings(LearnedSettings):
    """Settings of the 3D-FSRCNN; the defaults are the paper's best."""

    filters: int = setting(240, "Filters of extraction and expansion (d)", "1", ge=1)
    shrink: int = setting(64, "Filters of the mapping layers (s)", "1", ge=1)
    mappings: int = setting(4, "Mapping layers (m)", "1", ge=0)
    kernels: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]] = setting(
        ((5, 13, 13), (3, 9, 9), (13, 13, 13)),
        "Odd sides (z, y, x) of extraction, mapping and of the last, fractionally strided "
        "convolution",
        "voxel",
    )
    skip: Literal["none", "linear", "cubic"] = setting(
        "none",
        "Interpolated input that is added to the output: none is the paper's form, the others are "
        "variants that small and short training needs",
    )
    train: TrainSettings = setting(
        TrainSettings(
            steps=290_000,
            batch=6,
            patch=(16, 64, 64),
            learning_rate=1e-4,
            schedule="inverse_sqrt",
            decay_every=1,
            validation_fraction=0.15,
            validate_every=484,
            validation_patches=24,
        ),
        "How the network is trained",
    )
    predict: PredictSettings = setting(
        PredictSettings(tile=(32, 192, 192)), "How volumes are restored"
    )


class Fsrcnn3d(LearnedMethod):
    """3D-FSRCNN, finer along z.

    After Heinrich et al. 2017, section 3.1 and figure 1: extraction (5 x 13 x 13), shrinking,
    mapping (3 x 9 x 9), expanding, and a fractionally strided convolution (13 x 13 x 13); PReLU.
    """

    Settings = Fsrcnn3dSettings
    axial = True
    layout = "channels_last"

    def __init__(self, settings=None, task=None):
        super().__init__(settings, task)
        self.scale = (self.task.scale[0], 1, 1)
        if self.task.phase[0] != (self.scale[0] - 1) / 2:
            self.symmetries = "upright"
        self.normalisation = "range" if self.settings.skip == "none" else "shared"

    def build(self):
        """Build the network."""
        from acuity.methods.shared.fsrcnn3d import Fsrcnn3d as Network

        s, factor = self.settings, self.scale[0]
        if factor < 2:
            raise AcuityError(
                f"method {self.name()} makes slices finer, but the scale is {self.task.scale}; it "
                "needs a factor of 2 or more along z"
            )
        if min(min(kernel) for kernel in s.kernels) < 1 or any(
            side % 2 == 0 for kernel in s.kernels for side in kernel
        ):
            raise AcuityError(
                f"settings of {self.name()}, key kernels: found {s.kernels}; sides must be odd"
            )
        if s.kernels[2][0] < factor:
            raise AcuityError(
                f"settings of {self.name()}, key kernels: the last one is {s.kernels[2][0]} deep; "
                f"to fill the gaps it must be at least the factor {factor}"
            )
        return {
            self.restorer: Network(
                factor,
                filters=s.filters,
                shrink=s.shrink,
                mappings=s.mappings,
                kernels=s.kernels,
                skip=s.skip,
                phase=self.task.phase[0],
            )
        }


METHOD = Fsrcnn3d
