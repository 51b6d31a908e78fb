"""Bodies: path lengths against dense integration along rays, voxels against point sampling."""

import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.geometry import ConeBeam, full_circle
from acuity.simulate.bodies import pack, rows
from acuity.simulate.fill import fill, topmost
from acuity.simulate.foam import foam
from acuity.simulate.packing import pack_balls
from acuity.simulate.paths import paths
from acuity.simulate.project import project
from acuity.simulate.settings import Pores

GEOMETRY = ConeBeam(120.0, 300.0, 2.2, 40, 44, 1.5, -2.0)
TILTED = {"dz": 0.4, "dy": -0.7, "dx": 0.5, "turn": 25.0}

# One of each kind, with its inside as the definition says it, in own coordinates (x, y, z).
EACH = {
    "ellipsoid": (
        rows("ellipsoid", 1, z=3, y=-2, x=4, a=9, b=6, c=12, **TILTED),
        lambda p: (p[0] / 9) ** 2 + (p[1] / 6) ** 2 + (p[2] / 12) ** 2 <= 1,
    ),
    "barrel": (
        rows("ellipsoid", 1, z=3, y=-2, x=4, a=9, b=7, c=12, low=-5.0, high=3.0, **TILTED),
        lambda p: (
            ((p[0] / 9) ** 2 + (p[1] / 7) ** 2 + (p[2] / 12) ** 2 <= 1) & (p[2] >= -5) & (p[2] <= 3)
        ),
    ),
    "tube": (
        rows("tube", 1, z=3, y=-2, x=4, a=5, b=7, c=11, **TILTED),
        lambda p: ((p[0] / 5) ** 2 + (p[1] / 7) ** 2 <= 1) & (abs(p[2]) <= 11),
    ),
    "capsule": (
        rows("capsule", 1, z=3, y=-2, x=4, a=5, c=8, **TILTED),
        lambda p: p[0] ** 2 + p[1] ** 2 + np.maximum(abs(p[2]) - 8, 0) ** 2 <= 25,
    ),
    "box": (
        rows("box", 1, z=3, y=-2, x=4, a=5, b=7, c=11, **TILTED),
        lambda p: (abs(p[0]) <= 5) & (abs(p[1]) <= 7) & (abs(p[2]) <= 11),
    ),
    "shell": (
        rows("shell", 1, z=3, y=-2, x=4, a=9, b=10, c=12, wall=2.0, **TILTED),
        lambda p: (
            ((p[0] / 9) ** 2 + (p[1] / 10) ** 2 + (p[2] / 12) ** 2 <= 1)
            & ((p[0] / 7) ** 2 + (p[1] / 8) ** 2 + (p[2] / 10) ** 2 > 1)
        ),
    ),
}
VOLUME = {
    "ellipsoid": 4 / 3 * np.pi * 9 * 6 * 12,
    "barrel": np.pi * 63 * (8 - (3**3 + 5**3) / (3 * 144)),
    "tube": np.pi * 35 * 22,
    "capsule": np.pi * 25 * 16 + 4 / 3 * np.pi * 125,
    "box": 8 * 5 * 7 * 11,
    "shell": 4 / 3 * np.pi * (9 * 10 * 12 - 7 * 8 * 10),
}


def own(points):
    """Own coordinates (x, y, z) of points (..., zyx): the axes x, y, z turned, then z tilted."""
    n = np.array([TILTED["dx"], TILTED["dy"], TILTED["dz"]])
    n /= np.linalg.norm(n)
    axis = np.cross([0, 0, 1], n)
    sine = np.linalg.norm(axis)
    axis /= sine
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    tilt = np.eye(3) + sine * k + (1 - n[2]) * k @ k
    t = np.deg2rad(TILTED["turn"])
    turn = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
    away = points[..., ::-1] - np.array([4, -2, 3])
    return np.moveaxis(away @ (tilt @ turn), -1, 0)


