"""3D-FSRCNN (Heinrich et al. 2017, figure 1): works on the coarse slices, spreads them at its end."""

from typing import Any

import torch
from torch import nn

from acuity.methods.networks.axial import AddsInterpolation, UpsamplingConv, glorot
from acuity.methods.networks.convolution import Convolution


class Fsrcnn3d(AddsInterpolation):
    """Feature extraction, shrinking, mapping, expanding and a fractionally strided convolution.

    Parameters
    ----------
    factor : int
        How much finer the output is along z.
    filters, shrink, mappings : int
        Hyper-parameters d, s and m.
    kernels : tuple of tuple of int
        Sides (z, y, x), odd: extraction, mapping, and the last convolution (z on the fine grid).
    **skip
        ``skip`` and ``offset`` of `AddsInterpolation`; without, the paper's form.
    """

    def __init__(
        self, factor: int, *, filters: int, shrink: int, mappings: int, kernels: Any, **skip: Any
    ) -> None:
        super().__init__(factor, **skip)
        extraction, mapping, last = kernels
        self.scale = (factor, 1, 1)
        layers = [
            Convolution(1, filters, extraction),
            nn.PReLU(filters, init=0.0),
            nn.Conv3d(filters, shrink, 1),
            nn.PReLU(shrink, init=0.0),
        ]
        for _ in range(mappings):
            layers += [Convolution(shrink, shrink, mapping), nn.PReLU(shrink, init=0.0)]
        layers += [nn.Conv3d(shrink, filters, 1), nn.PReLU(filters, init=0.0)]
        self.body = nn.Sequential(*layers)
        self.last = UpsamplingConv(filters, 1, last, (factor, 1, 1))
        glorot(self)
        self.start_near_interpolation(self.last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, 1, z, y, x) to (n, 1, z * factor, y, x)."""
        return self.added(self.last(self.body(image)), image)
