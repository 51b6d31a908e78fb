"""Gaps between particles, to the last digit: each step beside a plain loop over the same numbers."""

import inspect
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
from scipy import ndimage

from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.measure import gaps as module
from acuity.measure.gaps import (
    bootstrap,
    gain_rows,
    gap_rows,
    histogram,
    matched,
    pairs,
    particles,
    pool_gaps,
    separation,
    volume_gaps,
)
from acuity.measure.intervals import wilson
from acuity.segment.separate import components, drop_small, separate
from acuity.settings import call
from acuity.threshold import otsu
from acuity.volume import Grid, Volume

gaps = partial(call, module.gaps)
NAN = float("nan")


def defaults(function):
    return {
        name: value.default
        for name, value in inspect.signature(function).parameters.items()
        if value.default is not inspect.Parameter.empty
    }


def test_settings_are_those_that_the_pages_state():
    assert defaults(particles) == {
        "smoothing": 1.0,
        "groove": 0.2,
        "seam": 5,
        "split": 0.75,
        "smallest": 9,
    }
    assert defaults(module.gaps) == {"valid": None, "seed": 0}
    assert asdict(module.GapSettings()) == {
        "baseline": "background",
        "exists": 0.6,
        "level": 0.8,
        "longest": 40.0,
        "depth": 20.0,
        "line_width": 1.0,
        "chosen": 300,
        "smoothing": 1.0,
        "smallest": 9,
    }
    draws = {"resamples": 2000, "seed": 0}
    assert defaults(bootstrap) == draws | {"level": 0.95}
    assert defaults(gap_rows) == draws | {"subsets": ("all", "chosen")}
    assert defaults(pool_gaps) == draws | {"chosen": 300}
    assert defaults(gain_rows) == draws
    assert defaults(histogram) == {"bin_width": 2.0, "last": 80.0}


def territories(seed, shape=(26, 33), count=9):
    """Particles round random points, some in touch, some at the border."""
    random = np.random.default_rng(seed)
    points = np.stack([random.uniform(0, n - 1, count) for n in shape], axis=1)
    points[:3] = [[0, 8], [0, 17], [shape[0] - 1, shape[1] - 4]]
    y, x = np.mgrid[: shape[0], : shape[1]]
    away = np.hypot(y - points[:, 0, None, None], x - points[:, 1, None, None])
    nearest = away.argmin(axis=0)
    radius = random.uniform(2.5, 6.5, count)
    return np.where(away.min(axis=0) < radius[nearest], nearest + 1, 0).astype(np.uint32)


def texture(seed=5, shape=(47, 61)):
    random = np.random.default_rng(seed)
    return 100 + 400 * ndimage.gaussian_filter(random.normal(size=shape), 2.0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"smoothing": 0.0, "groove": 0.05, "seam": 3, "split": 0.1, "smallest": 4},
        {"smoothing": 0.6, "groove": 0.4, "seam": 9, "split": 2.0, "smallest": 30},
    ],
)
def test_particles_are_bright_and_not_in_a_groove(options):
    image = texture()
    used = {"smoothing": 1.0, "groove": 0.2, "seam": 5, "split": 0.75, "smallest": 9} | options
    smooth = gaussian(image[None], (0.0, used["smoothing"], used["smoothing"]))[0]
    bright = smooth > otsu(smooth)
    step = smooth[bright].astype(float).mean() - smooth[~bright].astype(float).mean()
    side = used["seam"]
    closed = ndimage.minimum_filter(ndimage.maximum_filter(smooth, side), side)
    labels, n = components((bright & ~(closed - smooth >= used["groove"] * step))[None])
    n = drop_small(labels, separate(labels, n, used["split"]), used["smallest"])
    found, count = particles(image, **options)
    assert count == n > 5
    np.testing.assert_array_equal(found, labels[0])


