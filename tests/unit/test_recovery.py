import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from acuity.errors import AcuityError
from acuity.measure.census import census, count
from acuity.measure.intervals import f1_interval, mean_interval, ratio_interval, wilson
from acuity.measure.pool import counts_of, pool_means, pool_recovery
from acuity.measure.pores import pore_table
from acuity.measure.recovery import (
    STATUS_COLUMNS,
    add_overlaps,
    found_ratio,
    overlaps,
    recover,
)
from acuity.volume import Grid, Volume

CLASSES = (4, 10, 16, 30)


def paint(shape, balls):
    labels = np.zeros(shape, np.uint32)
    grid = np.indices(shape, dtype=float)
    for k, (*c, r) in enumerate(balls, 1):
        labels[((grid - np.reshape(c, (3, 1, 1, 1))) ** 2).sum(0) <= r * r] = k
    return labels


def scattered(seed, n=14, shape=(56, 56, 56), edge=True):
    rng = np.random.default_rng(seed)
    balls = []
    for _ in range(2000):
        r = rng.uniform(2.5, 8)
        low = 0 if edge else r + 3
        c = rng.uniform(low, shape[0] - 1 - low, 3)
        if all(np.linalg.norm(c - b[:3]) > r + b[3] + 2 for b in balls):
            balls.append((*c, r))
        if len(balls) == n:
            break
    return paint(shape, balls)


def matched(labels, truth, spacing=(1.0, 1.0, 1.0), **options):
    """The objects of two volumes in memory, matched."""
    tables = (pore_table(volume, spacing, shape=False) for volume in (labels, truth))
    return recover(*tables, overlaps(labels, truth), spacing=spacing, **options)


def all_values(rows):
    return {r["metric"]: r["value"] for r in rows if r["subset"] == "all"}


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_perfect_segmentation_is_perfect_edge_pores_included(seed):
    truth = scattered(seed)
    # The same objects under other numbers.
    numbers = np.random.default_rng(seed).permutation(int(truth.max())).astype(np.uint32) + 5
    labels = np.where(truth > 0, numbers[np.maximum(truth, 1) - 1], 0)
    rows, status = matched(labels, truth, classes=CLASSES)
    for r in rows:
        if r["metric"].startswith(("pore_recall", "pore_precision", "pore_f1")):
            assert r["value"] == 1.0, r
            assert r["low"] < 1.0 == r["high"]
        else:
            assert r["value"] == 0
    assert list(status.columns) == STATUS_COLUMNS
    assert (status["status"] == "found").all()
    assert (status["iou"] == 1.0).all()
    assert status["edge"].sum() % 2 == 0
    assert found_ratio(pore_table(labels), pore_table(truth))["value"] == 1.0


def test_a_clipped_edge_pore_costs_nothing():
    # The truth's pore touches the last slice, the image's falls one slice short, and half of
    # another is gone: dropping edge pores first would call the former invented.
    shape = (40, 40, 40)
    truth = paint(shape, [(20, 20, 20, 7), (37, 10, 10, 6)])
    labels = truth.copy()
    labels[39] = 0
    rows, status = matched(labels, truth)
    assert all_values(rows)["pore_precision"] == 1.0
    assert all_values(rows)["pore_recall"] == 1.0
    assert status[status["edge"]]["kind"].tolist() == ["truth", "detection"]
    # A fragment inside the truth's edge pore goes with it, one elsewhere is false.
    labels[(truth == 2) & (np.indices(shape)[0] > 34)] = 0
    values = all_values(matched(labels, truth)[0])
    assert values["pore_precision"] == 1.0
    labels[5:9, 30:34, 30:34] = 9
    values = all_values(matched(labels, truth)[0])
    assert values["pore_precision"] == 0.5
    assert values["pores_false"] == 1


