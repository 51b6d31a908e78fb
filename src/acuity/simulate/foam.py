"""Foam phantoms: spherical pores in a solid cylinder, and their exact voxel volumes."""

import math

import numba
import numpy as np
import pandas as pd

from acuity.errors import require
from acuity.simulate.settings import Body, Pores

# Trial points for each unit of volume (cube of side `size` voxels) and their bounds.
_TRIALS_PER_VOXEL = 1 / 64
_TRIALS_RANGE = (20_000, 1_000_000)


def foam(
    pores: Pores, *, size: int, seed: int, cylinder_radius: float = Body.cylinder_radius
) -> pd.DataFrame:
    """Place spherical pores in a cylinder of solid, without overlap and densely.

    The placement follows Pelt et al.: every trial point holds its largest admissible radius, the
    distance to the lateral wall or to the nearest pore, less the gap. Where no trial point admits
    the size wanted, the one that admits the largest pore is taken with the size it admits, so that
    the pore touches (up to the gap) what limits it. Trial points that a new pore swallows are
    drawn anew. Two rules differ from the paper's. The size wanted is drawn for every pore, of the
    small ones uniformly and of the others in proportion to the diameter, which spreads the sizes
    over the whole range. And where several trial points admit it, the one with the least room to
    spare is taken and not any, which makes the foam denser.

    The flat ends do not limit a pore: centres lie inside the cylinder, and a pore near an end is
    cut by it.

    Parameters
    ----------
    pores : Pores
        Sizes, gaps and number.
    size : int
        Height of the cylinder in voxels, and side of the volume that holds it.
    seed : int
        Seed of the random numbers; the same seed gives the same foam.
    cylinder_radius : float
        Radius of the cylinder as a fraction of `size`.

    Returns
    -------
    pandas.DataFrame
        Columns ``z y x radius`` in voxels, one row a pore in the order of placement, with the
        origin at the centre of the volume. Label ``i + 1`` belongs to row ``i``.

    Raises
    ------
    AcuityError
        If a setting is outside its range, or no pore fits.

    References
    ----------
    Pelt, Hendriksen and Batenburg, J. Synchrotron Rad. 29 (2022) 254.
    """
    radius, half = cylinder_radius * size, 0.5 * size
    _check_foam(pores, size, seed, cylinder_radius)
    trial_points = pores.trial_points
    if trial_points is None:
        trial_points = int(np.clip(size**3 * _TRIALS_PER_VOXEL, *_TRIALS_RANGE))
    low, high = (float(d) for d in pores.diameter)
    radii = low / 2, pores.small_below / 2, high / 2
    most = pores.max_pores if pores.max_pores is not None else 200_000
    wanted = pores.porosity if pores.porosity is not None else 2.0
    ends = pores.small_fraction, pores.min_gap, most, wanted, trial_points
    spheres = _place(radius, half, *radii, *ends, np.random.default_rng([int(seed), 0xF0A3]))
    require(len(spheres) > 0, "no pore fits the cylinder with these diameters and gap")
    return pd.DataFrame(spheres, columns=["z", "y", "x", "radius"])


def _check_foam(pores: Pores, size: int, seed: int, cylinder_radius: float) -> None:
    low, high = (float(d) for d in pores.diameter)
    small, share, gap = pores.small_below, pores.small_fraction, pores.min_gap
    porosity, count = pores.porosity, pores.max_pores
    require(size >= 8, f"size of the foam is {size} voxels; at least 8 are needed")
    require(
        0 < cylinder_radius <= 0.5,
        f"cylinder_radius is {cylinder_radius}; it must lie above 0 and at most at 0.5",
    )
    require(
        0 < low <= small <= high,
        f"diameter is {low:g} to {high:g} and small_below {small:g} voxels; "
        "0 < smallest <= small_below <= largest is needed",
    )
    require(0 <= share < 1, f"small_fraction is {share}; 0 to below 1 is allowed")
    require(gap >= 0, f"min_gap is {gap} voxels; it must not be negative")
    require(porosity is None or 0 < porosity < 1, f"porosity is {porosity}; 0 to 1 is allowed")
    require(count is None or count > 0, f"max_pores is {count}; 1 or more is allowed")
    require(seed >= 0, f"seed of the foam is {seed}; 0 or more is allowed")
    radius = cylinder_radius * size
    require(
        low / 2 + gap < radius,
        f"a pore of {low:g} voxels in diameter does not fit a cylinder of radius {radius:g} voxels",
    )


@numba.njit(cache=True)
def _draw_point(rng, radius, half):
    """Return a point (z, y, x) uniform in the cylinder."""
    r = radius * math.sqrt(rng.random())
    t = 2.0 * math.pi * rng.random()
    return half * (2.0 * rng.random() - 1.0), r * math.sin(t), r * math.cos(t)


@numba.njit(cache=True, fastmath=True)
def _shrink(points, room, z, y, x, reach):
    """Lower the room of every trial point to what a new pore leaves."""
    for i in range(room.size):
        dz, dy, dx = points[0, i] - z, points[1, i] - y, points[2, i] - x
        room[i] = min(room[i], math.sqrt(dz * dz + dy * dy + dx * dx) - reach)


