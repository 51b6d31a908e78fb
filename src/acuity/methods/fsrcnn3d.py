"""3D-FSRCNN: a compact network that works on coarse slices and spreads them at its end."""

from acuity.errors import AcuityError
from acuity.methods.base import PredictSettings, TrainSettings
from acuity.methods.networks.aliases import Networks
from acuity.methods.networks.axial_base import AxialMethod, AxialSettings, paper_training
from acuity.settings import setting


class Fsrcnn3dSettings(AxialSettings):
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
    train: TrainSettings = paper_training(decay_every=1)
    predict: PredictSettings = PredictSettings.preset(tile=(32, 192, 192))


class Fsrcnn3d(AxialMethod):
    """3D-FSRCNN, finer along z.

    After Heinrich et al. 2017, section 3.1 and figure 1: extraction (5 x 13 x 13), shrinking,
    mapping (3 x 9 x 9), expanding, and a fractionally strided convolution (13 x 13 x 13); PReLU.
    """

    Settings = Fsrcnn3dSettings

    def build(self) -> Networks:
        """Build the network."""
        from acuity.methods.networks.fsrcnn3d import Fsrcnn3d as Network

        options = self.network_options("filters", "shrink", "mappings", "kernels")
        deep = options["kernels"][2][0]
        if deep < self.scale[0]:
            raise AcuityError(
                f"settings of {self.name()}, key kernels: the last one is {deep} deep; "
                f"to fill the gaps it must be at least the factor {self.scale[0]}"
            )
        return {self.restorer: Network(**options)}


METHOD = Fsrcnn3d