def reference_pairs(labels, longest):
    """The definition of `pairs`, one line of neighbours after another."""
    nearest = ndimage.distance_transform_edt(
        labels == 0, return_distances=False, return_indices=True
    )
    lines = {}
    for dy, dx in ((1, 0), (0, 1)):
        for y in range(labels.shape[0] - dy):
            for x in range(labels.shape[1] - dx):
                p, q = nearest[:, y, x].astype(float), nearest[:, y + dy, x + dx].astype(float)
                a, b = (int(labels[tuple(v.astype(int))]) for v in (p, q))
                if a != b:
                    lines.setdefault((min(a, b), max(a, b)), []).append((p, q) if a < b else (q, p))
    rows = []
    for (a, b), ends in sorted(lines.items()):
        shortest = min(np.linalg.norm(q - p) for p, q in ends)
        kept = [(p, q) for p, q in ends if np.linalg.norm(q - p) < shortest + 1]
        along = sum(q - p for p, q in kept) / len(kept)
        middle = sum((p + q) / 2 for p, q in kept) / len(kept)
        off = [np.hypot(*((p + q) / 2 - middle)) for p, q in kept]
        p, q = kept[int(np.argmin(off))]
        if np.linalg.norm(along) > 0 and shortest - 1 <= longest:
            along /= np.linalg.norm(along)
            rows.append((a, b, *(p + q) / 2, *along, shortest - 1))
    return np.array(rows)


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_their_definition(seed):
    labels = territories(seed)
    found = pairs(labels, longest=7.0)
    assert list(found.columns) == ["a", "b", "y", "x", "uy", "ux", "distance"]
    expected = reference_pairs(labels, 7.0)
    assert len(expected) > 4
    assert (expected[:, 6] == 0).any()
    np.testing.assert_allclose(found.to_numpy(float), expected, atol=1e-12)


def test_the_longest_distance_is_still_a_pair_and_a_ring_is_none():
    labels = np.zeros((9, 20), np.uint32)
    labels[2:7, 2:5], labels[2:7, 10:14] = 1, 2
    assert list(pairs(labels, longest=5.0)["distance"]) == [5.0]
    assert len(pairs(labels, longest=4.999)) == 0
    # Round a core in a ring all directions cancel, and the pair has none.
    ring = np.zeros((11, 13), np.uint32)
    ring[1:10, 1:12], ring[4:7, 5:8] = 1, 2
    assert len(pairs(ring, longest=5.0)) == 0
    # Rows and columns of one label alone have no pair, but columns all the same.
    assert list(pairs(np.ones((4, 5), np.uint32), longest=5.0).columns) == [
        "a", "b", "y", "x", "uy", "ux", "distance",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "beside"),
    [
        (0.0, [0.0]),
        (1.0, [-0.5, 0, 0.5]),
        (2.5, np.linspace(-1.25, 1.25, 7)),
        (0.3, [-0.15, 0, 0.15]),
    ],
)
def test_lines_run_along_and_beside_a_pair(width, beside):
    table = pd.DataFrame({"y": [4.0, 9.0], "x": [7.0, 2.5], "uy": [0.6, 0.0], "ux": [0.8, -1.0]})
    t, y, x = module._lines(table, longest=3.0, depth=2.1, width=width)
    # Half of the longest, the depth, and a pixel: 4.6 pixels, in fifths.
    np.testing.assert_allclose(t, np.arange(-23, 24) / 5, atol=1e-12)
    for n, row in enumerate(table.itertuples()):
        for k, off in enumerate(beside):
            np.testing.assert_allclose(y[n, k], row.y + t * row.uy + off * row.ux, atol=1e-12)
            np.testing.assert_allclose(x[n, k], row.x + t * row.ux - off * row.uy, atol=1e-12)
    assert y.shape == x.shape == (2, len(beside), 47)


def reference_sides(found, labels, valid, t, y, x, depth):
    used, good = np.zeros(y.shape, bool), []
    middle = len(t) // 2
    for n, pair in enumerate(found.itertuples()):
        fine = True
        for own, places in ((pair.a, range(middle, -1, -1)), (pair.b, range(middle, len(t)))):
            entered = reached = False
            for k in places:
                row, column = int(np.rint(y[n, k])), int(np.rint(x[n, k]))
                outside = not (0 <= row < labels.shape[0] and 0 <= column < labels.shape[1])
                label = -1 if outside else int(labels[row, column])
                if entered and label != own:
                    break
                entered |= label == own
                if abs(t[k]) > pair.distance / 2 + 0.5 + depth:
                    break
                used[n, k] = True
                reached |= entered
                fine &= not outside and label in (0, pair.a, pair.b)
                fine &= outside or valid is None or valid[row, column] > 0
            fine &= reached
        good.append(fine)
    return used, np.array(good)


@pytest.mark.parametrize("depth", [0.7, 3.3])
@pytest.mark.parametrize("seed", range(5))
def test_a_line_ends_behind_its_particles_and_meets_no_third(seed, depth):
    labels = territories(seed)
    found = pairs(labels, longest=9.0)
    t, y, x = module._lines(found, longest=9.0, depth=depth, width=0.0)
    y, x = y[:, 0], x[:, 0]
    random = np.random.default_rng(seed)
    # Lines along the first row and the last column, and one that leaves the image.
    y[0], x[1] = 0.0, labels.shape[1] - 1.0
    y[2] += labels.shape[0] - 1 - y[2].max()
    y[3] -= 3.0
    for valid in (None, (random.random(labels.shape) < 0.97).astype(np.uint8)):
        used, good = module._sides(found, labels, valid, t, y, x, depth)
        expected, fine = reference_sides(found, labels, valid, t, y, x, depth)
        np.testing.assert_array_equal(used, expected)
        np.testing.assert_array_equal(good, fine)
        assert good.any()
        assert not good.all()


