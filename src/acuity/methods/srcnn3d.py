"""SRCNN in three dimensions: three convolutions with batch normalisation."""

from acuity.methods.base import LearnedMethod, LearnedSettings, PredictSettings, TrainSettings
from acuity.methods.networks.aliases import Networks
from acuity.settings import setting


class SrcnnSettings(LearnedSettings):
    """Settings of the three-dimensional SRCNN."""

    kernels: tuple[int, int, int] = setting(
        (9, 1, 5), "Sides of the kernels: patch extraction, mapping, reconstruction", "voxel"
    )
    features: tuple[int, int] = setting((32, 16), "Channels after the first two convolutions", "1")
    train: TrainSettings = TrainSettings.preset(steps=1500, patch=(32, 32, 32), schedule="cosine")
    predict: PredictSettings = PredictSettings.preset(tile=(44, 140, 140))


class Srcnn3d(LearnedMethod):
    """Three 3D convolutions (extraction, mapping, reconstruction), batch norm, MSE, Adam.

    After Bukka et al. 2025, section 2.1.2, who follow Wang et al. 2018; the best model by
    validation loss is kept. Kernels and widths are not given there: 9, 1 and 5 as in the SRCNN of
    Dong et al. 2016, half its channels.
    """

    Settings = SrcnnSettings
    symmetries = "volume"

    def build(self) -> Networks:
        """Build the network; convolutions pad with zeros, so that the size is kept."""
        from torch import nn

        from acuity.methods.networks.convolution import Convolution

        (a, b, c), (m, n) = self.settings.kernels, self.settings.features
        return {
            self.restorer: nn.Sequential(
                Convolution(1, m, (a, a, a)),
                nn.BatchNorm3d(m),
                nn.ReLU(),
                Convolution(m, n, (b, b, b)),
                nn.BatchNorm3d(n),
                nn.ReLU(),
                Convolution(n, 1, (c, c, c)),
            )
        }


METHOD = Srcnn3d
