"""Simulated scans of one object at any pose, from analytic projections: the truth is exact.

An object is anything with a ``size`` (side of a cube that holds it, in fine voxels). A scanner is a function
``scan(object, pose, field, seed)`` that gives a volume (z, y, x); `SPECIMENS` names the pairs of a maker and a scanner.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from acuity.filters import gaussian
from acuity.geometry import ConeBeam, full_circle
from acuity.reconstruct.fdk import Cube, fdk
from acuity.simulate.foam import foam
from acuity.simulate.project import project
from acuity.simulate.settings import Pores

PEAK = 2.0  # line integral through the diameter of a foam
LOW = 128  # side of a low volume, voxels


@dataclass(frozen=True)
class Pose:
    """How an object stands in a field: Y = scale R (X - place), in fine voxels (z, y, x).

    Attributes
    ----------
    turn : tuple of float
        Degrees about z, y and x, applied x first.
    scale : float
        Size in the field over true size.
    place : tuple of float
        Point of the object, fine voxels from its centre, that lies in the centre of the field.
    """

    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def rotation(self) -> np.ndarray:
        """Matrix (3, 3) that turns (z, y, x)."""
        out = np.eye(3)
        for angle, (a, b) in zip(np.deg2rad(self.turn), ((1, 2), (2, 0), (0, 1)), strict=True):
            about = np.eye(3)
            about[[a, b], [a, b]] = math.cos(angle)
            about[a, b], about[b, a] = -math.sin(angle), math.sin(angle)
            out = out @ about
        return out

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Return where points of the object (..., 3) stand."""
        return self.scale * (points - np.array(self.place)) @ self.rotation.T


@dataclass(frozen=True)
class Field:
    """What a scan sees: a cube of voxels, and how well.

    Attributes
    ----------
    size : int
        Side of the cube, voxels.
    voxel : float
        Voxel size, fine voxels.
    photons : float or None
        Photons in a pixel of the open beam; None for no noise.
    blur : float
        Standard deviation, detector pixels.
    extend : bool
        Continue truncated rows by their outermost value before the ramp; else by zero.
    """

    size: int = LOW
    voxel: float = 1.0
    photons: float | None = 1000.0
    blur: float = 0.8
    extend: bool = True

    @property
    def inside(self) -> np.ndarray:
        """Slice mask (y, x) of the voxels that all views see."""
        y = np.arange(self.size) - (self.size - 1) / 2
        return np.hypot(y[:, None], y) <= self.size / 2 - 0.5


def truth(low: Field, high: Field, pose: Pose) -> np.ndarray:
    """Return the map from voxel indices of a low scan (at no pose) to those of a high one.

    Returns
    -------
    numpy.ndarray
        Matrix (3, 4), axes z, y, x; the centre of voxel 0 is index 0.
    """
    linear = pose.scale * low.voxel / high.voxel * pose.rotation
    centre = -pose.scale / high.voxel * pose.rotation @ np.array(pose.place)
    shift = centre + (high.size - 1) / 2 - linear @ np.full(3, (low.size - 1) / 2)
    return np.column_stack([linear, shift])


class Foam(NamedTuple):
    """Spherical pores (sphere, 4: z y x radius) in a cylinder, fine voxels from the centre."""

    spheres: np.ndarray
    size: float
    radius: float


def make_foam(seed: int, ratio: int, side: int = LOW) -> Foam:
    """Make a foam that a low volume of `side` voxels holds; its fine voxels are `ratio` times smaller.

    No pore is cut by an end, so that it can be turned.
    """
    # Voxels of the low scan: 9 to 48 fine voxels at 3:1, 12 to 72 at 6:1.
    size = 1 + 6 / ratio, 8 + 24 / ratio
    pores = Pores(diameter=size, small_fraction=0.4, small_below=6.0, min_gap=0.7)
    table = foam(pores, size=side, seed=seed).to_numpy(np.float64)
    table = table[np.abs(table[:, 0]) + table[:, 3] < side / 2 - 1]
    return Foam(ratio * table, float(ratio * side), 0.45 * ratio * side)


def make_bumps(seed: int, ratio: int, side: int = LOW) -> Foam:
    """Make a field of equal bumps that repeats every 40 fine voxels along each axis."""
    size, radius = float(ratio * side), 0.45 * ratio * side
    line = np.arange(-size, size, 40.0) + np.random.default_rng(seed).uniform(0, 40)
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
    r = 13.0
    kept = (np.abs(grid[:, 0]) + r < size / 2) & (np.hypot(grid[:, 1], grid[:, 2]) + r < radius)
    grid = grid[kept]
    return Foam(np.column_stack([grid, np.full(len(grid), r)]), size, radius)