def reference_measure(profile, used, base, t, pixel, exists, level):
    middle = len(t) // 2
    seen = [v - base if u else -np.inf for v, u in zip(profile, used, strict=True)]
    first = int(np.argmax(seen[: middle + 1]))
    second = middle + int(np.argmax(seen[middle:]))
    peak = max(seen[first], seen[second])
    if not 0 < peak < np.inf:
        return NAN, False, NAN
    share = [(v - base) / peak for v in profile]
    lowest = min(range(first, second + 1), key=lambda k: share[k])
    minimum = share[lowest]
    if not minimum < exists:
        return minimum, False, NAN
    right = [k for k in range(lowest + 1, second + 1) if share[k] >= level]
    left = [k for k in range(first, lowest) if share[k] >= level]
    if not right or not left:
        return minimum, True, NAN

    def crossing(outer, inner):
        part = (level - share[inner]) / (share[outer] - share[inner])
        return t[inner] + part * (t[outer] - t[inner])

    r, lo = right[0], left[-1]
    return minimum, True, (crossing(r, r - 1) - crossing(lo, lo + 1)) * pixel


@pytest.mark.parametrize("tenths", [True, False])
def test_depth_and_width_are_those_of_the_profile(tenths):
    """Tenths of the peak meet every limit exactly, and tie."""
    random = np.random.default_rng(11)
    t = 0.2 * np.arange(-6, 7)
    values = 1.4 * np.abs(t) / t[-1] * random.random((400, 13)) + 0.3 * random.random((400, 13))
    base = 0.1
    if tenths:
        values, base = np.rint(10 * values).clip(0, 10) / 10, 0.0
        values[:9], values[9:20] = 0.0, values[9:20] - 1.0
        values[20] = [1, 0.8, 0.7, 0.6, 0.9, 0.6, 0.6, 0.6, 0.8, 0.7, 0.8, 1, 0.3]
        values[21] = [1, 0.9, 0.8, 0.5, 0.4, 0.6, 0.5, 0.3, 0.8, 0.7, 0.8, 1, 0.3]
    used = np.zeros(values.shape, bool)
    for row, (low, high) in zip(
        used, random.integers([0, 7], [6, 14], (len(values), 2)), strict=True
    ):
        row[low:high] = True
    used[20:22] = True
    found = module._measure(values, used, base, t, 7.1, 0.6, 0.8)
    expected = [
        reference_measure(p, u, base, t, 7.1, 0.6, 0.8) for p, u in zip(values, used, strict=True)
    ]
    for own, other in zip(found, np.array(expected, float).T, strict=True):
        np.testing.assert_allclose(own.astype(float), other, atol=1e-12)
    minimum, resolved, width = found
    assert resolved.sum() > 100
    assert np.isfinite(width).sum() > 50
    assert np.isnan(minimum).sum() >= (9 if tenths else 0)


def disc(shape, y, x, radius):
    grid = np.mgrid[: shape[0], : shape[1]]
    return np.clip(radius + 0.5 - np.hypot(grid[0] - y, grid[1] - x), 0, 1)


def specimen(shape=(58, 71)):
    """Discs with gaps, in touch, faint, and a background that is not level."""
    random = np.random.default_rng(2)
    places = [
        (13, 13, 9, 1.0), (14, 31.6, 9, 0.95), (15, 52.9, 8, 1.0), (34, 24, 8.5, 0.9),
        (36.5, 44.3, 9, 1.0), (37, 62.9, 7.5, 0.6), (50, 12, 4.5, 0.85), (53.5, 56, 2.0, 0.9),
        (33, 6, 6, 0.9),
    ]  # fmt: skip
    sharp = 60 * sum(bright * disc(shape, y, x, r) for y, x, r, bright in places)
    sharp = np.minimum(sharp, 60.0) + 20 + 0.1 * np.arange(shape[1])
    noise = random.normal(0, 0.4, shape)
    return ndimage.gaussian_filter(sharp, 1.7) + noise, ndimage.gaussian_filter(sharp, 0.8) + noise


