"""A hydrogel under a thin coat of gold: a porous network of fibres, and its damage by the beam."""

import math
from dataclasses import dataclass

import numba
import numpy as np

from acuity.filters import gaussian


@dataclass(frozen=True)
class Damage:
    """How the specimen has moved between two scans: displacements that grow in damaged zones.

    Attributes
    ----------
    zones : numpy.ndarray
        (zone, 4): centre y, x and radius in nm, greatest displacement towards the centre in nm.
    waves : numpy.ndarray
        (mode, 5): wave numbers along y, x (1/nm), phase, amplitudes along y, x (nm) of the
        displacement that no registration by patches can follow, full where damage is 1.
    """

    zones: np.ndarray
    waves: np.ndarray

    def weight(self, y, x):
        """Damage of points, 0 to 1."""
        kept = np.ones(np.shape(y))
        for zy, zx, radius, _ in self.zones:
            kept *= 1.0 - np.exp(-0.5 * ((y - zy) ** 2 + (x - zx) ** 2) / radius**2)
        return 1.0 - kept

    def displace(self, y, x):
        """Where points of the specimen (nm) have moved to (nm)."""
        dy, dx = np.zeros(np.shape(y)), np.zeros(np.shape(x))
        for zy, zx, radius, greatest in self.zones:
            ay, ax = y - zy, x - zx
            # Greatest at one radius from the centre.
            pull = greatest / radius * np.exp(0.5 - 0.5 * (ay**2 + ax**2) / radius**2)
            dy -= pull * ay
            dx -= pull * ax
        weight = self.weight(y, x)
        for ky, kx, phase, my, mx in self.waves:
            wave = weight * np.cos(ky * y + kx * x + phase)
            dy += my * wave
            dx += mx * wave
        return y + dy, x + dx

    def origin(self, y, x, steps=30):
        """Where points that are at (y, x) now came from, the inverse of `displace`."""
        py, px = np.array(y, np.float64), np.array(x, np.float64)
        for _ in range(steps):
            qy, qx = self.displace(py, px)
            py, px = py + (y - qy), px + (x - qx)
        return py, px


def damage(field, *, seed, zones, radius, greatest, fine, wavelength):
    """Draw damaged zones.

    Parameters
    ----------
    field : (float, float, float, float)
        y0, x0, y1, x1 of the field, nm.
    seed : int
        Seed of the random numbers.
    zones : int
        Number of zones.
    radius : float
        Typical radius of a zone, nm.
    greatest : float
        Greatest displacement towards a zone's centre, nm; from half of it to all is drawn.
    fine : float
        Greatest displacement that changes over short distances, nm.
    wavelength : float
        Shortest wavelength of that, nm.

    Returns
    -------
    Damage
    """
    random = np.random.Generator(np.random.Philox(key=[seed, 21]))
    y0, x0, y1, x1 = field
    table = np.column_stack(
        [
            random.uniform(y0, y1, zones),
            random.uniform(x0, x1, zones),
            radius * random.uniform(0.7, 1.3, zones),
            greatest * random.uniform(0.5, 1.0, zones),
        ]
    )
    modes = 6
    k = 2 * np.pi / (wavelength * random.uniform(1.0, 2.0, modes))
    angle = random.uniform(0, 2 * np.pi, modes)
    towards = random.uniform(0, 2 * np.pi, modes)
    waves = np.column_stack(
        [
            k * np.sin(angle),
            k * np.cos(angle),
            random.uniform(0, 2 * np.pi, modes),
            fine / modes * np.sin(towards),
            fine / modes * np.cos(towards),
        ]
    )
    return Damage(table, waves)


