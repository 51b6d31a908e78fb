"""Fourier shell correlation: known signal-to-noise ratios, directions, and copies refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from acuity.errors import AcuityError
from acuity.measure.fsc import CRITERION, crossing, fsc, volume_fsc
from acuity.volume import Grid, Volume


def noise(shape=(64, 64, 64), seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def values(first, second, **options):
    options = {"spacing": (4.0, 4.0, 4.0)} | options
    rows, curves = fsc(first, second, **options)
    return {(row["metric"], row["subset"]): row["value"] for row in rows}, curves


def test_white_signal_in_white_noise_has_a_known_correlation():
    """Signal variance 1, noise variance 0.25 in each: FSC = 1 / (1 + 0.25) at all frequencies."""
    signal = noise()
    found, curves = values(signal + 0.5 * noise(seed=1), signal + 0.5 * noise(seed=2))
    for name in ("all", "z", "xy"):
        own = curves[curves["subset"] == name]
        assert np.average(own["fsc"], weights=own["n"]) == pytest.approx(0.8, abs=0.02)
        # never below the criterion: the voxels limit, 2 x 4 nm
        assert found["fsc_resolution", name] == pytest.approx(8.0, rel=0.02)
        assert found["fsc_at_limit", name] > CRITERION


def test_the_resolution_is_where_signal_and_noise_meet():
    """A Gaussian blur g of the signal and noise of variance v: FSC = g^2 / (g^2 + v)."""
    sigma, sd = 1.2, 0.2
    signal = ndimage.gaussian_filter(noise((96, 96, 96)), sigma, mode="wrap")
    found, curves = values(
        signal + sd * noise((96, 96, 96), 1), signal + sd * noise((96, 96, 96), 2)
    )
    # g^2 = exp(-(2 pi f sigma)^2) = v c / (1 - c)
    level = sd**2 * CRITERION / (1 - CRITERION)
    frequency = np.sqrt(-np.log(level)) / (2 * np.pi * sigma) / 4.0
    for name in ("all", "z", "xy"):
        assert found["fsc_resolution", name] == pytest.approx(1 / frequency, rel=0.08)
    assert found["fsc_at_limit", "all"] < CRITERION
    assert set(curves["subset"]) == {"all", "z", "xy"}


def test_each_axis_has_its_own_resolution():
    signal = ndimage.gaussian_filter1d(noise(), 2.5, axis=0, mode="wrap")
    found, _ = values(signal + 0.1 * noise(seed=1), signal + 0.1 * noise(seed=2))
    assert found["fsc_resolution", "z"] > 1.4 * found["fsc_resolution", "xy"]
    turned = np.moveaxis(signal, 0, 2)
    found, _ = values(turned + 0.1 * noise(seed=1), turned + 0.1 * noise(seed=2))
    assert found["fsc_resolution", "z"] < 1.1 * found["fsc_resolution", "xy"]


def test_noise_alone_has_no_resolution():
    found, curves = values(noise(), noise(seed=1))
    assert abs(np.average(curves["fsc"], weights=curves["n"])) < 0.02
    assert found["fsc_resolution", "all"] > 0.2 * 64 * 4


def test_coarser_slices_end_the_z_curve_at_their_nyquist_frequency():
    signal = noise((32, 64, 64))
    found, curves = values(
        signal + 0.1 * noise((32, 64, 64), 1),
        signal + 0.1 * noise((32, 64, 64), 2),
        spacing=(0.016, 0.004, 0.004),
        unit="um",
    )
    ends = curves.groupby("subset")["frequency"].max()
    assert ends["z"] == pytest.approx(1 / 32, rel=0.1)
    assert ends["xy"] == pytest.approx(1 / 8, rel=0.05)
    assert found["fsc_resolution", "z"] > 3 * found["fsc_resolution", "xy"]


@pytest.mark.parametrize("change", [lambda v: v, lambda v: 3 * v + 7, lambda v: 255 - v])
def test_a_copy_is_no_second_acquisition(change):
    with pytest.raises(AcuityError, match="no independent acquisitions"):
        fsc(noise(), change(noise()), spacing=(1, 1, 1))


def test_volumes_that_were_cropped_apart_are_compared_where_both_are():
    signal, grid = noise((24, 40, 40)), Grid((24, 40, 40), (4, 4, 4), unit="nm")
    one, two = (Volume(signal + 0.1 * noise(signal.shape, seed), grid) for seed in (1, 2))
    boxes = [(slice(None), slice(2, 40), slice(0, 35)), (slice(None), slice(0, 37), slice(3, 40))]
    rows, _ = volume_fsc(*(volume.crop(box) for volume, box in zip((one, two), boxes, strict=True)))
    shared = (slice(None), slice(2, 37), slice(3, 35))
    assert rows == volume_fsc(one.crop(shared), two.crop(shared))[0]
    with pytest.raises(AcuityError, match="second: "):
        volume_fsc(
            one.crop((slice(None), slice(0, 9)) + (slice(None),)),
            two.crop((slice(None), slice(20, 40), slice(None))),
        )


def test_a_copy_with_a_little_noise_of_its_own_is_let_through():
    fsc(noise(), noise() + 0.1 * noise(seed=1), spacing=(1, 1, 1))


def test_the_crossing_lies_between_shells():
    curve = pd.DataFrame({"frequency": [1.0, 2.0, 3.0, 4.0], "fsc": [1.0, 0.5, 0.1, 0.9]})
    assert crossing(curve, 0.3) == pytest.approx(2.5)
    assert crossing(curve.iloc[:2], 0.3) == 2.0
    assert crossing(curve.iloc[2:], 0.3) == 3.0


@pytest.mark.parametrize(
    ("first", "second", "options", "words"),
    [
        (noise((24, 24, 24)), noise((24, 24, 25)), {}, "shapes"),
        (noise((24, 24, 6)), noise((24, 24, 6), 1), {}, "at least 8"),
        (np.ones((24, 24, 24)), noise((24, 24, 24)), {}, "first volume: is constant"),
        (noise((24, 24, 24)), np.full((24, 24, 24), np.inf), {}, "second volume: holds NaN or inf"),
        (noise((24, 24, 24)), noise((24, 24, 24), 1), {"criterion": 1.0}, "criterion is 1.0"),
    ],
)
def test_mistakes_are_named(first, second, options, words):
    with pytest.raises(AcuityError, match=words):
        fsc(first, second, spacing=(1, 1, 1), **options)
