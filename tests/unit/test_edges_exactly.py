"""Edge spread, to the last digit: each step beside a plain loop over the same numbers."""

import inspect

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.special import ndtr
from scipy.stats import binom

from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.measure import edges as module
from acuity.measure.edges import edges, volume_edges
from acuity.volume import Grid, Volume

SHAPE = (104, 118)
LINES = (-2.0, -1.0, 0.0, 1.0, 2.0)


def mosaic(seed=0, sigma=1.0, rough=2.0, shape=SHAPE):
    """Cells of flat grey values with a little noise, blurred: edges of every contrast and bend."""
    random = np.random.default_rng(seed)
    points = random.uniform(0, 1, (9, 2)) * shape
    levels = random.permutation([20.0, 60, 75, 110, 140, 150, 185, 200, 230])
    y, x = np.mgrid[: shape[0], : shape[1]]
    away = np.hypot(y - points[:, 0, None, None], x - points[:, 1, None, None])
    own = away + random.uniform(0, 14, 9)[:, None, None]
    noise = np.random.default_rng(7).normal(0, rough, shape)
    return ndimage.gaussian_filter(levels[own.argmin(axis=0)], sigma) + noise


def smooth_of(truth):
    return gaussian(truth[None], (0, 1.0, 1.0))[0].astype(float)


def test_settings_are_those_that_the_pages_state():
    named = inspect.signature(edges).parameters
    plain = {k: v.default for k, v in named.items() if v.default is not inspect.Parameter.empty}
    assert plain == {"unit": "nm", "valid": None, "repeated": 1, "reach": 8, "most": 1000}
    assert module.SPANS == {"edge_spread": (0.2, 0.8), "edge_spread_10_90": (0.1, 0.9)}
    assert tuple(module._LINES) == LINES


def test_candidates_are_the_largest_across_the_edge():
    truth = mosaic()
    smooth = smooth_of(truth)
    mask = np.ones(SHAPE, bool)
    mask[:30, :50] = False
    gy, gx = np.gradient(smooth)
    strength = np.hypot(gy, gx)
    yy, xx, yx = (ndimage.gaussian_filter(v, 2) for v in (gy * gy, gx * gx, gy * gx))
    strong = strength > 0.25 * np.quantile(strength, 0.999)
    for own, margin in ((None, 11.2), (mask, 12)):
        expected = []
        for y in range(12, SHAPE[0] - 12):
            for x in range(12, SHAPE[1] - 12):
                if not strong[y, x] or not (own is None or own[y, x]):
                    continue
                angle = 0.5 * np.arctan2(2 * yx[y, x], yy[y, x] - xx[y, x])
                if gy[y, x] * np.cos(angle) + gx[y, x] * np.sin(angle) < 0:
                    angle += np.pi
                beside = [
                    [y - np.cos(angle), y + np.cos(angle)], [x - np.sin(angle), x + np.sin(angle)],
                ]  # fmt: skip
                if strength[y, x] >= ndimage.map_coordinates(strength, beside, order=1).max():
                    expected.append((-strength[y, x], y, x, angle))
        expected = np.array(sorted(expected))[:, 1:]
        found = module._candidates(smooth, margin, own)
        assert len(found) > 60
        np.testing.assert_array_equal(found[:, :2], expected[:, :2])
        off = np.angle(np.exp(1j * (found[:, 2] - expected[:, 2])))
        np.testing.assert_allclose(off, 0, atol=1e-4)
        assert (found[:, 3] == 0).all()


def test_places_keep_their_distance():
    random = np.random.default_rng(0)
    places = np.column_stack([random.uniform(0, (24, 31), (200, 2)), random.normal(size=(200, 2))])
    for apart in (2.5, 5):
        kept = []
        for n, (y, x) in enumerate(np.rint(places[:, :2])):
            if all(np.hypot(*(np.rint(places[k, :2]) - (y, x))) >= apart for k in kept):
                kept.append(n)
        found = module._thinned(places, (25, 32), apart)
        assert 20 < len(kept) < 100
        np.testing.assert_array_equal(found, places[kept])


def some_places(count=40):
    random = np.random.default_rng(3)
    return np.column_stack(
        [
            random.uniform(20, 80, count), random.uniform(20, 90, count),
            random.uniform(-4, 4, count), random.uniform(-0.1, 0.1, count),
        ]
    )  # fmt: skip