def rays(geometry, angle):
    """Source and ends of all rays, (z, y, x)."""
    v0, u0 = geometry.first_pixel
    v = v0 + np.arange(geometry.rows) * geometry.pixel
    u = u0 + np.arange(geometry.columns) * geometry.pixel
    v, u = np.meshgrid(v, u, indexing="ij")
    t = np.deg2rad(angle)
    depth = geometry.source_to_axis - geometry.source_to_detector
    x, y = u * np.cos(t) + depth * np.sin(t), -u * np.sin(t) + depth * np.cos(t)
    source = geometry.source_to_axis * np.array([0, np.cos(t), np.sin(t)])
    return source, np.stack([v, y, x], axis=-1)


@pytest.mark.parametrize("name", EACH)
def test_lengths_are_those_of_dense_integration(name):
    table, within = EACH[name]
    found = paths(pack(table), GEOMETRY, [35.0], dtype=np.float64)[0, 1]
    source, ends = rays(GEOMETRY, 35.0)
    way = ends - source
    share = np.linspace(0.25, 0.6, 1401)
    step = (share[1] - share[0]) * np.linalg.norm(way, axis=-1)
    sums = np.zeros(found.shape)
    for s in share:
        sums += within(own(source + s * way))
    # Each surface that a ray crosses is known to half a step.
    assert abs(found - sums * step).max() < 2.01 * step.max()
    assert abs((found - sums * step).mean()) < 0.02 * step.max()
    # Negative control: the same body seen from elsewhere is another shadow.
    assert abs(paths(pack(table), GEOMETRY, [37.0])[0, 1] - found).max() > 10 * step.max()


