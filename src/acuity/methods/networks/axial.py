"""Parts of networks whose output is finer along z: fractionally strided convolutions and a skip."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from acuity.interpolation import interpolate
from acuity.methods.networks.convolution import convolve, padded

REACH = 3  # low-resolution slices on either side that any interpolation kernel may use


def glorot(network: nn.Module) -> None:
    """Draw weights as Glorot and Bengio 2010 (uniform), with biases of zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d) and module.bias is not None:
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


def takes_one_dnn(image: torch.Tensor) -> bool:
    """Say whether an image is convolved by oneDNN when asked: in float32 on a CPU."""
    return (
        image.device.type == "cpu"
        and image.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
    )


def interleaved(image: torch.Tensor, channels: int, scale: Sequence[int]) -> torch.Tensor:
    """Put the phases of blocks, which are channels, in their places on the finer grid.

    Parameters
    ----------
    image : torch.Tensor
        (n, channels * sz * sy * sx, z, y, x).
    channels : int
        Those of the result.
    scale : sequence of int
        Sides (z, y, x) of a block.

    Returns
    -------
    torch.Tensor
        (n, channels, z * sz, y * sy, x * sx).
    """
    image = image.unflatten(1, (channels, *scale))  # (n, c, sz, sy, sx, z, y, x)
    image = image.permute(0, 1, 5, 2, 6, 3, 7, 4)
    return image.flatten(6, 7).flatten(4, 5).flatten(2, 3)


class UpsamplingConv(nn.ConvTranspose3d):
    """Fractionally strided convolution whose output is exactly `stride` times its input.

    An output voxel of one input voxel's block sees what lies about the block; where kernel and
    stride do not allow a symmetric border, the surplus voxel is at the block's end.

    Parameters
    ----------
    channels_in, channels_out : int
        Channels.
    kernel : tuple of int
        Sides (z, y, x), none smaller than the stride.
    stride : tuple of int
        How much finer (z, y, x) the output is.
    """

    bias: torch.Tensor

    def __init__(self, channels_in: int, channels_out: int, kernel: Any, stride: Any) -> None:
        surplus = [k - s for k, s in zip(kernel, stride, strict=True)]
        edge: Any = {
            "padding": tuple((n + 1) // 2 for n in surplus),
            "output_padding": tuple(n % 2 for n in surplus),
        }
        super().__init__(channels_in, channels_out, kernel, stride, **edge)

    def forward(self, image: torch.Tensor, output_size: list[int] | None = None) -> torch.Tensor:
        """Map (n, channels, z, y, x) to (n, channels, z * s, y * s, x * s)."""
        # In float32 on a CPU torch's own way is ten times slower, and its sums depend on the
        # image's size: a tile would not equal the whole. Along z alone its way was slower, too, in
        # bfloat16 and on a GPU, most of all with one channel out.
        exact = takes_one_dnn(image)
        if not exact and self.stride[1:] != (1, 1):
            return super().forward(image)
        weight, border = self.phases()
        bias = self.bias.repeat_interleave(math.prod(self.stride))
        if exact:
            image, ones = padded(image, border), (1, 1, 1)
            out = torch.mkldnn_convolution(
                image, weight.contiguous(), bias, (0, 0, 0), ones, ones, 1
            )
        else:
            out = convolve(image, weight, bias, border)
        return interleaved(out, self.out_channels, self.stride)

    def phases(self):
        """Return one convolution that has all phases of the output's blocks as channels.

        Returns
        -------
        weight : torch.Tensor
            (channels out * sz * sy * sx, channels in, kz, ky, kx).
        border : list of (int, int)
            Zeros before and after its input along z, y and x.
        """
        # Tap t of input i lands on voxel i * stride + t - padding: block i + b, phase p.
        fill, blocks, border = [], [], []
        for axis in reversed(range(3)):
            stride, padding = self.stride[axis], self.padding[axis]
            side = self.kernel_size[axis]
            first, last = -padding // stride, (side - 1 - padding) // stride
            fill += [-padding - first * stride, (last + 1) * stride - (side - padding)]
            blocks.insert(0, last - first + 1)
            border.insert(0, (last, -first))  # block m takes the inputs m - last to m - first
        weight = functional.pad(self.weight, fill)
        for axis in range(3):
            weight = weight.unflatten(2 + axis, (blocks[axis], self.stride[axis]))
            weight = weight.flip(2 + axis).movedim(3 + axis, -1)
        # (in, out, bz, by, bx, sz, sy, sx) to (out * sz * sy * sx, in, bz, by, bx)
        return weight.permute(1, 5, 6, 7, 0, 2, 3, 4).flatten(0, 3), border


class Interpolated(nn.Module):
    """The input brought onto the finer grid along z, as a part of a network.

    Parameters
    ----------
    factor : int
        Whole factor along z.
    offset : float
        Place of low-resolution slice 0 in slices of the finer grid, counted from its slice 0.
    kernel : {"linear", "cubic"}
        Interpolation; see `acuity.interpolation`.
    """

    def __init__(self, factor: int, offset: float, kernel: str) -> None:
        super().__init__()
        # Weights of the slices about a block, from the response to one slice of ones.
        count = 2 * REACH + 1
        impulse = np.zeros((count, 1, 1), np.float32)
        impulse[REACH] = 1.0
        whole = (slice(0, count * factor), slice(0, 1), slice(0, 1))
        about = impulse.shape, (factor, 1, 1), whole, kernel, (offset, 0.0, 0.0)
        response = interpolate(impulse, (0, 0, 0), *about).reshape(count, factor)
        # Slice i + k contributes to block i what the impulse gives to the block k before it.
        self.weights = response[::-1].T.tolist()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (n, 1, z, ...) to (n, 1, z * factor, ...); the end slices are continued."""
        nz = image.shape[2]
        still = (0, 0) * (image.dim() - 3)
        padded = functional.pad(image, (*still, REACH, REACH), mode="replicate")
        planes = []
        for weights in self.weights:
            taps = [
                padded[:, :, k : k + nz] * weight for k, weight in enumerate(weights) if weight != 0
            ]
            planes.append(sum(taps[1:], taps[0]))
        return torch.stack(planes, dim=3).flatten(2, 3)


class AddsInterpolation(nn.Module):
    """A network whose output is finer along its first axis, to which its input can be added.

    Parameters
    ----------
    factor : int
        How much finer.
    skip : {"none", "linear", "cubic"}
        Interpolation of the input that is added; ``none``: nothing is.
    offset : float
        Place of low-resolution slice 0 in slices of the output.
    """

    def __init__(self, factor: int, skip: str = "none", offset: float = 0.0) -> None:
        super().__init__()
        self.interpolated = None if skip == "none" else Interpolated(factor, offset, skip)

    def start_near_interpolation(self, last: Any) -> None:
        """Make the last convolution small where the interpolated input is added."""
        if self.interpolated is not None:
            start_small(last)

    def added(self, out: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Return an output, with what is added of the input that it was made of."""
        return out if self.interpolated is None else out + self.interpolated(image)


def start_small(last: Any) -> None:
    """Make a convolution small, and its bias zero."""
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.zero_()
