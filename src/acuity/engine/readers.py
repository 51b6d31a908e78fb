"""The input of a method: a low-resolution volume, read region by region on the grid it needs."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from os import PathLike
from typing import TypeVar

import numpy as np

from acuity.errors import AcuityError
from acuity.interpolation import interpolate, support
from acuity.methods.base import Method, Task
from acuity.volume import Volume, check_finite, slabs

# Where all of a volume is read: slices at a time, and bytes, where planes are large.
DEPTH, HELD = 32, 128 * 2**20

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], count: int
) -> Iterator[Result]:
    """Call a function for items, some of them ahead of when their results are asked for.

    Parameters
    ----------
    pool : concurrent.futures.Executor
        What calls it.
    function : callable
        Of one item.
    items : iterable
        The items.
    count : int
        Calls that are made ahead.

    Yields
    ------
    object
        The results, in order.
    """
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) > count:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


class InputReader:
    """A volume brought onto a method's input grid while it is read.

    Parameters
    ----------
    volume : acuity.volume.Volume
        The low-resolution volume.
    factors : tuple of int
        Whole factors (z, y, x) between its grid and the method's input grid.
    kernel : {"nearest", "linear", "cubic", "cubic_opencv", "lanczos"}
        Interpolation, where a factor is not 1.
    name : str
        The file, for errors.
    offset : sequence of float or None
        Where the volume's first voxel lies on the input grid (z, y, x); None: in the middle of a
        block, (factor - 1) / 2.

    Attributes
    ----------
    shape : tuple of int
        Voxels (z, y, x) of the input grid.
    """

    def __init__(
        self,
        volume: Volume,
        factors: Sequence[int],
        kernel: str,
        name: str | PathLike,
        offset: Sequence[float | None] = (None, None, None),
    ) -> None:
        self.volume = volume
        self.factors = tuple(factors)
        self.kernel = kernel
        self.name = str(name)
        self.offset = tuple(offset)
        self.shape = tuple(n * f for n, f in zip(volume.grid.shape, self.factors, strict=True))
        if volume.dtype.kind not in "fui" or volume.dtype.itemsize > 4:
            raise AcuityError(
                f"{self.name}: found voxels of {volume.dtype}; a restoration needs real numbers"
            )

    def read(self, box: Sequence[slice]) -> np.ndarray:
        """Read a region of the input grid.

        Parameters
        ----------
        box : sequence of slice
            Region (z, y, x) inside the grid.

        Returns
        -------
        numpy.ndarray
            float32 (z, y, x), contiguous.

        Raises
        ------
        AcuityError
            If a value is not finite, naming the file and the slice.
        """
        counts = self.volume.grid.shape
        spans = [
            support(self.kernel, f, s.start, s.stop, n, p)
            for f, s, n, p in zip(self.factors, box, counts, self.offset, strict=True)
        ]
        low = self.volume.read(*(slice(*span) for span in spans))
        check_finite(low, spans[0][0], self.name)
        low = np.ascontiguousarray(low, np.float32)
        if self.factors == (1, 1, 1):
            return low
        first = [span[0] for span in spans]
        return interpolate(low, first, counts, self.factors, box, self.kernel, self.offset)

    def read_all(self) -> np.ndarray:
        """Return the whole input grid, float32 (z, y, x), read without a second copy."""
        voxels = np.empty(self.shape, np.float32)
        for z0, z1 in slabs(self.shape[0], DEPTH):
            voxels[z0:z1] = self.read([slice(z0, z1), *(slice(0, n) for n in self.shape[1:])])
        return voxels

    def own_statistics(self) -> dict[str, float]:
        """Return the mean and standard deviation of the whole volume, on its own grid.

        It streams in a fixed order, so that training and every way of prediction find the same.

        Returns
        -------
        dict
            ``mean`` and ``std``.

        Raises
        ------
        AcuityError
            If the volume is constant or holds a value that is not finite.
        """
        found = statistics([self._planes()])
        if found["std"] <= 1e-7 * abs(found["mean"]):  # float64 rounds the squares
            raise AcuityError(
                f"{self.name}: the volume is constant, every voxel is {found['mean']:g}; its "
                "intensities cannot be normalised by their standard deviation"
            )
        return found

    def _planes(self):
        depth, *plane = self.volume.grid.shape
        held = math.prod(plane) * self.volume.dtype.itemsize
        for z0, z1 in slabs(depth, max(1, min(DEPTH, HELD // held))):
            block = self.volume.read(slice(z0, z1))
            check_finite(block, z0, self.name)
            for image in block:
                yield np.asarray(image, np.float32)


def statistics(
    arrays: Iterable[Iterable[np.ndarray]], masks: Sequence[np.ndarray] | None = None
) -> dict[str, float]:
    """Return the mean and standard deviation over several arrays, in float64, slice by slice.

    Parameters
    ----------
    arrays : list of iterable of numpy.ndarray
        Volumes (z, y, x), or their planes in order.
    masks : list of numpy.ndarray, optional
        1 where a voxel of a plane counts: (y, x) for all planes of an array, or (z, y, x).

    Returns
    -------
    dict
        ``mean`` and ``std``.
    """
    count = total = squares = 0.0
    for n, array in enumerate(arrays):
        mask = None if masks is None else masks[n] > 0
        for z, plane in enumerate(array):
            if mask is not None:
                plane = plane[mask if mask.ndim == 2 else mask[z]]
            values = plane.astype(np.float64)
            count += values.size
            total += values.sum()
            squares += (values * values).sum()
    mean = total / count
    return {"mean": float(mean), "std": float(max(squares / count - mean * mean, 0.0) ** 0.5)}


def upsampling_factors(method: Method) -> tuple[int, ...]:
    """Return the factors by which the input is interpolated before the method sees it."""
    pairs = list(zip(method.task.scale, method.scale, strict=True))
    if any(whole % own for whole, own in pairs):
        raise AcuityError(
            f"scale {method.task.scale}: method {method.name()} refines by {method.scale}, which "
            "does not divide it"
        )
    return tuple(whole // own for whole, own in pairs)


def input_offset(task: Task, scale: Sequence[int]) -> tuple[float, ...]:
    """Return the offset of the low-resolution volume on a method's input grid.

    Parameters
    ----------
    task : acuity.methods.base.Task
        Factors and offset against the target's grid.
    scale : tuple of int
        How much finer the target's grid is than the method's input grid: voxels of the latter are
        blocks of this many of the former, by axis.

    Returns
    -------
    tuple of float
        In voxels of the input grid, for `InputReader`. It has no effect along an axis where the method
        brings the whole factor itself: a network learns its offset with its pairs.
    """
    return tuple(
        (offset - (own - 1) / 2) / own for offset, own in zip(task.offset, scale, strict=True)
    )
