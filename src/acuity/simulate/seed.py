"""A dried seed: pores of two sizes, tubules and shell-like layers, self-similar over three scales.

After the western sycamore seed of Bukka et al. (2025), section 2.3: a coat with tubules along it,
shells that came apart when it dried, and a kernel with large pores and, in its walls, pores that only
a finer scan shows. Lengths follow the voxels of the three scans, so that each has structure of its own
and what lies below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from acuity.errors import require
from acuity.simulate.bodies import rows
from acuity.simulate.packing import pack_balls

MATERIALS = ("air", "cellulose", "tissue", "wax", "oxalate")
_AIR, _CELLULOSE, _TISSUE, _WAX, _OXALATE = range(5)


@dataclass(frozen=True)
class Seed:
    """Sizes of a seed, um.

    Attributes
    ----------
    width : float
        Width of the low scan's field; the seed fills most of it across, and reaches beyond it
        along z.
    voxels : tuple of float
        Voxels of the low, middle and high scan.
    fine_place : tuple of float
        Centre (z, y, x) of the part whose kernel has the finest pores.
    fine_radius : float
        Radius of that part; 0 for none.
    most : int
        Most pores of one size class; beyond it they are sparser.
    """

    width: float = 1008.0
    voxels: tuple[float, float, float] = (9.0, 3.0, 1.0)
    fine_place: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fine_radius: float = 160.0
    most: int = 150_000


def seed(settings: Seed, *, number: int) -> pd.DataFrame:
    """Grow a seed.

    Parameters
    ----------
    settings : Seed
        Sizes.
    number : int
        Seed of the random numbers.

    Returns
    -------
    pandas.DataFrame
        Table of bodies, see `acuity.simulate.bodies`, um; materials in `MATERIALS`.

    Raises
    ------
    AcuityError
        If the field is narrower than 64 low voxels.
    """
    low, middle, high = settings.voxels
    width = settings.width
    require(
        width >= 64 * low,
        f"width of the seed's field is {width:g} um; 64 low voxels of {low:g} um or more are needed",
    )
    random = np.random.default_rng([int(number), 0x5EED])
    half = np.array([0.85, 0.40, 0.44]) * width
    # From the outside in: what is left of the half axes at each border.
    skin, coat = half - 3 * low, half - 13 * low
    parts = [_ellipsoid(_CELLULOSE, half), _ellipsoid(_TISSUE, skin), _ellipsoid(_CELLULOSE, coat)]
    parts += _tubules(random, skin, coat, low, width)
    kernel = coat - 1.2 * low
    parts += _shells(random, kernel, low)
    kernel = kernel - 6 * low
    parts.append(_ellipsoid(_TISSUE, kernel))
    tall = np.array([0.62 * width, *kernel[1:]])
    large = _scatter(
        random, kernel, tall, low * np.array([3.5, 9.0]), 0.22, [], low / 3, settings.most
    )
    body = _scatter(
        random, kernel, tall, low * np.array([2.0, 4.0]), 0.03, [large], low / 3, settings.most
    )
    small = _scatter(
        random,
        kernel,
        tall,
        middle * np.array([1.4, 3.6]),
        0.07,
        [large, body],
        middle / 3,
        settings.most,
    )
    crystals = _scatter(
        random,
        kernel,
        tall,
        middle * np.array([1.5, 3.0]),
        0.003,
        [large, body, small],
        0.0,
        settings.most,
    )
    parts += [
        _grains(random, _AIR, large, 0.25),
        _grains(random, _WAX, body, 0.3),
        _grains(random, _AIR, small, 0.3),
        _crystals(random, crystals),
    ]
    if settings.fine_radius > 0:
        solid = [large, body, small, crystals]
        ball = np.full(3, settings.fine_radius)
        fine = _scatter(
            random, ball, ball, high * np.array([2.4, 5.0]), 0.03, solid, high / 2, settings.most,
            place=settings.fine_place, within=kernel,
        )  # fmt: skip
        parts.append(_grains(random, _AIR, fine, 0.3))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _ellipsoid(material, half, **columns):
    """One ellipsoid from its half axes z, y, x."""
    z, y, x = half
    return rows("ellipsoid", material, a=x, b=y, c=z, **columns)


def _depth(points, half):
    """Distance of points from the surface of an ellipsoid, to first order; above 0 inside."""
    level = np.sqrt(((points / half) ** 2).sum(axis=1))
    steep = np.sqrt(((points / half**2) ** 2).sum(axis=1)) / np.maximum(level, 1e-9)
    return (1.0 - level) / np.maximum(steep, 1e-9)


def _scatter(
    random, half, box, diameters, share, there: Sequence[np.ndarray], gap, most, *, place=(0, 0, 0), within=None
):  # fmt: skip
    """Place balls in the part of an ellipsoid that lies in a box, so that they fill a share of it."""
    box = np.minimum(box, half)
    # Sizes are spread evenly over the logarithm of the diameter.
    mean = np.mean(np.exp(random.uniform(*np.log(diameters), 4096)) ** 3) * np.pi / 6
    count = int(min(most, share * 8 * box.prod() * np.pi / 4 / mean))
    radii = np.sort(np.exp(random.uniform(*np.log(diameters), count)) / 2)[::-1]
    points = random.uniform(-1, 1, (max(16 * count, 64), 3)) * box
    room = _depth(points, half)
    points = points + np.asarray(place, float)
    if within is not None:
        room = np.minimum(room, _depth(points, within))
    keep = room > 0
    balls = np.concatenate(there) if there else None
    return pack_balls(radii, points[keep], room[keep], balls, gap=gap)


def _ways(random, number):
    """Random directions (z, y, x)."""
    way = random.normal(size=(3, number))
    return dict(zip(("dz", "dy", "dx"), way / np.linalg.norm(way, axis=0), strict=True))


def _grains(random, material, balls, flat):
    """Ellipsoids inside of balls, flattened by up to a share."""
    if not len(balls):
        return rows("ellipsoid", material, a=1.0).iloc[:0]
    z, y, x, r = balls.T
    b, c = r * random.uniform(1 - flat, 1, (2, len(r)))
    ways = _ways(random, len(r))
    return rows("ellipsoid", material, z=z, y=y, x=x, a=r, b=b, c=c, **ways)


def _crystals(random, balls):
    """Boxes inside of balls."""
    if not len(balls):
        return rows("box", _OXALATE, a=1.0).iloc[:0]
    z, y, x, r = balls.T
    side = r / np.sqrt(3)
    turn = random.uniform(0, 90, len(r))
    return rows(
        "box", _OXALATE, z=z, y=y, x=x, a=side, c=1.2 * side, turn=turn, **_ways(random, len(r))
    )


def _tubules(random, outer, inner, low, width):
    """Tubes along the coat, in three staggered rows: cellulose walls first, then what is hollow."""
    walls, hollows = [], []
    for row in range(3):
        depth = (row + 0.5) / 3
        half = outer + (inner - outer) * depth
        around = 2 * np.pi * np.sqrt(half[1:].prod())
        number = int(around / (3.4 * low))
        radius = low * np.array([1.25, 1.1, 0.8])[row]
        for n in range(number):
            if random.uniform() < 0.12:
                continue
            size = radius * random.uniform(0.55, 1.1)
            start = 2 * np.pi * (n + 0.5 * (row % 2) + random.uniform(-0.12, 0.12)) / number
            ends = np.sort(random.uniform(-0.75, 0.75, 2)) * width
            if random.uniform() < 0.7:
                ends = np.array([-0.72, 0.72]) * width
            steps = max(2, int((ends[1] - ends[0]) / (7 * low)))
            z = np.linspace(*ends, steps + 1)
            # Along a meridian, swaying by less than the distance to the next.
            sway = random.uniform(0.1, 0.25) * np.sin(
                z / random.uniform(12, 30) / low + random.uniform(0, 6.3)
            )
            angle = start + sway * 2 * np.pi / number
            thin = np.sqrt(np.maximum(1 - (z / half[0]) ** 2, 0.02))
            y, x = half[1] * thin * np.sin(angle), half[2] * thin * np.cos(angle)
            line = np.column_stack([z, y, x])
            middle, way = 0.5 * (line[1:] + line[:-1]), np.diff(line, axis=0)
            columns = dict(
                zip(
                    ("z", "y", "x", "dz", "dy", "dx"), np.column_stack([middle, way]).T, strict=True
                )
            )
            length = np.linalg.norm(way, axis=1) / 2
            walls.append(rows("capsule", _CELLULOSE, a=size + 0.35 * low, c=length, **columns))
            hollows.append(rows("capsule", _AIR, a=size, c=length, **columns))
    return [*walls, *hollows]


def _shells(random, half, low):
    """Layers that came apart: an air space, and two thin shells in it, off centre."""
    parts = [_ellipsoid(_AIR, half)]
    for wall, away in ((0.9, 1.0), (0.6, 3.2)):
        z, y, x = random.uniform(-0.6, 0.6, 3) * low
        c, b, a = half - away * low
        parts.append(rows("shell", _CELLULOSE, z=z, y=y, x=x, a=a, b=b, c=c, wall=wall * low))
    return parts