@pytest.mark.parametrize("name", EACH)
def test_voxels_are_the_share_of_the_points_inside(name):
    table, within = EACH[name]
    found = fill(pack(table), (30, 32, 34), 1.0, [0, 1], supersample=3)
    axes = [np.arange(3 * n) / 3 - (n - 1 / 3) / 2 for n in (30, 32, 34)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    truth = within(own(points)).reshape(30, 3, 32, 3, 34, 3).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(found, truth, atol=1e-6)
    part = fill(pack(table), (30, 32, 34), 1.0, [0, 1], supersample=3, z0=7, z1=19)
    np.testing.assert_array_equal(part, found[7:19])


@pytest.mark.parametrize("name", EACH)
def test_mass_is_kept(name):
    """The sum over voxels, and over the shadow in nearly parallel light, is the volume."""
    bodies = pack(EACH[name][0])
    assert fill(bodies, (60,) * 3, 0.75, [0, 1]).sum() * 0.75**3 == pytest.approx(
        VOLUME[name], rel=2e-3
    )
    far = ConeBeam(1e6, 1.0001e6, 0.25, 180, 180)
    shadow = paths(bodies, far, [10.0, 77.0], dtype=np.float64)[:, 1].sum(axis=(1, 2)) * 0.25**2
    np.testing.assert_allclose(shadow, VOLUME[name], rtol=2e-3)


def test_later_bodies_cover_earlier_ones():
    """Lengths of overlapping bodies are those of what is painted last, however they overlap."""
    table = pd.concat([EACH[name][0] for name in EACH], ignore_index=True)
    table["material"] = [1, 2, 0, 3, 1, 2]
    table["x"] += [0, 3, -2, 5, -4, 1]
    bodies = pack(table)
    lengths = paths(bodies, GEOMETRY, [12.0], dtype=np.float64)[0]
    source, ends = rays(GEOMETRY, 12.0)
    share = np.linspace(0.25, 0.6, 801)
    chosen = (slice(10, 30, 7), slice(8, 40, 6))
    way = (ends - source)[chosen]
    points = source + share[:, None, None, None] * way
    top = np.zeros(points.shape[:-1], int)
    for n in range(len(bodies)):
        y = (points - bodies.centre[n]) @ bodies.frame[n].T
        inside = [f for name, (_, f) in EACH.items()][n]
        half = table.loc[n, ["a", "b", "c"]].to_numpy(float)
        half = half[:1].repeat(3) if table.kind[n] == "capsule" else half
        top[inside(np.moveaxis(y * half, -1, 0))] = n + 1
    material = np.concatenate([[-1], table["material"]])[top]
    step = (share[1] - share[0]) * np.linalg.norm(way, axis=-1)
    for m in range(4):
        truth = (material == m).sum(axis=0) * step
        assert abs(lengths[m][chosen] - truth).max() < 6 * step.max()
    # The sum of all materials is the union, whatever the order; the shares are not.
    turned = paths(pack(table[::-1]), GEOMETRY, [12.0], dtype=np.float64)[0]
    np.testing.assert_allclose(turned.sum(axis=0), lengths.sum(axis=0), atol=1e-9)
    assert abs(turned - lengths).max() > 1
    labels = topmost(bodies, (30, 30, 30), 1.0)
    assert set(np.unique(labels)) == set(range(7))


def test_one_material_is_the_foam_of_today():
    size, angles = 64, full_circle(5, offset=3.0)
    spheres = foam(Pores(diameter=(4, 16)), size=size, seed=3)
    geometry = ConeBeam.standard(size)
    truth = project(spheres, geometry, angles, size=size, dtype=np.float64)
    place = {name: spheres[name] for name in "zyx"}
    balls = rows("ellipsoid", 0, a=spheres.radius, b=spheres.radius, c=spheres.radius, **place)
    bodies = pack(pd.concat([rows("tube", 1, a=0.45 * size, c=size / 2), balls]))
    found = paths(bodies, geometry, angles, dtype=np.float64)[:, 1]
    assert abs(found - truth).max() < 1e-6
    # Negative control: painted the other way round the cylinder hides its pores.
    hidden = paths(
        pack(pd.concat([balls, rows("tube", 1, a=0.45 * size, c=size / 2)])), geometry, angles
    )
    assert abs(hidden[:, 1] - truth).max() > 1


def test_lengths_are_the_same_for_any_number_of_threads():
    import numba

    bodies = pack(pd.concat([EACH[name][0] for name in EACH]))
    before = numba.get_num_threads()
    first = paths(bodies, GEOMETRY, full_circle(6))
    try:
        numba.set_num_threads(1)
        second = paths(bodies, GEOMETRY, full_circle(6))
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(first, second)


def test_moved_bodies_stand_where_the_motion_takes_them():
    angle = np.deg2rad(30)
    rotation = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    moved = pack(rows("box", 1, z=2, y=3, x=5, a=1, b=2, c=3)).moved(rotation, [0, 1, 1], 2.0)
    np.testing.assert_allclose(moved.centre[0], 2 * rotation @ [2, 2, 4])
    volume = fill(moved, (40,) * 3, 1.0, [0, 1]).sum()
    assert volume == pytest.approx(48 * 8, rel=0.01)


def test_balls_neither_touch_nor_leave():
    random = np.random.default_rng(1)
    points = random.uniform(-20, 20, (4000, 3))
    there = np.array([[0.0, 0, 0, 8]])
    placed = pack_balls(
        np.linspace(4, 1, 200), points, 20 - abs(points).max(axis=1), there, gap=0.5
    )
    assert len(placed) > 100
    every = np.concatenate([there, placed])
    apart = np.linalg.norm(every[:, None, :3] - every[None, :, :3], axis=-1)
    apart -= every[:, None, 3] + every[None, :, 3]
    assert apart[np.triu_indices(len(every), 1)].min() >= 0.5 - 1e-9
    assert (abs(placed[:, :3]).max(axis=1) + placed[:, 3]).max() <= 20


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a": -1.0}, "half axis"),
        ({"kind": "cone"}, "allowed are ellipsoid"),
        ({"dz": 0.0}, "no direction"),
        ({"material": -1}, "below 0"),
    ],
)
def test_bad_bodies_are_refused(change, words):
    with pytest.raises(AcuityError, match=words):
        pack(rows("tube", 1, a=1.0).assign(**change))


def test_a_wall_thicker_than_the_shell_and_a_specimen_at_the_source_are_refused():
    with pytest.raises(AcuityError, match="wall of a shell"):
        pack(rows("shell", 1, a=2.0, wall=2.0))
    with pytest.raises(AcuityError, match="the source stands 120"):
        paths(pack(rows("box", 1, a=100.0)), GEOMETRY, [0.0])
    with pytest.raises(AcuityError, match="lacks the column wall"):
        pack(rows("box", 1, a=1.0).drop(columns="wall"))
