"""Where tiles lie: one raster anchored at the volume's first voxel, for every slab and job."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from acuity.errors import AcuityError


def relative(box: Iterable[slice], frame: Iterable[slice]) -> tuple[slice, ...]:
    """Return a box as it lies in a larger one."""
    return tuple(
        slice(b.start - f.start, b.stop - f.start) for b, f in zip(box, frame, strict=True)
    )


@dataclass(frozen=True)
class Tile:
    """A tile in a plane.

    Attributes
    ----------
    read : tuple of slice
        What the network sees (y, x).
    core : tuple of slice
        The part of the plane that it restores.
    weights : numpy.ndarray or None
        Blended tiling: weights (y, x) over `core`, else None.
    """

    read: tuple[slice, slice]
    core: tuple[slice, slice]
    weights: np.ndarray | None = None

    @property
    def inner(self) -> tuple[slice, ...]:
        """The core within what is read."""
        return relative(self.core, self.read)

    def within(self, region: Sequence[slice]) -> "Tile | None":
        """The tile with what of its core lies in a part of the plane; None where nothing does."""
        y, x = (
            slice(max(own.start, part.start), min(own.stop, part.stop))
            for own, part in zip(self.core, region, strict=True)
        )
        if y.start >= y.stop or x.start >= x.stop:
            return None
        core = y, x
        weights = None if self.weights is None else self.weights[relative(core, self.core)]
        return replace(self, core=core, weights=weights)


def core_length(count: int, part: int, most: int, halo: int, stride: int) -> int:
    """Return the length of a tile's core along one axis.

    Parameters
    ----------
    count : int
        Voxels along the axis.
    part : int
        Voxels of a region (a column of shards) that cores must tile.
    most : int
        Most voxels of a tile, halo included.
    halo, stride : int
        Halo and raster of the method.

    Returns
    -------
    int
        A multiple of the stride, such that few equal cores fill a region.

    Raises
    ------
    AcuityError
        If the halo leaves nothing of the largest tile.
    """
    part = min(part, count)
    if count <= most:  # a tile may reach from end to end
        return stride * math.ceil(part / stride)
    room = (most - 2 * halo) // stride * stride
    if room < stride:
        raise AcuityError(
            f"tile: {most} voxels are too few for a halo of {halo} on each side; "
            f"allowed are {2 * halo + stride} and more"
        )
    pieces = math.ceil(part / room)
    return stride * math.ceil(part / pieces / stride)


def spans(
    start: int, stop: int, core: int, halo: int, count: int, stride: int = 1
) -> list[tuple[slice, slice]]:
    """Cut a region of one axis into tiles: (read, core) slices; ends of the volume have no halo.

    What is read starts and ends on the raster, or at the volume's end.
    """
    parts = [(first, min(first + core, stop)) for first in range(lower(start, stride), stop, core)]
    return [
        (
            slice(max(0, first - halo), min(count, upper(last, stride) + halo)),
            slice(max(first, start), last),
        )
        for first, last in parts
    ]


def lower(place: int, stride: int) -> int:
    """Return the last place on a raster up to another."""
    return place // stride * stride


def upper(place: int, stride: int) -> int:
    """Return the first place on a raster from another on."""
    return -(-place // stride) * stride


def exact_tiles(
    region: Sequence[slice],
    shape: Sequence[int],
    cores: Sequence[int],
    halo: Sequence[int],
    stride: Sequence[int] = (1, 1),
) -> list[Tile]:
    """Return tiles of a region whose cores, put side by side, equal that part of the whole plane.

    Parameters
    ----------
    region : tuple of slice
        Part of the plane (y, x).
    shape : tuple of int
        Size of the plane.
    cores, halo : tuple of int
        Size of a core and of the halo (y, x); multiples of the stride.
    stride : tuple of int
        Raster on which tiles start (y, x).

    Returns
    -------
    list of Tile
    """
    rows, columns = (
        spans(part.start, part.stop, core, reach, count, step)
        for part, core, reach, count, step in zip(region, cores, halo, shape, stride, strict=True)
    )
    return [Tile((y, x), (v, u)) for y, v in rows for x, u in columns]


def triangle(read: slice, core: slice, overlap: int, count: int) -> np.ndarray:
    """Return the weights of a blended tile along one axis.

    One inside, falling linearly to zero over the ``2 * overlap`` voxels that two neighbours
    share; one up to the volume's ends. The weights of all tiles sum to one.
    """
    place = np.arange(read.start, read.stop) + 0.5
    weights = np.ones(len(place))
    if overlap and core.start > 0:
        weights = np.minimum(weights, (place - (core.start - overlap)) / (2 * overlap))
    if overlap and core.stop < count:
        weights = np.minimum(weights, (core.stop + overlap - place) / (2 * overlap))
    return np.clip(weights, 0.0, 1.0)


def blended_tiles(shape: Sequence[int], cores: Sequence[int], overlap: int) -> list[Tile]:
    """Return overlapping tiles of a whole plane with triangular weights.

    Parameters
    ----------
    shape : tuple of int
        Size of the plane (y, x).
    cores : tuple of int
        Raster of the tiles: their size less the overlap on both sides.
    overlap : int
        How far a tile reaches beyond its core on each side.

    Returns
    -------
    list of Tile
        With weights that sum to one in every voxel.
    """
    rows, columns = (
        [(read, triangle(read, core, overlap, count)) for read, core in found]
        for found, count in (
            (_overlapping(n, core, overlap), n) for n, core in zip(shape, cores, strict=True)
        )
    )
    return [
        Tile((y, x), (y, x), np.outer(v, u).astype(np.float32)) for y, v in rows for x, u in columns
    ]


def _overlapping(count, core, overlap):
    """Cut an axis into tiles that overlap.

    A last core shorter than the overlap would leave its neighbour's slope unfinished: they are one.
    """
    found = spans(0, count, core, overlap, count)
    if len(found) > 1 and found[-1][1].stop - found[-1][1].start < overlap:
        core = slice(found[-2][1].start, count)
        found = [*found[:-2], (slice(max(0, core.start - overlap), count), core)]
    return found


def fitting_patch(
    patch: Sequence[int], plane: Sequence[int], symmetries: str
) -> tuple[int, int, int]:
    """Return the patch that is drawn from volumes where another one may have been asked for.

    Parameters
    ----------
    patch : sequence of int
        (z, y, x), voxels, as asked for.
    plane : sequence of int
        (y, x), least sides of the volumes; a wider patch is cut to them.
    symmetries : {"none", "upright", "in_plane", "volume"}
        Quarter turns within slices need squares, those of all three axes cubes.
    """
    rows, columns = (min(p, n) for p, n in zip(patch[1:], plane, strict=True))
    if symmetries != "none":
        rows = columns = min(rows, columns)
    if symmetries == "volume":
        return (min(patch[0], rows),) * 3
    return patch[0], rows, columns