@numba.njit(cache=True)
def _place(radius, half, low, middle, high, small_fraction, gap, limit, porosity, trials, rng):
    spheres = np.empty((min(limit, 4096), 4))
    count = small = 0
    filled = 0.0
    wanted = porosity * 2.0 * half * math.pi * radius * radius

    points = np.empty((3, trials))
    room = np.empty(trials)
    for i in range(trials):
        points[0, i], points[1, i], points[2, i] = _draw_point(rng, radius, half)
        room[i] = radius - gap - math.hypot(points[1, i], points[2, i])

    while count < limit and filled < wanted:
        # The small pores keep pace with the others, so that their share holds wherever it stops.
        if small < math.floor(small_fraction * (count + 1)):
            cap = low + (middle - low) * rng.random()
            least = low
        else:
            cap = math.sqrt(middle**2 + (high**2 - middle**2) * rng.random())
            least = middle
        tightest = -1
        best = 0
        for i in range(trials):
            if room[i] >= cap and (tightest < 0 or room[i] < room[tightest]):
                tightest = i
            if room[i] > room[best]:
                best = i
        chosen = tightest if tightest >= 0 else best
        r = min(cap, room[chosen])
        if r < least:
            break
        if count == spheres.shape[0]:
            spheres = np.concatenate((spheres, np.empty_like(spheres)))
        z, y, x = points[0, chosen], points[1, chosen], points[2, chosen]
        spheres[count] = np.array((z, y, x, r))
        count += 1
        if r < middle:
            small += 1
        filled += _volume_inside(z, r, half)
        _shrink(points, room, z, y, x, r + gap)
        # A point inside a pore, or nearer than the gap, can never hold one: draw it anew.
        for i in range(trials):
            tries = 0
            while room[i] <= 0.0 and tries < 100:
                tries += 1
                pz, py, px = _draw_point(rng, radius, half)
                left = radius - gap - math.hypot(py, px)
                for k in range(count):
                    if left <= 0.0:
                        break
                    dz = pz - spheres[k, 0]
                    dy = py - spheres[k, 1]
                    dx = px - spheres[k, 2]
                    away = math.sqrt(dz * dz + dy * dy + dx * dx) - spheres[k, 3] - gap
                    left = min(left, away)
                points[0, i], points[1, i], points[2, i], room[i] = pz, py, px, left
    return spheres[:count].copy()


@numba.njit(cache=True)
def _volume_inside(z, r, half):
    """Volume of a sphere between the flat ends at -half and half."""
    volume = 4.0 / 3.0 * math.pi * r**3
    for beyond in (z + r - half, r - z - half):
        cap = min(max(beyond, 0.0), 2.0 * r)
        volume -= math.pi * cap * cap * (r - cap / 3.0)
    return volume


def porosity(
    spheres: pd.DataFrame, *, size: int, cylinder_radius: float = Body.cylinder_radius
) -> float:
    """Return the share of the cylinder that is pore, from the spheres in closed form.

    Parameters
    ----------
    spheres : pandas.DataFrame
        Table of `foam`, voxels.
    size : int
        Height of the cylinder, voxels.
    cylinder_radius : float
        Radius of the cylinder as a fraction of `size`.

    Returns
    -------
    float
        Porosity, 0 to 1.
    """
    places = spheres[["z", "radius"]].itertuples(index=False)
    inside = sum(_volume_inside(z, r, 0.5 * size) for z, r in places)
    return inside / (math.pi * (cylinder_radius * size) ** 2 * size)


def exact(
    spheres: pd.DataFrame,
    *,
    size: int,
    cylinder_radius: float = Body.cylinder_radius,
    supersample: int = 4,
    z0: int = 0,
    z1: int | None = None,
) -> np.ndarray:
    """Voxelise the foam: the share of solid in each voxel.

    Voxels that a surface crosses are sampled at ``supersample ** 3`` points; all others are
    exactly 0 or 1. Outside the cylinder the value is 0, as in a pore.

    Parameters
    ----------
    spheres : pandas.DataFrame
        Table of `foam`, voxels.
    size : int
        Side of the volume, voxels.
    cylinder_radius : float
        Radius of the cylinder as a fraction of `size`.
    supersample : int
        Samples along each axis of a voxel.
    z0, z1 : int
        Slices to compute, ``z0 <= z < z1``; by default all.

    Returns
    -------
    numpy.ndarray
        Array (z, y, x) of float32 in 0 to 1.

    Raises
    ------
    AcuityError
        If the slices lie outside the volume or `supersample` is below 1.
    """
    z1 = _slices(size, z0, z1)
    require(supersample >= 1, f"supersample is {supersample}; 1 or more is allowed")
    table = _table(spheres)
    slab = np.zeros((z1 - z0, size, size), np.float32)
    disc = _disc(size, cylinder_radius * size, max(supersample, 8))
    _fill_exact(slab, disc, table, z0, size, supersample)
    return slab


