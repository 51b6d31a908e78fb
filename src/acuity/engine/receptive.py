"""How far a network's output reaches into its input, found from the network itself."""

import copy
import math

import torch
from torch import nn

from acuity.methods.base import LearnedMethod

_POOLS = {nn.MaxPool1d: nn.AvgPool1d, nn.MaxPool2d: nn.AvgPool2d, nn.MaxPool3d: nn.AvgPool3d}
_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh)
_POINTWISE = (*_ACTIVATIONS, nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
Voxels = tuple[int, ...]

_OVER_THE_IMAGE = (nn.modules.instancenorm._InstanceNorm, nn.GroupNorm, nn.LayerNorm)


def _linearised(network):
    """Return a copy with weights 1, averages for maxima, no activation: no path cancels or is cut."""
    network = copy.deepcopy(network).cpu().double().eval()

    def replace(module):
        for name, child in module.named_children():
            if isinstance(child, _OVER_THE_IMAGE):
                raise ValueError(
                    f"{type(child).__name__} normalises over the image: no tile equals the whole"
                )
            kind = next((pool for pool in _POOLS if isinstance(child, pool)), None)
            if kind is not None:
                average = _POOLS[kind](child.kernel_size, child.stride, child.padding)
                setattr(module, name, average)
            elif isinstance(child, _POINTWISE):
                setattr(module, name, nn.Identity())
            else:
                replace(child)

    replace(network)
    with torch.no_grad():
        for parameter in network.parameters():
            # The scale keeps deep networks within the range of float64.
            parameter.fill_(1.0 / max(1, parameter[0].numel()) if parameter.dim() > 1 else 0.0)
    return network


def receptive_field(network: nn.Module, axes: int, channels: int) -> tuple[Voxels, Voxels]:
    """Find the halo of a tile and the raster on which tiles start.

    The gradient of the sum of one aligned block of outputs, in a copy of the network whose paths
    neither cancel nor are cut, is not zero exactly where the block depends on the input.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (n, channels, *axes) to the same size, or one finer by an attribute ``scale`` (a whole
        number for each axis); an attribute ``stride`` (a number or one for each axis) gives the
        product of its poolings, 1 without it. Its activations and poolings are modules.
    axes : int
        Spatial axes, 2 or 3.
    channels : int
        Channels of its input.

    Returns
    -------
    halo, stride : tuple of int
        One number for each axis, in voxels; the halo is a multiple of the stride.
    """
    stride = getattr(network, "stride", 1)
    stride = tuple(stride) if isinstance(stride, (tuple, list)) else (int(stride),) * axes
    scale = getattr(network, "scale", (1,) * axes)
    network = _linearised(network)
    halo = []
    for axis in range(axes):
        block, reach = stride[axis], 8 * stride[axis]
        while True:
            size = list(stride)
            size[axis] = block + 2 * reach
            image = torch.ones((1, channels, *size), dtype=torch.float64, requires_grad=True)
            out = network(image).movedim(2 + axis, 0)
            wanted = out[reach * scale[axis] : (reach + block) * scale[axis]].sum()
            (gradient,) = torch.autograd.grad(wanted, image)
            used = torch.nonzero(gradient.movedim(2 + axis, 0).flatten(1).abs().sum(1))
            first, last = int(used.min()), int(used.max())
            if first > 0 and last < size[axis] - 1:
                break
            reach *= 2
        far = max(reach - first, last - (reach + block - 1))
        halo.append(block * math.ceil(far / block))
    return tuple(halo), stride


def method_reach(method: LearnedMethod, network: nn.Module) -> tuple[Voxels, Voxels]:
    """Find the halo of a method's tiles and the raster on which they start.

    Parameters
    ----------
    method : acuity.methods.base.LearnedMethod
        Says over which axes its network convolves.
    network : torch.nn.Module
        The network that restores.

    Returns
    -------
    halo, stride : tuple of int
        Voxels (z, y, x) of the method's input. Along y planes need what they need along x.
    """
    found = receptive_field(network, len(method.axes), method.slices_per_stack or 1)
    halo, stride = (dict(zip(method.axes, numbers, strict=True)) for numbers in found)
    if method.by_planes:
        halo[1], stride[1] = halo[2], stride[2]
    return tuple(halo.get(n, 0) for n in range(3)), tuple(stride.get(n, 1) for n in range(3))
