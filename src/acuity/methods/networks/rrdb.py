"""Residual-in-residual dense blocks (Wang et al. 2018) and SEMNet, which is built of six."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from acuity.methods.networks.axial import Interpolated, start_small

SLOPE = 0.2
RESIDUAL = 0.2


class DenseBlock(nn.Module):
    """Five 3 x 3 convolutions, each of all that came before; the last one is added to the input.

    Parameters
    ----------
    features : int
        Channels.
    growth : int
        Channels that each of the first four convolutions adds.
    """

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        convolutions = [
            nn.Conv2d(features + n * growth, growth if n < 4 else features, 3, padding=1)
            for n in range(5)
        ]
        self.convolutions = nn.ModuleList(convolutions)
        self.activation = nn.LeakyReLU(SLOPE)
        for convolution in convolutions:
            nn.init.kaiming_normal_(convolution.weight)
            start_small(convolution)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, features, y, x) to the same size."""
        parts = [image]
        for convolution in self.convolutions[:-1]:
            parts.append(self.activation(convolution(torch.cat(parts, dim=1))))
        return image + RESIDUAL * self.convolutions[-1](torch.cat(parts, dim=1))


class Rrdb(nn.Sequential):
    """Three dense blocks, added to the input."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__(*(DenseBlock(features, growth) for _ in range(3)))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, features, y, x) to the same size."""
        return image + RESIDUAL * super().forward(image)


class SemNet(nn.Module):
    """RRDB network whose output is finer by nearest-neighbour up-sampling and a convolution.

    Four convolutions lie outside of the blocks: the first, the one that ends the trunk, the one
    behind the up-sampling, with the one leaky ReLU outside of the blocks, and the last.

    Parameters
    ----------
    factor : int
        How much finer along y and x.
    features, growth, blocks : int
        Channels, channels that a convolution of a dense block adds, and RRDBs.
    skip : {"none", "linear", "cubic", "lanczos"}
        Interpolated input that is added to the output; ``none`` is the published form.
    offset : tuple of float
        Place (y, x) of low-resolution pixel 0 in pixels of the output, for the skip.
    """

    def __init__(
        self,
        factor: int,
        *,
        features: int,
        growth: int,
        blocks: int,
        skip: str = "none",
        offset: Sequence[float] = (0.0, 0.0),
    ) -> None:
        super().__init__()
        # CPU libraries sum few channels in an order that depends on the image's size; from eight
        # on it does not, and tiles equal the whole bit for bit.
        self.spare = 7
        self.scale = (factor, factor)
        self.first = nn.Conv2d(1 + self.spare, features, 3, padding=1)
        self.body = nn.Sequential(*(Rrdb(features, growth) for _ in range(blocks)))
        self.trunk = nn.Conv2d(features, features, 3, padding=1)
        self.larger = nn.Upsample(scale_factor=factor, mode="nearest")
        self.rise = nn.Conv2d(features, features, 3, padding=1)
        self.activation = nn.LeakyReLU(SLOPE)
        self.last = nn.Conv2d(features, 1, 3, padding=1)
        self.interpolated = None
        if skip != "none":  # training starts from the interpolation
            self.interpolated = nn.ModuleList(Interpolated(factor, at, skip) for at in offset)
            start_small(self.last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, 1, y, x) to (n, 1, y * factor, x * factor)."""
        x = self.first(functional.pad(image, (0, 0, 0, 0, 0, self.spare)))
        x = x + self.trunk(self.body(x))
        x = self.last(self.activation(self.rise(self.larger(x))))
        if self.interpolated is None:
            return x
        for along in self.interpolated:  # y, then x, each made the first axis
            image = along(image).transpose(2, 3)
        return x + image
