"""Chords, thickness and correlation against counting, on tiny volumes with unequal sides."""

from itertools import groupby

import numpy as np
import pytest
import scipy.ndimage as ndi

from acuity.errors import AcuityError
from acuity.field_of_view import inscribed_box
from acuity.measure import pore_space as module
from acuity.measure.pore_space import (
    chord_lengths,
    local_thickness,
    pore_space,
    two_point_correlation,
)


@pytest.fixture(params=["compiled", "plain"])
def kernels(request, monkeypatch):
    """The kernels as they run, and as Python that checks each index."""
    if request.param == "plain":
        for name in ("_ridge", "_cover"):
            monkeypatch.setattr(module, name, getattr(module, name).py_func)


def random(shape=(7, 8, 11), sigma=0.6, seed=2):
    noise = np.random.default_rng(seed).standard_normal(shape)
    return ndi.gaussian_filter(noise, sigma) > 0


def runs(line):
    """Lengths of the runs of True that end within a line."""
    found = [(value, len(list(group))) for value, group in groupby(line)]
    return [n for value, n in found[1:-1] if value]


def chords(binary, axis):
    lines = np.moveaxis(binary, axis, 2).reshape(-1, binary.shape[axis]).tolist()
    return [n for line in lines for n in runs(line)]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_chords_are_runs(kernels, axis):
    binary = random(seed=axis)
    found = chord_lengths(binary, axis)
    n = binary.shape[axis]
    assert found.tolist() == np.bincount(chords(binary, axis), minlength=n + 1).tolist()
    assert np.count_nonzero(found) > 2
    one = np.ones((3, 3, 3), bool)
    one[[0, -1], 1, 1] = False
    assert chord_lengths(one, 0).tolist() == [0, 1, 0, 0]


def test_balls_that_hold_those_of_their_neighbours():
    largest = 30
    found = module._containing(largest)
    voxels = np.stack(np.meshgrid(*3 * [np.arange(-6, 7)], indexing="ij"), -1).reshape(-1, 3)
    square = (voxels**2).sum(1)
    for kind, step in enumerate(([1, 0, 0], [1, 1, 0], [1, 1, 1])):
        beside = ((voxels + step) ** 2).sum(1)
        expected = [beside[square < own].max(initial=-1) + 1 for own in range(largest + 1)]
        assert found[kind].tolist() == expected


def test_ridge_is_what_no_neighbours_ball_holds(kernels):
    rng = np.random.default_rng(3)
    squared = (rng.integers(0, 9, (4, 5, 6)) * (rng.random((4, 5, 6)) < 0.3)).astype(np.int32)
    containing = rng.integers(4, 10, (3, 9))
    expected = np.zeros(squared.shape, bool)
    for place in np.ndindex(squared.shape):
        own = squared[place]
        held = any(
            squared[beside] >= containing[sum(map(abs, step)) - 1, own]
            for step in np.ndindex(3, 3, 3)
            for step in [tuple(n - 1 for n in step)]
            for beside in [tuple(p + n for p, n in zip(place, step, strict=True))]
            if any(step) and all(0 <= b < n for b, n in zip(beside, squared.shape, strict=True))
        )
        expected[place] = own > 0 and not held
    np.testing.assert_array_equal(module._ridge(squared, containing), expected)
    assert 5 < expected.sum() < np.count_nonzero(squared) - 5


def test_balls_cover_the_voxels_nearer_than_their_radius(kernels):
    shape, rng = (5, 7, 13), np.random.default_rng(14)
    centres = rng.integers(0, shape, (8, 3))
    squares = np.array([1, 2, 3, 4, 5, 9, 10, 16], np.int32)
    away = ((np.indices(shape)[:, None] - centres.T[:, :, None, None, None]) ** 2).sum(0)
    expected = np.where(away < squares[:, None, None, None], squares[:, None, None, None], 0).max(0)
    found = module._cover(centres, squares, shape)
    assert found.tolist() == expected.tolist()
    assert found.dtype == np.int32
    assert set(squares.tolist()) <= set(expected.ravel().tolist())


