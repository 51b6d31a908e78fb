"""Foams in numbers: voxels by brute force, volumes in closed form, placements as they came out."""

import math

import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.settings import call
from acuity.simulate import foam as module
from acuity.simulate import voxelise as writing
from acuity.simulate.foam import exact, exact_labels, foam, porosity
from acuity.simulate.voxelise import voxelise
from acuity.volume import Grid, VolumeWriter, open_volume


def table(*rows):
    return pd.DataFrame(rows, columns=["z", "y", "x", "radius"], dtype=float)


# Cut by the faces of the volume and by its ends, overlapping, on the raster and off it, and beyond.
MANY = table(
    (0, 0, 0, 2),
    (-1.2, 3.4, -2.2, 1.3),
    (5.9, -1.7, 2.6, 2.4),
    (-6.6, -4.1, -4.3, 1.9),
    (2.1, 5.3, 0.2, 2.2),
    (2.6, -5.8, 3.1, 1.7),
    (-3.3, 0.4, 5.7, 1.55),
    (-3.1, 0.9, -5.9, 1.45),
    (3.3, 0.2, -1.1, 1.8),
    (-5, -3, 3, 1),
    (-2.2, -2.7, 0.9, 0.3),
    (0.3, 12.0, 0, 2),
    (0.2, 0.4, -40.0, 3),
    (-5.37, 3.18, 1.21, 2.05),
)


def within(spheres, points):
    """Whether points of a raster (z, y, x; an axis each) lie in each of the spheres."""
    z, y, x = np.meshgrid(*points, indexing="ij", sparse=True)
    return [
        (z - s.z) ** 2 + (y - s.y) ** 2 + (x - s.x) ** 2 <= s.radius**2
        for s in spheres.itertuples()
    ]


