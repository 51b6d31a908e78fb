"""SRGAN along one axis: generator and discriminator (Ledig et al. 2017, figure 4)."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from acuity.methods.networks.axial import AddsInterpolation


def stages(factor: int) -> list[int]:
    """Return the steps in which a factor is gone: twos where it is a power of two, else one step."""
    return [2] * (factor.bit_length() - 1) if factor & (factor - 1) == 0 else [factor]


class Rise(nn.Module):
    """Pixel shuffle along the first axis: channels become rows.

    Parameters
    ----------
    factor : int
        How many channels give the rows of one.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, c * factor, z, x) to (n, c, z * factor, x)."""
        image = image.unflatten(1, (image.shape[1] // self.factor, self.factor))
        return image.movedim(2, 3).flatten(2, 3)


class Residual(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation, added to their input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1),
            nn.BatchNorm2d(features),
            nn.PReLU(features),
            nn.Conv2d(features, features, 3, padding=1),
            nn.BatchNorm2d(features),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images to images of the same size."""
        return image + self.path(image)


class Generator(AddsInterpolation):
    """SRResNet whose output is finer along the first axis of an image alone.

    Parameters
    ----------
    factor : int
        How much finer.
    features : int
        Channels.
    blocks : int
        Residual blocks.
    kernels : tuple of int
        Sides of the first and of the last convolution, odd.
    **skip
        ``skip`` and ``offset`` of `AddsInterpolation`; without, the published form.
    """

    def __init__(
        self, factor: int, *, features: int, blocks: int, kernels: tuple[int, int], **skip: Any
    ) -> None:
        super().__init__(factor, **skip)
        first, last = kernels
        # CPU libraries sum few channels in an order that depends on the image's size; from eight
        # on it does not, and tiles equal the whole bit for bit.
        self.spare = 7
        self.scale = (factor, 1)
        self.first = nn.Sequential(
            nn.Conv2d(1 + self.spare, features, first, padding=first // 2), nn.PReLU(features)
        )
        self.body = nn.Sequential(
            *(Residual(features) for _ in range(blocks)),
            nn.Conv2d(features, features, 3, padding=1),
            nn.BatchNorm2d(features),
        )
        rising: list[nn.Module] = []
        for step in stages(factor):
            wider = nn.Conv2d(features, features * step, 3, padding=1)
            rising += [wider, Rise(step), nn.PReLU(features)]
        self.rising = nn.Sequential(*rising)
        self.last = nn.Conv2d(features, 1, last, padding=last // 2)
        self.start_near_interpolation(self.last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, 1, z, x) to (n, 1, z * factor, x)."""
        x = self.first(functional.pad(image, (0, 0, 0, 0, 0, self.spare)))
        return self.added(self.last(self.rising(x + self.body(x))), image)


class Discriminator(nn.Module):
    """Eight 3 x 3 convolutions, every second with stride 2, and two dense layers.

    Parameters
    ----------
    side : int
        Side of the sub-images that it judges.
    features : int
        Channels of the first two convolutions; doubled with every second stride.
    dense : int
        Units of the first dense layer.
    """

    def __init__(self, side: int, *, features: int = 64, dense: int = 1024) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for n in range(8):
            after, stride = features * 2 ** (n // 2), 1 + n % 2
            layers.append(nn.Conv2d(before, after, 3, stride=stride, padding=1))
            if n:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2))
            before, side = after, -(-side // stride)
        self.body = nn.Sequential(*layers)
        self.verdict = nn.Sequential(
            nn.Flatten(),
            nn.Linear(before * side * side, dense),
            nn.LeakyReLU(0.2),
            nn.Linear(dense, 1),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, 1, side, side) to (n, 1): the logit of being a real sub-image."""
        return self.verdict(self.body(image))
