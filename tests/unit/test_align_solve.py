"""The path of a stack from pairs, and what of it a mode removes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acuity.align.modes import MODES, steps, trend
from acuity.align.solve import consistent, solve
from acuity.errors import AcuityError


def graph(count, reach=3):
    return np.array(
        [(a, b) for a in range(count) for b in range(a + 1, min(count, a + reach + 1))], np.int64
    )


@settings(deadline=None, max_examples=25)
@given(count=st.integers(1, 40), reach=st.integers(1, 4), seed=st.integers(0, 99))
def test_exact_displacements_give_the_path_back(count, reach, seed):
    path = np.random.default_rng(seed).normal(0, 5, (count, 2)).cumsum(axis=0)
    pairs = graph(count, reach).reshape(-1, 2).astype(int)
    shifts = path[pairs[:, 1]] - path[pairs[:, 0]]
    found, weights, residuals = solve(count, pairs, shifts, np.full(len(pairs), 0.9))
    assert np.allclose(found, path - path[0], atol=1e-9)
    assert np.allclose(residuals, 0, atol=1e-9)
    assert np.allclose(weights, 0.81)


def test_pairs_that_are_wrong_by_half_a_field_do_not_count():
    random = np.random.default_rng(1)
    path = random.normal(0, 1, (60, 2)).cumsum(axis=0)
    pairs = graph(60)
    shifts = path[pairs[:, 1]] - path[pairs[:, 0]] + random.normal(0, 0.02, (len(pairs), 2))
    wrong = random.choice(len(pairs), 25, replace=False)
    shifts[wrong] = random.uniform(-100, 100, (25, 2))
    found, weights, residuals = solve(60, pairs, shifts, np.ones(len(pairs)))
    assert np.abs(found - path + path[0]).max() < 0.2
    assert weights[wrong].max() < 0.01
    assert not consistent(residuals)[wrong].any()
    assert consistent(np.delete(residuals, wrong, axis=0)).all()
    # without robust weights it would have failed
    design = np.zeros((len(pairs), 60))
    design[np.arange(len(pairs)), pairs[:, 0]] -= 1
    design[np.arange(len(pairs)), pairs[:, 1]] += 1
    plain = np.linalg.lstsq(design[:, 1:], shifts, rcond=None)[0]
    assert np.abs(plain - (path - path[0])[1:]).max() > 5


def test_more_neighbours_average_noise():
    errors = {}
    for reach in (1, 3):
        random = np.random.default_rng(2)
        pairs = graph(300, reach)
        shifts = random.normal(0, 0.1, (len(pairs), 2))
        found, _, _ = solve(300, pairs, shifts, np.ones(len(pairs)))
        errors[reach] = np.diff(found, axis=0).std()
    assert errors[3] < 0.8 * errors[1]


LINE = np.outer(np.arange(100), (0.2, -0.1))


@pytest.mark.parametrize("mode", ["jitter", "detrend_linear"])
def test_a_straight_path_is_kept_to_its_ends(mode):
    assert np.allclose(trend(LINE, mode), LINE, atol=1e-6)


@pytest.mark.parametrize("mode", ["full", "template_roi"])
def test_the_other_modes_keep_nothing_of_it(mode):
    assert np.ptp(trend(LINE, mode), axis=0).max() == 0


def test_jitter_is_removed_and_a_slow_bend_only_by_the_modes_that_say_so():
    z = np.arange(200)
    jitter = np.random.default_rng(3).normal(0, 1, (200, 2))
    bend = np.column_stack([10 * np.sin(2 * np.pi * z / 200), 0 * z])
    removed = {mode: bend + jitter - trend(bend + jitter, mode) for mode in MODES}
    assert np.corrcoef(removed["jitter"][:, 1], jitter[:, 1])[0, 1] > 0.95
    assert np.ptp(removed["jitter"] - jitter, axis=0).max() < 3
    for mode in ("full", "template_roi"):
        assert np.allclose(np.diff(removed[mode], axis=0), np.diff(bend + jitter, axis=0))
    rest = removed["detrend_linear"] - jitter
    assert np.ptp(rest[:, 0]) > 8


@pytest.mark.parametrize("mode", MODES)
def test_a_jump_is_no_shape_in_any_mode(mode):
    jumps = np.zeros((80, 2))
    jumps[30:] += (20, -12)
    jumps[50:] += (-12, 0)
    random = np.random.default_rng(4)
    own = random.normal(0, 0.5, (80, 2))
    assert np.abs(np.diff(steps(jumps + own) - jumps, axis=0)).max() < 4
    assert np.ptp(steps(own)) == 0
    left = jumps + own - (jumps + own - trend(jumps + own, mode)) - trend(own, mode)
    assert np.ptp(left, axis=0).max() < 4
    assert abs(np.median(jumps + own - trend(jumps + own, mode))) < 1


def test_what_a_mode_cannot_be():
    with pytest.raises(AcuityError, match="mode is 'both', allowed are jitter"):
        trend(LINE, "both")
    with pytest.raises(AcuityError, match="smooth is 0"):
        trend(LINE, "jitter", smooth=0)