# The columns' sums, each row counted by its number: as they came out when this test was written.
PINNED_BELL = (1.345492984, 6.005228503)
PINNED = {
    "plain": {},
    "zero": {"baseline": "zero", "exists": 0.5, "level": 0.7},
    "wide": {"line_width": 2.5, "depth": 45.0, "longest": 60.0, "exists": 0.7, "level": 0.9},
    "thin": {"line_width": 0.0, "depth": 9.0, "longest": 32.0, "smoothing": 0.7, "smallest": 100},
    "valid": {"valid": True},
}
SUMS = {
    "plain": [
        6,
        1,
        4035.61398,
        4640.31956,
        4257.18602,
        4618.08044,
        835.261907,
        1038.20975,
        20.0,
        1.0,
        0.767110397,
        4.85189072,
    ],
    "zero": [
        7,
        3,
        5870.79113,
        7299.36257,
        6099.80887,
        7426.03743,
        836.871584,
        525.202276,
        14.0,
        1.0,
        9.56965271,
        13.9601508,
    ],
    "wide": [
        9,
        2,
        9472.4867,
        7841.70004,
        10890.3133,
        7664.69996,
        2848.36185,
        3067.78231,
        44.0,
        0.0,
        -0.666763563,
        3.01011815,
    ],
    "thin": [
        4,
        1,
        1736.70476,
        2235.87324,
        1827.49524,
        2372.02676,
        332.667597,
        345.657091,
        9.0,
        1.0,
        0.672702415,
        3.26939969,
    ],
    "valid": [
        5,
        1,
        2617.15535,
        3859.56488,
        2849.84465,
        3957.53512,
        615.149123,
        750.301919,
        14.0,
        1.0,
        0.697397961,
        3.33529805,
    ],
}
NUMBERS = ["y1", "x1", "y2", "x2", "width_truth", "width", "resolved", "touching", "minimum_truth",
           "minimum"]  # fmt: skip


@pytest.mark.parametrize("name", PINNED)
def test_a_specimen_has_the_gaps_that_it_had(name):
    image, truth = specimen()
    options = dict(PINNED[name])
    if "valid" in options:
        options["valid"] = np.ones((1, *truth.shape))
        options["valid"][0, 20:, :12] = 0
    table = gaps(image, truth[None], pixel_size=7.1, **options)
    assert list(table["gap"]) == list(range(1, len(table) + 1))
    weighted = (table[NUMBERS].T * table["gap"]).sum(axis=1, skipna=True)
    found = [len(table), int(table["width"].isna().sum()), *weighted]
    np.testing.assert_allclose(found, SUMS[name], rtol=1e-6)


@pytest.mark.parametrize("count", [99, 100])
def test_the_background_lies_away_from_particles_where_a_hundred_pixels_do(count):
    image, truth = specimen()
    labels, _ = particles(truth)
    empty = labels == 0
    away = ndimage.distance_transform_edt(empty) > 3.0
    # Ones that no line meets: what is not valid is no background, but for want of any other.
    valid = ~away
    places = np.argwhere(away)[::3][:count]
    valid[tuple(places.T)] = True
    chosen = valid & away if count == 100 else empty
    found = gaps(image, truth, pixel_size=7.1, valid=valid)
    shifted = [v - np.median(v[chosen]) for v in (image, truth)]
    expected = gaps(*shifted, pixel_size=7.1, valid=valid, baseline="zero")
    assert len(found) > 3
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)
    everywhere = gaps(image, truth, pixel_size=7.1)
    assert abs(everywhere["minimum"].iloc[0] / found["minimum"].iloc[0] - 1) > 1e-4


def test_the_choice_is_that_of_the_seed():
    image, truth = specimen()
    table = gaps(image, truth, pixel_size=7.1, chosen=2, seed=5)
    random = np.random.Generator(np.random.Philox(key=[5, 31]))
    drawn = random.permutation(np.flatnonzero(table["kind"] == "gap"))[:2]
    assert list(np.flatnonzero(table["chosen"])) == sorted(drawn)
    assert set(table["chosen"]) == {0, 1}
    none = gaps(image, truth, pixel_size=7.1, chosen=0)
    assert none["chosen"].sum() == 0
    many = gaps(image, truth, pixel_size=7.1)
    assert list(many["chosen"]) == [int(kind == "gap") for kind in many["kind"]]
    assert list(many["touching"]) == [int(kind == "touching") for kind in many["kind"]]


def drawn_rows(groups, resamples, seed):
    random = np.random.Generator(np.random.Philox(key=[seed, 32]))
    groups = [g for g in groups if len(g)]
    for _ in range(resamples if groups else 0):
        which = random.integers(0, len(groups), len(groups)) if len(groups) > 1 else [0]
        yield np.concatenate(
            [groups[k][random.integers(0, len(groups[k]), len(groups[k]))] for k in which]
        )


