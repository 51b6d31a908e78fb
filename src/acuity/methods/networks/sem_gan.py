"""Networks of the SEM GAN (de Haan et al. 2019): U-Net and discriminator."""

from collections.abc import Sequence

import torch
from torch import nn

from acuity.methods.networks.axial import start_small
from acuity.methods.networks.unet import FULL, UNet

SLOPE = 0.1  # of the leaky ReLU


def block(before: int, after: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each with a leaky ReLU; the second changes the channels."""
    return nn.Sequential(
        nn.Conv2d(before, before, 3, padding=1),
        nn.LeakyReLU(SLOPE),
        nn.Conv2d(before, after, 3, padding=1),
        nn.LeakyReLU(SLOPE),
    )


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

    def __init__(self, *, features: int, pools: int, skip: bool = False) -> None:
        nn.Module.__init__(self)
        self.skip = skip
        widths = [features * 2**n for n in range(pools + 1)]
        wider = nn.Conv2d(FULL, features, 3, padding=1)
        first = nn.Sequential(wider, nn.LeakyReLU(SLOPE), *block(features, features))
        self._assemble(1, widths, first, block, nn.AvgPool2d(2))
        self.extra = nn.Sequential()
        self.last = nn.Conv2d(features, 1, 3, padding=1)
        start(self)
        if skip:  # training starts from the interpolation
            start_small(self.last)


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

    terms: torch.Tensor

    def __init__(self, *, features: int, blocks: int, dense: int) -> None:
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

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, 1, y, x) to (n, 1): near 1 for a real image, near 0 for a restored one."""
        return self.verdict(self.body(image).mean(dim=(2, 3)))

    def follow(self, terms: Sequence[torch.Tensor], memory: float) -> torch.Tensor:
        """Move the running means towards the terms of a batch; return them."""
        new = torch.stack([term.detach().float() for term in terms]).to(self.terms)
        if bool(torch.isfinite(new).all()):
            share = 1.0 - memory if bool(self.terms.any()) else 1.0
            self.terms.lerp_(new, share)
        return self.terms


def start(network: nn.Module) -> None:
    """Draw weights for leaky ReLUs (He et al. 2015), with biases of zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.kaiming_normal_(module.weight, a=SLOPE)
            nn.init.zeros_(module.bias)