@pytest.mark.parametrize("repeated", [1, 3])
def test_profiles_run_across_bent_edges(repeated):
    """A plane of values, whose spline is itself: what is read tells where."""
    places, s = some_places(), np.array([-3.0, -0.5, 0.0, 1.5])
    y, x = np.mgrid[:130, :130].astype(float)
    found = {
        axis: module._profiles(ndimage.spline_filter(plane), places, s, repeated)
        for axis, plane in (("y", y), ("x", x))
    }
    away = module._away(places, s).reshape(2, 40, 5, 4)
    for n, (py, px, angle, bend) in enumerate(places):
        for k, t in enumerate(LINES):
            along = s + bend * t * t
            at = (
                py + along * np.cos(angle) - t * np.sin(angle),
                px + along * np.sin(angle) + t * np.cos(angle),
            )
            np.testing.assert_allclose(away[:, n, k], at, atol=1e-10)
            for axis, expected in zip("yx", at, strict=True):
                # The first pixel of a block lies (f - 1) / 2 before its middle.
                inside = (expected - (repeated - 1) / 2) / repeated
                np.testing.assert_allclose(found[axis][n, k], inside, atol=2e-3)


def test_samples_across_are_tenths_of_a_pixel():
    np.testing.assert_allclose(module._across(2), np.arange(-20, 21) / 10, atol=1e-12)
    s = np.arange(-8, 9) / 2
    profile = np.random.default_rng(0).normal(size=(3, 17))
    dark, bright = module._levels(profile, s, 4)
    np.testing.assert_allclose(dark, profile[:, :5].mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(bright, profile[:, 12:].mean(axis=1), rtol=1e-12)


def test_places_settle_on_the_edge():
    coefficients = ndimage.spline_filter(smooth_of(mosaic()))
    places = some_places()
    found, ragged = module._settle(coefficients, places)
    for (y, x, angle, bend), own, rough in zip(places, found, ragged, strict=True):
        middle = []
        for t in LINES:
            along = np.arange(-3, 3.01, 0.25) + bend * t * t
            at = (
                y + along * np.cos(angle) - t * np.sin(angle),
                x + along * np.sin(angle) + t * np.cos(angle),
            )
            values = ndimage.map_coordinates(coefficients, at, prefilter=False, mode="mirror")
            rise = np.maximum(np.diff(values), 0)
            middle.append((rise * np.arange(-2.875, 2.9, 0.25)).sum() / max(rise.sum(), 1e-300))
        curve, slope, shift = np.polyfit(LINES, middle, 2)
        off = np.array(middle) - np.polyval((curve, slope, shift), LINES)
        assert rough == pytest.approx(np.sqrt(np.mean(off**2)), abs=1e-9)
        expected = (
            y + shift * np.cos(angle), x + shift * np.sin(angle), angle - np.arctan(slope),
            bend + curve,
        )  # fmt: skip
        np.testing.assert_allclose(own, expected, atol=1e-9)


def reference_places(truth, mask, reach, most):
    """What `_places` keeps of the settled candidates, and why others are left out."""
    smooth = smooth_of(truth)
    coefficients = ndimage.spline_filter(smooth)
    places = module._thinned(module._candidates(smooth, reach + 4, mask), smooth.shape, 2.5)
    out = dict.fromkeys(("bent", "ragged", "faint", "unlevel", "slow", "invalid", "near"), 0)
    for _ in range(2):
        places, ragged = module._settle(coefficients, places)
        bent, rough = np.abs(places[:, 3]) * 4 > 0.5, ragged > 0.25
        out["bent"] += (bent & ~rough).sum()
        out["ragged"] += (rough & ~bent).sum()
        places = places[~bent & ~rough]
    low, high = np.quantile(smooth, [0.02, 0.98])
    s = np.arange(-reach, reach + 0.1, 0.5)
    kept = []
    for place in places:
        lines = module._profiles(coefficients, place[None], s)[0]
        profile = np.mean(lines, axis=0)
        left, right = s <= -reach / 2, s >= reach / 2
        dark, bright = profile[left].mean(), profile[right].mean()
        step = bright - dark
        quarter = reach // 4
        rise = profile[s == quarter][0] - profile[s == -quarter][0]
        off = max(np.abs(profile[left] - dark).max(), np.abs(profile[right] - bright).max())
        why = []
        if step < 0.3 * (high - low):
            why.append("faint")
        if off > 0.2 * step:
            why.append("unlevel")
        if rise < 0.5 * step:
            why.append("slow")
        if mask is not None:
            at = module._away(place[None], s)
            inside = [
                0 <= round(y) < mask.shape[0] and 0 <= round(x) < mask.shape[1] and mask[round(y), round(x)]
                for y, x in at.T
            ]  # fmt: skip
            if not all(inside):
                why.append("invalid")
        if len(why) == 1:
            out[why[0]] += 1
        if not why:
            kept.append(place)
    final = module._thinned(np.reshape(kept, (-1, 4)), truth.shape, 5)
    out["near"] = len(kept) - len(final)
    return final[:most], out


def test_only_straight_isolated_sharp_edges_are_kept():
    mask = np.ones(SHAPE, bool)
    mask[::9, 60:70] = False
    seen = {}
    for truth, own, reach, most in (
        (mosaic(0, 0.8), mask, 8, 1000),
        (mosaic(2, 2.9), None, 8, 1000),
        (mosaic(2, 1.0, 40.0), None, 8, 1000),
        (mosaic(2, 1.0, 14.0), None, 7, 3),
    ):
        expected, why = reference_places(truth, own, reach, most)
        found = module._places(truth, own, reach, most)
        np.testing.assert_allclose(found, expected, atol=1e-9)
        for name, count in why.items():
            seen[name] = seen.get(name, 0) + count
    assert min(seen.values()) > 0, seen
    assert len(found) == 3
    # No edge at all, and none that is level on both sides.
    assert module._places(np.zeros(SHAPE), None, 8, 9) is None
    ramp = np.broadcast_to(np.arange(SHAPE[1]) % 2 * 1.0, SHAPE)
    assert module._places(ramp, None, 8, 9) is None


def limit_scene(name, p):
    """An edge, and one figure of it (contrast, neighbour, blur, radius, waves) that may be too much."""
    y, x = np.mgrid[:60, :84].astype(float)
    across = x + 0.13 * y - 34
    if name == "faint":
        return 100 * ndtr(across / 1.2) + p * ndtr((across - 26) / 1.2)
    if name == "unlevel":
        return 100 * ndtr(across / 1.2) + p * ndtr((across - 6.3) / 1.2)
    if name == "slow":
        return 100 * ndtr(across / p)
    if name == "bent":
        return 100 * ndtr((np.hypot(y - 29.6, x - 40.3) - p) / 1.1)
    return 100 * ndtr((across - p * np.sin(1.9 * y)) / 0.6)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("faint", 30, 60), ("unlevel", 1, 80), ("slow", 1.5, 6), ("bent", 2.5, 9), ("ragged", 0, 4),
    ],
)  # fmt: skip
def test_limits_are_where_they_are(name, low, high):
    """Halved until a thousandth of the range lies between one edge more and one less."""

    def kept(p):
        places, _ = reference_places(limit_scene(name, p), None, 8, 1000)
        return len(places)

    first = kept(low)
    assert kept(high) != first
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (middle, high) if kept(middle) == first else (low, middle)
    for p in (low, high):
        found = module._places(limit_scene(name, p), None, 8, 1000)
        expected, _ = reference_places(limit_scene(name, p), None, 8, 1000)
        assert (0 if found is None else len(found)) == len(expected)
        if found is not None:
            np.testing.assert_allclose(found, expected, atol=1e-9)


