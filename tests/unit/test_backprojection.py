"""FDK and its geometry against plain sums in double precision: every view, voxel, row and column."""

import math
from dataclasses import replace

import numba
import numpy as np
import pytest
import scipy.fft
from scipy.ndimage import map_coordinates

from acuity.errors import AcuityError
from acuity.geometry import ConeBeam, full_circle
from acuity.reconstruct import fdk as module
from acuity.reconstruct.fdk import Cube, Slab, angular_weights, fdk, quarter_turns, ramp
from acuity.settings import call

# The detector is too small on all four sides: voxels fall beyond its edges in some views.
SMALL = ConeBeam(31.0, 47.0, 1.3, 19, 12, offset_v=1.9, offset_u=-0.7)


def kernel(columns, length, hann):
    """The ramp as a matrix that filters a row of the detector."""
    n = np.minimum(np.arange(length), length - np.arange(length))
    taps = np.array([0.25 if k == 0 else -1 / (np.pi * k) ** 2 if k % 2 else 0 for k in n])
    if hann:
        share = np.fft.rfftfreq(length) * 2 / hann
        window = np.where(share < 1, np.cos(np.pi * share / 2) ** 2, 0)
        taps = np.fft.irfft(np.fft.rfft(taps) * window, length)
    apart = abs(np.arange(columns)[:, None] - np.arange(columns))
    return taps[apart]


def plain(projections, g, angles, weights, size, voxel, z0, z1, radius, hann=0.0):
    """Feldkamp, Davis and Kress, one view after the other."""
    v = g.offset_v + (np.arange(g.rows) - (g.rows - 1) / 2) * g.pixel
    u = g.offset_u + (np.arange(g.columns) - (g.columns - 1) / 2) * g.pixel
    ray = np.sqrt(g.source_to_detector**2 + v[:, None] ** 2 + u**2)
    filtered = projections * (g.source_to_detector / ray)
    matrix = kernel(g.columns, ramp(g.columns)[1], hann)
    step = g.pixel * g.source_to_axis / g.source_to_detector
    filtered = filtered @ matrix / step / 2
    axis = np.arange(size) - (size - 1) / 2
    z, y, x = np.meshgrid(axis[z0:z1], axis, axis, indexing="ij")
    inside = x**2 + y**2 <= radius**2
    z, y, x = (a[inside] * voxel for a in (z, y, x))
    total = np.zeros(z.size)
    for view, angle, weight in zip(filtered, np.deg2rad(angles), weights, strict=True):
        away = g.source_to_axis - (x * np.sin(angle) + y * np.cos(angle))
        across = (x * np.cos(angle) - y * np.sin(angle)) * g.source_to_detector / away
        along = z * g.source_to_detector / away
        place = (
            (along - g.offset_v) / g.pixel + (g.rows - 1) / 2,
            (across - g.offset_u) / g.pixel + (g.columns - 1) / 2,
        )
        read = map_coordinates(view, place, order=1, mode="grid-constant")
        total += weight * (g.source_to_axis / away) ** 2 * read
    out = np.zeros(inside.shape)
    out[inside] = total
    return out


def check(g, angles, size, voxel, z0, z1, radius, hann=0.0, tolerance=1e-5):
    """A slab of random projections with random weights against the plain sums."""
    random = np.random.default_rng(size)
    seen = random.random((len(angles), g.rows, g.columns))
    weights = random.uniform(0.1, 0.4, len(angles))
    slab = Slab(g, Cube(size, voxel, z0, z1, radius=radius, hann=hann))
    first, end = slab.rows
    slab.add(seen[:, first:end].astype(np.float32), angles, weights)
    found = slab.volume()
    truth = plain(seen, g, angles, weights, size, voxel, z0, z1, radius, hann)
    assert found.dtype == np.float32
    assert found.shape == truth.shape
    assert np.array_equal(found == 0, truth == 0)
    np.testing.assert_allclose(found, truth, rtol=0, atol=tolerance * abs(truth).max())
    return slab, found


def quarters(*first):
    """Sets of four views a quarter turn apart, and views between them that have no set."""
    return np.array([a + q for a in first for q in (0, 90, 180, 270)], float)


