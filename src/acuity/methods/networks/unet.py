"""A two-dimensional U-Net whose result does not depend on how an image is tiled."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional

# CPU libraries sum few channels in an order that depends on the image's size; from eight on it does
# not, and tiles equal the whole bit for bit.
FULL = 8


def _convolutions(before, after, count, norm):
    layers: list[nn.Module] = []
    for n in range(count):
        layers.append(nn.Conv2d(after if n else before, after, 3, padding=1))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(after))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) with zero padding and further convolutions at its end.

    All layers are local and none normalises over the image, so that a tile with a halo of the
    receptive field, placed on the raster of `stride`, gives what the whole image gives. Images
    whose sides are not multiples of `stride` are continued by their last row and column.

    Parameters
    ----------
    channels : int
        Channels of its input and output; for a 2.5D network the slices of a stack.
    features : int
        Channels at full resolution, doubled at each pooling up to `widest`.
    pools : int
        Poolings by two.
    convolutions : int
        Convolutions of 3 x 3, each with a ReLU, at each resolution.
    extra : int
        Further convolutions of 3 x 3, each with a ReLU, before the last one, which is linear.
    norm : {"none", "batch"}
        Normalisation after each convolution.
    skip : bool
        Add the input to the output.
    """

    def __init__(
        self,
        channels: int,
        *,
        features: int,
        pools: int,
        widest: int,
        convolutions: int,
        extra: int,
        norm: str,
        skip: bool,
    ) -> None:
        super().__init__()
        self.skip = skip
        widths = [min(features * 2**n, widest) for n in range(pools + 1)]
        stage = partial(_convolutions, count=convolutions, norm=norm)
        first = stage(channels + -channels % FULL, widths[0])
        self._assemble(channels, widths, first, stage, nn.MaxPool2d(2))
        self.extra = _convolutions(features, features, extra, norm)
        self.last = nn.Conv2d(features, channels, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        nn.init.xavier_normal_(self.last.weight, gain=0.1 if skip else 1.0)

    def _assemble(self, channels, widths, first, stage, pool):
        """Make both paths of the first stage and of stages between the widths."""
        pools = len(widths) - 1
        self.stride = 2**pools
        self.spare = -channels % FULL
        self.down = nn.ModuleList([first, *map(stage, widths, widths[1:])])
        self.pool = pool
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(widths[n + 1], widths[n], 2, stride=2) for n in range(pools)
        )
        self.up = nn.ModuleList(stage(2 * width, width) for width in widths[:-1])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images (n, channels, y, x) onto images of the same size."""
        height, width = image.shape[-2:]
        right, bottom = -width % self.stride, -height % self.stride
        x = image
        if right or bottom:
            x = functional.pad(x, (0, right, 0, bottom), mode="replicate")
        if self.spare:
            x = functional.pad(x, (0, 0, 0, 0, 0, self.spare))
        kept = []
        for n, convolutions in enumerate(self.down):
            x = convolutions(self.pool(x) if n else x)
            if n < len(self.grow):
                kept.append(x)
        for n in reversed(range(len(self.grow))):
            x = self.up[n](torch.cat([self.grow[n](x), kept.pop()], dim=1))
        x = self.last(self.extra(x))[..., :height, :width]
        return image + x if self.skip else x