@pytest.mark.parametrize("shift", [1, 2, 3, 5])
def test_a_shift_lowers_recall(shift):
    truth = scattered(3, edge=False)
    labels = np.roll(truth, shift, axis=2)
    values = all_values(matched(labels, truth, classes=CLASSES)[0])
    table = pore_table(truth, shape=False)
    # In closed form: the lens common to two spheres of one radius.
    r = 0.5 * table["diameter"].to_numpy()
    lens = np.where(shift < 2 * r, (1 - shift / (2 * r)) ** 2 * (1 + shift / (4 * r)), 0)
    expected = np.mean(lens / (2 - lens) > 0.5)
    assert values["pore_recall"] == pytest.approx(expected, abs=0.1)
    assert values["pore_recall_iou10"] >= values["pore_recall"]
    if shift >= 2:
        assert values["pore_recall"] < 1.0


def test_loose_matching_forgives_small_pores():
    truth = paint((30, 30, 30), [(15, 15, 15, 2)])
    labels = np.roll(truth, 1, axis=0)
    rows, status = matched(labels, truth)
    values = all_values(rows)
    assert values["pore_recall"] == 0
    assert values["pore_precision"] == 0
    assert values["pore_recall_iou10"] == values["pore_precision_iou10"] == 1
    assert status["iou"].tolist() == pytest.approx([0.45, 0.45], abs=0.03)
    assert status["matched"].tolist() == [0, 0]
    assert status["matched_iou10"].tolist() == [1, 1]
    # Farther than its radius there is no partner, however loose.
    values = all_values(matched(np.roll(truth, 3, axis=0), truth)[0])
    assert values["pore_recall_iou10"] == 0


def test_split_merged_missed_false():
    shape = (40, 40, 120)
    truth = paint(shape, [(20, 20, 15, 8), (20, 20, 40, 6), (20, 20, 54, 6), (20, 20, 75, 5)])
    labels = np.zeros_like(truth)
    x = np.indices(shape)[2]
    labels[(truth == 1) & (x < 15)] = 1  # two halves of the first
    labels[(truth == 1) & (x >= 16)] = 2
    labels[(truth == 2) | (truth == 3)] = 3  # two in one
    labels[18:23, 18:23, 100:105] = 4  # invented
    rows, status = matched(labels, truth, classes=(4, 20))
    values = all_values(rows)
    assert status[status["kind"] == "truth"]["status"].tolist() == [
        "split", "merged", "merged", "missed",
    ]  # fmt: skip
    assert status[status["kind"] == "detection"]["status"].tolist() == [
        "split", "split", "merged", "false",
    ]  # fmt: skip
    assert values["pores_split"] == 1
    assert values["pores_merged"] == 2
    assert values["pores_missed"] == 1
    assert values["pores_false"] == 1
    assert values["pore_recall"] == values["pore_precision"] == 0
    # Ratio of counts: 4 of 4, though not one is right.
    assert found_ratio(pore_table(labels), pore_table(truth))["value"] == 1.0


def test_a_large_pore_found_beside_a_swallowed_one():
    truth = paint((40, 40, 60), [(20, 20, 20, 10), (20, 20, 34, 3)])
    labels = (truth > 0).astype(np.uint32)
    _, status = matched(labels, truth)
    assert status["status"].tolist() == ["found", "merged", "found"]


def test_size_classes_are_the_truths():
    truth = paint((40, 40, 80), [(20, 20, 15, 3), (20, 20, 35, 6), (20, 20, 60, 9)])
    labels = truth.copy()
    labels[truth == 1] = 0
    labels[18:22, 18:22, 74:78] = 7  # invented, of 5 voxels' diameter
    rows, _ = matched(labels, truth, spacing=(2.0, 2.0, 2.0), unit="um", classes=(8, 20, 30, 40))
    v = {(r["metric"], r["subset"]): r["value"] for r in rows}
    assert v["pore_recall", "8-20 um"] == 0
    assert v["pore_recall", "20-30 um"] == v["pore_recall", "30-40 um"] == 1
    assert v["pore_precision", "8-20 um"] == 0
    assert v["pores_false", "8-20 um"] == 1
    assert v["pore_recall", "all"] == pytest.approx(2 / 3)
    assert v["pore_precision", "all"] == pytest.approx(2 / 3)
    assert v["pore_f1", "all"] == pytest.approx(2 / 3)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 500), shift=st.integers(0, 3))