@numba.njit(cache=True)
def _share(a, b):
    """Fixed pseudo-random share, 0 to 1, of a pair of cells, in either order."""
    lo, hi = min(a, b), max(a, b)
    h = np.uint64(lo) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(hi) * np.uint64(
        0xC2B2AE3D27D4EB4F
    )
    h ^= h >> np.uint64(29)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(32)
    return float(h >> np.uint64(11)) / 9007199254740992.0


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _network(seeds, bend, ratio, step, pore, thickness, out):
    """Add one layer of fibres along the borders of Voronoi cells, the nearer side last."""
    ny, nx = out.shape
    rows, cols = seeds.shape[1], seeds.shape[2]
    for j in numba.prange(ny):
        jy = int(j * ratio)
        ty = j * ratio - jy
        for i in range(nx):
            ix = int(i * ratio)
            tx = i * ratio - ix
            wy = (1 - ty) * ((1 - tx) * bend[0, jy, ix] + tx * bend[0, jy, ix + 1]) + ty * (
                (1 - tx) * bend[0, jy + 1, ix] + tx * bend[0, jy + 1, ix + 1]
            )
            wx = (1 - ty) * ((1 - tx) * bend[1, jy, ix] + tx * bend[1, jy, ix + 1]) + ty * (
                (1 - tx) * bend[1, jy + 1, ix] + tx * bend[1, jy + 1, ix + 1]
            )
            y = j * step / pore + 2.0 + wy
            x = i * step / pore + 2.0 + wx
            cy, cx = math.floor(y), math.floor(x)
            first = 1e9
            near = -1
            for b in range(max(0, cy - 2), min(rows, cy + 3)):
                for a in range(max(0, cx - 2), min(cols, cx + 3)):
                    d = (b + seeds[0, b, a] - y) ** 2 + (a + seeds[1, b, a] - x) ** 2
                    if d < first:
                        first = d
                        near = b * cols + a
            ny0, nx0 = near // cols, near % cols
            py, px = ny0 + seeds[0, ny0, nx0], nx0 + seeds[1, ny0, nx0]
            best = 0.0
            for b in range(max(0, cy - 2), min(rows, cy + 3)):
                for a in range(max(0, cx - 2), min(cols, cx + 3)):
                    other = b * cols + a
                    if other == near:
                        continue
                    qy, qx = b + seeds[0, b, a], a + seeds[1, b, a]
                    d = (qy - y) ** 2 + (qx - x) ** 2
                    apart = math.sqrt((qy - py) ** 2 + (qx - px) ** 2)
                    # Distance to the border of the two cells, over the fibre's half-width.
                    share = _share(near, other)
                    half = 0.5 * thickness / pore * (0.35 + 1.5 * share)
                    if share < 0.12:
                        continue
                    t = (d - first) / (2.0 * apart) / half
                    if t < 1.0:
                        edge = 0.5 / math.sqrt(max(1.0 - t * t, 0.06))
                        best = max(best, min((1.0 - t) * half * pore / step, 1.0) * (0.35 + edge))
            out[j, i] = best


def render(*, shape, step, seed, pore, thickness, coat, coat_size):
    """Secondary electrons from every point of a porous network of fibres in two layers.

    Parameters
    ----------
    shape : (int, int)
        Points along y, x.
    step : float
        Distance of two points, nm.
    seed : int
        Seed of the random numbers.
    pore, thickness, coat, coat_size : float
        As in `acuity.simulate.specimens.hydrogel.Network`.

    Returns
    -------
    numpy.ndarray
        (y, x), float32, about 1 on a fibre that lies flat.
    """
    random = np.random.Generator(np.random.Philox(key=[seed, 22]))
    out = np.zeros(shape, np.float32)
    for layer, (depth, size) in enumerate(((0.45, 0.7), (1.0, 1.0))):
        cell = pore * size
        counts = [math.ceil(n * step / cell) + 5 for n in shape]
        seeds = random.random((2, *counts))
        coarse = cell / 6
        bend = random.standard_normal((2, *(int(n * step / coarse) + 3 for n in shape)))
        bend = np.stack([gaussian(b[None].astype(np.float32), (0, 1.5, 1.5))[0] for b in bend])
        plane = np.empty(shape, np.float32)
        _network(seeds, bend, step / coarse, step, cell, thickness * size, plane)
        # The back layer is out of focus and in the shadow of the front one.
        if layer == 0:
            out += depth * gaussian(plane[None], (0, 40.0 / step, 40.0 / step))[0]
        else:
            cover = np.minimum(plane, 1.0)
            out *= 1.0 - cover
            out += plane
    grain = random.standard_normal((1, *shape), np.float32)
    grain = gaussian(grain, (0, coat_size / step, coat_size / step))[0]
    out += 0.06
    out *= 1.0 + coat / grain.std() * grain
    return out
