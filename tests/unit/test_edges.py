"""Edge spread: known blurs, noise, bends, lost edges, repeated pixels, mistakes."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import erf
from scipy.stats import binom

from acuity.errors import AcuityError
from acuity.measure.edges import _median_interval, edges, volume_edges
from acuity.volume import Grid, Volume

SIZE = 7.1  # nm
SHAPE = (200, 220)


def stripes(sigma, angle=0.3, shape=SHAPE, period=48, step=1.0, gap=0.0):
    """Steps between 40 and 200 under a Gaussian of `sigma` pixels, 48 pixels apart."""
    y, x = (part * step + gap for part in np.mgrid[: shape[0], : shape[1]].astype(float))
    across = y * np.cos(angle) + x * np.sin(angle) - 3.3
    rises = [
        (1 - 2 * (n % 2)) * (1 + erf((across - n * period) / (np.sqrt(2) * sigma))) / 2
        for n in range(-12, 16)
    ]
    return 40 + 160 * sum(rises)


def noise(sigma, seed=0):
    return np.random.default_rng(seed).normal(0, sigma, SHAPE)


def measured(image, truth, **options):
    rows, table = edges(image, truth, **({"spacing": (SIZE, SIZE), "unit": "nm"} | options))
    return {row["metric"]: row["value"] for row in rows}, table


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, 4.0])
@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_a_known_blur_has_the_spread_of_its_error_function(angle, sigma):
    found, _ = measured(stripes(sigma, angle), stripes(1.0, angle))
    assert found["edges_found"] > 60
    assert found["edges_lost"] == 0
    assert found["edge_spread"] == pytest.approx(1.6832 * sigma * SIZE, rel=0.02)
    assert found["edge_spread_10_90"] == pytest.approx(2.5631 * sigma * SIZE, rel=0.02)
    assert found["edge_spread_truth"] == pytest.approx(1.6832 * SIZE, rel=0.02)
    assert found["edge_spread_q75"] - found["edge_spread_q25"] < 0.1 * SIZE


@pytest.mark.parametrize("sigma", [4, 16, 32])
def test_noise_widens_the_spread_of_the_spreads_and_not_their_median(sigma):
    """A fortieth, a tenth and a fifth of the step."""
    image, truth = stripes(1.5) + noise(sigma), stripes(1.0) + noise(sigma, 1)
    found, _ = measured(image, truth)
    assert found["edges_found"] > 60
    assert found["edge_spread"] == pytest.approx(1.6832 * 1.5 * SIZE, rel=0.06)
    assert found["edge_spread_10_90"] == pytest.approx(2.5631 * 1.5 * SIZE, rel=0.08)
    quartiles = found["edge_spread_q75"] - found["edge_spread_q25"]
    assert 0.004 * sigma < quartiles / found["edge_spread"] < 0.02 * sigma + 0.05


def test_edges_are_those_of_the_truth_whatever_the_image():
    truth = stripes(1.0) + noise(8)
    tables = [measured(image, truth)[1] for image in (truth, stripes(2.0), noise(30, 3))]
    for table in tables[1:]:
        assert table.filter(["y", "x", "normal_y", "contrast", "spread_truth"]).equals(
            tables[0].filter(["y", "x", "normal_y", "contrast", "spread_truth"])
        )
    assert np.allclose(tables[0]["spread"], tables[0]["spread_truth"])
    normals = tables[0][["normal_y", "normal_x"]].abs()
    assert np.allclose(normals, [np.cos(0.3), np.sin(0.3)], atol=0.08)
    assert np.allclose(tables[0]["contrast"], 160, rtol=0.1)


def test_what_is_no_edge_or_not_isolated_is_left_out():
    assert measured(noise(10), noise(10))[0]["edges_found"] <= 2
    assert measured(stripes(1.0, period=8), stripes(1.0, period=8))[0]["edges_found"] == 0
    assert measured(stripes(4.0), stripes(4.0))[0]["edges_found"] == 0
    empty, table = measured(np.zeros(SHAPE), np.zeros(SHAPE))
    assert empty["edges_found"] == empty["edges_lost"] == 0
    assert np.isnan(empty["edge_spread"])
    assert not len(table)


def test_bends_are_followed():
    """Discs of 25, 15 and 10 pixels of radius; one of 3 is no straight edge."""
    for radius in (3, 10, 15, 25):
        y, x = np.mgrid[:240, :240]
        discs = sum(
            np.clip(radius + 0.5 - np.hypot(y - cy - 0.3, x - cx - 0.2), 0, 1)
            for cy in (60, 180)
            for cx in (60, 180)
        )
        truth, image = (ndimage.gaussian_filter(200 * discs, sigma) for sigma in (1, 2))
        found, table = measured(image, truth)
        if radius == 3:
            assert found["edges_found"] == 0
            continue
        assert found["edges_found"] > 30
        # a disc's own pixels are averages: a twelfth of a square pixel more
        assert found["edge_spread_truth"] == pytest.approx(1.6832 * 1.041 * SIZE, rel=0.03)
        assert found["edge_spread"] == pytest.approx(1.6832 * 2.021 * SIZE, rel=0.03)
        centre = 60 + 120 * (table[["y", "x"]] > 120)
        away = np.hypot(*(table[["y", "x"]] - centre - [0.3, 0.2]).to_numpy().T)
        assert np.abs(away - radius).max() < 0.3


def test_lost_edges_are_counted_and_make_no_median_better():
    truth = stripes(1.0)
    image = stripes(2.0)
    image[:, :88] = 120  # nothing left of two fifths of it
    found, table = measured(image, truth)
    share = found["edges_lost"] / found["edges_found"]
    assert 0.3 < share < 0.5
    assert np.isinf(table["spread"]).sum() == found["edges_lost"]
    assert found["edge_spread"] >= 1.6 * 2 * SIZE
    assert np.isinf(found["edge_spread_q75"])
    image[:, :150] = 120
    assert np.isinf(measured(image, truth)[0]["edge_spread"])
    # inverted contrast is no edge either
    assert measured(240 - truth, truth)[0]["edges_lost"] == found["edges_found"]


def test_repeated_pixels_are_sampled_between_their_middles():
    """Steps of blocks are no edges: repeated or not, the low image reads as its own blur."""
    low = stripes(2.0, shape=(100, 110), step=2.0, gap=0.5)
    shown = low.repeat(2, axis=0).repeat(2, axis=1)
    truth = stripes(1.5)
    found, _ = measured(shown, truth, repeated=2)
    assert found["edge_spread"] == pytest.approx(1.6832 * 2.0 * SIZE, rel=0.05)
    sharp = stripes(0.8, 0.0, (100, 110), step=2.0, gap=0.5).repeat(2, axis=0).repeat(2, axis=1)
    truth = stripes(1.5, 0.0)
    taken = [measured(sharp, truth, repeated=n)[0]["edge_spread"] for n in (1, 2)]
    assert taken[0] < 0.7 * taken[1]


def test_only_valid_places_and_the_strongest():
    truth = stripes(1.0)
    valid = np.zeros(SHAPE, np.uint8)
    valid[:, 120:] = 1
    _, table = measured(truth, truth, valid=valid)
    assert len(table)
    assert (table["x"] - 8 * table["normal_x"].abs() > 119).all()
    assert len(measured(truth, truth, most=7)[1]) == 7


def test_edges_do_not_share_profiles():
    _, table = measured(stripes(1.0), stripes(1.0))
    places = table[["y", "x"]].to_numpy()
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 99 * np.eye(len(places))
    assert apart.min() > 4


def test_units_and_slices_do_not_matter():
    truth, image = stripes(1.0), stripes(1.5)
    first, _ = measured(image, truth)
    stacks = [np.stack([part, part]) for part in (image, truth)]
    both, table = measured(*stacks, spacing=(1, SIZE / 1000, SIZE / 1000), unit="um")
    assert both["edges_found"] == 2 * first["edges_found"]
    assert both["edge_spread"] == pytest.approx(first["edge_spread"], rel=1e-9)
    assert set(table["z"]) == {0, 1}


def test_the_interval_of_a_median():
    """Of 10 values it runs from the 2nd to the 9th: the binomial's 2.5 % limits."""
    assert _median_interval(np.arange(1.0, 11.0)) == (2.0, 9.0)
    assert np.isnan(_median_interval(np.arange(5.0))).all()
    low, high = _median_interval(np.arange(1.0, 401.0))
    assert binom.cdf(low - 1, 400, 0.5) <= 0.025 < binom.cdf(low, 400, 0.5)
    assert low + high == 401


