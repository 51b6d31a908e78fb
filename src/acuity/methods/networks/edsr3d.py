"""EDSR in three dimensions (Lim et al. 2017; Jackson et al. 2022): works on the coarse grid."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from acuity.interpolation import interpolate
from acuity.methods.networks.axial import interleaved, takes_one_dnn
from acuity.methods.networks.convolution import Convolution, convolve

KERNEL = (3, 3, 3)
AROUND = 1  # coarse voxels on either side that a side of 3 fine voxels is interpolated from


def phase_weights(factor: int, offset: float) -> np.ndarray:
    """Return what three coarse voxels give to the fine ones that a kernel of three sees, along one axis.

    Parameters
    ----------
    factor : int
        How much finer the fine grid is.
    offset : float
        Place of coarse voxel 0 in fine voxels, 0 to factor - 1.

    Returns
    -------
    numpy.ndarray
        float32 (phase, tap, coarse voxel): phase of an output voxel within its block, tap of the kernel, and
        the voxel before the block's, the block's and the one behind it. Rows add up to 1: linear interpolation.
    """
    count = 2 * AROUND + 3  # the blocks beside the middle one are taken from as well
    impulse = np.zeros((count, 1, 1), np.float32)
    impulse[count // 2] = 1.0
    whole = (slice(0, count * factor), slice(0, 1), slice(0, 1))
    about = impulse.shape, (factor, 1, 1), whole, "linear", (offset, 0.0, 0.0)
    response = interpolate(impulse, (0, 0, 0), *about).ravel()
    # Fine voxel p + tap of the middle block, from the coarse voxel n blocks behind it.
    places = np.arange(factor)[:, None, None] + np.arange(-1, 2)[:, None]
    places = places + factor * (count // 2 - np.arange(-AROUND, AROUND + 1))
    return response[places]


class InterpolatedConv(nn.Conv3d):
    """Features brought onto a finer grid by linear interpolation, and convolved there.

    Both are linear, so each phase of a coarse voxel's block of fine ones is one convolution of the coarse
    features: the fine features, factor^3 as many, are never made. Beyond its border an image is continued.

    Parameters
    ----------
    channels_in, channels_out : int
        Channels.
    scale : tuple of int
        How much finer (z, y, x) the output is.
    offset : tuple of float
        Place of coarse voxel (0, 0, 0) in voxels of the output.
    """

    def __init__(
        self, channels_in: int, channels_out: int, scale: Sequence[int], offset: Sequence[float]
    ) -> None:
        super().__init__(channels_in, channels_out, KERNEL)
        self.scale = tuple(scale)
        self.shares = [
            phase_weights(*axis).tolist() for axis in zip(self.scale, offset, strict=True)
        ]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, channels, z, y, x) to (n, channels out, z * fz, y * fy, x * fx)."""
        weight = self.phases().to(image.dtype)
        bias = None if self.bias is None else self.bias.repeat_interleave(int(np.prod(self.scale)))
        image = functional.pad(image, (AROUND,) * 6, mode="replicate")
        if takes_one_dnn(image):
            still = (0, 0, 0), (1, 1, 1), (1, 1, 1), 1
            out = torch.mkldnn_convolution(image, weight.contiguous(), bias, *still)
        else:
            out = convolve(image, weight, bias, ((0, 0),) * 3)
        return interleaved(out, self.out_channels, self.scale)

    def phases(self) -> torch.Tensor:
        """Return the weights of one convolution that has all phases of a block as channels.

        Returns
        -------
        torch.Tensor
            (channels out * fz * fy * fx, channels in, 3, 3, 3), in float32 or finer.
        """
        # In bfloat16 sums of shares would be rounded twice; products and sums keep their type under autocast.
        kind = torch.promote_types(self.weight.dtype, torch.float32)
        weight = self.weight.to(kind)
        for shares in self.shares:  # the kernel's first axis goes, and comes back as the last two
            found = torch.tensor(shares, dtype=kind, device=weight.device)  # (phase, tap, voxel)
            weight = (weight.movedim(2, -1)[..., None, :, None] * found).sum(-2)
        # (out, in, pz, kz, py, ky, px, kx)
        weight = weight.permute(0, 2, 4, 6, 1, 3, 5, 7)
        return weight.flatten(0, 3)


class Residual(nn.Module):
    """Two convolutions with a ReLU between, added to their input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            Convolution(features, features, KERNEL),
            nn.ReLU(),
            Convolution(features, features, KERNEL),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map features to features of the same size."""
        return image + self.path(image)


class Edsr3d(nn.Module):
    """A convolution, residual blocks and a long skip on the coarse grid; interpolation and a last convolution.

    Parameters
    ----------
    scale : tuple of int
        How much finer (z, y, x) the output is.
    offset : tuple of float
        Place of coarse voxel (0, 0, 0) in voxels of the output.
    features : int
        Channels.
    blocks : int
        Residual blocks.
    """

    def __init__(
        self, scale: Sequence[int], offset: Sequence[float], *, features: int, blocks: int
    ) -> None:
        super().__init__()
        self.scale = tuple(scale)
        self.head = Convolution(1, features, KERNEL)
        self.body = nn.Sequential(*(Residual(features) for _ in range(blocks)))
        self.last = InterpolatedConv(features, 1, scale, offset)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, 1, z, y, x) to (n, 1, z * fz, y * fy, x * fx)."""
        features = self.head(image)
        return self.last(features + self.body(features))