@pytest.mark.parametrize("sizes", [(5,), (3, 0, 7), (1, 4, 2, 6)])
def test_the_bootstrap_draws_images_and_their_gaps(sizes):
    random = np.random.default_rng(3)
    groups = [random.normal(size=n) for n in sizes]
    means = [rows.mean() for rows in drawn_rows(groups, 57, 4)]
    assert bootstrap(groups, resamples=57, seed=4, level=0.9) == pytest.approx(
        tuple(np.quantile(means, [0.05, 0.95])), rel=1e-12
    )
    usual = [rows.mean() for rows in drawn_rows(groups, 2000, 0)]
    assert bootstrap(groups) == pytest.approx(tuple(np.quantile(usual, [0.025, 0.975])), rel=1e-12)


def test_an_interval_of_infinite_values_interpolates_nothing():
    values = np.array([3.0, np.inf, 1.0, 2.0, np.nan, 5.0, 4.0])
    assert module._interval(values, 0.6) == (2.0, 5.0)
    assert module._interval(values, 0.95) == (1.0, np.inf)
    assert module._interval(values) == (1.0, np.inf)
    assert module._interval(values[[0, 2, 3]], 0.5) == (1.5, 2.5)
    assert module._interval(values[[0, 2, 3]]) == pytest.approx((1.05, 2.95))
    row = module._interval_row("x", 2.0, [1.0, np.nan, 3.0], [[1, 2], [3]])
    assert row == {
        "metric": "x", "subset": "all", "value": 2.0, "unit": "",
        "low": pytest.approx(1.05), "high": pytest.approx(2.95), "n": 3,
    }  # fmt: skip
    row = module._interval_row("x", 2.0, [NAN, NAN], [[1]])
    assert np.isnan([row["low"], row["high"]]).all()


def test_a_histogram_counts_in_bins_and_the_rest_in_the_last():
    widths = [0.0, 1.9, 2.0, 3.9, 4.0, 79.9, 80.0, 200.0, NAN, np.inf]
    table, fit = histogram(widths)
    assert list(table["width"]) == list(range(1, 80, 2))
    expected = np.zeros(40, int)
    expected[[0, 1, 2, 39]] = 2, 2, 1, 3
    assert list(table["count"]) == list(expected)
    assert np.isnan(list(fit.values())).all()  # of 8 widths
    assert table["fit"].isna().all()
    table, _ = histogram(widths, bin_width=5.0, last=20.0)
    assert list(table["width"]) == [2.5, 7.5, 12.5, 17.5]
    assert list(table["count"]) == [5, 0, 0, 3]
    table, _ = histogram([9.2, 9.6, 10.5], bin_width=0.5, last=10.0)
    assert list(table["count"][-2:]) == [1, 2]


def test_a_bell_is_fitted_to_ten_widths_in_three_bins():
    # 2, 6 and 2: the sides are exp(-2^2 / 2 s^2) of the middle, s^2 = 2 / ln 3.
    widths = np.repeat([9.0, 11.0, 13.0], [2, 6, 2])
    table, fit = histogram(widths, last=24.0)
    near = table["count"] > 0
    assert fit["mean"] == pytest.approx(11, abs=1e-4)
    # Empty bins further out pull the bell together: as it came out.
    assert (fit["sd"], fit["height"]) == pytest.approx(PINNED_BELL, rel=1e-5)
    bell = fit["height"] * np.exp(-0.5 * ((table["width"] - fit["mean"]) / fit["sd"]) ** 2)
    np.testing.assert_allclose(table["fit"], bell, rtol=1e-12)
    assert near.sum() == 3
    for few in (widths[1:], np.repeat([9.0, 11.0], [5, 6])):
        assert np.isnan(list(histogram(few, last=24.0)[1].values())).all()


def test_a_fit_starts_at_the_median_and_may_fail(monkeypatch):
    widths = np.concatenate([np.repeat([9.0, 11.0, 13.0], [2, 6, 2]), [40.0]])
    seen = []

    def fails(curve, x, y, p0, maxfev):
        seen.append((p0, maxfev))
        raise RuntimeError("no fit")

    monkeypatch.setattr(scipy.optimize, "curve_fit", fails)
    assert np.isnan(list(histogram(widths)[1].values())).all()
    histogram(np.repeat([8.9, 10.0, 12.1], [4, 5, 1]), bin_width=1.5)
    assert seen[0] == ((6.0, 11.0, pytest.approx(np.std(widths))), 5000)
    assert seen[1][0][2] == 1.5  # a bin at least


