"""Intervals of proportions, means and ratios, and what is pooled of several samples."""

import numpy as np
import pandas as pd
import pytest

from acuity.measure.intervals import f1_interval, mean_interval, ratio_interval, wilson
from acuity.measure.pool import (
    counts_of,
    pool_means,
    pool_recovery,
    recovery_rows,
    size_classes,
)

Z = 1.959963984540054  # of the normal distribution, for 95 %
Z90 = 1.6448536269514722


def roots(successes, trials, z):
    """Proportions p that the observed one lies z standard errors off: (p - k/n)^2 = z^2 p (1-p) / n."""
    share = successes / trials
    square = z * z / trials
    return sorted(np.roots([1 + square, -2 * share - square, share * share]).real)


@pytest.mark.parametrize(("k", "n"), [(1, 3), (3, 7), (2, 2), (0, 4), (1, 1), (17, 40)])
def test_wilsons_interval_solves_its_equation(k, n):
    assert wilson(k, n) == pytest.approx(roots(k, n, Z), rel=1e-9, abs=1e-12)
    assert wilson(k, n, 0.9) == pytest.approx(roots(k, n, Z90), rel=1e-9, abs=1e-12)
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    assert isinstance(low, float)


def test_wilsons_interval_without_trials():
    assert np.isnan(wilson(0, 0)).all()
    assert np.isnan(wilson(0, -1)).all()


def test_proportions_of_nothing_and_all_lie_in_their_intervals():
    for n in range(1, 400):
        assert wilson(0, n)[0] == 0 < wilson(0, n)[1]
        assert wilson(n, n)[1] == 1 > wilson(n, n)[0]


def test_means_with_students_interval():
    found = mean_interval([1.0, np.nan, 2.0, 6.0])
    half = 4.302652729911275 * np.sqrt(7 / 3)  # standard deviation sqrt(7)
    assert found == pytest.approx({"value": 3, "low": 3 - half, "high": 3 + half, "n": 3}, rel=1e-9)
    half = 6.313751514675041 * np.sqrt(0.5) / np.sqrt(2)  # of one degree of freedom, 90 %
    found = mean_interval([1, 2], 0.9)
    assert found == pytest.approx({"value": 1.5, "low": 1.5 - half, "high": 1.5 + half, "n": 2})
    assert all(isinstance(found[key], float) for key in ("value", "low", "high"))


@pytest.mark.parametrize(
    ("values", "mean", "n"),
    [([], np.nan, 0), ([np.nan], np.nan, 0), ([4.0, np.nan], 4.0, 1), ([1, np.inf], np.inf, 2)],
)
def test_means_without_interval(values, mean, n):
    nan = pytest.approx(np.nan, nan_ok=True)
    assert mean_interval(values) == {
        "value": pytest.approx(mean, nan_ok=True), "low": nan, "high": nan, "n": n,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "detected", "truth"), [(3, 5, 7), (4, 4, 4), (0, 2, 0), (1, 9, 2)]
)
def test_f1_is_carried_over_from_the_jaccard_index(found, detected, truth):
    for level, z in ((0.95, Z), (0.9, Z90)):
        expected = [2 * j / (1 + j) for j in roots(found, detected + truth - found, z)]
        options = {} if level == 0.95 else {"level": level}
        value, *interval = f1_interval(found, detected, truth, **options)
        assert value == 2 * found / (detected + truth)
        assert interval == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_f1_of_nothing():
    assert np.isnan(f1_interval(0, 0, 0)).all()
    assert not np.isnan(f1_interval(0, 1, 0)).any()


@pytest.mark.parametrize(("part", "whole"), [(3, 5), (9, 4), (0, 1), (7, 1)])
def test_ratios_are_carried_over_from_the_share(part, whole):
    low, high = (p / (1 - p) for p in roots(part, part + whole, Z))
    found = ratio_interval(part, whole)
    assert found == pytest.approx(
        {"value": part / whole, "low": low, "high": high, "n": whole}, rel=1e-9, abs=1e-12
    )
    assert isinstance(found["n"], int)


def test_ratios_to_nothing():
    nan = pytest.approx(np.nan, nan_ok=True)
    for part in (0, 3):
        assert ratio_interval(part, 0) == {"value": nan, "low": nan, "high": nan, "n": 0}


def test_a_ratio_beyond_all_digits_has_no_interval():
    nan = pytest.approx(np.nan, nan_ok=True)
    assert ratio_interval(10**18, 1) == {"value": 1e18, "low": nan, "high": nan, "n": 1}


# --- what became of pores, counted


def pores(rows, columns=("kind", "status", "matched_iou10", "edge", "size_class", "rim")):
    return pd.DataFrame(rows, columns=columns)


