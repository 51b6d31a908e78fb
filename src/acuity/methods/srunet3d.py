"""3D-SRU-Net: a U-Net that contracts coarse slices until they are isotropic and expands them."""

from acuity.errors import AcuityError
from acuity.methods.base import PredictSettings, TrainSettings
from acuity.methods.networks.aliases import Networks
from acuity.methods.networks.axial_base import AxialMethod, AxialSettings, paper_training
from acuity.settings import setting


class Srunet3dSettings(AxialSettings):
    """Settings of the 3D-SRU-Net; the defaults are those of the paper's figure 2."""

    width: int = setting(32, "Features of the first level, doubled at each next (w)", "1", ge=1)
    height: int = setting(3, "Levels (h)", "1", ge=2, le=6)
    depth: int = setting(3, "Convolutions of a level, on the way down and up (d)", "1", ge=1)
    kernels: tuple[int, ...] = setting(
        (11, 5, 3),
        "Odd sides in y and x of the contracting convolutions, by level; the last one goes on",
        "voxel",
        min_length=1,
    )
    train: TrainSettings = paper_training(decay_every=10)
    predict: PredictSettings = PredictSettings.preset(tile=(64, 256, 256))


class Srunet3d(AxialMethod):
    """3D-SRU-Net, finer along z.

    After Heinrich et al. 2017, section 3.2 and figure 2: y and x are halved from level to level,
    z only where slices already lie as close as pixels; each level goes across through a
    fractionally strided convolution that makes it isotropic.
    """

    Settings = Srunet3dSettings

    def build(self) -> Networks:
        """Build the network."""
        from acuity.methods.networks.srunet3d import SruNet3d

        options = self.network_options("width", "height", "depth", "kernels")
        try:
            return {self.restorer: SruNet3d(**options)}
        except ValueError as error:
            raise AcuityError(
                f"method {self.name()}, height {self.settings.height} at scale {self.task.scale}: {error}; "
                "allowed are powers of two, or fewer levels"
            ) from None


METHOD = Srunet3d