def share(inside, samples):
    shape = [n for length in inside.shape for n in (length // samples, samples)]
    return inside.reshape(shape).mean(axis=tuple(range(1, 2 * inside.ndim, 2)))


def fine(size, samples):
    return (np.arange(size * samples) + 0.5) / samples - size / 2


@pytest.mark.parametrize("size", [12, 13])
@pytest.mark.parametrize("samples", [1, 3, 4, 9])
def test_exact_fractions_by_brute_force(size, samples):
    many = MANY + np.array([0.0173, -0.0119, 0.0071, 0.0053])  # no sample on a surface
    y, x = np.meshgrid(*[fine(size, max(samples, 8))] * 2, indexing="ij")
    disc = share(y**2 + x**2 <= (0.41 * size) ** 2, max(samples, 8))
    pores = sum(share(inside, samples) for inside in within(many, [fine(size, samples)] * 3))
    found = exact(many, size=size, cylinder_radius=0.41, supersample=samples)
    np.testing.assert_allclose(found, np.maximum(disc - pores, 0), rtol=0, atol=1e-6)
    assert found.dtype == np.float32
    assert np.array_equal(
        exact(many, size=size, cylinder_radius=0.41, supersample=samples, z0=3, z1=5), found[3:5]
    )


@pytest.mark.parametrize("size", [12, 13])
def test_labels_by_brute_force(size):
    truth = np.zeros((size,) * 3, np.uint32)
    for row, inside in enumerate(within(MANY, [fine(size, 1)] * 3)):
        truth[inside] = row + 1
    found = exact_labels(MANY, size=size)
    assert found.dtype == np.uint32
    assert np.array_equal(found, truth)
    assert np.array_equal(exact_labels(MANY, size=size, z0=3, z1=5), truth[3:5])


def test_a_point_on_the_surface_belongs_to_it():
    # Of the pore: six voxel centres lie exactly on its surface.
    pore = table((0, 0, 0, 2))
    assert (exact_labels(pore, size=9) > 0).sum() == 33
    assert (exact(pore, size=9, cylinder_radius=0.5, supersample=1)[4] == 0).sum() == 13 + 4
    # Of the cylinder: (a^2 + b^2) / 256 is its radius squared, with points at odd sixteenths.
    radius = math.sqrt(2522) / 16
    assert radius**2 * 256 == 2522
    odd = np.arange(-63, 64, 2)
    points = odd[:, None] ** 2 + odd**2
    assert (points == 2522).any()
    found = exact(pore.iloc[:0], size=8, cylinder_radius=radius / 8)
    assert found.sum(dtype=float) * 64 == 8 * (points <= 2522).sum()


def test_volume_between_the_ends():
    def inside(z, r, half):
        """By slices: exact, since the area of a slice is a polynomial."""
        low, high = max(z - r, -half), min(z + r, half)
        if low >= high:
            return 0.0
        nodes, weights = np.polynomial.legendre.leggauss(3)
        heights = (high + low) / 2 + nodes * (high - low) / 2
        return (weights * np.pi * (r**2 - (heights - z) ** 2)).sum() * (high - low) / 2

    for z in (-7.3, -5.0, -2.2, 0.0, 0.7, 3.1, 4.9, 5.0, 6.4, 8.5):
        for r in (0.7, 2.3, 6.1):
            found = module._volume_inside(z, r, 5.0)
            assert found == pytest.approx(inside(z, r, 5.0), rel=1e-12, abs=1e-12)
    pores = table((3.9, 1, 2, 2.5), (-1, 3, -3, 1.5))
    truth = (inside(3.9, 2.5, 5) + inside(-1, 1.5, 5)) / (np.pi * 3.7**2 * 10)
    assert porosity(pores, size=10, cylinder_radius=0.37) == pytest.approx(truth, rel=1e-12)
    assert porosity(pores, size=10) == pytest.approx(truth * 0.37**2 / 0.45**2, rel=1e-12)


# As they came out when this was written: number of pores, sum of all numbers weighted by their place
# in the table, first and last row.
PINS = [
    (
        {
            "size": 24,
            "seed": 5,
            "diameter": (2, 8),
            "small_below": 3,
            "small_fraction": 0.3,
            "min_gap": 0.5,
            "trial_points": 300,
        },
        52,
        67.5677405689,
        [1.68746088358, -8.60752677121, 1.19478714894, 1.60398579356],
        [-0.813990311624, -5.48564424888, 2.02974970374, 1.58667852606],
    ),
    (
        {
            "size": 33,
            "seed": 6,
            "diameter": (1, 12),
            "small_below": 4,
            "small_fraction": 0.6,
            "min_gap": 0,
            "cylinder_radius": 0.37,
            "trial_points": 700,
        },
        75,
        11.2987088989,
        [-4.80463284228, 2.0589879832, -9.81288424882, 2.18101581217],
        [-8.07756432414, 4.85944319483, -9.43554266948, 1.58889581429],
    ),
    (
        {
            "size": 40,
            "seed": 7,
            "diameter": (3, 11),
            "small_below": 5,
            "small_fraction": 0,
            "min_gap": 1.5,
            "porosity": 0.3,
            "trial_points": 900,
        },
        35,
        -104.582192385,
        [8.97960213287, 4.86177886097, -10.3250169113, 5.06700050243],
        [-1.39550895958, 5.72405900336, 12.704800573, 2.56526609246],
    ),
    (
        {
            "size": 16,
            "seed": 8,
            "diameter": (0.8, 5),
            "small_below": 2.5,
            "small_fraction": 0.9,
            "min_gap": 0.3,
            "max_pores": 61,
            "trial_points": 200,
        },
        61,
        -13.7437779847,
        [-3.67030713675, -0.0424736476951, -5.40054039851, 1.49565850944],
        [2.82575167735, 0.502101921714, 5.55599392341, 1.31505648995],
    ),
]


@pytest.mark.parametrize(("setting", "count", "total", "first", "last"), PINS)
def test_foams_as_they_came_out(setting, count, total, first, last):
    spheres = call(foam, **setting)
    numbers = spheres.to_numpy()
    assert len(spheres) == count
    assert numbers[0] == pytest.approx(first, rel=1e-9)
    assert numbers[-1] == pytest.approx(last, rel=1e-9)
    assert (
        numbers * np.sin(np.arange(1, numbers.size + 1)).reshape(numbers.shape)
    ).sum() == pytest.approx(total, rel=1e-8)


def test_settings_of_the_placement(monkeypatch):
    calls = []

    def place(*arguments):
        calls.append(arguments)
        return np.array([[1.0, 2.0, 3.0, 4.0]])

    monkeypatch.setattr(module, "_place", place)

    def placed(**change):
        found = call(foam, **{"size": 8, "seed": 7, "diameter": (1, 3), "small_below": 2, **change})
        assert found.columns.tolist() == ["z", "y", "x", "radius"]
        assert found.to_numpy().tolist() == [[1, 2, 3, 4]]
        *rest, rng = calls.pop()
        return rest, rng.bit_generator.state

    found, state = placed(min_gap=0.25)
    assert found == [3.6, 4.0, 0.5, 1.0, 1.5, 0.1, 0.25, 200_000, 2.0, 20_000]
    assert state == np.random.default_rng([7, 0xF0A3]).bit_generator.state
    found, state = placed(
        size=200, seed=0, cylinder_radius=0.5, porosity=0.25, max_pores=1, small_fraction=0
    )
    assert found == [100.0, 100.0, 0.5, 1.0, 1.5, 0, 2.0, 1, 0.25, 125_000]
    assert state == np.random.default_rng([0, 0xF0A3]).bit_generator.state
    assert placed(size=256, trial_points=17)[0][-1] == 17
    # One for 64 voxels, between 20,000 and a million.
    for size, trials in (
        (108, 20_000),
        (112, 21_952),
        (396, 970_299),
        (400, 1_000_000),
        (404, 1_000_000),
    ):
        assert placed(size=size)[0][-1] == trials
    calls.clear()
    call(foam, size=256, seed=1)
    assert calls[0][2:7] == (3.0, 7.5, 35.0, 0.1, 2.0)


def test_bounds_of_the_settings(monkeypatch):
    monkeypatch.setattr(module, "_place", lambda *arguments: np.ones((1, 4)))
    good = {"size": 8, "seed": 0, "diameter": (1, 3), "small_below": 2, "min_gap": 0.5}

    def refused(**change):
        with pytest.raises(AcuityError) as caught:
            call(foam, **{**good, **change})
        return str(caught.value)

    for change in (
        {},
        {"cylinder_radius": 0.5},
        {"cylinder_radius": 0.2},
        {"diameter": (2, 3)},
        {"diameter": (1, 2)},
        {"diameter": (0.01, 9.0)},
        {"small_fraction": 0},
        {"small_fraction": 0.999},
        {"min_gap": 0},
        {"porosity": 0.001},
        {"porosity": 0.999},
        {"max_pores": 1},
    ):
        assert len(call(foam, **{**good, **change})) == 1
    assert refused(size=7) == "size of the foam is 7 voxels; at least 8 are needed"
    for value in (0, -0.1, 0.501):
        assert refused(cylinder_radius=value) == (
            f"cylinder_radius is {value}; it must lie above 0 and at most at 0.5"
        )
    for low, below, high in ((0, 2, 3), (-1, 2, 3), (2.1, 2, 3), (1, 3.1, 3)):
        assert refused(diameter=(low, high), small_below=below) == (
            f"diameter is {low} to {high} and small_below {below} voxels; "
            "0 < smallest <= small_below <= largest is needed"
        )
    for value in (-0.01, 1, 1.5):
        assert refused(small_fraction=value) == (
            f"small_fraction is {value}; 0 to below 1 is allowed"
        )
    assert refused(min_gap=-0.01) == "min_gap is -0.01 voxels; it must not be negative"
    for value in (0, -0.1, 1, 1.5):
        assert refused(porosity=value) == f"porosity is {value}; 0 to 1 is allowed"
    for value in (0, -1):
        assert refused(max_pores=value) == f"max_pores is {value}; 1 or more is allowed"
    assert refused(seed=-1) == "seed of the foam is -1; 0 or more is allowed"
    # Half the smallest diameter and the gap leave room in the radius of 4 voxels, or none.
    assert len(call(foam, **{**good, "cylinder_radius": 0.5, "min_gap": 3.49})) == 1
    for gap in (3.5, 3.6):
        assert refused(cylinder_radius=0.5, min_gap=gap) == (
            "a pore of 1 voxels in diameter does not fit a cylinder of radius 4 voxels"
        )
    monkeypatch.setattr(module, "_place", lambda *arguments: np.ones((0, 4)))
    assert refused() == "no pore fits the cylinder with these diameters and gap"


def test_bounds_of_slices_and_tables():
    one = table((0, 0, 0, 2))

    def refused(run):
        with pytest.raises(AcuityError) as caught:
            run()
        return str(caught.value)

    for z0, z1 in ((-1, 3), (3, 3), (5, 4), (4, 9)):
        sentence = f"slices {z0} to {z1} were asked for of a foam of 8 slices"
        for draw in (exact, exact_labels):
            assert (
                refused(lambda z0=z0, z1=z1, draw=draw: draw(one, size=8, z0=z0, z1=z1)) == sentence
            )
    assert exact_labels(one, size=8, z0=7).shape == (1, 8, 8)
    assert refused(lambda: exact(one, size=8, supersample=0)) == (
        "supersample is 0; 1 or more is allowed"
    )
    assert refused(lambda: exact_labels(one.drop(columns=["z", "x"]), size=8)) == (
        "the spheres table lacks the column z, x"
    )
    for wrong in (np.nan, np.inf):
        assert refused(lambda wrong=wrong: exact(one.assign(y=wrong), size=8)) == (
            "the spheres table holds a value that is not finite"
        )
    for wrong in (0.0, -1.0):
        assert refused(lambda wrong=wrong: exact(one.assign(radius=wrong), size=8)) == (
            "the spheres table holds a radius that is not positive"
        )


def test_kernels_are_compiled_once_and_run_on_all_threads():
    for name in (
        "_draw_point",
        "_shrink",
        "_place",
        "_volume_inside",
        "_fill_exact",
        "_fill_labels",
    ):
        found = getattr(module, name)
        assert type(found._cache).__name__ == "FunctionCache"
        assert found.targetoptions.get("parallel", False) == name.startswith("_fill")
        assert found.targetoptions.get("fastmath", False) == (name == "_shrink")


def test_voxels_on_the_grid_of_reconstructions(tmp_path, monkeypatch):
    paths = tmp_path / "solid.ome.zarr", tmp_path / "labels.ome.zarr"
    cuts = []

    def cut(count, depth):
        cuts.append((count, depth))
        return [(0, 4), (4, 5), (5, 13)]

    monkeypatch.setattr(writing, "slabs", cut)
    settings = {"size": 13, "cylinder_radius": 0.41}
    for change in ({}, {"supersample": 3}):
        voxelise(MANY, *paths, voxel_size=0.5, unit="nm", **settings, **change)
        solid, labels = map(open_volume, paths)
        assert solid.grid == labels.grid == Grid((13,) * 3, (0.5,) * 3, (-3.0,) * 3, "nm")
        found = solid.read()
        assert found.dtype == np.float32
        assert np.array_equal(found, exact(MANY, **settings, **change))
        assert labels.read().dtype == np.uint32
        assert np.array_equal(labels.read(), exact_labels(MANY, size=13))
        assert solid.intensity == "solid fraction"
        assert labels.intensity == "pore label"
    assert cuts == [(13, VolumeWriter(paths[0], solid.grid, np.float32).slab_depth)] * 2