def exact_labels(
    spheres: pd.DataFrame, *, size: int, z0: int = 0, z1: int | None = None
) -> np.ndarray:
    """Label the voxels whose centre lies in a pore.

    Parameters
    ----------
    spheres : pandas.DataFrame
        Table of `foam`, voxels.
    size : int
        Side of the volume, voxels.
    z0, z1 : int
        Slices to compute, ``z0 <= z < z1``; by default all.

    Returns
    -------
    numpy.ndarray
        Array (z, y, x) of uint32: row of the pore in `spheres` plus 1, and 0 elsewhere.

    Raises
    ------
    AcuityError
        If the slices lie outside the volume.
    """
    z1 = _slices(size, z0, z1)
    labels = np.zeros((z1 - z0, size, size), np.uint32)
    _fill_labels(labels, _table(spheres), z0, size)
    return labels


def _slices(size: int, z0: int, z1: int | None) -> int:
    z1 = size if z1 is None else z1
    require(0 <= z0 < z1 <= size, f"slices {z0} to {z1} were asked for of a foam of {size} slices")
    return z1


def _table(spheres: pd.DataFrame) -> np.ndarray:
    """Return the spheres as an array (pore, 4) of z, y, x, radius."""
    missing = [c for c in ("z", "y", "x", "radius") if c not in spheres]
    require(not missing, f"the spheres table lacks the column {', '.join(missing)}")
    table = np.ascontiguousarray(spheres[["z", "y", "x", "radius"]].to_numpy(np.float64))
    require(bool(np.isfinite(table).all()), "the spheres table holds a value that is not finite")
    require(bool((table[:, 3] > 0).all()), "the spheres table holds a radius that is not positive")
    return table


def _disc(size: int, radius: float, samples: int) -> np.ndarray:
    """Share of each pixel (y, x) inside the cylinder, the same in all slices."""
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    axis = np.arange(size) - (size - 1) / 2
    disc = np.zeros((size, size))
    for dy in offsets:
        for dx in offsets:
            disc += (axis[:, None] + dy) ** 2 + (axis[None, :] + dx) ** 2 <= radius**2
    return disc / samples**2


@numba.njit(cache=True, parallel=True)
def _fill_exact(slab, disc, spheres, z0, size, samples):
    centre = (size - 1) / 2
    border = math.sqrt(0.75)
    part = 1.0 / samples**3
    for k in numba.prange(slab.shape[0]):
        z = z0 + k - centre
        plane = disc.copy()
        for n in range(spheres.shape[0]):
            sz, sy, sx, r = spheres[n, 0], spheres[n, 1], spheres[n, 2], spheres[n, 3]
            if abs(z - sz) > r + 0.5:
                continue
            j0 = max(0, math.floor(sy - r + centre))
            j1 = min(size - 1, math.ceil(sy + r + centre))
            i0 = max(0, math.floor(sx - r + centre))
            i1 = min(size - 1, math.ceil(sx + r + centre))
            inner = max(r - border, 0.0) ** 2
            outer = (r + border) ** 2
            for j in range(j0, j1 + 1):
                dy = j - centre - sy
                for i in range(i0, i1 + 1):
                    dx = i - centre - sx
                    d2 = (z - sz) ** 2 + dy * dy + dx * dx
                    if d2 >= outer:
                        continue
                    if d2 <= inner:
                        plane[j, i] -= 1.0
                        continue
                    hits = 0
                    for a in range(samples):
                        ez = z - sz + (a + 0.5) / samples - 0.5
                        for b in range(samples):
                            ey = dy + (b + 0.5) / samples - 0.5
                            for c in range(samples):
                                ex = dx + (c + 0.5) / samples - 0.5
                                if ez * ez + ey * ey + ex * ex <= r * r:
                                    hits += 1
                    plane[j, i] -= hits * part
        for j in range(size):
            for i in range(size):
                slab[k, j, i] = max(plane[j, i], 0.0)


@numba.njit(cache=True, parallel=True)
def _fill_labels(labels, spheres, z0, size):
    centre = (size - 1) / 2
    for k in numba.prange(labels.shape[0]):
        z = z0 + k - centre
        for n in range(spheres.shape[0]):
            sz, sy, sx, r = spheres[n, 0], spheres[n, 1], spheres[n, 2], spheres[n, 3]
            if abs(z - sz) > r:
                continue
            across = math.sqrt(r * r - (z - sz) ** 2)
            j0 = max(0, math.floor(sy - across + centre))
            j1 = min(size - 1, math.ceil(sy + across + centre))
            for j in range(j0, j1 + 1):
                left = across**2 - (j - centre - sy) ** 2
                if left < 0.0:
                    continue
                half = math.sqrt(left)
                i0 = max(0, math.ceil(sx - half + centre))
                i1 = min(size - 1, math.floor(sx + half + centre))
                for i in range(i0, i1 + 1):
                    labels[k, j, i] = n + 1
