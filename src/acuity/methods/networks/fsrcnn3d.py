"""3D-FSRCNN (Heinrich et al. 2017, figure 1): works on the coarse slices, spreads them at its end."""

import torch
from torch import nn

from acuity.methods.networks.axial import Interpolated, UpsamplingConv, glorot
from acuity.methods.networks.convolution import Convolution


class Fsrcnn3d(nn.Module):
    """Feature extraction, shrinking, mapping, expanding and a fractionally strided convolution.

    Parameters
    ----------
    factor : int
        How much finer the output is along z.
    filters, shrink, mappings : int
        Hyper-parameters d, s and m.
    kernels : tuple of tuple of int
        Sides (z, y, x), odd: extraction, mapping, and the last convolution (z on the fine grid).
    skip : {"none", "linear", "cubic"}
        Interpolated input that is added to the output; ``none`` is the paper's form.
    offset : float
        Place of coarse slice 0 in fine slices, for the skip.
    """

    def __init__(self, factor, *, filters, shrink, mappings, kernels, skip="none", offset=0.0):
        super().__init__()
        extraction, mapping, last = kernels
        self.scale = (factor, 1, 1)
        layers = [
            Convolution(1, filters, extraction),
            nn.PReLU(filters, init=0.0),
            nn.Conv3d(filters, shrink, 1),
            nn.PReLU(shrink, init=0.0),
        ]
        for _ in range(mappings):
            layers += [
                Convolution(shrink, shrink, mapping),
                nn.PReLU(shrink, init=0.0),
            ]
        layers += [nn.Conv3d(shrink, filters, 1), nn.PReLU(filters, init=0.0)]
        self.body = nn.Sequential(*layers)
        self.last = UpsamplingConv(filters, 1, last, (factor, 1, 1))
        self.interpolated = None if skip == "none" else Interpolated(factor, offset, skip)
        glorot(self)
        if self.interpolated is not None:  # training starts near the interpolation
            with torch.no_grad():
                self.last.weight.mul_(0.1)

    def forward(self, image):
        """Map (n, 1, z, y, x) to (n, 1, z * factor, y, x)."""
        out = self.last(self.body(image))
        return out if self.interpolated is None else out + self.interpolated(image)