def tables(seed, count=14):
    """A gap table of random figures."""
    random = np.random.default_rng(seed)
    gap = random.random(count) < 0.7
    gap[:2] = True, False
    resolved = random.random(count) < np.where(gap, 0.7, 0.4)
    truth = np.where(gap, random.uniform(10, 30, count), NAN)
    width = np.where(resolved & (random.random(count) < 0.9), random.uniform(8, 32, count), NAN)
    minimum = np.where(random.random(count) < 0.1, NAN, random.integers(1, 9, count) / 10)
    return pd.DataFrame(
        {
            "kind": np.where(gap, "gap", "touching"),
            "width_truth": truth,
            "width": width,
            "resolved": resolved.astype(int),
            "chosen": gap & (random.random(count) < 0.5),
            "minimum": minimum,
        }
    )


def area(gap, minimum):
    """Of all gaps beside all pairs in touch: how many are the darker ones."""
    minimum = np.where(np.isnan(minimum), 99.0, minimum)
    gap = np.asarray(gap, bool)
    if gap.all() or not gap.any():
        return NAN
    wins = [1.0 if a < b else 0.5 if a == b else 0.0 for a in minimum[gap] for b in minimum[~gap]]
    return sum(wins) / len(wins)


def expected_rows(parts, resamples, seed, subsets=("all", "chosen")):
    rows = []

    def add(metric, subset, value, unit="", low=NAN, high=NAN, n=None):
        rows.append((metric, subset, value, unit, low, high, n))

    def share(name, subset, groups):
        values = np.concatenate(groups)
        n = len(values)
        value = values.mean() if n else NAN
        add(name, subset, value, "", *wilson(int(values.sum()), n), n)
        add(
            f"{name}_bootstrap",
            subset,
            value,
            "",
            *bootstrap(groups, resamples=resamples, seed=seed),
            n,
        )

    for subset in subsets:
        own = [t[(t["kind"] == "gap") & ((subset == "all") | (t["chosen"] == 1))] for t in parts]
        share("gaps_unresolved", subset, [1 - t["resolved"].to_numpy() for t in own])
        seen = [t.dropna(subset="width") for t in own]
        off = [(t["width"] - t["width_truth"]).to_numpy() for t in seen]
        n = sum(map(len, off))
        for name, values in (("gap_error", [np.abs(v) for v in off]), ("gap_bias", off)):
            ends = bootstrap(values, resamples=resamples, seed=seed)
            add(name, subset, np.concatenate(values).mean(), "nm", *ends, n)
        every = pd.concat(seen)
        add("gap_width", subset, every["width"].mean(), "nm", n=n)
        add("gap_width_truth", subset, every["width_truth"].mean(), "nm", n=n)
        for end, column in (("", "width"), ("_truth", "width_truth")):
            widths = pd.concat(own)[column].dropna()
            fit = histogram(widths)[1]
            for k in ("mean", "sd"):
                add(f"gap_fit_{k}{end}", subset, fit[k], "nm", n=len(widths))
    touching = [t[t["kind"] == "touching"]["resolved"].to_numpy() for t in parts]
    share("gaps_invented", "all", touching)
    add("gaps_invented_count", "all", np.concatenate(touching).sum(), n=sum(map(len, touching)))
    both = [
        np.stack([(t["kind"] == "gap").to_numpy(float), t["minimum"].to_numpy()], axis=1)
        for t in parts
    ]
    drawn = np.array([area(*rows.T) for rows in drawn_rows(both, 200, seed)])
    ends = np.quantile(drawn[~np.isnan(drawn)], [0.025, 0.975])
    add("gap_auc", "all", area(*np.concatenate(both).T), "", *ends, sum(map(len, both)))
    return rows


NAMES = ["metric", "subset", "value", "unit", "low", "high", "n"]


def assert_rows(found, expected):
    assert [list(row) for row in found] == [NAMES] * len(expected)
    for row, other in zip(found, expected, strict=True):
        kept = [k for k in NAMES if k not in ("metric", "subset", "unit", "n")]
        by = dict(zip(NAMES, other, strict=True))
        assert {k: row[k] for k in NAMES if k not in kept} == {
            k: by[k] for k in by if k not in kept
        }
        figures = [[r[k] for k in kept] for r in (row, by)]
        assert figures[0] == pytest.approx(figures[1], rel=1e-9, nan_ok=True), row["metric"]