MIXED = np.array([*quarters(3.1, 17.4, 40.8, 61.3, 88.2), 5.0, 101.7, 313.2])[
    np.random.default_rng(1).permutation(23)
]


@pytest.mark.parametrize("hann", [0.0, 0.6])
def test_an_even_cube_with_sets_of_four_and_single_views(hann):
    slab, _ = check(SMALL, MIXED, 10, 0.9, 1, 9, 4.3, hann)
    assert slab._quarters.shape == (5, 5, 8, 4)  # the fast way was taken
    assert slab._general.shape == (10, 10, 8)
    # All voxels, and the field of view between them.
    check(SMALL, MIXED, 10, 0.9, 0, 10, math.inf, hann)
    check(SMALL, MIXED, 10, 0.9, 9, 10, 0.8, hann)


def test_an_odd_cube_goes_the_general_way():
    slab, found = check(SMALL, MIXED, 9, 1.1, 0, 9, 3.0)
    assert slab._quarters is None
    # A voxel whose centre lies on the edge of the field of view belongs to it.
    assert found[4, 4, 1] != 0
    assert found[4, 4, 0] == 0
    check(SMALL, MIXED[:7], 9, 1.1, 4, 7, math.inf)


def test_views_may_come_block_by_block():
    random = np.random.default_rng(3)
    seen = random.random((23, 19, 12)).astype(np.float32)
    weights = random.random(23)
    once, twice = (Slab(SMALL, Cube(10, 0.9, 2, 5, radius=5)) for _ in range(2))
    first, end = once.rows
    once.add(seen[:, first:end], MIXED, weights)
    order, rest = quarter_turns(MIXED)
    for views in (order[:4].ravel(), order[4:].ravel(), rest[:1], rest[1:]):
        twice.add(seen[views, first:end], MIXED[views], weights[views])
    assert np.array_equal(once.volume(), twice.volume())


# Several tiles of 16 columns of voxels; the nearest voxel of the last one lies on the very edge.
@pytest.mark.parametrize(
    ("size", "radius", "angles"),
    [
        (40, math.sqrt(272.5), quarters(11.3, 75.9)),
        (40, math.sqrt(544.5), quarters(11.3)),
        (40, 19.0, np.array([20.0, 141.0, 265.5])),
        (33, 25.0, np.array([20.0, 265.5])),
    ],
)
def test_many_tiles(size, radius, angles):
    geometry = ConeBeam(130.0, 190.0, 2.1, 37, 35, offset_v=-1.3, offset_u=2.2)
    check(geometry, angles, size, 1.4, 5, 24, radius)


@pytest.mark.parametrize("angles", [quarters(33.0), np.array([33.0, 200.0])])
def test_slices_on_both_sides_of_a_chunk(angles):
    # Slices are worked on in chunks of 256, counted from the first of the volume.
    geometry = ConeBeam(2000.0, 3000.0, 1.4, 21, 13, offset_v=-4.3)
    check(geometry, angles, 520, 1.0, 250, 262, 2.6, tolerance=1e-4)
    check(geometry, angles, 520, 1.0, 254, 256, 2.6, tolerance=1e-4)
    check(geometry, angles, 520, 1.0, 256, 259, 2.6, tolerance=1e-4)


def test_only_tiles_and_chunks_with_work_are_worked_on(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "_back_project_quarters", lambda *a: seen.append(a))
    geometry = ConeBeam(3000.0, 4000.0, 1.0, 800, 8)

    def jobs(size, z0, z1, radius):
        slab = Slab(geometry, Cube(size, 1.0, z0, z1, radius=radius))
        first, end = slab.rows
        views = quarters(1.0, 2.0, 3.0, 4.0, 5.0)
        slab.add(np.zeros((20, end - first, 8), np.float32), views, np.ones(20))
        return seen.pop()

    # Five sets of views fill two batches of four.
    stack, cosines, sines, found, *_ = jobs(40, 0, 3, math.inf)
    assert stack.shape[0] == len(cosines) == len(sines) == 8
    assert stack.shape[1] == 10
    assert not stack[5:].any()
    assert found.tolist() == [[0, j, i] for j in (0, 16) for i in (0, 16)]
    assert jobs(40, 0, 3, math.sqrt(544.5))[3].tolist() == found.tolist()
    assert jobs(40, 0, 3, 23.3)[3].tolist() == [[0, 0, 0], [0, 0, 16], [0, 16, 0]]
    assert jobs(40, 0, 3, 16.5)[3].tolist() == [[0, 0, 0]]
    assert jobs(32, 0, 3, math.inf)[3].tolist() == [[0, 0, 0]]
    for z0, z1, chunks in ((255, 256, [0]), (255, 257, [0, 1]), (256, 512, [1]), (513, 514, [2])):
        assert jobs(514, z0, z1, 3.0)[3].tolist() == [[c, 0, 0] for c in chunks]