def test_counts_add_up_and_the_strict_matching_is_optimal(seed, shift):
    truth = scattered(seed)
    labels = np.roll(scattered(seed + (seed % 2)), shift, axis=1)
    _, status = matched(labels, truth, classes=(0, 100))
    counts = counts_of(status)
    parts = ("found", "missed", "split", "merged")
    assert sum(counts[k] for k in parts) == counts["truth"]
    assert counts["found"] <= counts["found_iou10"] <= min(counts["truth"], counts["detected"])
    expected = np.zeros((int(truth.max()) + 1, int(labels.max()) + 1))
    for a, b, n in overlaps(labels, truth):
        assert n == ((truth == a) & (labels == b)).sum()
        expected[a, b] = n / ((truth == a) | (labels == b)).sum() > 0.5
    best = expected[linear_sum_assignment(-expected)].sum()
    both = status[(status["kind"] == "truth")]
    assert (both["status"] == "found").sum() == best
    for column in ("matched", "matched_iou10"):
        partners = both[column][both[column] > 0]
        assert partners.is_unique
    # By size class they add up to the whole.
    assert counts_of(status, "0-100 voxel") == counts


def test_nothing_found_and_nothing_to_find():
    truth = paint((30, 30, 30), [(15, 15, 15, 5)])
    empty = np.zeros_like(truth)
    values = all_values(matched(empty, truth)[0])
    assert values["pore_recall"] == 0
    assert np.isnan(values["pore_precision"])
    assert values["pores_missed"] == 1
    values = all_values(matched(truth, empty)[0])
    assert values["pore_precision"] == 0
    assert values["pores_false"] == 1
    assert np.isnan(found_ratio(pore_table(truth), pore_table(empty))["value"])
    matched(empty, empty)


def test_mistakes():
    truth = paint((30, 30, 30), [(15, 15, 15, 5)])
    with pytest.raises(AcuityError, match="absent"):
        recover(pore_table(truth * 2), pore_table(truth), overlaps(truth, truth))


# --- intervals and pooling


def test_wilson():
    # Newcombe 1998, table I: 81/263, 15/148, 0/20, 1/29.
    for n, k, low, high in [
        (263, 81, 0.2553, 0.3662),
        (148, 15, 0.0624, 0.1605),
        (20, 0, 0.0, 0.1611),
        (29, 1, 0.0061, 0.1718),
    ]:
        assert wilson(k, n) == pytest.approx((low, high), abs=1e-4)
    assert np.isnan(wilson(0, 0)[0])


@settings(deadline=None)
@given(n=st.integers(1, 500), data=st.data())
def test_intervals_hold_their_value(n, data):
    k = data.draw(st.integers(0, n))
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    value, low, high = f1_interval(k, n, n + 3)
    assert low <= value <= high


def test_wilson_covers():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        low, high = wilson(rng.binomial(135, 0.95), 135)
        hits += low <= 0.95 <= high
    assert 0.92 < hits / 2000 < 0.98


def test_mean_interval():
    v = mean_interval([1.0, 2.0, 3.0, np.nan])
    assert v["value"] == 2.0
    assert v["n"] == 3
    assert v["high"] - 2.0 == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)
    assert np.isnan(mean_interval([1.0])["low"])
    assert mean_interval([])["n"] == 0


