"""Errors as the FIB-SEM papers state them: closed forms, octants, streams."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from acuity.errors import AcuityError
from acuity.measure.error import errors, fraction_threshold, volume_errors
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
