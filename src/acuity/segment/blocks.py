"""The blocks in which the objects of a volume are found: their cores, and what is seen around them.

Nothing here is compiled, so that what plans a study does not wait for a compiler.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from acuity.errors import AcuityError
from acuity.shards import Box
from acuity.units import convert, parse_voxel_size
from acuity.volume import Grid, choose_layout

SMALLEST = 27  # voxels; objects of fewer are dropped where nothing else is stated
RADIUS = 24  # voxels; the largest radius where none is stated
# An object reaches a diameter from a core, the deepest voxel of one that touches it a radius
# further, and distances are right from a radius inside the block on.
_RADII = 4


def radius_in_voxels(largest_radius, grid):
    """Give the largest radius in voxels along z, y, x.

    Parameters
    ----------
    largest_radius : str or None
        A length with its unit, such as ``"20 um"``; None for `RADIUS` voxels of the smallest side.
    grid : acuity.volume.Grid
        The volume's grid.
    """
    if largest_radius is None:
        length = RADIUS * min(grid.spacing)
    else:
        sizes, unit = parse_voxel_size(largest_radius, "segment.largest_radius")
        if len(set(sizes)) > 1:
            raise AcuityError(
                f"segment.largest_radius is {largest_radius!r}; allowed is one length with a unit"
            )
        length = convert(sizes[0], unit, grid.unit)
    return tuple(length / size for size in grid.spacing)


@dataclass(frozen=True)
class Blocks:
    """How a volume is cut into blocks, each large enough for the objects of its core.

    Parameters
    ----------
    grid : acuity.volume.Grid
        Of the volume.
    closing : float
        Radius in voxels of the ball that closes small holes.
    separation : float or None
        Depth in voxels below which two parts of an object are not separated; none for 0 or None.
    largest_radius : str or None
        Half the longest side of an object, a length with its unit; see `radius_in_voxels`.
    block : int
        Voxels along each axis of a block's core, to the next whole shard.
    """

    grid: Grid
    closing: float = 1
    separation: float | None = 0.75
    largest_radius: str | None = None
    block: int = 256

    @property
    def radius(self) -> tuple[float, float, float]:
        """The largest radius in voxels along z, y, x."""
        return radius_in_voxels(self.largest_radius, self.grid)

    @property
    def overlap(self) -> tuple[int, int, int]:
        """Voxels along z, y, x that are seen around a core."""
        return tuple(math.ceil(_RADII * r) + 1 if self.separation else 0 for r in self.radius)

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels of a core along z, y, x: whole shards, or a whole axis where that costs no more."""
        shard = choose_layout(self.grid.shape, np.uint32).shard
        size = (s * max(1, round(self.block / s)) for s in shard)
        return tuple(
            -(-n // s) * s if n <= core + overlap else core
            for n, s, core, overlap in zip(self.grid.shape, shard, size, self.overlap, strict=True)
        )

    @property
    def count(self) -> tuple[int, int, int]:
        """Number of blocks along z, y, x."""
        return tuple(-(-n // s) for n, s in zip(self.grid.shape, self.size, strict=True))

    def boxes(self, z0: int, z1: int) -> Iterator[tuple[int, Box]]:
        """Give number and core of the blocks that start in slices `z0` to `z1`, in order."""
        _, columns, rows = self.count
        for iz in range(-(-z0 // self.size[0]), -(-z1 // self.size[0])):
            for iy, ix in np.ndindex(columns, rows):
                box = tuple(
                    slice(i * s, min((i + 1) * s, n))
                    for i, s, n in zip((iz, iy, ix), self.size, self.grid.shape, strict=True)
                )
                yield (iz * columns + iy) * rows + ix, box