def thickness(binary):
    distance = ndi.distance_transform_edt(binary)
    found = np.zeros(binary.shape)
    for centre in np.argwhere(binary):
        squared = round(distance[tuple(centre)] ** 2)
        inside = ((np.indices(binary.shape).T - centre).T ** 2).sum(0) < squared
        found[inside] = np.maximum(found[inside], 2 * np.sqrt(squared))
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_thickness_is_that_of_the_largest_ball(kernels, seed):
    binary = random(sigma=1.2, seed=seed)
    found = local_thickness(binary)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, thickness(binary), rtol=1e-6)


def pairs(binary, largest):
    """Mean distance and share of pairs in the phase, by shell of one voxel, all shifts counted."""
    found = {}
    for shift in np.ndindex(*(2 * largest + 1,) * 3):
        shift = np.array(shift) - largest
        distance = float(np.sqrt((shift**2).sum()))
        if np.rint(distance) > largest or any(abs(shift) >= binary.shape):
            continue
        first, second = (
            binary[tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(way, binary.shape, strict=True))]
            for way in (shift, -shift)
        )  # fmt: skip
        found.setdefault(int(np.rint(distance)), []).append((distance, (first & second).mean()))
    return np.array([np.mean(found[shell], axis=0) for shell in sorted(found)]).T