def test_volumes_are_compared_where_they_meet():
    grid = Grid((1, *SHAPE), (SIZE, SIZE, SIZE), (0, 0, 0), "nm")
    truth = Volume(stripes(1.0)[None].astype(np.float32), grid)
    valid = Volume(np.ones((1, *SHAPE), np.uint8), grid)
    part = truth.crop((slice(None), slice(20, 180), slice(0, 200)))
    rows, table = volume_edges(part, truth, valid=valid)
    assert [row["metric"] for row in rows[:3]] == [
        "edge_spread",
        "edge_spread_q25",
        "edge_spread_q75",
    ]
    assert rows[0]["low"] <= rows[0]["value"] <= rows[0]["high"]
    assert np.array_equal(table["spread"], table["spread_truth"])


@pytest.mark.parametrize(
    ("image", "truth", "options", "words"),
    [
        (noise(1), noise(1)[:, :-1], {}, r"\(200, 220\), the others \(1, 200, 219\)"),
        (noise(1), noise(1), {"valid": np.ones((3, 3))}, r"\(1, 3, 3\)"),
        (noise(1), np.full(SHAPE, np.nan), {}, "the truth holds NaN"),
        (noise(1), noise(1), {"spacing": (1, 2)}, "1 x 2 nm.*square"),
        (noise(1), noise(1), {"repeated": 3}, "no whole blocks of 3"),
    ],
)
def test_mistakes_are_named(image, truth, options, words):
    with pytest.raises(AcuityError, match=words):
        measured(image, truth, **options)
