"""How a trained network is run: device, precision and memory layout, as its card records them."""

import copy
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from acuity.errors import AcuityError
from acuity.methods.networks.convolution import Convolution

logger = logging.getLogger("acuity.predict")

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
T = TypeVar("T")
DEFAULT = {"device": "cpu", "precision": "float32", "layout": "channels_last"}


def choose_device(wanted: str) -> str:
    """Return the device that is wanted.

    Parameters
    ----------
    wanted : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes a GPU where there is one.

    Returns
    -------
    str

    Raises
    ------
    AcuityError
        If a GPU is demanded and there is none.
    """
    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if wanted == "auto":
        return next(name for name, is_there in there.items() if is_there())
    if not there[wanted]():
        raise AcuityError(
            f"device: {wanted!r} is demanded and this machine has no such GPU that torch "
            f"{torch.__version__} can use; allowed here are auto and cpu"
        )
    return wanted


def timed(function: Callable[[], T], device: str, repeats: int = 3) -> tuple[T, float]:
    """Call a function and measure it so that other jobs of the machine hardly matter.

    On a CPU one thread works and its processor time counts; elsewhere wall time counts.

    Parameters
    ----------
    function : callable
        Without arguments; on a GPU its result must have been waited for.
    device : str
        ``"cpu"`` or another.
    repeats : int
        Calls that count, after one that does not; the fastest is taken.

    Returns
    -------
    result : object
        What the last call gave.
    seconds : float
    """
    clock = time.process_time if device == "cpu" else time.perf_counter
    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        result, seconds = function(), []
        for _ in range(repeats):
            started = clock()
            result = function()
            seconds.append(clock() - started)
    finally:
        torch.set_num_threads(threads)
    return result, min(seconds)


def _fuse(module):
    """Fold each batch normalisation into the convolution before it."""
    for child in module.children():
        _fuse(child)
    if isinstance(module, nn.Sequential):
        for n in range(len(module) - 1):
            if isinstance(module[n], nn.Conv2d | nn.Conv3d) and isinstance(
                module[n + 1], nn.BatchNorm2d | nn.BatchNorm3d
            ):
                module[n] = fuse_conv_bn_eval(module[n], module[n + 1])
                module[n + 1] = nn.Identity()


class _OneDnn:
    """A convolution that one library computes, whatever the image's size."""

    def forward(self, image):
        layout = (self.padding, self.stride, self.dilation, self.groups)
        return torch.mkldnn_convolution(image, self.weight, self.bias, *layout)


class _Convolution2d(_OneDnn, nn.Conv2d):
    pass


class _Convolution3d(_OneDnn, nn.Conv3d):
    pass


_ONE_DNN = {nn.Conv2d: _Convolution2d, nn.Conv3d: _Convolution3d, Convolution: _Convolution3d}


def _one_library(network):
    """Let one library compute all convolutions on a CPU.

    Torch hands small images to another one, which sums in another order: a tile would then
    differ from the whole in its last bits.
    """
    for module in network.modules():
        own = _ONE_DNN.get(type(module))
        if own and module.padding_mode == "zeros" and not isinstance(module.padding, str):
            module.__class__ = own


class Runner:
    """Restores tiles with a trained network.

    Parameters
    ----------
    network : torch.nn.Module
        The network; a copy of it is kept.
    normalisation : dict
        ``low`` and ``target``, each with ``mean`` and ``std``; with ``own`` true both are those of
        the volume that is restored, to be given by `normalise`.
    execution : dict
        ``device``, ``precision`` and ``layout`` (``contiguous`` or ``channels_last``).
    stacked : bool
        Whether slices are channels (2.5D) or an axis (3D).

    Attributes
    ----------
    low : dict
        Mean and standard deviation of its input.
    own : bool
        Whether they are those of the volume that is restored.
    execution : dict
        As it was given.
    """

    def __init__(
        self,
        network: nn.Module,
        normalisation: Mapping,
        execution: Mapping,
        *,
        stacked: bool = True,
    ) -> None:
        network = copy.deepcopy(network).eval()
        _fuse(network)
        self.device = torch.device(execution["device"])
        if self.device.type == "cpu" and torch.backends.mkldnn.is_available():
            _one_library(network)
        self.dtype = PRECISIONS[execution["precision"]]
        self.format = torch.contiguous_format
        if execution["layout"] == "channels_last":
            self.format = torch.channels_last if stacked else torch.channels_last_3d
        place: Any = {"device": self.device, "dtype": self.dtype, "memory_format": self.format}
        self.network = network.to(**place)
        self.low, self.target = normalisation["low"], normalisation["target"]
        self.own = bool(normalisation.get("own"))
        self.execution = execution
        self.stacked = stacked

    def normalise(self, own: Mapping[str, float]) -> None:
        """Take the mean and standard deviation of the volume that is to be restored."""
        self.low = self.target = own

    def __call__(self, tile: np.ndarray) -> np.ndarray:
        """Restore a tile: float32 (z, y, x) to float32 (z, y, x)."""
        return self.forward(self.prepare(tile)).cpu().numpy()

    def prepare(self, tile: np.ndarray) -> torch.Tensor:
        """Normalise a tile and bring it to the device as a batch."""
        image = torch.from_numpy(np.ascontiguousarray(tile, np.float32)).to(self.device)
        image = self._batch((image - self.low["mean"]) / self.low["std"])
        return image.to(dtype=self.dtype, memory_format=self.format)

    def _batch(self, image):
        return image[None] if self.stacked else image[None, None]

    def _image(self, batch):
        return batch[0] if self.stacked else batch[0, 0]

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Run the network on a prepared batch; return intensities."""
        with torch.inference_mode():
            out = self._image(self.network(batch))
            out = out.to(torch.float32, memory_format=torch.contiguous_format)
            return out.mul_(self.target["std"]).add_(self.target["mean"])