@pytest.mark.parametrize(
    ("shape", "largest"), [((7, 8, 11), 4), ((2, 9, 8), 5), ((9, 1, 10), None), ((10, 7, 9), None)]
)
def test_two_points_by_counting(shape, largest):
    binary = random(shape)
    options = {} if largest is None else {"largest": largest}
    distance, value = two_point_correlation(binary, **options)
    expected = pairs(binary, largest or min(n for n in shape if n > 1) // 3)
    np.testing.assert_allclose(distance, expected[0], rtol=1e-12)
    np.testing.assert_allclose(value, expected[1], rtol=1e-5, atol=1e-6)


def test_two_points_reach_one_voxel_at_least():
    assert len(two_point_correlation(random((2, 5, 5)))[0]) == 2
    assert len(two_point_correlation(random((7, 6, 9)))[0]) == 3
    assert len(two_point_correlation(random((7, 6, 9)), 3.9)[0]) == 4
    # Along a line of two voxels there is but one pair.
    distance, value = two_point_correlation(np.array([[[True], [True]]]))
    assert distance.tolist() == [0, 1]
    assert value == pytest.approx([1, 1])
    with pytest.raises(AcuityError, match=r"^two_point_correlation: the volume is a single voxel$"):
        two_point_correlation(np.ones((1, 1, 1), bool))


# --- all figures of a volume


def figures(binary, side, unit, share=None):
    """The rows in full, of voxels that are cubes; `binary` may be coarser than what has the share."""
    share = binary.mean() if share is None else share
    found = thickness(binary)[binary] * side
    rows = [
        ("local_thickness_mean", "all", found.mean(), unit),
        ("local_thickness_median", "all", np.median(found), unit),
    ]
    distance, value = pairs(binary, min(binary.shape) // 3)
    left = (value - share**2) / (value[0] - share**2)
    i = int(np.argmax(left < np.exp(-1)))
    if i:
        at = np.interp(-np.exp(-1), -left[i - 1 : i + 1], distance[i - 1 : i + 1])
        rows.append(("correlation_length", "all", at * side, unit))
    return rows, distance * side, value


def chord_rows(binary, spacing, unit):
    rows = []
    for axis, name in enumerate("zyx"):
        found = sorted(chords(binary, axis))
        middle = found[(len(found) + 1) // 2 - 1]  # the lower of two
        for metric, value in (("mean", np.mean(found)), ("median", middle)):
            rows.append((f"chord_length_{metric}", name, value * spacing[axis], unit))
    return rows


def assert_rows(rows, expected):
    assert [(row["metric"], row["subset"], row["unit"]) for row in rows] == [
        (metric, subset, unit) for metric, subset, _, unit in expected
    ]
    assert [row["value"] for row in rows] == pytest.approx([row[2] for row in expected], rel=1e-5)
    assert all(isinstance(row["value"], float) for row in rows)


@pytest.mark.parametrize(
    ("shape", "sigma"), [((12, 13, 15), 0.3), ((12, 13, 15), 1.2), ((24, 22, 25), 1.6)]
)
def test_all_figures(shape, sigma):
    binary = random(shape, sigma)
    share = [("pore_share", "all", binary.mean(), "")]
    rows, curve = pore_space(binary * 7, spacing=(0.3, 0.3, 0.3), unit="um")
    expected, distance, value = figures(binary, 0.3, "um")
    assert len(expected) == 3
    assert_rows(rows, share + chord_rows(binary, [0.3] * 3, "um") + expected)
    assert list(curve.columns) == ["distance", "two_point"]
    np.testing.assert_allclose(curve["distance"], distance, rtol=1e-9)
    np.testing.assert_allclose(curve["two_point"], value, rtol=1e-5)
    # without settings, in voxels
    rows, _ = pore_space(binary)
    assert_rows(rows, share + chord_rows(binary, [1] * 3, "voxel") + figures(binary, 1, "voxel")[0])
    rows, curve = pore_space(binary, spacing=(0.3, 0.4, 0.5))
    assert_rows(rows, share + chord_rows(binary, (0.3, 0.4, 0.5), "voxel"))
    assert list(curve.columns) == ["distance", "two_point"]
    assert len(curve) == 0
    assert curve.dtypes.tolist() == [float, float]


def test_the_phase_and_the_box_that_count():
    binary = random((6, 15, 17), 0.8)
    box = inscribed_box(binary.shape, 7.0)
    inside = binary[box]
    assert inside.shape != binary.shape
    rows, _ = pore_space(binary, mask_radius=7.0, pores="background")
    expected = figures(~inside, 1, "voxel")[0]
    share = [("pore_share", "all", 1 - inside.mean(), "")]
    assert_rows(rows, share + chord_rows(~inside, [1] * 3, "voxel") + expected)


@pytest.mark.parametrize(("most", "step"), [(1320, 1), (1319, 2), (165, 2), (164, 3)])
def test_every_second_voxel_of_a_large_volume(monkeypatch, most, step):
    monkeypatch.setattr(module, "_MOST_VOXELS", most)
    binary = random((10, 11, 12), 1.1)
    rows, curve = pore_space(binary, spacing=(0.5, 0.5, 0.5))
    share = [("pore_share", "all", binary.mean(), "")]
    coarse = binary[::step, ::step, ::step]
    expected, distance, value = figures(coarse, 0.5 * step, "voxel", binary.mean())
    assert_rows(rows, share + chord_rows(binary, [0.5] * 3, "voxel") + expected)
    np.testing.assert_allclose(curve, np.transpose([distance, value]), rtol=1e-5, atol=1e-7)
    assert module.__dict__["_MOST_VOXELS"] == most


def test_voxels_that_remain_by_default():
    assert module._MOST_VOXELS == 160**3


@pytest.mark.parametrize("value", [True, False])
def test_a_coarse_volume_of_one_phase_has_no_thickness(monkeypatch, value):
    monkeypatch.setattr(module, "_MOST_VOXELS", 8)
    binary = np.full((4, 4, 4), not value)
    binary[::2, ::2, ::2] = value
    rows, curve = pore_space(binary)
    assert not [row for row in rows if "thickness" in row["metric"] or "corr" in row["metric"]]
    assert curve["two_point"].tolist() == pytest.approx([float(value)] * 2, abs=1e-6)


@pytest.mark.parametrize(
    ("spacing", "cubes"),
    [((1, 1, 1 + 0.9e-6), True), ((1 + 1.1e-6, 1, 1), False), ((1e3, 1e3 + 9e-4, 1e3), True)],
)
def test_voxels_are_cubes_to_a_millionth(spacing, cubes):
    assert (len(pore_space(random(), spacing=spacing)[1]) > 0) == cubes


def test_mistakes_in_full():
    for shape in ((8, 8), (2, 2, 2, 2)):
        with pytest.raises(
            AcuityError, match=r"^pore_space: the volume has shape \(.*\); \(z, y, x\)$"
        ):
            pore_space(np.zeros(shape, bool))
    with pytest.raises(AcuityError, match=r"^pore_space: pores is 'holes'; allowed are 'labels' and 'background'$"):  # fmt: skip
        pore_space(random(), pores="holes")