def scan_foam(body: Foam, pose: Pose, field: Field, seed: int) -> np.ndarray:
    """Scan a foam at a pose and reconstruct it.

    Returns
    -------
    numpy.ndarray
        (z, y, x), float32; voxels that not all views see are 0.
    """
    geometry, angles = beam(body.size, field)
    margin = math.ceil(4 * field.blur)
    wide = geometry.padded(margin)
    centres = pose.moved(body.spheres[:, :3]) / field.voxel
    radii = body.spheres[:, 3] * pose.scale / field.voxel
    spheres = pd.DataFrame(np.column_stack([centres, radii]), columns=["z", "y", "x", "radius"])
    attenuation = PEAK / (2 * body.radius)
    for_voxel = attenuation * field.voxel / pose.scale
    lines = project(spheres, wide, angles, size=0.0, solid=-for_voxel)
    lines += attenuation * _cylinder(body, pose, field, wide, angles)
    return reconstruct(lines, wide, angles, field, seed, margin)


def beam(size: float, field: Field) -> tuple[ConeBeam, np.ndarray]:
    """Return geometry (in voxels of the field) and angles of a scan.

    The source is four times the object's size from the axis, whatever the field.
    """
    away = 4.0 * size / field.voxel
    rows = 2 * math.ceil(field.size / 2 / (1 - field.size / 2 / away) + 1)
    views = 4 * round(1.5 * field.size / 4)
    return ConeBeam(away, 2 * away, 2.0, rows, field.size), full_circle(views)


def reconstruct(
    lines: np.ndarray, wide: ConeBeam, angles: np.ndarray, field: Field, seed: int, margin: int
) -> np.ndarray:
    """Blur and count line integrals as a detector does, and reconstruct.

    Parameters
    ----------
    lines : numpy.ndarray
        (view, v, u), with `margin` pixels more on each side than the detector has.
    wide : ConeBeam
        Geometry with that margin.
    angles : numpy.ndarray
        Degrees.
    field : Field
        What is seen.
    seed : int
        Of the noise.
    margin : int
        Pixels.
    """
    intensity = np.exp(-lines)
    if field.blur > 0:
        intensity = gaussian(intensity, (0, field.blur, field.blur))
    if margin:
        intensity = intensity[:, margin:-margin, margin:-margin]
    if field.photons is not None:
        random = np.random.Generator(np.random.Philox(seed))
        counts = random.poisson(field.photons * intensity.astype(np.float64))
        intensity = np.maximum(counts, 0.5) / field.photons
    lines = -np.log(intensity).astype(np.float32)
    # Zeros where nothing was measured would brighten the rim of a truncated scan.
    more = field.size // 2 if field.extend else 0
    lines = np.pad(lines, ((0, 0), (0, 0), (more, more)), mode="edge")
    geometry = wide.padded(-margin)
    geometry = replace(geometry, columns=geometry.columns + 2 * more)
    volume = fdk(lines, geometry, angles, Cube(size=field.size, radius=field.size / 2))
    return volume * field.inside


def _cylinder(body, pose, field, geometry, angles):
    """Lengths of the rays in the turned cylinder, fine voxels of the object, (view, v, u)."""
    v0, u0 = geometry.first_pixel
    v = v0 + geometry.pixel * np.arange(geometry.rows)
    u = u0 + geometry.pixel * np.arange(geometry.columns)
    back = pose.rotation.T * (field.voxel / pose.scale)
    out = np.empty((len(angles), len(v), len(u)), np.float32)
    for view, angle in enumerate(np.deg2rad(angles)):
        c, s = math.cos(angle), math.sin(angle)
        # Columns: what one unit of z, depth and across is in the sample's z, y and x.
        frame = back @ np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
        start = frame @ np.array([0.0, geometry.source_to_axis, 0.0]) + np.array(pose.place)
        away = -geometry.source_to_detector * frame[:, 1]
        z, y, x = (away[i] + frame[i, 0] * v[:, None] + frame[i, 2] * u[None, :] for i in range(3))
        a = y * y + x * x
        b = start[1] * y + start[2] * x
        root = b * b - a * (start[1] ** 2 + start[2] ** 2 - body.radius**2)
        spread = np.sqrt(np.maximum(root, 0.0))
        with np.errstate(divide="ignore"):
            ends = np.stack([(-body.size / 2 - start[0]) / z, (body.size / 2 - start[0]) / z])
        enter = np.maximum((-b - spread) / a, ends.min(axis=0))
        leave = np.minimum((-b + spread) / a, ends.max(axis=0))
        out[view] = np.maximum(leave - enter, 0.0) * (root > 0) * np.sqrt(a + z * z)
    return out


class Specimen(NamedTuple):
    """How objects of a kind are made, ``make(seed, ratio, side)``, and scanned."""

    make: Callable[[int, int, int], Any]
    scan: Callable[[Any, Pose, Field, int], np.ndarray]


SPECIMENS = {
    "foam": Specimen(make_foam, scan_foam),
    "bumps": Specimen(make_bumps, scan_foam),
}
