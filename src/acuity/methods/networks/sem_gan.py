"""Networks of the SEM GAN (de Haan et al. 2019): U-Net and discriminator."""

import torch
from torch import nn

from acuity.methods.networks.unet import UNet

SLOPE = 0.1  # of the leaky ReLU


def block(before, after):
    """Two 3 x 3 convolutions, each with a leaky ReLU; the second changes the channels."""
    return [
        nn.Conv2d(before, before, 3, padding=1),
        nn.LeakyReLU(SLOPE),
        nn.Conv2d(before, after, 3, padding=1),
        nn.LeakyReLU(SLOPE),
    ]


class Generator(UNet):
    """U-Net of blocks whose second convolution changes the channels, with average pooling.

    A 3 x 3 convolution brings the image to the first block's channels and another gives the
    image. Its forward pass is that of `UNet`.

    Parameters
    ----------
    features : int
        Channels at full resolution, doubled at each pooling.
    pools : int
        Poolings by two.
    skip : bool
        Add the input, which is already on the finer grid, to the output.
    """

    def __init__(self, *, features, pools, skip=False):
        nn.Module.__init__(self)
        widths = [features * 2**n for n in range(pools + 1)]
        self.stride = 2**pools
        self.spare = 7  # see UNet: few channels would be summed in an order that differs
        self.skip = skip
        self.down = nn.ModuleList(
            nn.Sequential(*block(widths[max(n - 1, 0)], width)) for n, width in enumerate(widths)
        )
        self.down[0].insert(0, nn.Conv2d(1 + self.spare, features, 3, padding=1))
        self.down[0].insert(1, nn.LeakyReLU(SLOPE))
        self.pool = nn.AvgPool2d(2)
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(widths[n + 1], widths[n], 2, stride=2) for n in range(pools)
        )
        self.up = nn.ModuleList(
            nn.Sequential(*block(2 * widths[n], widths[n])) for n in range(pools)
        )
        self.extra = nn.Sequential()
        self.last = nn.Conv2d(features, 1, 3, padding=1)
        start(self)
        if skip:  # training starts from the interpolation
            with torch.no_grad():
                self.last.weight.mul_(0.1)


class Discriminator(nn.Module):
    """Blocks of two 3 x 3 convolutions, after each the half of the size, and two dense layers.

    The last convolution's channels are averaged over the image, so that images of any size are
    judged. Its output is linear, as least squares want it.

    Parameters
    ----------
    features : int
        Channels of the first block's input; doubled from block to block.
    blocks : int
        Blocks.
    dense : int
        Units of the first dense layer.
    """

    def __init__(self, *, features, blocks, dense):
        super().__init__()
        layers = [nn.Conv2d(1, features, 3, padding=1), nn.LeakyReLU(SLOPE)]
        for n in range(blocks):
            layers += [*block(features * 2**n, features * 2 ** (n + 1)), nn.AvgPool2d(2)]
        self.body = nn.Sequential(*layers)
        self.verdict = nn.Sequential(
            nn.Linear(features * 2**blocks, dense), nn.LeakyReLU(SLOPE), nn.Linear(dense, 1)
        )
        # Running means of the generator's adversarial, L1 and variation terms: saved with it, so
        # that weights that follow from them are the same after a resumed training.
        self.register_buffer("terms", torch.zeros(3))
        start(self)

    def forward(self, image):
        """Map (n, 1, y, x) to (n, 1): near 1 for a real image, near 0 for a restored one."""
        return self.verdict(self.body(image).mean(dim=(2, 3)))

    def follow(self, terms, memory):
        """Move the running means towards the terms of a batch; gives the means."""
        terms = torch.stack([term.detach().float() for term in terms]).to(self.terms)
        if bool(torch.isfinite(terms).all()):
            share = 1.0 - memory if bool(self.terms.any()) else 1.0
            self.terms.lerp_(terms, share)
        return self.terms


def start(network):
    """Draw weights for leaky ReLUs (He et al. 2015), with biases of zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=SLOPE)
            nn.init.zeros_(module.bias)
