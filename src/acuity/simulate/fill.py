"""Exact voxels of a specimen made of bodies."""

from collections.abc import Sequence

import numba
import numpy as np

from acuity.errors import require
from acuity.simulate.bodies import Bodies, inside, side


def fill(
    bodies: Bodies,
    shape: Sequence[int],
    voxel: float,
    values: Sequence[float],
    *,
    supersample: int = 4,
    z0: int = 0,
    z1: int | None = None,
) -> np.ndarray:
    """Voxelise a specimen: the mean over each voxel of a value that each material has.

    Voxels that a surface crosses are sampled at ``supersample ** 3`` points; all others are
    exact. Materials' shares follow from values of 0 and 1.

    Parameters
    ----------
    bodies : Bodies
        The specimen, in the unit of `voxel`; the origin is the centre of the grid.
    shape : sequence of int
        (z, y, x) of the whole grid.
    voxel : float
        Edge of a voxel.
    values : sequence of float
        Value of each material, from 0 (the surroundings) on.
    supersample : int
        Samples along each axis of a voxel, at most 6.
    z0, z1 : int
        Slices to compute, ``z0 <= z < z1``; by default all.

    Returns
    -------
    numpy.ndarray
        Array (z, y, x) of float32.

    Raises
    ------
    AcuityError
        If the slices lie outside the grid, `supersample` is out of range, or a material has no
        value.
    """
    values = np.asarray(values, np.float64)
    z1 = _slices(shape, z0, z1)
    require(1 <= supersample <= 6, f"supersample is {supersample}; 1 to 6 is allowed")
    require(
        bodies.materials <= len(values),
        f"{len(values)} materials have values; a body is of material {bodies.materials - 1}",
    )
    slab = np.empty((z1 - z0, *shape[1:]), np.float32)
    low, high = _spans(bodies, shape, voxel)
    _fill(slab, *bodies.arrays, low, high, z0, shape[0], voxel, values, supersample)
    return slab


def topmost(
    bodies: Bodies,
    shape: Sequence[int],
    voxel: float,
    *,
    z0: int = 0,
    z1: int | None = None,
) -> np.ndarray:
    """Label each voxel with the body in which its centre lies.

    Parameters
    ----------
    bodies, shape, voxel, z0, z1
        As for `fill`.

    Returns
    -------
    numpy.ndarray
        Array (z, y, x) of uint32: number of the last body there plus 1, and 0 elsewhere.

    Raises
    ------
    AcuityError
        If the slices lie outside the grid.
    """
    z1 = _slices(shape, z0, z1)
    labels = np.zeros((z1 - z0, *shape[1:]), np.uint32)
    low, high = _spans(bodies, shape, voxel)
    _label(labels, *bodies.arrays, low, high, z0, shape[0], voxel)
    return labels


def _slices(shape, z0, z1):
    z1 = shape[0] if z1 is None else z1
    require(0 <= z0 < z1 <= shape[0], f"slices {z0} to {z1} were asked for of {shape[0]} slices")
    return z1


def _spans(bodies, shape, voxel):
    """First and last voxel along each axis that a box around a body touches."""
    corners = bodies.corners() / voxel + (np.asarray(shape) - 1) / 2
    last = np.asarray(shape) - 1
    low = np.clip(np.floor(corners.min(axis=1) + 0.5 - 1e-6), 0, last + 1)
    high = np.clip(np.ceil(corners.max(axis=1) - 0.5 + 1e-6), -1, last)
    return low.astype(np.int64), high.astype(np.int64)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _fill(
    slab, kind, material, centre, frame, ends, inner, low, high, z0, depth, voxel, values, samples
):
    rows, columns = slab.shape[1], slab.shape[2]
    points = samples**3
    for k in numba.prange(slab.shape[0]):
        z = (z0 + k - (depth - 1) / 2) * voxel
        whole = np.zeros((rows, columns), np.int64)  # the material of a voxel that is of one, or -1
        parts = np.empty((rows * columns, points), np.uint8)
        for n in range(kind.shape[0]):
            if z0 + k < low[n, 0] or z0 + k > high[n, 0]:
                continue
            f = frame[n]
            own, lo, hi = kind[n], ends[n, 0], ends[n, 1]
            r = np.empty(3)
            for a in range(3):
                r[a] = 0.5 * voxel * (abs(f[a, 0]) + abs(f[a, 1]) + abs(f[a, 2]))
            reach = r[0], r[1], r[2]
            pz = z - centre[n, 0]
            for j in range(low[n, 1], high[n, 1] + 1):
                py = (j - (rows - 1) / 2) * voxel - centre[n, 1]
                for i in range(low[n, 2], high[n, 2] + 1):
                    px = (i - (columns - 1) / 2) * voxel - centre[n, 2]
                    y0 = f[0, 0] * pz + f[0, 1] * py + f[0, 2] * px
                    y1 = f[1, 0] * pz + f[1, 1] * py + f[1, 2] * px
                    y2 = f[2, 0] * pz + f[2, 1] * py + f[2, 2] * px
                    where = side(own, y0, y1, y2, reach, lo, hi, inner[n])
                    if where < 0:
                        continue
                    if where > 0:
                        whole[j, i] = material[n]
                        continue
                    part = parts[j * columns + i]
                    if whole[j, i] >= 0:
                        part[:] = whole[j, i]
                        whole[j, i] = -1
                    at = 0
                    for a in range(samples):
                        ez = pz + ((a + 0.5) / samples - 0.5) * voxel
                        for b in range(samples):
                            ey = py + ((b + 0.5) / samples - 0.5) * voxel
                            for c in range(samples):
                                ex = px + ((c + 0.5) / samples - 0.5) * voxel
                                h0 = f[0, 0] * ez + f[0, 1] * ey + f[0, 2] * ex
                                h1 = f[1, 0] * ez + f[1, 1] * ey + f[1, 2] * ex
                                h2 = f[2, 0] * ez + f[2, 1] * ey + f[2, 2] * ex
                                if inside(own, h0, h1, h2, lo, hi, inner[n]):
                                    part[at] = material[n]
                                at += 1
        for j in range(rows):
            for i in range(columns):
                if whole[j, i] >= 0:
                    slab[k, j, i] = values[whole[j, i]]
                    continue
                total = 0.0
                for at in range(points):
                    total += values[parts[j * columns + i, at]]
                slab[k, j, i] = total / points


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _label(labels, kind, material, centre, frame, ends, inner, low, high, z0, depth, voxel):
    rows, columns = labels.shape[1], labels.shape[2]
    for k in numba.prange(labels.shape[0]):
        z = (z0 + k - (depth - 1) / 2) * voxel
        for n in range(kind.shape[0]):
            if z0 + k < low[n, 0] or z0 + k > high[n, 0]:
                continue
            f = frame[n]
            pz = z - centre[n, 0]
            for j in range(low[n, 1], high[n, 1] + 1):
                py = (j - (rows - 1) / 2) * voxel - centre[n, 1]
                for i in range(low[n, 2], high[n, 2] + 1):
                    px = (i - (columns - 1) / 2) * voxel - centre[n, 2]
                    y0 = f[0, 0] * pz + f[0, 1] * py + f[0, 2] * px
                    y1 = f[1, 0] * pz + f[1, 1] * py + f[1, 2] * px
                    y2 = f[2, 0] * pz + f[2, 1] * py + f[2, 2] * px
                    if inside(kind[n], y0, y1, y2, ends[n, 0], ends[n, 1], inner[n]):
                        labels[k, j, i] = n + 1
