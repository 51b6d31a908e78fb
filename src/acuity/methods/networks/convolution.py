"""Convolutions in space, in the forms that a GPU computes fast.

Same weights and, to rounding, same result as torch's own. A GPU multiplies matrices of channels: with
one channel in or out most of it idles, and for some wide kernels its library has no fast form in space
though it has one in planes (docs/methods_heinrich.md).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Border = Sequence[tuple[int, int]]

FULL = 8  # channels that fill a matrix unit; fewer are filled up with taps of the kernel
DEEP = 32  # channels in above which planes can be faster than space
WIDE = 3000  # channels out times taps in a plane from which planes are worth copying slices for


def convolve(image: Tensor, weight: Tensor, bias: Tensor | None, border: Border) -> Tensor:
    """Convolve in space, with zeros beyond the image, in the form that the device computes fastest.

    Parameters
    ----------
    image : torch.Tensor
        (n, channels, z, y, x).
    weight : torch.Tensor
        (channels out, channels, kz, ky, kx).
    bias : torch.Tensor or None
        (channels out,).
    border : sequence of three (int, int)
        Zeros before and after the image along z, y and x.

    Returns
    -------
    torch.Tensor
        (n, channels out, z, y, x): along each axis image + border - kernel + 1.
    """
    if image.device.type != "cuda":
        return in_space(image, weight, bias, border)
    if weight.shape[0] < FULL and weight.shape[4] > 1:
        return gathered(image, weight, bias, border)
    if weight.shape[1] < FULL and weight.shape[4] > 1:
        return in_planes(*spread(image, weight, border[2]), bias, (*border[:2], (0, 0)))
    if weight.shape[1] > DEEP and weight.shape[0] * weight[0, 0, 0].numel() >= WIDE:
        return in_planes(image, weight, bias, border)
    return in_space(image, weight, bias, border)


def in_space(image: Tensor, weight: Tensor, bias: Tensor | None, border: Border) -> Tensor:
    """Convolve as torch does; parameters as for `convolve`."""
    image, padding = _padded_or_padding(image, border)
    return functional.conv3d(image, weight, bias, padding=padding)


def in_planes(image: Tensor, weight: Tensor, bias: Tensor | None, border: Border) -> Tensor:
    """Convolve planes whose channels are those of all slices under the kernel; see `convolve`."""
    count, depth = len(image), weight.shape[2]
    if any(border[0]):
        image = padded(image, (border[0], (0, 0), (0, 0)))
    if depth > 1:
        slices = image.shape[2] - depth + 1
        image = torch.cat([image[:, :, k : k + slices] for k in range(depth)], dim=1)
    planes = image.transpose(1, 2).flatten(0, 1)
    planes = planes.contiguous(memory_format=torch.channels_last)
    planes, padding = _padded_or_padding(planes, border[1:])
    weight = weight.transpose(1, 2).flatten(1, 2)
    out = functional.conv2d(planes, weight, bias, padding=padding)
    return out.unflatten(0, (count, -1)).transpose(1, 2)


def spread(image: Tensor, weight: Tensor, border: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Make channels of what lies under a kernel along x.

    Parameters
    ----------
    image, weight
        As for `convolve`.
    border : (int, int)
        Zeros before and after the image along x.

    Returns
    -------
    image : torch.Tensor
        (n, taps * channels, z, y, x); channels of zeros fill up to a multiple of eight.
    weight : torch.Tensor
        (channels out, taps * channels, kz, ky, 1), for a border of no voxel along x.
    """
    image = functional.pad(image, border)
    taps = weight.shape[4]
    width = image.shape[4] - taps + 1
    parts = [image[..., k : k + width] for k in range(taps)]
    spare = -taps * weight.shape[1] % FULL
    parts += [torch.zeros_like(parts[0][:, :1])] * spare
    weight = weight.permute(0, 4, 1, 2, 3).flatten(1, 2).unsqueeze(-1)
    return torch.cat(parts, dim=1), functional.pad(weight, (0, 0, 0, 0, 0, 0, 0, spare))


def gathered(image: Tensor, weight: Tensor, bias: Tensor | None, border: Border) -> Tensor:
    """Convolve with each tap along z and x as a channel of its own, and add them up in their places.

    Parameters and result as for `convolve`.
    """
    outputs, _, depth, _, width = weight.shape
    wide = weight.permute(2, 4, 0, 1, 3).flatten(0, 2)[:, :, None, :, None]
    spare = -len(wide) % FULL
    wide = functional.pad(wide, (0, 0) * 4 + (0, spare))
    parts = in_planes(image, wide, None, ((0, 0), border[1], (0, 0)))
    parts = parts[:, : len(wide) - spare].unflatten(1, (depth, width, outputs))
    # Of a border of zeros a tap makes zeros.
    out = _added(padded(parts, (border[0], (0, 0), (0, 0))), 4)
    out = _added(functional.pad(out, border[2]), 5)
    if bias is not None:
        out = out + bias.view(1, -1, 1, 1, 1)
    return out.to(parts.dtype)


def _added(parts, axis):
    """Return the sum over all taps (dimension 1), each moved back along an axis by its place."""
    kind = torch.promote_types(parts.dtype, torch.float32)  # bfloat16 would round every sum
    taps = parts.shape[1]
    size = parts.shape[axis] - taps + 1
    moved = [tap.narrow(axis - 1, k, size).to(kind) for k, tap in enumerate(parts.unbind(1))]
    return sum(moved[1:], moved[0])


def padded(image: Tensor, border: Border) -> Tensor:
    """Add zeros before and after the last axes of an image, a pair of numbers for each."""
    return functional.pad(image, [n for pair in reversed(border) for n in pair])


def _padded_or_padding(image, border):
    """Return the image and the symmetric border that a convolution adds by itself."""
    if all(before == after for before, after in border):
        return image, tuple(before for before, _ in border)
    return padded(image, border), 0


class Convolution(nn.Conv3d):
    """Convolution in space whose output has its input's size: odd sides, zeros beyond.

    Parameters
    ----------
    before, after : int
        Channels.
    kernel : tuple of int
        Odd sides (z, y, x).
    """

    padding: tuple[int, ...]

    def __init__(self, before: int, after: int, kernel: tuple[int, int, int]) -> None:
        padding: Any = tuple(side // 2 for side in kernel)
        super().__init__(before, after, kernel, padding=padding)

    def forward(self, image: Tensor) -> Tensor:
        """Map (n, before, z, y, x) to (n, after, z, y, x)."""
        return convolve(image, self.weight, self.bias, [(n, n) for n in self.padding])
