"""A flip-chip package: die, layers, copper pillars with solder, vias, and voids of three sizes.

After the integrated circuit of Bukka et al. (2025), section 2.3, as it stands in a microscope: the
layers along the axis of rotation. Lengths follow the voxels of the three scans. From the laminate up
(along y): layers of copper with traces and vias, pads, solder, copper pillars in an underfill of
epoxy with silica, the die with its own thin layers, and the mould, which is full of silica too.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from acuity.errors import require
from acuity.simulate.bodies import rows
from acuity.simulate.packing import pack_balls

MATERIALS = (
    "air", "mould", "silicon", "copper", "solder", "epoxy", "silica", "laminate",
)  # fmt: skip
_AIR, _MOULD, _SILICON, _COPPER, _SOLDER, _EPOXY, _SILICA, _LAMINATE = range(8)


@dataclass(frozen=True)
class Chip:
    """Sizes of a piece of a package, um.

    Attributes
    ----------
    width : float
        Width of the low scan's field; the piece fills most of it across, and reaches beyond it
        along z.
    voxels : tuple of float
        Voxels of the low, middle and high scan.
    fine_place : tuple of float
        Centre (z, y, x) of the part that has the finest voids and grains.
    fine_radius : float
        Radius of that part; 0 for none.
    missing : float
        Share of bumps whose solder did not wet.
    most : int
        Most grains or voids of one size class; beyond it they are sparser.
    """

    width: float = 756.0
    voxels: tuple[float, float, float] = (6.75, 2.25, 0.75)
    fine_place: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fine_radius: float = 120.0
    missing: float = 0.06
    most: int = 150_000


def chip(settings: Chip, *, number: int) -> pd.DataFrame:
    """Build a piece of a package.

    Parameters
    ----------
    settings : Chip
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
    low = settings.voxels[0]
    require(
        settings.width >= 64 * low,
        f"width of the chip's field is {settings.width:g} um; 64 low voxels of {low:g} um or more "
        "are needed",
    )
    build = _Build(settings, np.random.default_rng([int(number), 0xC419]))
    build.laminate()
    build.underfill()
    build.die()
    build.mould()
    build.bumps()
    build.crack()
    return pd.concat([part for part in build.parts if len(part)], ignore_index=True)