def test_four_views_are_laid_side_by_side_with_zeros_around():
    random = np.random.default_rng(4)
    filtered = random.random((6, 19, 5)).astype(np.float32)
    sets = np.array([[3, 0, 5, 1], [2, 4, 1, 0]])
    stack = np.full((3, 7, 24, 4), np.nan, np.float32)
    module._fold(filtered, sets, stack, 2)
    truth = np.zeros_like(stack)
    truth[:2, 1:6, 2:21] = filtered[sets].transpose(0, 3, 2, 1)
    assert np.array_equal(stack, truth)


def test_views_are_filtered_as_many_at_a_time_as_the_cache_holds(monkeypatch):
    batches = []
    transform = scipy.fft.rfft

    def rfft(part, **settings):
        batches.append(len(part))
        assert settings["workers"] == 3
        return transform(part, **settings)

    monkeypatch.setattr(numba, "get_num_threads", lambda: 3)
    for rows, columns, views in ((4, 8192, 70), (4, 131072, 4)):
        geometry = ConeBeam(4000.0, 4000.0, 0.001, rows, columns)
        slab = Slab(geometry, Cube(2, 1.0, 0, 2, radius=1.0))
        slab.rows = 0, rows
        length = ramp(columns)[1]
        batches.clear()
        with monkeypatch.context() as patch:
            patch.setattr(scipy.fft, "rfft", rfft)
            slab._filter(np.zeros((views, rows, columns), np.float32), np.ones(views))
        each = max(1, 2**22 // (4 * rows * length))
        assert batches == [min(3 * each, views - a) for a in range(0, views, 3 * each)]
        assert len(batches) > 1


def test_the_filter_has_its_ramp_weights_and_cosines():
    random = np.random.default_rng(5)
    slab = Slab(SMALL, Cube(9, 0.5, 0, 9, radius=4.0))
    seen = random.random((3, 19, 12))
    weights = np.array([0.3, 1.1, 0.7])
    assert slab.rows == (4, 13)
    found = slab._filter(seen[:, 4:13].astype(np.float32), weights)
    assert found.dtype == np.float32
    g = SMALL
    v = g.offset_v + (np.arange(19) - 9) * g.pixel
    u = g.offset_u + (np.arange(12) - 5.5) * g.pixel
    cosine = g.source_to_detector / np.sqrt(g.source_to_detector**2 + v[:, None] ** 2 + u**2)
    truth = (seen * cosine * weights[:, None, None]) @ kernel(12, 24, 0) * 0.5
    truth *= 0.5 / (1.3 * 31 / 47)  # the ramp is for a voxel's unit of length
    np.testing.assert_allclose(found, truth[:, 4:13], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("columns", "length"), [(1, 2), (2, 4), (12, 24), (13, 26), (100, 200)])
def test_ramp_is_the_transform_of_its_kernel(columns, length):
    for hann in (0.0, 0.4, 1.0):
        transfer, found = ramp(columns, hann)
        assert found == length
        assert transfer.dtype == np.float32
        n = np.arange(length)
        f = np.arange(length // 2 + 1)
        taps = kernel(length // 2 + 1, length, 0)[0]
        taps = np.r_[taps, taps[1 : length - length // 2][::-1]]
        truth = np.array([(taps * np.cos(2 * np.pi * k * n / length)).sum() for k in f])
        if hann:
            share = f / (length / 2) / hann
            truth *= np.where(share < 1, 0.5 + 0.5 * np.cos(np.pi * share), 0)
        np.testing.assert_allclose(transfer, truth, rtol=1e-6, atol=1e-8)


def test_cut_off_of_the_window():
    assert ramp(20, 1)[0][-1] == 0
    assert (ramp(20, 1e-3)[0][1:] == 0).all()
    for hann in (-0.1, 1.001):
        with pytest.raises(AcuityError) as caught:
            ramp(20, hann)
        assert str(caught.value) == f"hann is {hann}; 0 (off) to 1 is allowed"


def test_whole_volume_by_default():
    """The natural voxel, the cube of the detector's columns, half of it as field of view."""
    geometry = ConeBeam(90.0, 120.0, 2.0, 20, 14, offset_v=0.4, offset_u=1.1)
    angles = full_circle(24, offset=-7.0)[np.random.default_rng(6).permutation(24)]
    seen = np.random.default_rng(7).random((24, 20, 14))
    found = call(fdk, seen.astype(np.float32), geometry, angles)
    weights = np.full(24, np.pi / 12)
    truth = plain(seen, geometry, angles, weights, 14, 1.5, 0, 14, 7.0)
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-5 * abs(truth).max())
    slab = call(
        fdk, seen.astype(np.float32), geometry, angles, size=11, voxel=2.0, z0=3, z1=5, radius=4
    )
    truth = plain(seen, geometry, angles, weights, 11, 2.0, 3, 5, 4.0)
    np.testing.assert_allclose(slab, truth, rtol=0, atol=1e-5 * abs(truth).max())


def test_what_does_not_fit_is_refused_in_a_sentence():
    angles = full_circle(20)
    seen = np.zeros((20, 4, 6), np.float32)
    geometry = ConeBeam(90.0, 120.0, 2.0, 4, 6)

    def words(run):
        with pytest.raises(AcuityError) as caught:
            run()
        return str(caught.value)

    assert words(lambda: call(fdk, seen[:, :3], geometry, angles)) == (
        "projections of shape (20, 3, 6) were given; 20 angles on a detector of 4 rows and 6 "
        "columns need (20, 4, 6)"
    )
    for value in (np.nan, np.inf):
        wrong = seen.copy()
        wrong[3, 2, 1] = value
        message = words(lambda wrong=wrong: call(fdk, wrong, geometry, angles))
        assert message == "the projections hold values that are not finite"
    assert words(lambda: call(fdk, seen, geometry, angles, backend="x")) == (
        "backend is 'x'; allowed are 'numba' and 'rtk'"
    )
    for z0, z1 in ((-1, 3), (3, 3), (4, 3), (5, 7)):
        message = words(lambda z0=z0, z1=z1: call(fdk, seen, geometry, angles, z0=z0, z1=z1))
        assert message == f"slices {z0} to {z1} were asked for of a volume of 6 slices"
    assert not call(fdk, seen, geometry, angles, z0=5, z1=6).any()
    for voxel in (0.0, -1.0, np.nan, np.inf):
        message = words(lambda voxel=voxel: Slab(geometry, Cube(6, voxel, 0, 6, radius=3)))
        assert message == f"voxel size is {voxel}; a finite number above 0 is needed"
    # The farthest voxel counts, not the field of view: 42.43 voxels lie between 61 and its centre.
    assert words(lambda: Slab(geometry, Cube(61, 90 / 42.4, 0, 6, radius=np.inf))) == (
        "the volume of 61 voxels reaches the source, 90 from the axis"
    )
    assert Slab(geometry, Cube(61, 90 / 42.5, 0, 6, radius=99.0)).radius == math.hypot(30, 30) * (
        1 + 1e-12
    )
    assert Slab(geometry, Cube(61, 1.0, 0, 6, radius=30.0)).radius == 30
    with pytest.raises(AcuityError, match="reaches the source, 90 from"):
        Slab(geometry, Cube(61, 3.0, 0, 6, radius=30.0))
    assert Slab(geometry, Cube(61, 3.0, 0, 6, radius=29.9)).radius == 29.9


def test_rows_of_a_slab_lie_on_the_detector():
    geometry = ConeBeam(100.0, 200.0, 1.0, 41, 8)

    def rows(z0, z1, g=geometry):
        return Slab(g, Cube(100, 1.0, z0, z1, radius=10.0)).rows

    # Slice k stands at k - 49.5, magnified by 1.82 to 2.22; the detector sees 20 to each side.
    assert rows(49, 51) == (17, 24)
    assert rows(0, 100) == (0, 41)
    assert rows(0, 5) == (0, 0)
    assert rows(95, 100) == (41, 41)
    assert rows(49, 100) == (17, 41)
    assert rows(49, 51, replace(geometry, offset_v=3.5)) == (14, 20)


def test_share_of_the_turn_in_any_order():
    random = np.random.default_rng(8)
    turn = np.sort(random.permutation(np.arange(0, 360, 6.0)) + random.uniform(0, 5, 60))
    gaps = np.array([(turn[(k + 1) % 60] - turn[k - 1]) % 360 / 2 for k in range(60)])
    order = random.permutation(60)
    angles = turn[order] + 360.0 * random.integers(-3, 3, 60)
    np.testing.assert_allclose(angular_weights(angles), np.deg2rad(gaps)[order], rtol=0, atol=1e-12)


def test_gaps_and_repeated_angles():
    assert angular_weights(full_circle(18)) == pytest.approx(np.full(18, np.pi / 9))
    wide = np.r_[0.0, np.arange(20.5, 360, 19.4)]
    with pytest.raises(AcuityError) as caught:
        angular_weights(wide)
    assert str(caught.value) == (
        "the angles leave a gap of 20.5 degrees; a full turn of 360 degrees without gaps above 20 "
        "degrees is needed"
    )
    # The gap from the last view to the first counts too.
    with pytest.raises(AcuityError, match=r"gap of 20\.5 degrees"):
        angular_weights(np.r_[np.arange(0, 339.5, 18.0), 339.5])
    angular_weights(np.r_[np.arange(0, 340.0, 18.0), 340.0])
    with pytest.raises(AcuityError, match="gap of 360 degrees"):
        angular_weights([7.0])
    # A millionth of the mean gap still counts as the same angle.
    least = 1e-6 * 360.0 / 37
    for factor, fits in ((0.9995, False), (1.0, True), (1.0005, True)):
        angles = np.r_[full_circle(36), factor * least]
        if fits:
            assert angular_weights(angles).sum() == pytest.approx(2 * np.pi)
            continue
        with pytest.raises(AcuityError, match=r"two views have the same angle 0 degrees"):
            angular_weights(angles)
    with pytest.raises(AcuityError) as caught:
        angular_weights(np.r_[full_circle(36), 370.0])
    assert str(caught.value) == (
        "two views have the same angle 10 degrees (a scan over 360 degrees must not repeat its end)"
    )
    with pytest.raises(AcuityError, match="two views have the same angle 5 degrees"):
        angular_weights([5.0, 5.0])
    for wrong in ([], [[0.0, 1.0]], [0.0, np.nan], [0.0, np.inf]):
        with pytest.raises(AcuityError) as caught:
            angular_weights(wrong)
        assert str(caught.value) == (
            "the angles of the scan must be a list of finite numbers, in degrees"
        )


@pytest.mark.parametrize(
    ("angles", "sets", "rest"),
    [
        # To a millionth of a degree, and one more up or down for each of the three others.
        ([0, 90.000001, 179.999999, 270.000001], [[0, 1, 2, 3]], []),
        ([0, 90.000002, 180, 270], [], [0, 1, 2, 3]),
        ([0, 90, 180.000002, 270], [], [0, 1, 2, 3]),
        ([0, 90, 180, 269.999998], [], [0, 1, 2, 3]),
        ([0, 90.0000004, 180, 269.9999996], [[0, 1, 2, 3]], []),
        ([0, 90, 180, 270.0000016], [], [0, 1, 2, 3]),
        # The nearest is taken.
        ([0, 90.000001, 90, 180, 270, 269.999999], [[0, 2, 3, 4]], [1, 5]),
        ([0, 89.999999, 90.000001, 180, 270], [[0, 2, 3, 4]], [1]),
        # Around the end of the turn, and beyond it.
        ([359.9999998, 90, 180, 270], [[0, 1, 2, 3]], []),
        ([359.999999, 90, 180, 270], [[1, 2, 3, 0]], []),
        ([90.000001, 180.000002, 270.000001, 0], [], [0, 1, 2, 3]),
        ([-30, 420, 150, 600], [[1, 2, 3, 0]], []),
        # The first of two views at the same angle; the other finds no partner.
        ([10, 10, 100, 190, 280], [[0, 2, 3, 4]], [1]),
        ([190, 11, 100, 10, 280, 281, 101, 191], [[3, 2, 0, 4], [1, 6, 7, 5]], []),
        # What has a partner already is not lent to another.
        ([0, 0.000001, 90, 180, 270], [[0, 2, 3, 4]], [1]),
        ([0.000001, 90, 180, 270, 90.000001, 180.000001], [[0, 4, 5, 3]], [1, 2]),
        ([89.5, 179.5, 269.5, 359.5], [[0, 1, 2, 3]], []),
        ([95, 185, 275], [], [0, 1, 2]),
        ([], [], []),
    ],
)
def test_partners_of_a_quarter_turn(angles, sets, rest):
    found, left = quarter_turns(angles)
    assert found.tolist() == sets
    assert found.shape == (len(sets), 4)
    assert left.tolist() == rest


def test_kernels_are_compiled_once_and_run_on_all_threads():
    for name in ("_prepare", "_back_project_quarters", "_back_project_general", "_fold", "_unfold"):
        found = getattr(module, name)
        assert type(found._cache).__name__ == "FunctionCache"
        assert found.targetoptions.get("parallel", False) == (name != "_prepare")


# --------------------------------------------------------------------------------------- geometry


def test_a_geometry_that_cannot_be_is_refused():
    whole = {
        "source_to_axis": 3.0,
        "source_to_detector": 3.0,
        "pixel": 1e-3,
        "rows": 1,
        "columns": 1,
    }
    assert ConeBeam(**whole).offset_u == 0
    assert ConeBeam(**whole).offset_v == 0
    assert ConeBeam(0.5, 0.75, 0.5, 1, 1).magnification == 1.5
    for name in ("source_to_axis", "source_to_detector", "pixel"):
        for value in (0.0, -1.0, math.nan, math.inf):
            with pytest.raises(AcuityError) as caught:
                ConeBeam(**{**whole, name: value})
            assert str(caught.value) == (
                f"{name} of the scan is {value}; a finite number above 0 is needed"
            )
    with pytest.raises(AcuityError) as caught:
        ConeBeam(**{**whole, "source_to_detector": 2.5})
    assert str(caught.value) == (
        "source_to_detector is 2.5, less than source_to_axis 3; the detector must lie beyond the "
        "axis"
    )
    for rows, columns in ((0, 1), (1, 0), (0, 0)):
        with pytest.raises(AcuityError) as caught:
            ConeBeam(**{**whole, "rows": rows, "columns": columns})
        assert str(caught.value) == (
            f"the detector has {rows} rows and {columns} columns; 1 or more are needed"
        )
    for name in ("offset_v", "offset_u"):
        for value in (math.nan, -math.inf):
            with pytest.raises(AcuityError) as caught:
                ConeBeam(**whole, **{name: value})
            assert str(caught.value) == "the detector's offset is not finite"
    with pytest.raises(AttributeError):
        ConeBeam(**whole).pixel = 2.0


def test_changed_geometries():
    g = ConeBeam(30.0, 75.0, 2.0, 11, 8, offset_v=-3.0, offset_u=0.5)
    assert (g.magnification, g.voxel) == (2.5, 0.8)
    assert g.scaled(3.0) == ConeBeam(90.0, 225.0, 6.0, 11, 8, -9.0, 1.5)
    assert g.padded(3) == ConeBeam(30.0, 75.0, 2.0, 17, 14, -3.0, 0.5)
    # Rows 3 to 8 of 0 to 10: their centre lies 0.5 rows beyond the whole one's.
    assert g.cropped(3, 9) == ConeBeam(30.0, 75.0, 2.0, 6, 8, -2.0, 0.5)
    assert g.cropped(0, 2) == ConeBeam(30.0, 75.0, 2.0, 2, 8, -12.0, 0.5)
    assert g.cropped(10, 11) == ConeBeam(30.0, 75.0, 2.0, 1, 8, 7.0, 0.5)
    assert g.cropped(0, 11) == g


def test_rows_that_a_slab_needs():
    g = ConeBeam(30.0, 75.0, 2.0, 11, 8, offset_v=-3.0)
    # v = 75 z / (30 -+ 10) falls on row (v + 3) / 2 + 5, and one is spared on each side.
    assert g.rows_for(-4.0, 6.5, 10.0) == (math.floor(-15 + 3) // 2 + 5 - 1, 18 + 3)
    assert g.rows_for(1.0, 2.0, 10.0) == (6, 13)
    assert g.rows_for(-2.0, -1.0, 10.0) == (1, 8)
    assert g.rows_for(0.0, 0.0, 0.0) == (5, 9)


def test_standard_scan():
    # N / 2 over 1 - 0.45 / 4, and one: 64 needs 37.06 rows on each side of the middle.
    assert ConeBeam.standard(64) == ConeBeam(256.0, 512.0, 2.0, 76, 64)
    assert ConeBeam.standard(71) == ConeBeam(284.0, 568.0, 2.0, 82, 71)
    # Whole numbers of rows stay whole: 7 / 0.875 + 1 = 9.
    assert ConeBeam.standard(14, 0.5).rows == 18
    assert ConeBeam.standard(15, 0.5).rows == 20
    assert ConeBeam.standard(7, 0.1).rows == 10


def test_angles_of_a_full_circle():
    assert full_circle(5).tolist() == [0, 72, 144, 216, 288]
    assert full_circle(3, offset=-7.5).tolist() == [-7.5, 112.5, 232.5]


@pytest.mark.parametrize("size", [24, 25])
@pytest.mark.parametrize("voxel", [1.0, 3.0, 9.0])
def test_voxels_far_coarser_than_pixels(size, voxel):
    """The slices of a chunk then span many times as many rows of the detector."""
    g = ConeBeam(4000.0, 4000.0, 1.0, 260, 8)
    angles = np.append(full_circle(20), 31.0)
    views = np.random.default_rng(3).random((21, 260, 8))
    found = call(fdk, views, g, angles, size=size, voxel=voxel, radius=2.0)
    weights = angular_weights(angles)
    expected = plain(views, g, angles, weights, size, voxel, 0, size, 2.0)
    np.testing.assert_allclose(found, expected, atol=2e-5 * abs(expected).max())


def test_the_line_of_a_chunk_has_room_for_the_rows_that_it_spans():
    g = ConeBeam(4000.0, 6000.0, 1.5, 260, 8)
    for voxel in (0.5, 3.0, 30.0):
        slab = Slab(g, Cube(40, voxel, 0, 40, radius=3.0))
        steepest = voxel * 6000 / (4000 - 3 * voxel) / 1.5
        assert slab._frame()[0] == math.ceil(max(steepest, 2) * module._CHUNK) + 4


def test_a_slab_that_no_row_of_the_detector_sees_is_empty():
    g = ConeBeam(100.0, 150.0, 1.5, 8, 8)
    found = call(fdk, np.ones((20, 8, 8)), g, full_circle(20), size=40, z0=0, z1=3)
    np.testing.assert_array_equal(found, 0)
    assert call(fdk, np.ones((20, 8, 8)), g, full_circle(20), size=40, z0=19, z1=21).any()


@pytest.mark.parametrize("size", [4, 7, 12, 13, 64])
def test_without_a_radius_the_corners_are_filled(size):
    g = ConeBeam(400.0, 600.0, 1.0, 3 * size, 3 * size)
    found = call(
        fdk, np.ones((20, 3 * size, 3 * size)), g, full_circle(20), size=size, radius=math.inf
    )
    assert (found[size // 2][:: size - 1, :: size - 1] != 0).all()