STATUS = pores(
    [
        ("truth", "found", 1, False, "9-10 um", False),
        ("truth", "found", 1, False, "10-20 um", False),
        ("truth", "found", 9, True, "10-20 um", False),  # at the edge: not counted
        ("truth", "missed", 2, False, "10-20 um", False),
        ("truth", "missed", 0, False, "10-20 um", False),
        ("truth", "missed", 0, False, "", False),
        ("truth", "split", 0, False, "9-10 um", False),
        ("truth", "merged", 0, False, "9-10 um", False),
        ("truth", "merged", 0, False, "9-10 um", True),
        ("detection", "found", 1, False, "9-10 um", True),
        ("detection", "found", 1, False, "10-20 um", False),
        ("detection", "false", 0, False, "10-20 um", True),
        ("detection", "false", 0, False, "10-20 um", False),
        ("detection", "false", 0, True, "20-30 um", True),
        ("detection", "split", 0, False, "9-10 um", True),
        ("detection", "missed", 0, False, "9-10 um", False),
        ("detection", "merged", 0, False, None, False),
    ]
)
COUNTS = {
    "truth": 8, "detected": 7, "detected_off_rim": 5, "found": 2, "found_iou10": 3,
    "missed": 3, "split": 1, "merged": 2, "false": 2,
}  # fmt: skip


def test_counts_leave_out_edge_pores():
    assert counts_of(STATUS) == COUNTS
    assert counts_of(STATUS, "9-10 um") == {
        "truth": 4, "detected": 3, "detected_off_rim": 2, "found": 1, "found_iou10": 1,
        "missed": 0, "split": 1, "merged": 2, "false": 0,
    }  # fmt: skip
    without = STATUS.drop(columns="rim")
    assert counts_of(without) == COUNTS | {"detected_off_rim": 7}
    assert size_classes(STATUS) == ["9-10 um", "10-20 um"]


def expected_rows(counts, subset):
    def share(metric, part, whole):
        n = counts[whole]
        low, high = wilson(counts[part], n)
        return metric, subset, counts[part] / n if n else np.nan, "", low, high, n

    def f1(metric, part, whole):
        interval = f1_interval(counts[part], counts[whole], counts["truth"])
        value, low, high = interval
        return metric, subset, value, "", low, high, counts["truth"]

    return [
        share("pore_recall", "found", "truth"),
        share("pore_precision", "found", "detected"),
        share("pore_precision_off_rim", "found", "detected_off_rim"),
        share("pore_recall_iou10", "found_iou10", "truth"),
        share("pore_precision_iou10", "found_iou10", "detected"),
        f1("pore_f1", "found", "detected"),
        f1("pore_f1_off_rim", "found", "detected_off_rim"),
        f1("pore_f1_iou10", "found_iou10", "detected"),
        *(
            (f"pores_{name}", subset, counts[name], "", np.nan, np.nan, None)
            for name in ("missed", "false", "split", "merged")
        ),
    ]


ROW = ["metric", "subset", "value", "unit", "low", "high", "n"]


def assert_rows(rows, expected):
    assert all(list(row) == ROW and isinstance(row["value"], float) for row in rows)
    pd.testing.assert_frame_equal(
        pd.DataFrame(rows), pd.DataFrame(expected, columns=ROW), check_dtype=False, rtol=1e-12
    )


def test_rows_of_counts():
    assert_rows(recovery_rows(COUNTS), expected_rows(COUNTS, "all"))
    nothing = dict.fromkeys(COUNTS, 0)
    assert_rows(recovery_rows(nothing, "1-2 um"), expected_rows(nothing, "1-2 um"))


def test_pooled_recovery_is_that_of_all_samples_and_of_each_class():
    parts = [STATUS.iloc[:5], STATUS.iloc[5:]]
    expected = expected_rows(COUNTS, "all")
    for name in ("9-10 um", "10-20 um"):
        expected += expected_rows(counts_of(STATUS, name), name)
    assert_rows(pool_recovery(iter(parts)), expected)


def test_means_over_samples_by_metric_subset_variant_and_unit():
    values = pd.DataFrame(
        [
            ("psnr", "all", 30.0, "dB"),
            ("gap", "z", 1.0, None),
            ("psnr", "all", 34.0, "dB"),
            ("psnr", "z", 5.0, "dB"),
            ("gap", "z", 2.0, "nm"),
        ],
        columns=["metric", "subset", "value", "unit"],
    )
    before = values.copy()
    keys = [("psnr", "all", "", "dB"), ("gap", "z", "", ""), ("psnr", "z", "", "dB"), ("gap", "z", "", "nm")]  # fmt: skip
    found = pool_means(values)
    assert [tuple(row.values())[:4] for row in found] == keys
    assert [row["value"] for row in found] == [32.0, 1.0, 5.0, 2.0]
    assert [row["n"] for row in found] == [2, 1, 1, 1]
    half = 12.706204736432095 * np.sqrt(8 / 2)
    assert (found[0]["low"], found[0]["high"]) == pytest.approx((32 - half, 32 + half), rel=1e-9)
    pd.testing.assert_frame_equal(values, before)
    found = pool_means(values.assign(variant=[None, "a", "b", None, "a"]))
    assert [row["variant"] for row in found] == ["", "a", "b", "", "a"]
    assert [row["n"] for row in found] == [1] * 5