def test_rows_are_those_of_all_gaps_together():
    parts = [tables(1), tables(2, 23), tables(3, 9)]
    found = gap_rows(parts, resamples=40, seed=3)
    assert_rows(found, expected_rows(parts, 40, 3))
    assert_rows(
        gap_rows(parts[1], resamples=40, subsets=("all",)),
        expected_rows(parts[1:2], 40, 0, ("all",)),
    )
    one = parts[1][parts[1]["chosen"]]
    usual = gap_rows(one, subsets=("all",))[2]
    off = np.abs(one["width"] - one["width_truth"]).dropna().to_numpy()
    assert (usual["low"], usual["high"]) == bootstrap([off])


def test_pooling_draws_the_choice_anew_from_all_images():
    parts = [tables(1), tables(2, 23), tables(3, 9)]
    whole = pd.concat(parts, ignore_index=True)
    random = np.random.Generator(np.random.Philox(key=[6, 31]))
    drawn = random.permutation(np.flatnonzero(whole["kind"] == "gap"))[:11]
    whole["chosen"] = np.isin(np.arange(len(whole)), drawn)
    again = [whole[:14], whole[14:37], whole[37:]]
    found = pool_gaps(parts, chosen=11, resamples=30, seed=6)
    assert_rows(found, expected_rows(again, 30, 6))
    with pytest.raises(AcuityError, match=r"^gaps: there is no table to pool$"):
        gap_rows([])


@pytest.mark.parametrize("seed", range(3))
def test_separation_counts_pairs_and_matched_the_gaps_above_a_quantile(seed):
    table = tables(seed, 31)
    gap, minimum = table["kind"] == "gap", table["minimum"].to_numpy()
    assert separation(gap, minimum) == pytest.approx(area(gap, minimum), rel=1e-12)
    filled = np.where(np.isnan(minimum), 99.0, minimum)
    for share in (0.0, 0.25, 1.0):
        cut = np.quantile(filled[~gap], share)
        expected = np.mean([v >= cut for v in filled[gap]])
        assert matched(gap, minimum, share) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(separation([0, 0], [0.1, 0.2]))
    assert np.isnan(matched([0, 0], [0.1, 0.2], 0.5))
    assert np.isnan(matched([1, 1], [0.1, 0.2], 0.5))
    assert separation([0, 1], [0.1, 0.2]) == 0
    assert matched([0, 1], [0.2, 0.2], 0.5) == 1


def test_what_is_unseen_lies_a_whole_above_all_that_is():
    np.testing.assert_array_equal(module._closed([0.4, NAN, 0.7]), [0.4, 1.7, 0.7])
    np.testing.assert_array_equal(module._closed([NAN, -3.0]), [1.0, -3.0])


def test_gains_are_drawn_in_pairs():
    before, after = [tables(1), tables(2, 23)], []
    for seed, table in enumerate(before):
        random = np.random.default_rng(seed)
        seen = random.random(len(table)) < 0.75
        width = np.where(
            seen, table["width_truth"].fillna(9) + random.normal(0, 2, len(table)), NAN
        )
        after.append(
            table.assign(
                resolved=seen.astype(int), width=width, minimum=0.9 * random.random(len(table))
            )
        )

    def outcome(table):
        off = np.abs(table["width"] - table["width_truth"]).to_numpy()
        known = ~np.isnan(off)
        return np.stack([1 - table["resolved"], np.where(known, off, 0), known], axis=1)

    gaps_only = [
        np.hstack([outcome(t[t["kind"] == "gap"]) for t in (b, a)])
        for b, a in zip(before, after, strict=True)
    ]
    every = [
        np.stack(
            [b["kind"] == "gap", a["minimum"], (b["kind"] == "touching") & (b["resolved"] == 1)],
            axis=1,
        ).astype(float)
        for b, a in zip(before, after, strict=True)
    ]

    def factors(rows):
        missed, error, known, missed_now, error_now, known_now = rows.sum(axis=0)
        return missed / missed_now, (error / known) / (error_now / known_now)

    def share(rows):
        gap = rows[:, 0] == 1
        return matched(gap, rows[:, 1], rows[~gap, 2].mean() if (~gap).any() else 0.0)

    drawn = np.array([factors(rows) for rows in drawn_rows(gaps_only, 40, 2)])
    shares = np.array([share(rows) for rows in drawn_rows(every, 200, 2)])
    ends = [0.025, 0.975]
    missed, error = factors(np.concatenate(gaps_only))
    n, m = (sum(map(len, groups)) for groups in (gaps_only, every))
    assert_rows(
        gain_rows(after, before, resamples=40, seed=2),
        [
            ("gaps_unresolved_factor", "all", missed, "", *np.quantile(drawn[:, 0], ends), n),
            ("gap_error_factor", "all", error, "", *np.quantile(drawn[:, 1], ends), n),
            ("gaps_unresolved_matched", "all", share(np.concatenate(every)), "",
             *np.quantile(shares[~np.isnan(shares)], ends), m),
        ],
    )  # fmt: skip
    usual = gain_rows(after, before)[1]
    assert usual == gain_rows(after, before, resamples=2000, seed=0)[1]
    assert usual != gain_rows(after, before, resamples=1999, seed=0)[1]


