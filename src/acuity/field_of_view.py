"""Masks of the part of a volume that is sample."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from acuity.errors import AcuityError
from acuity.volume import choose_layout, slabs


def cylinder(
    shape: Sequence[int], radius: float | None, part: Sequence[slice] = (slice(None), slice(None))
) -> np.ndarray:
    """Return the slice mask of a cylinder along z, centred in the slice.

    Parameters
    ----------
    shape : sequence of int
        (y, x) or (z, y, x) of the volume.
    radius : float or None
        In voxels; None for a mask that is true everywhere.
    part : (slice, slice)
        The part of the slice, along y and x, that is wanted.

    Returns
    -------
    numpy.ndarray
        (y, x), bool: voxels whose centre lies within `radius` of the axis. It broadcasts over
        the slices of a volume.

    Raises
    ------
    AcuityError
        If the radius is not above 0.
    """
    ny, nx = shape[-2:]
    rows, columns = np.arange(ny)[part[0]], np.arange(nx)[part[1]]
    if radius is None:
        return np.ones((len(rows), len(columns)), bool)
    if not radius > 0:
        raise AcuityError(f"mask radius is {radius}; it must be a number of voxels above 0")
    y = rows[:, None] - 0.5 * (ny - 1)
    x = columns[None, :] - 0.5 * (nx - 1)
    return y * y + x * x <= radius * radius


def values_inside(data: Any, radius: float | None) -> Iterator[np.ndarray]:
    """Yield the values of the voxels in a cylinder along z, row of shards by row of shards.

    Parameters
    ----------
    data : array
        (z, y, x), in memory or read part by part.
    radius : float or None
        As for `cylinder`.

    Yields
    ------
    numpy.ndarray
        Flat, float32, in the order z, y, x.
    """
    mask = cylinder(data.shape, radius)
    whole = mask.all()
    # An even number of slices, for who pairs them.
    depth = max(2, choose_layout(data.shape, np.float32).shard[0])
    for z0, z1 in slabs(data.shape[0], depth):
        block = np.asarray(data[z0:z1], np.float32)
        yield block.ravel() if whole else block[:, mask].ravel()


def inscribed_box(shape: Sequence[int], radius: float | None) -> tuple[slice, ...]:
    """Return the slices of the largest box of a volume whose every voxel is within the cylinder.

    Parameters
    ----------
    shape : sequence of int
        (z, y, x).
    radius : float or None
        As for `cylinder`.

    Returns
    -------
    tuple of slice
        For z (all of it), y and x; the square inside the cylinder's circle.

    Raises
    ------
    AcuityError
        If the circle holds no voxel.
    """
    nz, ny, nx = shape
    if radius is None:
        return slice(0, nz), slice(0, ny), slice(0, nx)
    out = [slice(0, nz)]
    half = radius / np.sqrt(2.0)
    for n in (ny, nx):
        centre = 0.5 * (n - 1)
        lo = max(0, int(np.ceil(centre - half - 1e-9)))
        hi = min(n, int(np.floor(centre + half + 1e-9)) + 1)
        if hi <= lo:
            raise AcuityError(f"mask radius is {radius} voxels; no voxel lies within it")
        out.append(slice(lo, hi))
    return tuple(out)
