"""Several processes of one machine that train one network, each on its share of every batch.

Batches, weights and the arithmetic of a step are those of one process, up to the order of sums:
patches are a function of seed, step and index, so that each rank cuts its own share of a batch;
losses are weighted by the voxels that count; batch normalisation sees the whole batch. Rank 0 alone
judges and writes.
"""

import logging
import logging.handlers
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import distributed, multiprocessing, nn
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException
from torch.nn.parallel import DistributedDataParallel

from acuity.errors import AcuityError
from acuity.methods.networks.aliases import Networks
from acuity.train.deadline import TimeUp, on_interrupt

T = TypeVar("T")
PATIENCE = timedelta(hours=2)  # that a rank waits for another, which may be judging the network


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a training, seen by one of them; one alone by default.

    Attributes
    ----------
    rank, count : int
        Which this is, and of how many.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this one judges and writes."""
        return self.rank == 0

    def part(self, size: int) -> slice:
        """Return the part of a batch that is this one's, as a slice of its `size` patches."""
        share = size // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    def wrap(self, networks: Networks) -> Networks:
        """Return the networks, with gradients that are averaged over all ranks."""
        if self.count == 1:
            return networks
        for network in networks.values():
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
                    module.__class__ = _WHOLE[type(module)]
        return {name: DistributedDataParallel(network) for name, network in networks.items()}

    def combine(self, loss: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Combine the ranks' losses, each a mean over the voxels where its `mask` is 1.

        Parameters
        ----------
        loss : torch.Tensor
            This rank's.
        mask : torch.Tensor
            Of the same shape on all ranks.

        Returns
        -------
        loss : torch.Tensor
            To go backwards from: the ranks' gradients average to that of the whole batch.
        value : float
            Loss of the whole batch.
        """
        if self.count == 1:
            return loss, loss.item()
        voxels = mask.sum().double()
        sums = torch.stack([loss.detach().double() * voxels, voxels])
        distributed.all_reduce(sums)
        total = sums[1].clamp(min=1.0)
        return loss * (self.count * voxels / total).to(loss.dtype), (sums[0] / total).item()

    def agreed(self, flag: bool, device: torch.device) -> bool:
        """Return whether a flag is set on rank 0."""
        if self.count == 1:
            return flag
        flags = torch.tensor(int(flag), device=device)
        distributed.broadcast(flags, 0)
        return bool(flags.item())

    def shared(self, value: T) -> T:
        """Return the number, text or None that rank 0 has; all wait for it."""
        if self.count == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values)
        return values[0]


class _Sum(torch.autograd.Function):
    """Sum over all ranks, through which gradients pass."""

    @staticmethod
    def forward(context, tensor):
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context, gradient):
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class _Whole:
    """Batch normalisation over the patches of all ranks (torch's own one needs a GPU)."""

    def forward(self, image):
        if not self.training:
            return super().forward(image)
        axes = [0, *range(2, image.dim())]
        shape = [1, -1] + [1] * (image.dim() - 2)
        count = image.numel() // image.shape[1] * distributed.get_world_size()
        values = image.float()
        mean = _Sum.apply(values.sum(axes)) / count
        values = values - mean.view(shape)
        variance = _Sum.apply((values * values).sum(axes)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        values = values * torch.rsqrt(variance + self.eps).view(shape)
        return (values * self.weight.view(shape) + self.bias.view(shape)).to(image.dtype)


class _Whole2d(_Whole, nn.BatchNorm2d):
    pass


class _Whole3d(_Whole, nn.BatchNorm3d):
    pass


_WHOLE: dict[type, Any] = {nn.BatchNorm2d: _Whole2d, nn.BatchNorm3d: _Whole3d}


def launch(
    function: Callable[..., None], arguments: Mapping[str, Any], count: int, device: str
) -> None:
    """Call a function in several processes, and wait for all of them.

    Parameters
    ----------
    function : callable
        Of a module; called with `arguments` and ``group``.
    arguments : dict
        Keyword arguments.
    count : int
        Processes.
    device : {"cpu", "cuda", "mps"}
        Where they work; on ``cuda`` each on a GPU of its own.

    Raises
    ------
    AcuityError
        If there are fewer GPUs than processes, or what a rank says.
    """
    there = {"cpu": count, "cuda": torch.cuda.device_count()}.get(device, 1)
    if there < count:
        raise AcuityError(
            f"key train.processes: found {count}; this job sees {there} GPU"
            f"{'s' if there > 1 else ''}, and each process needs one of its own"
        )
    context = multiprocessing.get_context("spawn")
    records = context.Queue()
    listener = logging.handlers.QueueListener(records, _Handled())
    listener.start()
    # A process would run the main module once more, were it a script, as Snakemake's are.
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    interrupts = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            # Ctrl-C reaches the ranks too: they save and say so, and are waited for.
            with on_interrupt(lambda: interrupts.append(True)):
                multiprocessing.spawn(
                    _rank, (count, device, Path(folder), records, function, arguments), nprocs=count
                )
        except (ProcessExitedException, ProcessRaisedException):
            said = Path(folder) / "error"
            if said.exists():
                kind, text = said.read_text().split("\n", 1)
                kinds = {"TimeUp": TimeUp, "OutOfMemoryError": torch.OutOfMemoryError}
                raise kinds.get(kind, AcuityError)(text) from None
            raise
        finally:
            sys.modules["__main__"] = main
            listener.stop()
            records.close()
    if interrupts:  # before there was anything to save; torch then says nothing
        raise KeyboardInterrupt


class _Handled(logging.Handler):
    """Hands a record to the logger of its name."""

    def emit(self, record):
        logging.getLogger(record.name).handle(record)


def _rank(rank, count, device, folder, records, function, arguments):
    logger = logging.getLogger("acuity")
    logger.handlers, logger.propagate = [logging.handlers.QueueHandler(records)], False
    logger.setLevel(logging.INFO if rank == 0 else logging.ERROR)
    if device == "cuda":
        torch.cuda.set_device(rank)
    elif sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # nobody else is to join
    backend, meet = "nccl" if device == "cuda" else "gloo", f"file://{folder}/meet"
    distributed.init_process_group(backend, meet, PATIENCE, rank=rank, world_size=count)
    try:
        function(**arguments, group=ProcessGroup(rank, count))
    except (AcuityError, torch.OutOfMemoryError) as error:
        # All ranks find the same mistake; whichever comes first says it.
        part = folder / f"error{rank}"
        part.write_text(f"{type(error).__name__}\n{error}")
        part.replace(folder / "error")
        raise
    finally:
        distributed.destroy_process_group()