def test_images_without_a_gap_or_without_a_pair_in_touch():
    table = tables(2, 23)
    touching, open_ = (table[table["kind"] == kind] for kind in ("touching", "gap"))
    assert gain_rows([touching], [touching]) == []
    *_, share = gain_rows([open_], [open_], resamples=5)
    assert np.isnan([share["value"], share["low"], share["high"]]).all()
    assert share["n"] == len(open_)
    same, *_ = gain_rows([open_, touching], [open_, touching], resamples=5)
    assert (same["value"], same["n"]) == (1, len(open_))


def test_volumes_take_the_seed_the_unit_and_square_pixels_alone():
    image, truth = (v.astype(np.float32)[None] for v in specimen())
    grid = Grid(image.shape, (5, 0.0071, 0.0071), unit="um")
    one, two = (Volume(v, grid) for v in (image, truth))
    valid = np.ones(image.shape, np.uint8)
    valid[0, 20:, :12] = 0
    for settings in ({}, {"seed": 3, "chosen": 2}):
        summary, found = volume_gaps(one, two, valid=Volume(valid, grid), **settings)
        table = gaps(image, truth, pixel_size=7.1, valid=valid, **settings)
        pd.testing.assert_frame_equal(found, table)
        rows = pd.DataFrame(gap_rows(table, seed=settings.get("seed", 0)))
        pd.testing.assert_frame_equal(pd.DataFrame(summary), rows)
    oblong = Volume(image, Grid(image.shape, (5, 0.0071, 0.008), unit="um"))
    with pytest.raises(
        AcuityError, match=r"^gaps: pixels are 0.0071 x 0.008 um; squares are needed$"
    ):
        volume_gaps(oblong, oblong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": (80, 81)}, "image is (80, 80), truth (80, 81); one shape is needed"),
        ({"image": (1, 1, 80, 80)}, "the image has the shape (1, 1, 80, 80); (y, x) or (1, y, x) is needed"),
        ({"image": (80,)}, "the image has the shape (80,); (y, x) or (1, y, x) is needed"),
        ({"truth": (2, 80, 80)}, "the truth has the shape (2, 80, 80); (y, x) or (1, y, x) is needed"),
        ({"valid": np.ones((80, 79))}, "valid is (80, 79), truth (80, 80); one shape is needed"),
        ({"pixel_size": np.inf}, "pixel_size is inf; numbers above 0 are allowed"),
        ({"pixel_size": -1.0}, "pixel_size is -1.0; numbers above 0 are allowed"),
        ({"baseline": "black"}, "baseline is 'black'; background or zero is allowed"),
        ({"exists": 0.0}, "exists is 0.0 and level 0.8; 0 < exists <= level < 1 is needed"),
        ({"exists": 0.81}, "exists is 0.81 and level 0.8; 0 < exists <= level < 1 is needed"),
        ({"level": 1.0}, "exists is 0.6 and level 1.0; 0 < exists <= level < 1 is needed"),
        ({"longest": 0}, "longest is 0 and depth 20.0 nm; numbers above 0 are allowed"),
        ({"depth": 0}, "longest is 40.0 and depth 0 nm; numbers above 0 are allowed"),
        ({"line_width": -0.5}, "line_width is -0.5 pixels; numbers from 0 up are allowed"),
        ({"chosen": -1}, "chosen is -1; whole numbers from 0 up are allowed"),
    ],
)  # fmt: skip
def test_mistakes_are_named(change, message):
    plain = {"image": (80, 80), "truth": (80, 80), "pixel_size": 7.1} | change
    for name in ("image", "truth"):
        plain[name] = np.zeros(plain[name])
    with pytest.raises(AcuityError) as error:
        gaps(**plain)
    assert str(error.value) == f"gaps: {message}"


def test_settings_at_their_limits_are_allowed():
    image, truth = specimen()
    table = gaps(
        image, truth, pixel_size=0.5, exists=0.8, level=0.8, longest=0.9, depth=0.9, line_width=0,
        chosen=0,
    )  # fmt: skip
    assert list(table.columns) == module.COLUMNS
    gaps(image, truth, pixel_size=7.1, longest=0.5, depth=20.0)
