"""A two-dimensional U-Net whose result does not depend on how an image is tiled."""

import torch
from torch import nn
from torch.nn import functional


def _convolutions(before, after, count, norm):
    layers = []
    for n in range(count):
        layers.append(nn.Conv2d(before if n == 0 else after, after, 3, padding=1))
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

    def __init__(self, channels, *, features, pools, widest, convolutions, extra, norm, skip):
        super().__init__()
        widths = [min(features * 2**n, widest) for n in range(pools + 1)]
        self.stride = 2**pools
        # CPU libraries sum few channels in an order that depends on the image's size; from eight
        # on it does not, and tiles equal the whole bit for bit.
        self.spare = -channels % 8
        self.skip = skip
        self.down = nn.ModuleList(
            _convolutions(
                channels + self.spare if n == 0 else widths[n - 1], width, convolutions, norm
            )
            for n, width in enumerate(widths)
        )
        self.pool = nn.MaxPool2d(2)
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(widths[n + 1], widths[n], 2, stride=2) for n in range(pools)
        )
        self.up = nn.ModuleList(
            _convolutions(2 * widths[n], widths[n], convolutions, norm) for n in range(pools)
        )
        self.extra = _convolutions(features, features, extra, norm)
        self.last = nn.Conv2d(features, channels, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        nn.init.xavier_normal_(self.last.weight, gain=0.1 if skip else 1.0)

    def forward(self, image):
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