class _Build:
    """Where the layers lie, and the bodies made so far."""

    def __init__(self, settings: Chip, random: np.random.Generator) -> None:
        self.settings, self.random, self.parts = settings, random, []
        self.low, self.middle, self.high = settings.voxels
        width, low = settings.width, self.low
        self.half_z, self.half_x = 0.75 * width, 0.36 * width
        # Borders along y, from the laminate's back to the mould's: the bumps at the centre.
        self.gap = -4.5 * low, 4.5 * low
        self.back = -0.255 * width
        self.die_top = self.gap[1] + 12 * low
        self.top = 0.255 * width

    def add(self, kind, material, **columns):
        self.parts.append(rows(kind, material, **columns))

    def layer(self, material, low, high, **columns):
        """A layer between two heights, over the whole piece."""
        box = {"a": self.half_x, "b": (high - low) / 2, "c": self.half_z} | columns
        self.add("box", material, y=(low + high) / 2, **box)

    def post(self, material, z, x, low, high, radius, **columns):
        """Round posts along y between two heights."""
        half, y = (np.asarray(high) - low) / 2, (np.asarray(high) + low) / 2
        self.add("tube", material, z=z, x=x, y=y, a=radius, c=half, dz=0.0, dy=1.0, **columns)

    def grid(self, pitch, jitter=0.0):
        """Places (z, x) on a square grid over the piece, each off by a random part of a pitch."""
        z = np.arange(-self.half_z + pitch / 2, self.half_z - pitch / 3, pitch)
        x = np.arange(-self.half_x + pitch / 2, self.half_x - pitch / 3, pitch)
        x = x - x.mean()
        z, x = (a.ravel() for a in np.meshgrid(z, x, indexing="ij"))
        off = self.random.uniform(-jitter, jitter, (2, len(z))) * pitch
        return z + off[0], x + off[1]

    def laminate(self):
        """Four layers of copper in laminate, with traces, planes and vias between them."""
        low, random = self.low, self.random
        self.layer(_LAMINATE, self.back, self.gap[0])
        thick = 1.6 * low
        heights = np.linspace(self.back + 2 * low, self.gap[0] - 2.5 * low - thick, 4)
        for n, height in enumerate(heights):
            if n % 2 == 0:
                self.traces(height, thick)
            else:
                self.layer(_COPPER, height, height + thick, a=0.93 * self.half_x)
                z, x = self.grid(9 * low, 0.3)
                open_ = random.uniform(size=len(z)) < 0.7
                self.post(
                    _LAMINATE, z[open_], x[open_], height - 0.01, height + thick + 0.01,
                    random.uniform(1.6, 2.8, open_.sum()) * low,
                )  # fmt: skip
        for n in range(3):
            z, x = self.grid(11 * low, 0.35)
            some = random.uniform(size=len(z)) < 0.55
            size = random.uniform(0.7, 1.1, some.sum()) * low
            self.post(_COPPER, z[some], x[some], heights[n], heights[n + 1] + thick, size)
            # A filled via keeps a void in its middle now and then.
            hollow = random.uniform(size=some.sum()) < 0.35
            bottom = heights[n] + thick
            span = heights[n + 1] - bottom
            self.post(
                _AIR, z[some][hollow], x[some][hollow], bottom + 0.25 * span, bottom + 0.75 * span,
                0.35 * size[hollow],
            )  # fmt: skip
        # Vias through all layers: a copper wall around epoxy.
        for _ in range(3):
            z, x = random.uniform(-0.5, 0.5) * self.half_z, random.uniform(-0.7, 0.7) * self.half_x
            ends = self.back - 0.01, heights[-1] + thick
            self.post(_COPPER, z, x, *ends, 4.2 * low)
            self.post(_EPOXY, z, x, *ends, 3.2 * low)

    def traces(self, height, thick):
        """Conductors with right angles in one layer."""
        low, random = self.low, self.random
        for _ in range(int(self.half_z / (3.4 * low))):
            z, x = random.uniform(-1, 1) * self.half_z, random.uniform(-0.9, 0.9) * self.half_x
            wide = random.uniform(0.5, 1.1) * low
            along = random.uniform() < 0.5
            for _ in range(4):
                length = random.uniform(5, 26) * low * random.choice([-1, 1])
                limit = 0.93 * self.half_z if along else 0.93 * self.half_x
                end = np.clip((z if along else x) + length, -limit, limit)
                middle, half = (
                    ((z if along else x) + end) / 2,
                    abs(end - (z if along else x)) / 2 + wide,
                )
                place = {"z": middle, "x": x} if along else {"z": z, "x": middle}
                sides = {"a": wide, "c": half} if along else {"a": half, "c": wide}
                self.add("box", _COPPER, y=height + thick / 2, b=thick / 2, **place, **sides)
                z, x = (end, x) if along else (z, end)
                along = not along
            self.post(_COPPER, z, x, height, height + thick, 2.2 * wide)

    def underfill(self):
        """Epoxy between laminate and die, with silica of several sizes and some bubbles."""
        self.layer(_EPOXY, *self.gap)
        self.grains(self.gap, (0.6 * self.middle, 1.0 * self.low), 0.16, 0.25)

    def mould(self):
        self.layer(_MOULD, self.die_top, self.top)
        self.grains((self.die_top, self.top), (1.2 * self.middle, 5.0 * self.low), 0.25, 0.03)

    def grains(self, between, diameters, share, bubbles):
        """Balls of silica in a layer, a part of the small ones bubbles; finer ones where it is fine."""
        s, random = self.settings, self.random
        half = np.array([0.62 * s.width, (between[1] - between[0]) / 2, self.half_x])
        centre = np.array([0.0, (between[0] + between[1]) / 2, 0.0])
        there = []
        classes = [(diameters, share, centre, half)]
        if s.fine_radius > 0:
            ball = np.minimum(half, s.fine_radius)
            classes.append(
                ((2.0 * self.high, 5.0 * self.high), 0.02, np.asarray(s.fine_place), ball)
            )
        for sizes, part, middle, box in classes:
            sizes = np.log(np.asarray(sizes, float))
            mean = np.mean(np.exp(random.uniform(*sizes, 4096)) ** 3) * np.pi / 6
            count = int(min(s.most, part * 8 * box.prod() / mean))
            radii = np.sort(np.exp(random.uniform(*sizes, count)) / 2)[::-1]
            points = random.uniform(-1, 1, (max(16 * count, 64), 3)) * box + middle
            room = (half - np.abs(points - centre)).min(axis=1)
            keep = room > 0
            balls = np.concatenate(there) if there else None
            there.append(pack_balls(radii, points[keep], room[keep], balls, gap=0.3 * self.high))
        for balls, hollow in zip(there, (bubbles, 0.5), strict=False):
            z, y, x, r = balls.T
            air = (random.uniform(size=len(r)) < hollow) & (r < 0.7 * self.low)
            for material, chosen in ((_SILICA, ~air), (_AIR, air)):
                if chosen.any():
                    place = {"z": z[chosen], "y": y[chosen], "x": x[chosen]}
                    self.add("ellipsoid", material, a=r[chosen], b=r[chosen], c=r[chosen], **place)

    def die(self):
        """Silicon with vias through it, and under it four thin layers of fine lines in epoxy."""
        low, middle, random = self.low, self.middle, self.random
        self.layer(_SILICON, self.gap[1], self.die_top)
        z, x = self.grid(8 * low, 0.2)
        some = random.uniform(size=len(z)) < 0.5
        self.post(_COPPER, z[some], x[some], self.gap[1], self.die_top - 1.5 * low, 0.9 * middle)
        depth = 0.9 * middle
        for n in range(4):
            height = self.gap[1] + n * 1.8 * middle
            self.layer(_EPOXY, height, height + depth)
            count = int(self.half_z / (2.2 * middle))
            place = random.uniform(-1, 1, (2, count)) * [[0.8 * self.half_z], [0.8 * self.half_x]]
            wide = random.uniform(0.6, 2.4, count) * self.high
            long = np.exp(random.uniform(np.log(3 * middle), np.log(14 * low), count))
            sides = {"a": wide, "c": long} if n % 2 else {"a": long, "c": wide}
            sides["a"] = np.minimum(sides["a"], self.half_x - np.abs(place[1]))
            self.add(
                "box", _COPPER, z=place[0], x=place[1], y=height + depth / 2, b=depth / 2, **sides
            )

    def bumps(self):
        """Copper pillars on the die, and solder with voids of three sizes on the pads below."""
        low, middle, random = self.low, self.middle, self.random
        z, x = self.grid(13 * low)
        size = random.uniform(0.94, 1.06, len(z)) * 3.1 * low
        below, above = self.gap
        # Pads, one thin layer of solder resist open above each.
        self.layer(_EPOXY, below - 1.2 * low, below)
        self.post(_COPPER, z, x, below - 1.2 * low, below + 0.3 * low, 1.15 * size)
        foot = above - 3.6 * low
        self.post(_COPPER, z, x, foot, above, size)
        wet = random.uniform(size=len(z)) >= self.settings.missing
        tall = (foot - below - 0.3 * low) / 2
        middle_y = below + 0.3 * low + tall
        # A barrel: an ellipsoid that is cut where it meets pad and pillar. Where it did not wet it
        # hangs from the pillar, and does not reach the pad.
        wide = size * random.uniform(1.1, 1.22, len(z))
        cut = np.where(wet, -tall, random.uniform(-0.5, -0.1, len(z)) * tall)
        self.add(
            "ellipsoid", _SOLDER, z=z, x=x, y=middle_y, a=wide, b=wide, c=1.9 * tall,
            dz=0.0, dy=1.0, low=cut, high=tall,
        )  # fmt: skip
        voids = []
        for bz, bx, radius, bottom in zip(z, x, wide, cut, strict=True):
            half = np.array([radius, 0.45 * (tall - bottom), radius])
            centre = np.array([bz, middle_y + 0.5 * (tall + bottom), bx])
            number = random.integers(4, 14), random.integers(20, 60), random.integers(40, 90)
            near = np.linalg.norm(centre - self.settings.fine_place) < self.settings.fine_radius
            radii = np.concatenate(
                [
                    np.exp(random.uniform(*np.log(np.array([1.3, 2.4]) * middle), number[0])),
                    np.exp(random.uniform(*np.log(np.array([0.5, 1.1]) * middle), number[1])),
                    np.exp(
                        random.uniform(*np.log(np.array([0.9, 1.6]) * self.high), number[2] * near)
                    ),
                ]
            )
            points = random.uniform(-1, 1, (12 * len(radii), 3))
            level = np.sqrt((points**2).sum(axis=1))
            room = (1 - level) * half.min()
            keep = level < 1
            points = points * half + centre
            voids.append(
                pack_balls(np.sort(radii)[::-1], points[keep], room[keep], gap=0.5 * self.high)
            )
        vz, vy, vx, r = np.concatenate(voids).T
        self.add("ellipsoid", _AIR, z=vz, y=vy, x=vx, a=r, b=r, c=r)

    def crack(self):
        """One thin crack in the underfill along the die."""
        random, low = self.random, self.low
        z, x = random.uniform(-0.4, 0.4, 2) * self.half_x
        wide = random.uniform(6, 12, 2) * low
        self.add(
            "ellipsoid", _AIR, z=z, x=x, y=self.gap[1] - 0.35 * self.middle, a=wide[0],
            b=0.3 * self.middle, c=wide[1],
        )  # fmt: skip
