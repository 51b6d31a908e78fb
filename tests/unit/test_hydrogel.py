"""The simulated hydrogel against a second way to compute it: its network and how it is damaged."""

import math
from dataclasses import FrozenInstanceError, asdict

import numpy as np
import pytest

from acuity.filters import gaussian
from acuity.simulate.hydrogel import Damage, damage, render
from acuity.simulate.specimens.hydrogel import Network

# ---- the network


def share(a, b):
    """The share, 0 to 1, of a pair of cells: a hash in whole numbers of any size, cut to 64 bits."""
    whole = 2**64 - 1
    h = min(a, b) * 0x9E3779B97F4A7C15 + max(a, b) * 0xC2B2AE3D27D4EB4F & whole
    h ^= h >> 29
    h = h * 0xBF58476D1CE4E5B9 & whole
    h ^= h >> 32
    return (h >> 11) / 2**53


def between(grid, y, x):
    """Values of a grid between its points, linear along both axes."""
    j, i = int(y), int(x)
    ty, tx = y - j, x - i
    return (1 - ty) * ((1 - tx) * grid[j, i] + tx * grid[j, i + 1]) + ty * (
        (1 - tx) * grid[j + 1, i] + tx * grid[j + 1, i + 1]
    )


def fibres(seeds, bend, shape, step, cell, thickness):
    """How bright the fibres of one layer are: along the borders of Voronoi cells, lengths in cells."""
    rows, cols = seeds.shape[1:]
    out = np.zeros(shape)
    for j, i in np.ndindex(*shape):
        at = [between(b.astype(float), j * step / cell * 6, i * step / cell * 6) for b in bend]
        y, x = at[0] + 2 + j * step / cell, at[1] + 2 + i * step / cell
        near = [
            (b, a)
            for b in range(max(0, math.floor(y) - 2), min(rows, math.floor(y) + 3))
            for a in range(max(0, math.floor(x) - 2), min(cols, math.floor(x) + 3))
        ]
        points = np.array([(b + seeds[0, b, a], a + seeds[1, b, a]) for b, a in near])
        away = np.hypot(*(points - (y, x)).T)
        own = away.argmin()
        for n, (b, a) in enumerate(near):
            part = share(near[own][0] * cols + near[own][1], b * cols + a)
            if n == own or part < 0.12:
                continue
            half = thickness / cell / 2 * (0.35 + 1.5 * part)
            # The distance to the plane that halves the way between both.
            border = (away[n] ** 2 - away[own] ** 2) / 2 / math.dist(points[n], points[own])
            t = border / half
            if t < 1:
                edge = 0.35 + 0.5 / math.sqrt(max(1 - t**2, 0.06))
                out[j, i] = max(out[j, i], min((half - border) * cell / step, 1) * edge)
    return out


def rendered(shape, step, seed, *, pore=700.0, thickness=150.0, coat=0.08, coat_size=18.0):
    """What `render` gives, point by point."""
    random = np.random.Generator(np.random.Philox(key=[seed, 22]))
    layers = []
    for size in (0.7, 1.0):
        cell = pore * size
        seeds = random.random((2, *(math.ceil(n * step / cell) + 5 for n in shape)))
        bend = random.standard_normal((2, *(int(n * step / cell * 6) + 3 for n in shape)))
        bend = [gaussian(b[None], (0, 1.5, 1.5))[0] for b in bend]
        layers.append(fibres(seeds, bend, shape, step, cell, thickness * size))
    grain = gaussian(
        random.standard_normal((1, *shape), np.float32), (0, coat_size / step, coat_size / step)
    )[0].astype(float)
    back = gaussian(layers[0][None], (0, 40 / step, 40 / step))[0].astype(float)
    out = 0.45 * back * (1 - np.minimum(layers[1], 1)) + layers[1] + 0.06
    return out * (1 + coat * grain / grain.std())


@pytest.mark.parametrize(
    "settings",
    [
        {"shape": (31, 24), "step": 41.0, "seed": 4},
        # Fibres so thick that cells at the end of what is looked at matter.
        {
            "shape": (20, 27),
            "step": 55.0,
            "seed": 5,
            "pore": 300.0,
            "thickness": 700.0,
            "coat": 0.3,
            "coat_size": 70.0,
        },
        {"shape": (13, 9), "step": 17.0, "seed": 6, "pore": 60.0, "thickness": 20.0},
    ],
    ids=["as it is", "thick", "small"],
)
def test_every_point_is_what_its_cells_make_it(settings):
    expected = rendered(**settings)
    found = render(**asdict(Network()) | settings)
    assert found.dtype == np.float32
    assert found.shape == settings["shape"]
    assert np.ptp(found) > 0.5
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


