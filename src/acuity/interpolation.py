"""Interpolation onto a finer grid by whole factors, exact in place, region by region.

A low-resolution voxel is the average of a block of ``f`` voxels of the target's grid, so its
centre lies ``(f - 1) / 2`` target voxels behind the block's first centre: target voxel ``i`` sits
at ``(i + 1/2) / f - 1/2`` on the low-resolution grid. One that was kept by decimation lies
elsewhere: at an `offset` p, and target voxel ``i`` sits at ``(i - p) / f``.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

LOBES = 3  # of the Lanczos kernel
BLOCK = 2**18  # voxels that are made together: they stay in the cache of a core


def weights_of(kernel: str, fraction: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the samples about positions.

    Parameters
    ----------
    kernel : {"nearest", "linear", "cubic", "cubic_opencv", "lanczos"}
        Interpolation. ``lanczos``: sinc(t) sinc(t / 3) for distances t below 3, its six taps divided by
        their sum so that a constant stays itself (Turkowski 1990).
    fraction : numpy.ndarray
        Positions less their floor, 0 to 1.

    Returns
    -------
    offsets : numpy.ndarray
        Places of the samples, counted from the floor.
    weights : numpy.ndarray
        float32 (n, taps).
    """
    t = np.asarray(fraction, np.float64)
    if kernel == "nearest":
        # Half-way positions go up: blocks of an even factor whose slice f / 2 was kept need it.
        return np.array([0, 1]), np.stack([t < 0.5, t >= 0.5], axis=-1).astype(np.float32)
    if kernel == "linear":
        return np.array([0, 1]), np.stack([1 - t, t], axis=-1).astype(np.float32)
    if kernel == "cubic":
        # Keys 1981, equation 15: cubic convolution with a = -1/2.
        taps = [
            -0.5 * t**3 + t**2 - 0.5 * t,
            1.5 * t**3 - 2.5 * t**2 + 1,
            -1.5 * t**3 + 2 * t**2 + 0.5 * t,
            0.5 * t**3 - 0.5 * t**2,
        ]
        return np.array([-1, 0, 1, 2]), np.stack(taps, axis=-1).astype(np.float32)
    if kernel == "cubic_opencv":
        # Keys 1981, equation 4, with OpenCV's a = -3/4.
        a, s = -0.75, 1 - t
        taps = [
            a * t * s**2,
            (a + 2) * t**3 - (a + 3) * t**2 + 1,
            (a + 2) * s**3 - (a + 3) * s**2 + 1,
            a * s * t**2,
        ]
        return np.array([-1, 0, 1, 2]), np.stack(taps, axis=-1).astype(np.float32)
    if kernel == "lanczos":
        offsets = np.arange(1 - LOBES, LOBES + 1)
        distance = t[..., None] - offsets
        taps = np.sinc(distance) * np.sinc(distance / LOBES)
        taps /= taps.sum(axis=-1, keepdims=True)
        return offsets, taps.astype(np.float32)
    raise ValueError(f"unknown kernel {kernel!r}")


def _places(factor: int, start: int, stop: int, offset: float | None) -> np.ndarray:
    """Return positions on the low-resolution grid of a span of the target's."""
    # Written so that the middle of the block gives the bytes of (i + 1/2) / f - 1/2.
    late = 0.0 if offset is None else offset - (factor - 1) / 2
    return (np.arange(start, stop) + (0.5 - late)) / factor - 0.5


def support(
    kernel: str, factor: int, start: int, stop: int, count: int, offset: float | None = None
) -> tuple[int, int]:
    """Return the low-resolution voxels that a span of the target's grid needs along one axis.

    Parameters
    ----------
    kernel : {"nearest", "linear", "cubic", "cubic_opencv", "lanczos"}
        Interpolation.
    factor : int
        Whole factor between the grids.
    start, stop : int
        Span on the target's grid.
    count : int
        Low-resolution voxels along the axis.
    offset : float, optional
        Where low-resolution voxel 0 lies on the target's grid; (factor - 1) / 2 by default.

    Returns
    -------
    tuple of int
        First voxel and the one behind the last.
    """
    if factor == 1:
        return start, stop
    reach = LOBES if kernel == "lanczos" else 2 if kernel.startswith("cubic") else 1
    ends = _places(factor, start, start + 1, offset)[0], _places(factor, stop - 1, stop, offset)[0]
    first = int(np.floor(ends[0])) - (reach - 1)
    last = int(np.floor(ends[1])) + reach
    return min(max(first, 0), count - 1), min(max(last, 0), count - 1) + 1


