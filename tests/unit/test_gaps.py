"""Gaps between particles: widths and depths against closed forms, choice, counts, intervals."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import norm

from acuity.errors import AcuityError
from acuity.measure import gaps as module
from acuity.measure.gaps import (
    COLUMNS,
    bootstrap,
    gain_rows,
    gap_rows,
    histogram,
    matched,
    pairs,
    pool_gaps,
    separation,
    volume_gaps,
)
from acuity.settings import call
from acuity.volume import Grid, Volume

gaps = partial(call, module.gaps)
PIXEL = 7.1
SIGMA = 1.3  # blur, pixels
DARK, BRIGHT = 40.0, 200.0


def bar(t, length, sigma):
    """A blurred bar of a length about 0."""
    return ndtr((t + length / 2) / sigma) - ndtr((t - length / 2) / sigma)


def scene(rows, angle=20.0, sigma=SIGMA, shape=(160, 180)):
    """Pairs of blurred rectangles with gaps between them, in one direction.

    Each row is (y, x, gap) of a pair: middle and gap, pixels. A gap of 0 is one long rectangle.
    """
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    total = np.zeros(shape)
    for my, mx, gap in rows:
        t, u = (x - mx) * c + (y - my) * s, (y - my) * c - (x - mx) * s
        along = bar(t, 30.0, sigma) - (bar(t, gap, sigma) if gap else 0.0)
        total += along * bar(u, 26.0, sigma)
    return DARK + (BRIGHT - DARK) * total


def expected(gap, sigma=SIGMA, exists=0.6, level=0.8):
    """Minimum over the peak and width (pixels) of such a gap, on its line."""
    t = np.linspace(0, 15, 3001)
    profile = bar(t, 30.0, sigma) - bar(t, gap, sigma)
    peak = profile.max()
    lowest = profile[0] / peak
    if lowest >= exists:
        return lowest, np.nan
    end = t[np.argmax(profile)]
    crossing = brentq(lambda a: (bar(a, 30.0, sigma) - bar(a, gap, sigma)) / peak - level, 0.0, end)
    return lowest, 2 * crossing


DEEP = {"pixel_size": PIXEL, "depth": 60.0}  # deep enough for the full height of a blurred bar
PLACES = [(40.0, 45.0), (40.0, 130.0), (115.0, 50.0), (115.0, 135.0)]


def many(*widths, **options):
    return scene([(*place, gap) for place, gap in zip(PLACES, widths, strict=False)], **options)


@pytest.mark.parametrize("angle", [0.0, 20.0, 63.0])
def test_width_and_depth_have_the_closed_form(angle):
    widths = (2.4, 3.1, 4.3, 5.2)
    image = many(*widths, angle=angle)
    table = gaps(image, image, **DEEP)
    assert list(table.columns) == COLUMNS
    assert (table["kind"] == "gap").all()
    assert len(table) == 4
    for gap, (y, x) in zip(widths, PLACES, strict=True):
        y_found, x_found = (PIXEL * v for v in (y, x))
        near = np.hypot(
            (table["y1"] + table["y2"]) / 2 - y_found, (table["x1"] + table["x2"]) / 2 - x_found
        )
        row = table.loc[near.idxmin()]
        minimum, width = expected(gap)
        assert row["minimum_truth"] == pytest.approx(minimum, abs=0.02)
        assert row["width_truth"] == pytest.approx(PIXEL * width, abs=0.15 * PIXEL)
        # The ends lie on the outlines, to the nearest pixel.
        length = np.hypot(row["y2"] - row["y1"], row["x2"] - row["x1"])
        assert length == pytest.approx(PIXEL * gap, abs=2 * PIXEL)
        along = np.array([row["y2"] - row["y1"], row["x2"] - row["x1"]]) / length
        np.testing.assert_allclose(row[["uy", "ux"]].to_numpy(float), along, atol=1e-9)
    np.testing.assert_array_equal(table["width"], table["width_truth"])
    assert table["resolved"].all()


def test_a_blurred_image_resolves_what_the_closed_form_says():
    widths = (2.6, 3.0, 4.2, 5.4)
    truth, image = many(*widths), many(*widths, sigma=3.2)
    table = gaps(image, truth, **DEEP).sort_values("width_truth")
    forms = [expected(gap, 3.2) for gap in widths]
    assert [m < 0.6 for m, _ in forms] == [False, False, True, True]
    assert list(table["resolved"]) == [0, 0, 1, 1]
    np.testing.assert_allclose(table["minimum"], [m for m, _ in forms], atol=0.03)
    np.testing.assert_allclose(
        table["width"], [PIXEL * w for _, w in forms], atol=0.15 * PIXEL, equal_nan=True
    )
    found = {(r["metric"], r["subset"]): r for r in gap_rows(table)}
    unresolved = found["gaps_unresolved", "all"]
    assert (unresolved["value"], unresolved["n"]) == (0.5, 4)
    assert 0.1 < unresolved["low"] < 0.5 < unresolved["high"] < 0.9
    error = np.abs(table["width"] - table["width_truth"])[2:].mean()
    assert found["gap_error", "all"]["value"] == pytest.approx(error)
    assert found["gap_error", "all"]["n"] == 2


def test_brightness_and_contrast_do_not_count_unless_zero_is_the_baseline():
    truth = many(2.6, 3.4, 4.2, 5.4)
    image = many(2.6, 3.4, 4.2, 5.4, sigma=1.8)
    plain, other = (gaps(i, truth, pixel_size=PIXEL) for i in (image, 0.4 * image + 90))
    pd.testing.assert_frame_equal(plain, other, rtol=1e-9)
    plain, other = (
        gaps(i, truth, pixel_size=PIXEL, baseline="zero") for i in (image, 0.4 * image + 90)
    )
    assert (other["minimum"] > plain["minimum"] + 0.1).all()


def test_the_scale_follows_the_pixel_size():
    image = many(2.6, 3.4, 4.2, 5.4)
    one = gaps(image, image, pixel_size=PIXEL)
    two = gaps(image, image, pixel_size=2 * PIXEL, longest=80.0, depth=40.0)
    np.testing.assert_allclose(2 * one["width"], two["width"])
    np.testing.assert_allclose(2 * one["y1"], two["y1"])


def touching_pair():
    """Two blurred discs that touch, and the same with a slit cut between them."""
    y, x = np.mgrid[:80, :100].astype(float)
    radius = 14.0
    one = np.hypot(y - 40, x - 36.5) < radius
    two = np.hypot(y - 40, x - 63.5) < radius
    slit = np.abs(x - 50) < 2.0
    fine = [(one | two).astype(float), ((one | two) & ~slit).astype(float)]
    from scipy.ndimage import gaussian_filter

    return [DARK + (BRIGHT - DARK) * gaussian_filter(f, 1.0) for f in fine]


def test_a_gap_between_particles_in_touch_is_invented():
    truth, image = touching_pair()
    table = gaps(image, truth, pixel_size=PIXEL)
    assert list(table["kind"]) == ["touching"]
    assert list(table["touching"]) == [1]
    assert np.isnan(table["width_truth"]).all()
    assert table["width"].iloc[0] > 2 * PIXEL
    found = {(r["metric"], r["subset"]): r for r in gap_rows(table)}
    assert found["gaps_invented", "all"]["value"] == 1
    assert found["gaps_invented_count", "all"]["value"] == 1
    assert found["gaps_unresolved", "all"]["n"] == 0
    # The negative control: the truth itself invents nothing.
    assert gaps(truth, truth, pixel_size=PIXEL)["resolved"].sum() == 0


def test_pairs_have_nothing_in_between():
    labels = np.zeros((30, 60), np.uint32)
    labels[10:20, 5:15] = 1
    labels[10:20, 20:30] = 2
    labels[10:20, 37:47] = 3
    found = pairs(labels, longest=40.0)
    assert list(zip(found["a"], found["b"], strict=True)) == [(1, 2), (2, 3)]
    np.testing.assert_allclose(found["distance"], [5, 7])
    np.testing.assert_allclose(found[["uy", "ux"]], [[0, 1], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(found["x"], [17, 33])
    assert len(pairs(labels, longest=6.0)) == 1
    assert len(pairs(np.zeros((9, 9), np.uint32), longest=6.0)) == 0


def test_pairs_in_touch_have_the_direction_across_their_seam():
    y, x = np.mgrid[:60, :60]
    labels = np.where(np.hypot(y - 30, x - 30) < 22, np.where(x + 2 * y < 90, 1, 2), 0)
    found = pairs(labels.astype(np.uint32), longest=3.0)
    assert len(found) == 1
    np.testing.assert_allclose(
        found[["uy", "ux"]].to_numpy()[0], np.array([2, 1]) / 5**0.5, atol=0.1
    )
    assert found["distance"].iloc[0] == 0


def test_choice_and_order_do_not_depend_on_the_image():
    widths = (2.6, 3.4, 4.2, 5.4)
    truth = many(*widths)
    one = gaps(truth, truth, pixel_size=PIXEL, chosen=2, seed=4)
    two = gaps(many(*widths, sigma=2.4), truth, pixel_size=PIXEL, chosen=2, seed=4)
    same = ["gap", "kind", "y1", "x1", "y2", "x2", "width_truth", "chosen", "minimum_truth"]
    pd.testing.assert_frame_equal(one[same], two[same])
    assert one["chosen"].sum() == 2
    others = [
        tuple(gaps(truth, truth, pixel_size=PIXEL, chosen=2, seed=s)["chosen"]) for s in range(8)
    ]
    assert len(set(others)) > 1


def test_what_is_not_valid_is_left_out():
    image = many(2.6, 3.4, 4.2, 5.4)
    valid = np.ones(image.shape, np.uint8)
    valid[:, :90] = 0
    table = gaps(image, image, pixel_size=PIXEL, valid=valid)
    assert len(table) == 2
    assert (table["x1"] > 90 * PIXEL).all()


def table_of(truth, image, kind="gap"):
    """A gap table with given widths; NaN in the image is unresolved."""
    image = np.asarray(image, float)
    return pd.DataFrame(
        {
            "kind": kind,
            "width_truth": truth,
            "width": image,
            "resolved": np.isfinite(image).astype(int),
            "chosen": 0,
            "minimum": np.where(np.isfinite(image), 0.3, 0.8),
        }
    )


def test_pooled_figures_are_those_of_all_gaps():
    first = table_of([10, 20, 30, 40], [12, np.nan, 30, 37])
    second = table_of([10, 20], [np.nan, 20])
    touching = table_of([np.nan] * 3, [np.nan, 5, np.nan], "touching")
    rows = pool_gaps([pd.concat([first, touching]), second], chosen=5)
    found = {(r["metric"], r["subset"]): r for r in rows}
    assert found["gaps_unresolved", "all"]["value"] == pytest.approx(2 / 6)
    assert found["gap_error", "all"]["value"] == pytest.approx((2 + 0 + 3 + 0) / 4)
    assert found["gap_bias", "all"]["value"] == pytest.approx((2 + 0 - 3 + 0) / 4)
    assert found["gaps_invented", "all"]["value"] == pytest.approx(1 / 3)
    assert found["gaps_invented_count", "all"]["n"] == 3
    assert found["gaps_unresolved", "chosen"]["n"] == 5
    for metric in ("gaps_unresolved_bootstrap", "gap_error", "gaps_unresolved"):
        row = found[metric, "all"]
        assert row["low"] < row["value"] < row["high"]


def test_gain_over_the_input_is_paired():
    truth = np.full(400, 20.0)
    hard = np.arange(400) % 4 == 0  # both images fail on the hard ones, one on half of them
    before = [table_of(truth, np.where(hard, np.nan, 24.0))] * 2
    after = [table_of(truth, np.where(hard & (np.arange(400) % 8 == 0), np.nan, 22.0))] * 2
    fewer, smaller, _ = gain_rows(after, before)
    assert (fewer["metric"], smaller["metric"]) == ("gaps_unresolved_factor", "gap_error_factor")
    assert fewer["value"] == smaller["value"] == pytest.approx(2)
    assert (smaller["low"], smaller["high"]) == pytest.approx((2, 2))  # in every draw
    assert 1.7 < fewer["low"] < 2 < fewer["high"] < 2.4
    assert fewer["n"] == 800
    assert gain_rows(before, before)[0]["low"] == gain_rows(before, before)[0]["high"] == 1
    # Nothing left to miss, and gaps that are not the same.
    all_found, *_ = gain_rows([table_of(truth, truth + 1)], before[:1])
    assert (all_found["value"], all_found["low"]) == (np.inf, np.inf)
    with pytest.raises(AcuityError, match="399 pairs and the other at 400"):
        gain_rows([before[0][1:]], before[:1])


def test_contrast_moves_the_threshold_and_not_the_separation():
    random = np.random.Generator(np.random.Philox(3))
    gap = np.repeat([1, 0], [3000, 1000])
    # Two normal distributions, d apart: the area is Phi(d / sqrt 2).
    minimum = np.where(gap, 0.45, 0.7) + 0.1 * random.standard_normal(4000)
    assert separation(gap, minimum) == pytest.approx(norm.cdf(2.5 / np.sqrt(2)), abs=0.005)
    rows = {}
    for name, values in (("plain", minimum), ("darker", minimum - 0.1), ("other", minimum[::-1])):
        table = table_of(20.0, np.where(values < 0.6, 20.0, np.nan)).assign(minimum=values)
        table["kind"] = np.where(gap, "gap", "touching")
        found = [*gap_rows(table), *gain_rows([table], [rows.setdefault("table", table)])]
        rows[name] = {r["metric"]: r for r in found if r["subset"] == "all"}
    plain, darker, other = (rows[name] for name in ("plain", "darker", "other"))
    assert darker["gaps_unresolved"]["value"] < 0.3 * plain["gaps_unresolved"]["value"]
    assert darker["gaps_invented"]["value"] > 3 * plain["gaps_invented"]["value"]
    for metric in ("gap_auc", "gaps_unresolved_matched"):
        assert darker[metric]["value"] == pytest.approx(plain[metric]["value"], abs=0.002)
        assert plain[metric]["low"] < plain[metric]["value"] < plain[metric]["high"]
    share = plain["gaps_unresolved"]["value"]
    assert plain["gaps_unresolved_matched"]["value"] == pytest.approx(share, abs=0.002)
    # The control: an image that tells the two apart no better than chance.
    assert other["gap_auc"]["value"] < 0.6
    assert np.isnan(separation([1, 1], [0.1, 0.2]))


def test_where_no_particle_is_seen_no_gap_is():
    gap = np.repeat([1, 0], [40, 40])
    nothing = np.full(80, np.nan)
    assert (separation(gap, nothing), matched(gap, nothing, 0.1)) == (0.5, 1.0)
    seen = np.where(gap, 0.3, 0.8)
    assert (separation(gap, seen), matched(gap, seen, 0.1)) == (1.0, 0.0)
    half = np.where(np.arange(80) % 2, seen, np.nan)  # of both kinds
    assert separation(gap, half) == pytest.approx(0.625)
    assert matched(gap, half, 0.1) == 0.5


def test_bootstrap_of_one_group_is_that_of_a_proportion():
    values = np.repeat([0, 1], [860, 140])
    low, high = bootstrap([values])
    half = 1.96 * np.sqrt(0.14 * 0.86 / 1000)
    assert low == pytest.approx(0.14 - half, abs=0.003)
    assert high == pytest.approx(0.14 + half, abs=0.003)
    assert bootstrap([values]) == (low, high)


def test_bootstrap_sees_that_images_differ():
    alike = [np.repeat([0, 1], [80, 20])] * 4
    apart = [np.repeat([0, 1], [100 - n, n]) for n in (5, 10, 25, 40)]
    widths = [high - low for low, high in map(bootstrap, (alike, apart))]
    assert widths[1] > 2 * widths[0]
    assert np.isnan(bootstrap([[], []])).all()


def test_histogram_finds_the_gaussian():
    random = np.random.Generator(np.random.Philox(5))
    widths = np.concatenate([random.normal(22.0, 5.0, 5000), [np.nan, np.nan]])
    table, fit = histogram(widths)
    assert table["count"].sum() == 5000
    assert fit["mean"] == pytest.approx(22, abs=0.3)
    assert fit["sd"] == pytest.approx(5, abs=0.3)
    _, none = histogram([10.0, 11.0])
    assert np.isnan(list(none.values())).all()


def test_volumes():
    image = many(2.6, 3.4, 4.2, 5.4).astype(np.float32)[None]
    grid = Grid(image.shape, (10, 0.0071, 0.0071), unit="um")
    volume = Volume(image, grid)
    rows, table = volume_gaps(volume, volume, chosen=3)
    summary = pd.DataFrame(rows)
    assert len(table) == 4
    assert set(summary.columns) == {"metric", "subset", "value", "unit", "low", "high", "n"}
    by = summary.set_index(["metric", "subset"])
    assert by.loc[("gaps_unresolved", "chosen"), "n"] == 3
    wide = gaps(image, image, pixel_size=7.1)
    np.testing.assert_allclose(table["width"], wide["width"], rtol=1e-6)
    stack = Volume(np.zeros((2, 8, 8), np.float32), Grid((2, 8, 8), (1, 1, 1)))
    with pytest.raises(AcuityError, match="2 slices"):
        volume_gaps(stack, stack)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": np.zeros((80, 81))}, "one shape is needed"),
        ({"image": np.full((80, 80), np.nan)}, "not finite"),
        ({"image": np.zeros((2, 80, 80))}, r"\(y, x\) or \(1, y, x\)"),
        ({"valid": np.zeros((8, 8))}, "one shape is needed"),
        ({"pixel_size": 0}, "pixel_size is 0"),
        ({"baseline": "black"}, "baseline is 'black'"),
        ({"exists": 0.9}, "exists is 0.9"),
        ({"longest": -1}, "longest is -1"),
        ({"line_width": -1}, "line_width is -1"),
        ({"chosen": -1}, "chosen is -1"),
    ],
)
def test_what_is_refused(change, message):
    plain = {"image": np.zeros((80, 80)), "truth": np.zeros((80, 80)), "pixel_size": PIXEL}
    with pytest.raises(AcuityError, match=message):
        gaps(**(plain | change))


def test_no_table_to_pool():
    with pytest.raises(AcuityError, match="no table"):
        pool_gaps([])
