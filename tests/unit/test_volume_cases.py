"""The truth of the cases of benchmarks/register_volumes.py: by correlation of tiny scans of a foam."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage

from benchmarks.volumes.cases import Pair, back, crop_low, forth, motion, warped
from benchmarks.volumes.scans import Field, Pose, make_foam, scan_foam, truth

LOW, HIGH = Field(48, 2.0, None, 0.5), Field(40, 1.0, None, 0.5)
POSE = Pose((4.0, -5.0, 3.0), 1.02, (4.0, -7.0, 6.0))


@pytest.fixture(scope="module")
def pair():
    body = make_foam(7, 2, 48)
    low, high = scan_foam(body, Pose(), LOW, 1), scan_foam(body, POSE, HIGH, 2)
    return Pair(low, high, HIGH.inside[None], (2.0,) * 3, truth(LOW, HIGH, POSE))


def off(pair):
    """How far, along each axis, the high volume correlates best from where the truth puts it."""
    grid = pair.grid()
    seen = scipy.ndimage.gaussian_filter(pair.high, 0.9)[tuple(grid.astype(int).T)]
    spline = scipy.ndimage.spline_filter(pair.low, 3)

    def correlation(move):
        places = pair.low_points(grid + move).T
        return np.corrcoef(
            scipy.ndimage.map_coordinates(spline, places, order=3, prefilter=False), seen
        )[0, 1]

    middle, found = correlation(np.zeros(3)), []
    for axis in np.eye(3):
        before, after = correlation(-axis), correlation(axis)
        found.append((before - after) / (2 * (before - 2 * middle + after)))
    return middle, np.array(found)


def test_the_truth_is_where_the_scans_correlate_best(pair):
    correlation, away = off(pair)
    assert correlation > 0.95
    assert np.abs(away).max() < 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        replace(POSE, place=tuple(-n for n in POSE.place)),
        replace(POSE, turn=tuple(-3 * n for n in POSE.turn)),
        replace(POSE, place=(4.5, -7.0, 6.0)),
    ],
    ids=["place of the wrong sign", "turned the wrong way", "half a voxel off"],
)
def test_another_pose_is_told_from_the_truth(pair, wrong):
    best, _ = off(pair)
    correlation, away = off(replace(pair, matrix=truth(LOW, HIGH, wrong)))
    assert correlation < best
    assert np.abs(away).max() > 0.3 or correlation < 0.8 * best


def test_changes_of_a_pair_keep_its_truth(pair):
    grid = pair.grid()
    cropped = crop_low(pair, 1, 5, 30)
    np.testing.assert_allclose(cropped.low_points(grid), pair.low_points(grid) - [0, 5, 0])
    moved = warped(pair, 1.5, seed=3)
    waves = moved.warp(grid)
    # The largest one stands at the field's rim, where no error is taken.
    y, x = np.nonzero(HIGH.inside)
    whole = np.concatenate([np.column_stack([np.full(y.size, z), y, x]) for z in range(HIGH.size)])
    assert np.linalg.norm(moved.warp(whole), axis=1).max() == pytest.approx(1.5, abs=0.1)
    # What stood at q less the displacement stands at q.
    np.testing.assert_allclose(moved.low_points(grid), pair.low_points(grid - waves))


def test_a_motion_counts_what_is_cropped():
    matrix, crop = motion(5000)
    points = np.random.default_rng(0).uniform(0, 30, (5, 3))
    np.testing.assert_allclose(back(matrix, forth(matrix, points)), points)
    assert np.linalg.det(matrix[:, :3]) == pytest.approx(1.0)
    assert len(crop) == 6