# ---- damage

ZONES = np.array([[40.0, 25.0, 30.0, 9.0], [10.0, 70.0, 22.0, 5.0]])
WAVES = np.array([[0.11, -0.05, 0.7, 1.5, -0.8], [-0.03, 0.09, 2.1, 0.4, 1.2]])
HURT = Damage(ZONES, WAVES)
POINTS = [(40.0, 25.0), (0.0, 0.0), (55.5, 61.0), (12.0, 48.0), (-20.0, 90.0)]


def weight(y, x):
    kept = 1.0
    for zy, zx, radius, _ in ZONES:
        kept *= 1 - math.exp(-((math.dist((y, x), (zy, zx)) / radius) ** 2) / 2)
    return 1 - kept


def displaced(y, x):
    to = np.array([y, x])
    for zy, zx, radius, greatest in ZONES:
        off = np.array([y - zy, x - zx]) / radius
        to -= greatest * off * math.exp((1 - off @ off) / 2)
    for ky, kx, phase, my, mx in WAVES:
        to += np.array([my, mx]) * weight(y, x) * math.cos(ky * y + kx * x + phase)
    return to


def test_damage_is_one_less_what_each_zone_leaves():
    found = HURT.weight(*np.transpose(POINTS))
    np.testing.assert_allclose(found, [weight(*p) for p in POINTS], rtol=1e-12)
    assert found[0] == 1.0


def test_points_move_towards_zones_and_by_the_waves_in_them():
    found = HURT.displace(*np.transpose(POINTS))
    expected = [displaced(*p) for p in POINTS]
    np.testing.assert_allclose(np.transpose(found), expected, rtol=1e-12, atol=1e-12)
    # One radius away from the only zone: the whole way it was given.
    y, x = Damage(ZONES[:1], WAVES[:0]).displace(np.array([70.0]), np.array([25.0]))
    assert (y[0], x[0]) == pytest.approx((61.0, 25.0))


def test_the_origin_is_found_in_thirty_steps():
    # Pulled so hard that thirty steps are seen to be neither more nor fewer.
    hard = Damage(np.array([[40.0, 25.0, 30.0, 13.0]]), WAVES[:0])
    at = np.array([[42.0, 23.0], [38.5, 26.0]])
    p, before = at, at
    for _ in range(30):
        before, p = p, p + at - np.transpose(hard.displace(*p.T))
    assert 1e-9 < np.abs(p - before).max() < 1e-2
    np.testing.assert_allclose(np.transpose(hard.origin(*at.T)), p, rtol=1e-13)
    one = HURT.origin(*at.T, steps=1)
    np.testing.assert_allclose(np.transpose(one), [2 * q - displaced(*q) for q in at], rtol=1e-12)


def test_damage_is_drawn_from_its_seed():
    found = damage(
        field=(-100.0, 50.0, 700.0, 950.0),
        seed=7,
        zones=4,
        radius=120.0,
        greatest=17.0,
        fine=9.0,
        wavelength=70.0,
    )
    again = np.random.Generator(np.random.Philox(key=[7, 21]))
    u = again.random((4, 4))
    zones = [800 * u[0] - 100, 900 * u[1] + 50, 120 * (0.7 + 0.6 * u[2]), 17 * (1 + u[3]) / 2]
    np.testing.assert_allclose(found.zones, np.transpose(zones), rtol=1e-12)
    k, angle, towards, phase = again.random((4, 6))
    k = 2 * np.pi / (70 * (1 + k))
    angle, towards, phase = (2 * np.pi * a for a in (angle, towards, phase))
    waves = [k * np.sin(angle), k * np.cos(angle), phase]
    waves += [9 / 6 * np.sin(towards), 9 / 6 * np.cos(towards)]
    np.testing.assert_allclose(found.waves, np.transpose(waves), rtol=1e-12)


def test_damage_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        HURT.zones = ZONES[:1]