def test_pooling_sums_counts():
    tables = []
    for seed in range(3):
        truth = scattered(seed)
        labels = np.where(truth == 1, 0, truth)
        tables.append(matched(labels, truth, classes=CLASSES)[1])
    rows = pool_recovery(tables)
    pooled = {(r["metric"], r["subset"]): r for r in rows}
    single = [counts_of(t) for t in tables]
    row = pooled["pore_recall", "all"]
    assert row["n"] == sum(c["truth"] for c in single)
    assert row["value"] == sum(c["found"] for c in single) / row["n"]
    narrow = row["high"] - row["low"]
    alone = wilson(single[0]["found"], single[0]["truth"])
    assert narrow < alone[1] - alone[0]
    subsets = [s for m, s in pooled if m == "pore_recall"]
    assert subsets[0] == "all"
    assert subsets[1:] == [s for s in ("4-10 voxel", "10-16 voxel", "16-30 voxel") if s in subsets]
    # A table that went through a file pools alike.
    again = pd.concat(tables).to_csv(sep="\t", index=False)
    from io import StringIO

    assert counts_of(pd.read_csv(StringIO(again), sep="\t")) == counts_of(pd.concat(tables))


def test_pool_means_and_ratio():
    values = pd.DataFrame(
        {
            "metric": ["psnr"] * 3 + ["ms_ssim_wang"] * 3,
            "subset": "all",
            "variant": [None] * 3 + ["5 scales"] * 3,
            "value": [30.0, 31.0, 32.0, 0.9, 0.9, 0.9],
            "unit": ["dB"] * 3 + [None] * 3,
        }
    )
    rows = pool_means(values)
    assert [r["value"] for r in rows] == pytest.approx([31.0, 0.9])
    assert rows[0]["unit"] == "dB"
    assert rows[1]["variant"] == "5 scales"
    v = ratio_interval(190, 200)
    assert v["value"] == 0.95
    assert v["low"] < 0.95 < v["high"]
    assert ratio_interval(300, 200)["value"] == 1.5


def test_overlaps_are_the_sum_of_those_of_slices():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 5, (20, 9, 8)).astype(np.uint32) for _ in range(2))
    pairs = overlaps(a, b)
    for t, d, n in pairs:
        assert n == ((b == t) & (a == d)).sum()
    assert len(pairs) == 16
    parts = [overlaps(a[z : z + 3], b[z : z + 3]) for z in range(0, 20, 3)]
    np.testing.assert_array_equal(add_overlaps(parts), pairs)
    assert not np.array_equal(add_overlaps(parts[1:]), pairs)
    high = (a.astype(np.uint64) * (2**32 - 1) // 4).astype(np.uint32)
    assert overlaps(high, high)[-1, 0] == 2**32 - 1


def test_slivers_at_the_wall_are_counted_and_told_apart():
    grid = Grid((40, 60, 60), (1.0, 1.0, 1.0))
    truth = paint(grid.shape, [(20, 30, 20, 6), (20, 30, 42, 6)])
    labels = truth.copy()
    radius = 28.0
    y, x = np.mgrid[:60, :60] - 29.5
    wall = (np.hypot(y, x) <= radius) & (np.hypot(y, x) > radius - 2) & (y > 20)
    labels[15:25, wall] = 7  # a sliver of the dark outside
    labels[10:14, 27:31, 28:32] = 8  # invented, far from the wall
    volumes = [Volume(array, grid) for array in (labels, truth, truth)]

    def values(mask_radius):
        sums = count(*volumes, mask_radius=mask_radius)
        rows, pores, status = census([sums], size_bin=5.0, size_classes=CLASSES)
        return all_values(rows), pores.set_index("label")["rim"], status

    found, rim, status = values(radius)
    assert rim.to_dict() == {1: False, 2: False, 7: True, 8: False}
    assert found["pore_precision"] == 2 / 4
    assert found["pore_precision_off_rim"] == 2 / 3
    assert found["pore_f1_off_rim"] == pytest.approx(0.8)
    assert not status["edge"].any()  # the wall cuts no pore
    # The control: without a wall nothing touches it.
    whole, rim, _ = values(None)
    assert not rim.any()
    assert whole["pore_precision_off_rim"] == whole["pore_precision"] == 2 / 4
