"""Errors as the FIB-SEM papers state them: closed forms, octants, streams."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from acuity.errors import AcuityError
from acuity.interpolation import interpolate
from acuity.measure.fibsem_errors import errors, fraction_threshold, volume_errors
from acuity.volume import Grid, Volume, open_volume, write_volume


def random(shape=(36, 20, 22), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def table(*arguments, **options):
    rows = errors(*arguments, **options)
    keys = [(row["metric"], row["subset"]) for row in rows]
    assert len(set(keys)) == len(keys)
    return {key: row["value"] for key, row in zip(keys, rows, strict=True)}


def test_a_constant_error_is_its_own_root_mean_square():
    truth = np.full((8, 8, 8), 100, np.uint8)
    found = table(truth + 5, truth, threshold=102)
    assert found["rms", "all"] == 5
    assert found["rms_relative", "all"] == 5 / 255
    assert found["psnr_8bit", "all"] == pytest.approx(20 * math.log10(255 / 5))
    # 105 is above the threshold, 100 is not: every voxel is wrong
    assert found["rms_binary", "all"] == 1
    assert found["psnr_binary", "all"] == 0
    assert found["volume_fraction", "all"] == 1
    assert found["volume_fraction_truth", "all"] == 0
    assert found["rms_sd", "all"] == 0


def test_hagitas_decibels_are_the_usual_ones():
    """39.0 dB on 8 bits are an RMS of 2.86 grey values; table 1 prints 0.0439, 65 times less."""
    truth = np.full((10, 10, 10), 100, np.float32)
    found = table(truth + 3, truth)
    assert found["psnr_8bit", "all"] == pytest.approx(38.588, abs=1e-3)
    assert pytest.approx(65.2, abs=0.1) == 255 * 10 ** (-39.0 / 20) / 0.0439


def test_against_the_plain_formulas():
    truth, image = random(), random(seed=1)
    found = table(image, truth)
    difference = truth.astype(float) - image
    assert found["rms", "all"] == pytest.approx(np.sqrt((difference**2).mean()), rel=1e-12)
    wrong = ((truth > 90) != (image > 90)).mean()
    assert found["rms_binary", "all"] == pytest.approx(math.sqrt(wrong), rel=1e-12)
    assert found["psnr_binary", "all"] == pytest.approx(-10 * math.log10(wrong), rel=1e-12)
    assert found["threshold", "all"] == 90
    assert found["volume_fraction", "all"] == (image > 90).mean()


@pytest.mark.parametrize("shape", [(36, 20, 22), (5, 4, 3), (17, 3, 2), (2, 2, 2)])
def test_octants_are_halves_along_each_axis(shape):
    truth, image = random(shape), random(shape, seed=1)
    found = table(image, truth)
    squares = (truth.astype(float) - image) ** 2
    z, y, x = (n // 2 for n in shape)
    expected = [
        squares[part].mean()
        for part in [
            np.s_[:z, :y, :x],
            np.s_[:z, :y, x:],
            np.s_[:z, y:, :x],
            np.s_[:z, y:, x:],
            np.s_[z:, :y, :x],
            np.s_[z:, :y, x:],
            np.s_[z:, y:, :x],
            np.s_[z:, y:, x:],
        ]
    ]
    octants = [found["rms", f"octant {n}"] for n in range(1, 9)]
    assert octants == pytest.approx(np.sqrt(expected), rel=1e-12)
    assert found["rms_sd", "all"] == pytest.approx(np.std(octants, ddof=1), rel=1e-12)


def test_an_error_in_one_corner_is_of_one_octant():
    truth = np.full((8, 8, 8), 50, np.uint8)
    image = truth.copy()
    image[7, 0, 7] = 60
    found = table(image, truth)
    wrong = [n for n in range(1, 9) if found["rms", f"octant {n}"] > 0]
    assert wrong == [6]
    assert math.isinf(found["psnr_8bit", "octant 1"])
    assert math.isnan(found["psnr_8bit_sd", "all"])


def test_a_single_slice_has_no_octants():
    found = table(random((1, 9, 9)), random((1, 9, 9), seed=1))
    assert ("rms", "all") in found
    assert not [key for key in found if key[1] != "all" or key[0].endswith("_sd")]


def test_a_truth_of_16_bits_is_compared_on_its_own_scale():
    truth = np.random.default_rng(3).integers(0, 256, (8, 6, 6))
    low = truth[::2].repeat(2, axis=0) + 1

    def found(factor, dtype, **settings):
        volumes = [
            Volume((factor * v).astype(dtype), Grid(v.shape, (spacing, 1, 1)))
            for v, spacing in ((low, 1), (truth, 1), (truth[::2], 2))
        ]
        task = {"level": 2, "scale": (2, 1, 1), "phase": (0, 0, 0)}
        return {
            (row["metric"], row["subset"]): row["value"]
            for row in volume_errors(*volumes, task=task, **settings)
        }

    assert found(257, np.uint16) == pytest.approx(found(1, np.uint8), rel=1e-5)
    # on the scale of 8 bits nearly all of it would be cut at 255
    assert found(257, np.uint16, data_range=255.0)["rms", "all"] != found(1, np.uint8)["rms", "all"]


def test_values_are_rounded_and_cut_to_the_bits():
    truth = np.array([0, 10, 255, 255, 7, 7, 7, 7], np.uint8).reshape(2, 2, 2)
    image = np.array([-40, 10.4, 300, 254.6, 7, 7, 7, 7], np.float32).reshape(2, 2, 2)
    assert table(image, truth)["rms", "all"] == 0
    # and the same grey values in another range
    assert table(image / 255, truth / 255, data_range=1.0)["rms", "all"] == 0
    sixteen = table(image * 257, truth.astype(np.float32) * 257, data_range=65535, bits=16)
    assert sixteen["rms", "all"] > 0
    assert ("psnr_16bit", "all") in sixteen


def test_the_threshold_of_a_stated_volume_fraction():
    truth = random((40, 40, 40))
    for fraction in (0.1, 0.16, 0.5, 0.9):
        found = table(random((40, 40, 40), 1), truth, volume_fraction=fraction)
        assert found["volume_fraction_truth", "all"] == pytest.approx(fraction, abs=0.003)
        cut = fraction_threshold(truth, fraction)
        assert found["threshold", "all"] == cut
        shares = [(truth > level).mean() for level in range(255)]
        assert abs(shares[cut] - fraction) == pytest.approx(
            np.abs(np.subtract(shares, fraction)).min()
        )


# ------------------------------------------------------------------------------- weighted PSNR


@given(seed=st.integers(0, 1000), depth=st.integers(1, 40))
@hypothesis_settings(max_examples=20, deadline=None)
def test_weighted_psnr_is_both_formulas(seed, depth):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 256, (depth, 5, 6)).astype(np.uint8)
    image = (truth + rng.normal(0, 9, truth.shape)).astype(np.float32)
    cubic = (truth + rng.normal(0, 20, truth.shape)).astype(np.float32)
    found = table(image, truth, cubic)
    a, c = (truth.astype(float) - image) / 255, (truth.astype(float) - cubic) / 255
    paper = -10 * math.log10((a**2 * (np.abs(c) + 0.5)).mean())
    code = -10 * math.log10((a**2 * (0.5 + c**2 / (2 * (c**2).max()))).mean())
    assert found["wpsnr", "all"] == pytest.approx(paper, rel=1e-9)
    assert found["wpsnr_code", "all"] == pytest.approx(code, rel=1e-9)
    assert abs(paper - code) > 1e-6


def test_the_weights_give_heinrichs_difference_for_cubic():
    """Cubic, 33.22 dB and weighted 35.94 dB: near-Gaussian errors give what the paper prints."""
    truth = np.full((40, 100, 100), 0.5, np.float32)
    sd = 10 ** (-33.22 / 20)
    cubic = truth + np.random.default_rng(0).normal(0, sd, truth.shape).astype(np.float32)
    found = table(cubic, truth, cubic, data_range=1.0)
    assert found["wpsnr", "all"] == pytest.approx(35.94, abs=0.03)
    assert found["wpsnr_code", "all"] == pytest.approx(35.94, abs=0.3)


def test_a_weighted_psnr_needs_the_cubic_image_and_survives_a_perfect_one():
    truth, image = random(), random(seed=1)
    assert ("wpsnr", "all") not in table(image, truth)
    found = table(image, truth, truth)
    half = -10 * math.log10(0.5 * (((truth.astype(float) - image) / 255) ** 2).mean())
    assert found["wpsnr", "all"] == pytest.approx(half)
    assert found["wpsnr_code", "all"] == pytest.approx(half)
    assert math.isinf(table(truth, truth, image)["wpsnr", "all"])


# ------------------------------------------------------------------------------ streams, mistakes


def test_stored_volumes_give_the_same_bytes(tmp_path):
    truth, image, cubic = random(), random(seed=1), random(seed=2)
    stored = []
    for name, data in (("i", image), ("t", truth), ("c", cubic)):
        write_volume(tmp_path / f"{name}.ome.zarr", Volume(data, Grid(data.shape, (1, 1, 1))))
        stored.append(open_volume(tmp_path / f"{name}.ome.zarr").data)
    assert table(*stored) == table(image, truth, cubic)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": random((35, 20, 22))}, r"image has the shape \(35, 20, 22\)"),
        ({"cubic": random((36, 20, 21))}, "cubic interpolation has the shape"),
        ({"data_range": 0}, "data_range is 0"),
        ({"data_range": math.nan}, "data_range is nan"),
        ({"bits": 0}, "bits is 0"),
        ({"threshold": 255}, "threshold is 255"),
        ({"threshold": -1}, "threshold is -1"),
        ({"volume_fraction": 1.0}, "volume_fraction is 1.0"),
    ],
)
def test_mistakes_are_named(change, words):
    arguments = {"image": random(seed=1), "truth": random(), "cubic": None} | change
    with pytest.raises(AcuityError, match=words):
        errors(**arguments)


@pytest.mark.parametrize("which", ["image", "truth", "cubic interpolation"])
def test_a_value_that_is_not_finite_is_named_with_its_slice(which):
    arguments = [random(seed=n).astype(np.float32) for n in range(3)]
    arguments[["image", "truth", "cubic interpolation"].index(which)][19, 3, 4] = np.nan
    with pytest.raises(AcuityError, match=f"{which} holds NaN .* slice 19"):
        errors(*arguments)


# ------------------------------------------------------------------------------ all rows, exactly


def grey(volume, data_range, bits):
    top = 2**bits - 1
    return np.clip(np.rint(volume.astype(float) * top / data_range), 0, top)


def decibels(mse, top):
    return 10 * math.log10(top**2 / mse) if mse else math.inf


def expected_rows(image, truth, cubic, data_range, threshold, bits):
    """Every row that the docstring promises, in order."""
    top = 2**bits - 1
    p, q = (grey(volume, data_range, bits) for volume in (image, truth))

    def figures(part):
        mse = ((p - q)[part] ** 2).mean()
        wrong = ((p > threshold) != (q > threshold))[part].mean()
        return [
            ("rms", math.sqrt(mse), "grey value"),
            ("rms_relative", math.sqrt(mse) / top, ""),
            (f"psnr_{bits}bit", decibels(mse, top), "dB"),
            ("rms_binary", math.sqrt(wrong), ""),
            ("psnr_binary", decibels(wrong, 1), "dB"),
        ]

    rows = [(metric, "all", value, unit, None) for metric, value, unit in figures(...)]
    z, y, x = (n // 2 for n in truth.shape)
    octants = [
        figures((part, *plane))
        for part in (slice(z), slice(z, None))
        for plane in [
            (b, c) for b in (slice(y), slice(y, None)) for c in (slice(x), slice(x, None))
        ]
    ]
    for figure in zip(*octants, strict=True):
        (metric, _, unit), values = figure[0], [value for _, value, _ in figure]
        rows.append((f"{metric}_sd", "all", np.std(values, ddof=1), unit, 8))
        rows += [(metric, f"octant {n}", value, unit, None) for n, value in enumerate(values, 1)]
    a, c = (truth.astype(float) - image) / data_range, (truth.astype(float) - cubic) / data_range
    code = (a**2 * (0.5 + c**2 / (2 * (c**2).max()))).mean()
    return [
        *rows,
        ("threshold", "all", threshold, "grey value", None),
        ("volume_fraction", "all", (p > threshold).mean(), "", None),
        ("volume_fraction_truth", "all", (q > threshold).mean(), "", None),
        ("wpsnr", "all", decibels((a**2 * (np.abs(c) + 0.5)).mean(), 1), "dB", None),
        ("wpsnr_code", "all", decibels(code, 1), "dB", None),
    ]


@pytest.mark.parametrize(
    ("bits", "data_range", "threshold"),
    [(8, 255.0, 90.0), (4, 90.0, 6), (8, 300.0, 90), (1, 50, 0)],
)
def test_all_rows(bits, data_range, threshold):
    rng = np.random.default_rng(bits)
    truth, image, cubic = rng.uniform(-20, data_range + 20, (3, 35, 5, 7)).astype(np.float32)
    options = {"bits": bits, "data_range": data_range, "threshold": threshold}
    if options == {"bits": 8, "data_range": 255.0, "threshold": 90.0}:
        options = {}
    rows = errors(image, truth, cubic, **options)
    found = [
        (row["metric"], row["subset"], row["value"], row["unit"], row.get("n")) for row in rows
    ]
    expected = expected_rows(image, truth, cubic, data_range, threshold, bits)
    assert [row[:2] + row[3:] for row in found] == [row[:2] + row[3:] for row in expected]
    # an interval of figures of which one is infinite is none
    values = [row[2] for row in expected]
    assert [row[2] for row in found] == pytest.approx(values, rel=1e-7, nan_ok=True)
    without = errors(image, truth, **(options | {"threshold": None}))
    assert without == [
        row
        for row in rows
        if not row["metric"].startswith(("wpsnr", "thr", "vol", "rms_b", "psnr_b"))
    ]


@pytest.mark.parametrize(
    ("shape", "octants"), [((2, 2, 2), True), ((1, 2, 2), False), ((2, 2, 1), False)]
)
def test_octants_need_two_voxels_along_each_axis(shape, octants):
    found = table(random(shape), random(shape, seed=1))
    assert (("rms", "octant 8") in found) == octants
    assert (("rms_sd", "all") in found) == octants


@pytest.mark.parametrize(("bits", "data_range"), [(8, 255.0), (4, 90.0)])
@pytest.mark.parametrize("fraction", [0.03, 0.16, 0.5, 0.97, 0.999])
def test_the_threshold_is_the_one_that_comes_nearest(bits, data_range, fraction):
    truth = np.random.default_rng(5).uniform(-10, 200, (21, 4, 5)).astype(np.float32)
    options = {} if bits == 8 else {"bits": bits, "data_range": data_range}
    shares = [(grey(truth, data_range, bits) > level).mean() for level in range(2**bits - 1)]
    expected = int(np.argmin(np.abs(np.array(shares) - fraction)))
    cut = fraction_threshold(truth, fraction, **options)
    assert (cut, type(cut)) == (expected, int)
    found = table(truth, truth, threshold=None, volume_fraction=fraction, **options)
    assert found["threshold", "all"] == expected


def test_the_largest_grey_value_is_no_threshold():
    assert fraction_threshold(np.full((2, 2, 2), 255, np.uint8), 0.01) == 0
    assert fraction_threshold(np.zeros((2, 2, 2), np.uint8), 0.99) == 0
    assert fraction_threshold(np.arange(8).reshape(2, 2, 2) * 36, 0.01) == 252


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data_range": 1e-3}, None),
        ({"data_range": math.inf}, "data_range is inf, allowed are numbers above 0."),
        ({"data_range": -1}, "data_range is -1, allowed are numbers above 0."),
        ({"bits": 1, "threshold": 0}, None),
        ({"bits": 16}, None),
        ({"bits": 17}, "bits is 17, allowed are whole numbers from 1 to 16."),
        ({"bits": 0.5}, "bits is 0.5, allowed are whole numbers from 1 to 16."),
        ({"bits": 8.5}, "bits is 8.5, allowed are"),
        ({"threshold": 254.5}, None),
        ({"threshold": 0}, None),
        ({"threshold": 255}, "threshold is 255, allowed are grey values from 0 to less than 255."),
        ({"threshold": -0.5}, "threshold is -0.5, allowed are"),
        ({"bits": 2, "threshold": 2}, None),
        (
            {"bits": 2, "threshold": 3},
            "threshold is 3, allowed are grey values from 0 to less than 3.",
        ),
        ({"volume_fraction": 0.001}, None),
        ({"volume_fraction": 0}, "volume_fraction is 0, allowed are numbers between 0 and 1."),
        ({"volume_fraction": 1}, "volume_fraction is 1, allowed are numbers between 0 and 1."),
        ({"volume_fraction": 0.999, "threshold": -7}, None),
    ],
)
def test_bounds_of_each_setting(options, words):
    volumes = np.arange(8).reshape(2, 2, 2), np.zeros((2, 2, 2))
    if words is None:
        assert errors(*volumes, **options)
        return
    with pytest.raises(AcuityError) as caught:
        errors(*volumes, **options)
    assert str(caught.value).startswith(f"errors: {words}")


def test_shapes_are_named():
    volumes = np.zeros((2, 2, 3)), np.zeros((2, 2, 2))
    words = r"^errors: the image has the shape \(2, 2, 3\), the truth \(2, 2, 2\); one \(z, y, x\) is needed.$"
    with pytest.raises(AcuityError, match=words):
        errors(*volumes)


def test_the_first_slice_that_is_not_finite_is_named():
    image = np.zeros((40, 2, 2), np.float32)
    image[33, 1, 1] = np.inf
    image[38] = np.nan
    with pytest.raises(
        AcuityError, match=r"^errors: the image holds NaN or infinite voxels in slice 33.$"
    ):
        errors(image, np.zeros_like(image))


def test_volumes_on_one_grid():
    """A truth of whole numbers, its every second slice, and what lies on the truth's grid."""
    truth = np.random.default_rng(2).integers(0, 200, (38, 4, 5))
    low = truth[::2]
    image = truth.copy()
    image[:, 1:3] += 3
    task = {"level": 2, "scale": (2, 1, 1), "phase": (0, 0, 0)}

    def found(dtype, cut=0, **settings):
        arrays = [array.astype(dtype) for array in (image, truth, low)]
        grids = [Grid(a.shape, (s, 1, 1)) for a, s in zip(arrays, (1, 1, 2), strict=True)]
        if cut:
            arrays[0], grids[0] = arrays[0][:-cut], Grid((38 - cut, 4, 5), (1, 1, 1))
        volumes = [Volume(*pair) for pair in zip(arrays, grids, strict=True)]
        rows = volume_errors(*volumes, task=task, **settings)
        return {(row["metric"], row["subset"]): row["value"] for row in rows}

    rms = math.sqrt(4.5)
    assert found(np.uint8)["rms", "all"] == pytest.approx(rms)
    assert found(np.float32)["rms", "all"] == pytest.approx(rms)  # no type tells: 255
    assert 1 < found(np.uint16, data_range=510)["rms", "all"] < 1.2  # 3 of them are 1.5
    assert found(np.uint16)["rms", "all"] < 0.2  # of 65535
    assert found(np.uint16, bits=16)["rms", "all"] == pytest.approx(rms)
    # Kept slices are what they were, and those between are not.
    box = tuple(slice(0, n) for n in truth.shape)
    cubic = interpolate(low.astype(np.float32), (0, 0, 0), low.shape, (2, 1, 1), box, "cubic", (0, 0, 0))  # fmt: skip
    own = errors(image.astype(np.uint8), truth.astype(np.uint8), cubic)
    assert found(np.uint8) == {(row["metric"], row["subset"]): row["value"] for row in own}
    words = r"^errors: the input has \(38, 4, 5\) voxels \(z, y, x\) on the truth's grid, and what was restored from it \(37, 4, 5\); they must be equal.$"
    with pytest.raises(AcuityError, match=words):
        found(np.uint8, cut=1)
