"""Where tiles lie: one raster anchored at the volume's first voxel, for every slab and job."""

import math
from dataclasses import dataclass

import numpy as np

from acuity.errors import AcuityError


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
        Blended tiling: weights (y, x) over `read`, else None.
    """

    read: tuple[slice, slice]
    core: tuple[slice, slice]
    weights: np.ndarray | None = None

    @property
    def inner(self):
        """The core within what is read."""
        return tuple(
            slice(c.start - r.start, c.stop - r.start)
            for c, r in zip(self.core, self.read, strict=True)
        )


def core_length(count, part, most, halo, stride):
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
    if part == count and count <= most:
        return stride * math.ceil(count / stride)
    room = (most - 2 * halo) // stride * stride
    if room < stride:
        raise AcuityError(
            f"tile: {most} voxels are too few for a halo of {halo} on each side; "
            f"allowed are {2 * halo + stride} and more"
        )
    pieces = math.ceil(part / room)
    return stride * math.ceil(part / pieces / stride)


def spans(start, stop, core, halo, count):
    """Cut a region of one axis into tiles: (read, core) slices; ends of the volume have no halo."""
    found = []
    for first in range(start, stop, core):
        last = min(first + core, stop)
        read = slice(max(0, first - halo), min(count, last + halo))
        found.append((read, slice(first, last)))
    return found


def exact_tiles(region, shape, cores, halo):
    """Return tiles of a region whose cores, put side by side, equal the whole plane.

    Parameters
    ----------
    region : tuple of slice
        Part of the plane (y, x); starts on the raster.
    shape : tuple of int
        Size of the plane.
    cores, halo : tuple of int
        Size of a core and of the halo (y, x).

    Returns
    -------
    list of Tile
    """
    rows, columns = (
        spans(part.start, part.stop, core, reach, count)
        for part, core, reach, count in zip(region, cores, halo, shape, strict=True)
    )
    return [Tile((y, x), (v, u)) for y, v in rows for x, u in columns]


def triangle(read, core, overlap, count):
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


def blended_tiles(shape, cores, overlap):
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
        spans(0, count, core, overlap, count) for count, core in zip(shape, cores, strict=True)
    )
    # A last core shorter than the overlap would leave its neighbour's slope unfinished: join it.
    rows, columns = (
        _join_short(found, overlap, count)
        for found, count in zip((rows, columns), shape, strict=True)
    )
    return [
        Tile(
            (y, x),
            (y, x),
            np.outer(triangle(y, v, overlap, shape[0]), triangle(x, u, overlap, shape[1])).astype(
                np.float32
            ),
        )
        for y, v in rows
        for x, u in columns
    ]


def _join_short(found, overlap, count):
    if len(found) > 1 and found[-1][1].stop - found[-1][1].start < overlap:
        core = slice(found[-2][1].start, count)
        found = [*found[:-2], (slice(max(0, core.start - overlap), count), core)]
    return found