def interpolate(
    low: ArrayLike,
    first: Sequence[int],
    counts: Sequence[int],
    factors: Sequence[int],
    box: Sequence[slice],
    kernel: str,
    offset: Sequence[float | None] = (None, None, None),
) -> np.ndarray:
    """Interpolate a region; beyond the volume's ends the last voxel counts.

    A voxel's value does not depend on the region that is asked for.

    Parameters
    ----------
    low : numpy.ndarray
        Low-resolution voxels (z, y, x) that `support` asks for.
    first : tuple of int
        Place of their first voxel in the low-resolution volume.
    counts : tuple of int
        Size of the low-resolution volume.
    factors : tuple of int
        Whole factors between the grids.
    box : sequence of slice
        Region on the target's grid.
    kernel : {"nearest", "linear", "cubic", "cubic_opencv", "lanczos"}
        Interpolation.
    offset : sequence of float or None
        Where low-resolution voxel 0 lies on the target's grid, by axis; None: in the middle of a
        block, (factor - 1) / 2.

    Returns
    -------
    numpy.ndarray
        float32, the region's shape.
    """
    axes = [
        _Axis(kernel, factor, span, offset[axis], first[axis])
        for axis, (factor, span) in enumerate(zip(factors, box, strict=True))
    ]
    low = np.asarray(low, np.float32)
    for axis, count in enumerate(low.shape):
        low = axes[axis].padded(low, axis, count)
    z, y, x = axes
    out = np.empty([a.count for a in axes], np.float32)
    rows = min(y.count, max(1, BLOCK // x.count))
    for z0, z1 in _blocks(z.count, max(1, BLOCK // (rows * x.count))):
        slices = z.weigh(low, 0, z0, z1)
        for y0, y1 in _blocks(y.count, rows):
            x.weigh(y.weigh(slices, 1, y0, y1), 2, 0, x.count, out[z0:z1, y0:y1])
    return out


def _blocks(count: int, most: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + most, count)) for start in range(0, count, most))


class _Axis:
    """How the voxels of a span of the target's grid are made from those below them, along an axis.

    Voxels a factor apart take low-resolution voxels that follow each other, so that an array is weighed
    by phases: as slices, of which nothing is gathered.

    Attributes
    ----------
    count : int
        Voxels of the span.
    """

    def __init__(
        self, kernel: str, factor: int, span: slice, offset: float | None, first: int
    ) -> None:
        self.factor, self.count = factor, span.stop - span.start
        if factor == 1:
            return
        place = _places(factor, span.start, span.stop, offset)
        floor = np.floor(place).astype(np.int64)
        taps, self.weights = weights_of(kernel, place - floor)
        # Places of all taps, counted from the first voxel that was read: (n, taps).
        self.index = floor[:, None] + taps - first
        # Where a position is next to a whole number, rounding may take the one or the other.
        self.regular = bool((floor[factor:] - floor[:-factor] == 1).all())

    def padded(self, low: np.ndarray, axis: int, count: int) -> np.ndarray:
        """Repeat the outermost voxels of what was read, as far as taps lie beyond them.

        These are the volume's ends, or a tap has no weight.
        """
        if self.factor == 1:
            return low
        start, stop = int(self.index.min()), int(self.index.max()) + 1
        self.index -= start
        if start >= 0 and stop <= count:
            return low[(slice(None),) * axis + (slice(start, stop),)]
        return np.take(low, np.clip(np.arange(start, stop), 0, count - 1), axis=axis)

    def weigh(
        self, low: np.ndarray, axis: int, start: int, stop: int, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Return voxels start to stop of the span; into `out` where it is given."""
        every = (slice(None),) * axis
        if self.factor == 1:
            part = low[(*every, slice(start, stop))]
            if out is None:
                return part
            out[...] = part
            return out
        if out is None:
            shape = list(low.shape)
            shape[axis] = stop - start
            out = np.empty(shape, np.float32)
        for phase in range(min(self.factor, stop - start)):
            voxels = slice(start + phase, stop, self.factor)
            index, weights = self.index[voxels], self.weights[voxels]
            total = more = None
            for n, at in enumerate(index[0]):
                weight = weights[:, n].reshape(-1, *[1] * (2 - axis))
                if self.regular:
                    part = low[(*every, slice(at, at + len(index)))]
                else:
                    part = np.take(low, index[:, n], axis=axis)
                if total is None:
                    total = part * weight
                    continue
                more = np.multiply(part, weight, out=more)
                np.add(total, more, out=total)
            out[(*every, slice(phase, None, self.factor))] = total
        return out