def reference_rise(line, s, low, high):
    crossed = [k for k in range(len(line) - 1) if line[k] < 0.5 <= line[k + 1]]
    if not crossed:
        return np.inf
    at = min(crossed, key=lambda k: abs(s[k]))
    below = [k for k in range(at + 1) if line[k] <= low]
    above = [k for k in range(at, len(line)) if line[k] >= high]
    if not below or not above:
        return np.inf
    i, j = below[-1], above[0]
    left = s[i] + (low - line[i]) / (line[i + 1] - line[i]) * 0.1
    return s[j] - (line[j] - high) / (line[j] - line[j - 1]) * 0.1 - left


def test_a_rise_lies_between_the_nearest_crossings():
    random = np.random.default_rng(0)
    s = 0.1 * np.arange(-7, 8)
    steps = np.sort(random.normal(0.5, 0.5, (300, 15)), axis=1) + random.normal(0, 0.2, (300, 15))
    steps[::3] *= 0.8
    found = []
    for line in [*steps, *np.rint(10 * steps) / 10, np.zeros(15), np.repeat([0.0, 1.0], [7, 8])]:
        for low, high in ((0.2, 0.8), (0.1, 0.9)):
            expected = reference_rise(line, s, low, high)
            found.append(expected)
            assert module._rise(line, s, low, high) == pytest.approx(expected, rel=1e-9)
    assert 50 < np.isinf(found).sum() < 1000


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 8, 9, 10, 23, 100])
def test_quantiles_and_the_interval_of_a_median(count):
    values = np.sort(np.random.default_rng(count).normal(size=count))
    for share in (0.25, 0.5, 0.75, 1.0):
        assert module._quantile(values, share) == pytest.approx(
            np.quantile(values, share), rel=1e-12
        )
    # The k-th smallest is above the median in at most 2.5 % of all samples, and so on both sides.
    k = [k for k in range(1, count // 2 + 1) if binom.cdf(k - 1, count, 0.5) <= 0.025]
    expected = (values[k[-1] - 1], values[-k[-1]]) if k else (np.nan, np.nan)
    np.testing.assert_array_equal(module._median_interval(values), expected)
    assert np.isnan(module._quantile([], 0.5))
    assert module._quantile([1.0, np.inf, np.inf], 0.25) == np.inf
    assert module._quantile([1.0, 3.0, np.inf], 0.5) == 3.0


def reference_spreads(image, truth, places, repeated, reach, size):
    s = 0.1 * np.arange(-10 * reach, 10 * reach + 1)
    found = {}
    for name, plane, block in (("image", image, repeated), ("truth", truth, 1)):
        coefficients = ndimage.spline_filter(plane[::block, ::block].astype(float))
        lines = module._profiles(coefficients, places, s, block).mean(axis=1)
        dark = lines[:, s <= -reach / 2 + 1e-9].mean(axis=1)
        found[name] = lines, dark, lines[:, s >= reach / 2 - 1e-9].mean(axis=1) - dark
    contrast = found["truth"][2]

    def spread(name, low, high):
        return [
            size * reference_rise((line - dark) / step, s, low, high) if step >= 0.3 * full else np.inf
            for line, dark, step, full in zip(*found[name], contrast, strict=True)
        ]  # fmt: skip

    return contrast, spread("image", 0.2, 0.8), spread("truth", 0.2, 0.8), spread("image", 0.1, 0.9)


@pytest.mark.parametrize("repeated", [1, 2])
def test_rows_and_table_of_images_of_two_slices(repeated):
    truth = np.stack([mosaic(1), np.zeros(SHAPE), mosaic(2)]).astype(np.float32)
    image = np.stack([mosaic(1, 2.0), np.zeros(SHAPE), mosaic(2, 1.6)])
    image[0, :, 70:] = 0.31 * image[0, :, 70:] + 40
    image[2, :40] = 240 - image[2, :40]
    if repeated == 2:
        image = image[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
    valid = np.ones(truth.shape, np.int8)
    valid[2, 60:, 80:] = 0
    valid[2, 90:, 10:] = -1
    rows, table = edges(
        image, truth, spacing=(9, 0.0071, 0.0071), unit="um", valid=valid, repeated=repeated,
        reach=7, most=25,
    )  # fmt: skip
    expected = []
    for z in (0, 2):
        places, _ = reference_places(truth[z], valid[z] > 0, 7, 25)
        contrast, *spreads = reference_spreads(image[z], truth[z], places, repeated, 7, 7.1)
        y, x, angle, _ = places.T
        columns = [np.full(len(y), z), y, x, np.cos(angle), np.sin(angle), contrast, *spreads]
        expected.append(np.column_stack(columns))
    expected = np.concatenate(expected)
    assert list(table.columns) == [
        "z", "y", "x", "normal_y", "normal_x", "contrast", "spread", "spread_truth", "spread_10_90",
    ]  # fmt: skip
    np.testing.assert_allclose(table.to_numpy(float), expected, rtol=1e-7)
    spread, own, wide = (np.sort(table[c]) for c in ("spread", "spread_truth", "spread_10_90"))
    n, lost = len(table), int(np.isinf(spread).sum())
    assert 0 < lost < n / 2
    wanted = []
    for metric, values in (("edge_spread", spread), ("edge_spread_10_90", wide)):
        low, high = module._median_interval(values)
        middle, first, third = (module._quantile(values, q) for q in (0.5, 0.25, 0.75))
        wanted += [
            {"metric": metric, "value": middle, "unit": "nm", "low": low, "high": high, "n": n},
            {"metric": f"{metric}_q25", "value": first, "unit": "nm", "n": n},
            {"metric": f"{metric}_q75", "value": third, "unit": "nm", "n": n},
        ]
    wanted += [
        {"metric": "edge_spread_truth", "value": np.median(own), "unit": "nm", "n": n},
        {"metric": "edges_found", "value": n, "unit": ""},
        {"metric": "edges_lost", "value": lost, "unit": "", "n": n},
    ]
    assert rows == [row | {"subset": "all"} for row in wanted]


def test_volumes_are_measured_where_they_meet_and_are_valid():
    truth, image = (v[None].astype(np.float32) for v in (mosaic(1), mosaic(1, 2.0)))
    valid = np.ones(truth.shape, np.uint8)
    valid[:, :30] = 0
    grid = Grid(truth.shape, (0.05, 0.0071, 0.0071), (0, 0, 0), "um")
    whole = [Volume(v, grid) for v in (image, truth, valid)]
    part = whole[0].crop((slice(None), slice(4, 100), slice(2, 118)))
    rows, table = volume_edges(part, whole[1], valid=whole[2], most=9)
    box = (slice(None), slice(4, 100), slice(2, 118))
    expected, other = edges(
        image[box], truth[box], spacing=(0.05, 0.0071, 0.0071), unit="um", valid=valid[box], most=9
    )
    assert len(table) == 9
    assert rows == expected
    pd.testing.assert_frame_equal(table, other)
    assert len(volume_edges(part, whole[1])[1]) > 9


@pytest.mark.parametrize(
    ("image", "truth", "options", "message"),
    [
        ((64, 60), (64, 61), {}, "the image has the shape (64, 60), the others (1, 64, 61); one (z, y, x) or (y, x) is needed."),
        ((64, 60), (64, 60), {"spacing": (1, 1, 1)}, "the image has the shape (64, 60), the others (1, 64, 60); one (z, y, x) or (y, x) is needed."),
        ((1, 1, 64, 60), (1, 1, 64, 60), {"spacing": (1, 1, 1)}, "the image has the shape (1, 1, 64, 60), the others (1, 1, 64, 60); one (z, y, x) or (y, x) is needed."),
        ((64, 60), (64, 60), {"valid": np.ones((64, 59))}, "the image has the shape (64, 60), the others (1, 64, 60), (1, 64, 59); one (z, y, x) or (y, x) is needed."),
        ((64, 60), (64, 60), {"spacing": (1, 1.002)}, "the pixels are 1 x 1.002 nm (y, x); allowed are square ones."),
        ((64, 60), (64, 60), {"repeated": 5}, "64 x 60 pixels (y, x) are no whole blocks of 5."),
        ((64, 60), (64, 60), {"repeated": 8}, "64 x 60 pixels (y, x) are no whole blocks of 8."),
    ],
)  # fmt: skip
def test_mistakes_are_named(image, truth, options, message):
    with pytest.raises(AcuityError) as error:
        edges(np.ones(image), np.ones(truth), **({"spacing": (1, 1)} | options))
    assert str(error.value) == f"edges: {message}"


def test_what_is_just_allowed():
    flat = np.ones((64, 60))
    rows, table = edges(flat, flat[None], spacing=(1, 1.0009), repeated=4, valid=flat[None])
    assert len(table) == 0
    assert np.isnan(rows[0]["value"])
    for name in ("image", "truth"):
        bad = {"image": flat, "truth": flat, name: np.where(np.arange(60) == 4, np.nan, flat)}
        with pytest.raises(AcuityError, match=f"^edges: the {name} holds NaN or infinite pixels.$"):
            edges(**bad, spacing=(1, 1))
