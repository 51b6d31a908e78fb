"""EDSR in three dimensions: residual blocks on the coarse grid, interpolated features, one last convolution."""

from acuity.methods.base import (
    LearnedMethod,
    LearnedSettings,
    PredictSettings,
    TrainSettings,
    setting,
)
from acuity.methods.networks.aliases import Networks


class EdsrSettings(LearnedSettings):
    """Settings of the three-dimensional EDSR; widths are those of Jackson et al."""

    features: int = setting(24, "Channels", "1", ge=1)
    blocks: int = setting(12, "Residual blocks", "1", ge=1)
    train: TrainSettings = TrainSettings.preset(
        steps=3000, batch=4, patch=(16, 16, 16), schedule="cosine", warm_up=50
    )
    predict: PredictSettings = PredictSettings.preset(tile=(92, 140, 140))


class Edsr3d(LearnedMethod):
    """3D-EDSR, finer along each axis by the task's factors.

    After Lim et al. 2017 (Enhanced Deep Residual Networks for Single Image Super-Resolution, section 3: no
    batch normalisation) in the form of Jackson et al. 2022 for sandstone: 24 features, 12 blocks, up-sampling
    without weights, 375,145 weights at any factor. What is left open there is chosen in docs/methods.md.
    """

    Settings = EdsrSettings
    layout = "channels_last"

    def set_up(self) -> None:
        """Take the task's whole factors, and turn patches as they allow it."""
        self.scale = self.task.scale
        middle = tuple((f - 1) / 2 for f in self.scale) == self.task.offset
        rows, columns = self.scale[1:]
        if middle and len(set(self.scale)) == 1:
            self.symmetries = "volume"
        else:
            self.symmetries = "in_plane" if middle and rows == columns else "none"

    def build(self) -> Networks:
        """Build the network; its convolutions keep the size, with zeros beyond the image."""
        from acuity.methods.networks.edsr3d import Edsr3d as Network

        options = self.settings.pick("features", "blocks")
        return {self.restorer: Network(self.scale, self.task.offset, **options)}


METHOD = Edsr3d
