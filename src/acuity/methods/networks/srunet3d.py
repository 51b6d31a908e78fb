"""3D-SRU-Net (Heinrich et al. 2017, figure 2): a U-Net with coarse slices in and fine ones out."""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from acuity.methods.networks.axial import AddsInterpolation, UpsamplingConv, glorot
from acuity.methods.networks.convolution import Convolution


def _convolutions(before, after, count, kernel):
    layers = []
    for n in range(count):
        layers += [Convolution(after if n else before, after, kernel), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class SruNet3d(AddsInterpolation):
    """U-Net that contracts along y and x until slices are as far apart as pixels, then in space.

    Each level's result goes across through a fractionally strided convolution that makes it
    isotropic; the expanding path is isotropic from its lowest level up. All layers are local, so
    that tiles with a halo of the receptive field equal the whole.

    Parameters
    ----------
    factor : int
        How much finer the output is along z.
    width, height, depth : int
        Hyper-parameters w (features of the first level, doubled from level to level), h (levels)
        and d (convolutions of a level and path).
    kernels : tuple of int
        Sides in y and x of the contracting convolutions, by level; the last one goes on. They are
        3 deep. Levels across use cubes of the same side.
    **skip
        ``skip`` and ``offset`` of `AddsInterpolation`, with which the output is linear; without,
        the paper's form, whose output passes a ReLU.

    Raises
    ------
    ValueError
        If slices never come to lie as far apart as pixels.
    """

    def __init__(
        self, factor: int, *, width: int, height: int, depth: int, kernels: Any, **skip: Any
    ) -> None:
        super().__init__(factor, **skip)
        # Distance of slices in pixels of each level.
        ratios = [max(1.0, factor / 2**level) for level in range(height)]
        if any(ratio % 1 for ratio in ratios):
            raise ValueError(
                f"{height} levels halve y and x {height - 1} times, which does not divide {factor}"
            )
        ratios = [int(ratio) for ratio in ratios]
        widths = [width * 2**level for level in range(height)]
        sides = [kernels[min(level, len(kernels) - 1)] for level in range(height)]
        pools = [(1 if ratio > 1 else 2, 2, 2) for ratio in ratios[:-1]]
        self.scale = (factor, 1, 1)
        self.stride = tuple(math.prod(sides) for sides in zip(*pools, strict=True))
        self.down = nn.ModuleList(
            _convolutions(1 if level == 0 else widths[level - 1], w, depth, (3, side, side))
            for level, (w, side) in enumerate(zip(widths, sides, strict=True))
        )
        self.pools = nn.ModuleList(nn.MaxPool3d(pool) for pool in pools)
        self.across = nn.ModuleList(
            nn.Identity()
            if ratio == 1
            else UpsamplingConv(w, w, (max(side, ratio), side, side), (ratio, 1, 1))
            for w, side, ratio in zip(widths[:-1], sides, ratios, strict=False)
        )
        # A lowest level that is not isotropic yet (fewer levels than the factor asks for) has its
        # slices repeated: a kernel of 3 would leave holes at a larger stride.
        lowest = ratios[-1]
        self.repeat = nn.Identity() if lowest == 1 else nn.Upsample(scale_factor=(lowest, 1, 1))
        self.grow = nn.ModuleList(
            UpsamplingConv(2 * w, w, (3, 3, 3), (2, 2, 2)) for w in widths[:-1]
        )
        self.up = nn.ModuleList(_convolutions(2 * w, w, depth, (3, 3, 3)) for w in widths[:-1])
        last: Any = Convolution(width, 1, (3, 3, 3))
        self.last = nn.Sequential(last) if self.interpolated else nn.Sequential(last, nn.ReLU())
        glorot(self)
        if self.interpolated is None:  # a ReLU that is nowhere positive would never learn
            nn.init.constant_(last.bias, 0.5)
        self.start_near_interpolation(last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, 1, z, y, x) to (n, 1, z * factor, y, x); sides need not suit the poolings."""
        sides = image.shape[2:]
        missing = [-n % s for n, s in zip(sides, self.stride, strict=True)]
        x = image
        if any(missing):
            x = functional.pad(x, (0, missing[2], 0, missing[1], 0, missing[0]), mode="replicate")
        kept = []
        for level, convolutions in enumerate(self.down):
            x = convolutions(self.pools[level - 1](x) if level else x)
            if level < len(self.across):
                kept.append(self.across[level](x))
        x = self.repeat(x)
        for level in reversed(range(len(self.grow))):
            x = self.up[level](torch.cat([self.grow[level](x), kept.pop()], dim=1))
        x = self.last(x)[:, :, : sides[0] * self.scale[0], : sides[1], : sides[2]]
        return self.added(x, image)
