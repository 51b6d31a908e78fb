"""Spectra of images: known spectra, absolute scale, rings, noise, mistakes."""

import math

import numba
import numpy as np
import pytest
from scipy import ndimage

from acuity.errors import AcuityError
from acuity.measure.spectrum import ALIASED, BELOW, signal_limit, spectrum, volume_spectrum
from acuity.volume import Grid, Volume

SIZE = 7.1  # nm, as de Haan et al.
LOW = 0.25 / SIZE


def noise(shape=(390, 462), seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape)


def shaped(data, transfer):
    """Filter a periodic image by a function of frequency (1/nm)."""
    fy, fx = np.fft.fftfreq(data.shape[-2], SIZE), np.fft.rfftfreq(data.shape[-1], SIZE)
    found = np.fft.rfft2(data) * transfer(np.hypot(fy[:, None], fx))
    return np.fft.irfft2(found, data.shape[-2:])


def measured(image, truth, **options):
    how = {"spacing": (SIZE, SIZE), "unit": "nm", "low_nyquist": LOW} | options
    rows, curve = spectrum(image, truth, **how)
    return {(row["metric"], row["subset"]): row["value"] for row in rows}, curve


def test_white_noise_has_its_variance_at_every_frequency():
    """Standard deviation 3, pixels of 7.1 nm: power 9 * 50.41, mean magnitude sqrt(pi / 4) of it."""
    _, curve = measured(100 + 3 * noise(), 100 + 3 * noise(seed=1))
    power = 9 * SIZE**2
    assert np.average(curve["power"], weights=curve["n"]) == pytest.approx(power, rel=0.02)
    assert (curve["power"] / power)[5:].std() < 0.08
    mean = np.average(curve["magnitude"], weights=curve["n"])
    assert mean == pytest.approx(math.sqrt(power * math.pi / 4), rel=0.02)


def test_the_integral_over_the_rings_is_the_variance_they_hold():
    data = shaped(noise(), lambda f: (f > 0.004) & (f < 0.06))
    _, curve = measured(data, noise())
    area = 1 / (390 * 462 * SIZE**2)
    window = np.outer(
        *(0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n) for n in data.shape)
    )
    held = (data - (data * window).sum() / window.sum()) * window
    variance = (held**2).sum() / (window**2).sum()
    assert (curve["power"] * curve["n"]).sum() * area == pytest.approx(variance, rel=1e-3)


def test_a_known_blur_is_the_ratio():
    """A Gaussian of 9 nm: exp(-2 pi^2 sigma^2 f^2)."""
    truth = noise((3, 390, 462))
    blurred = shaped(truth, lambda f: np.exp(-2 * (np.pi * 9 * f) ** 2))
    found, curve = measured(blurred, truth, spacing=(SIZE, SIZE, SIZE))
    expected = np.exp(-2 * (np.pi * 9 * curve["frequency"]) ** 2)
    assert np.abs(curve["ratio"] - expected).max() < 0.015
    worst = math.exp(-2 * (math.pi * 9 * LOW) ** 2)
    assert found["spectrum_ratio_error", BELOW] == pytest.approx(1 - worst, abs=0.02)
    far = math.exp(-2 * (math.pi * 9 * 0.4 / SIZE) ** 2)
    assert found["spectrum_ratio_error", ALIASED] == pytest.approx(1 - far, abs=0.03)
    assert found["spectrum_ratio_log_bias", ALIASED] < found["spectrum_ratio_log_bias", BELOW] < 0


def test_detail_that_is_missing_or_too_strong_is_seen_in_its_band_alone():
    truth = noise()
    for gain, error in ((0.0, 1), (0.5, 0.5), (2.0, 1)):
        image = shaped(truth, lambda f, gain=gain: np.where(f > LOW, gain, 1.0))
        found, _ = measured(image, truth)
        assert found["spectrum_ratio_error", BELOW] < 0.1
        assert found["spectrum_ratio_error", ALIASED] == pytest.approx(error, abs=0.1)
        if gain:
            assert found["spectrum_ratio_log_bias", ALIASED] == pytest.approx(
                math.log10(gain), abs=0.01
            )


def test_contrast_is_part_of_the_ratio():
    truth = noise()
    found, curve = measured(20 + 0.8 * truth, truth)
    assert np.allclose(curve["ratio"], 0.8, rtol=1e-5)
    assert found["spectrum_contrast", "all"] == pytest.approx(0.8, rel=1e-5)
    assert found["spectrum_ratio_error", BELOW] == pytest.approx(0.2, abs=1e-5)
    same, _ = measured(truth, truth)
    assert {value for key, value in same.items() if "ratio" in key[0]} == {0.0}


@pytest.mark.parametrize("shape", [(390, 462), (128, 128), (32, 57), (301, 200)])
def test_the_low_nyquist_frequency_is_a_limit_of_rings(shape):
    found, curve = measured(noise(shape), noise(shape, 1))
    width = LOW / max(1, int(LOW / max(0.5 / SIZE / 64, 4 / (min(shape) * SIZE)) + 1e-9))
    ring = np.ceil(curve["frequency"] / width - 1e-9)
    assert ring.is_monotonic_increasing
    assert ring.is_unique
    assert ring.iloc[-1] * width <= 0.5 / SIZE * (1 + 1e-9)
    assert LOW / width == pytest.approx(round(LOW / width))
    assert ("spectrum_ratio_error", ALIASED) in found
    assert (curve["n"] > 10).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_a_wave_is_in_its_ring(axis):
    wave = np.cos(2 * np.pi * np.arange(400) * SIZE / 40.0)
    image = wave[:, None] + np.zeros(400) if axis == 0 else wave + np.zeros((400, 1))
    _, curve = measured(image, noise((400, 400)))
    assert curve["frequency"][curve["power"].argmax()] == pytest.approx(1 / 40, rel=0.03)


def test_figures_of_other_noise_are_stable():
    """Two images of one spectrum and nothing else in common: the rings average over enough."""
    errors = [measured(noise(seed=n), noise(seed=n + 50))[0] for n in range(4)]
    assert max(e["spectrum_ratio_error", ALIASED] for e in errors) < 0.12
    assert max(e["spectrum_ratio_log_rms", ALIASED] for e in errors) < 0.02


def test_units_and_slices_do_not_matter():
    a, b = noise((2, 96, 96)), noise((2, 96, 96), 1)
    first = measured(a, b, spacing=(SIZE,) * 3)[1]
    again = measured(a, b, spacing=(SIZE / 1000,) * 3, unit="um")[1]
    assert np.allclose(first, again, rtol=1e-9)
    single = [measured(x, y)[1]["power"] for x, y in zip(a, b, strict=True)]
    assert np.allclose(first["power"], sum(single) / 2, rtol=1e-9)


def test_the_signal_ends_where_it_is_as_strong_as_the_noise():
    """Power 4 (f0 / f)^4 of the signal over 4 of the noise, f0 = 0.02 1/nm."""
    signal = shaped(noise((780, 924)), lambda f: 2 * (0.02 / np.maximum(f, 1e-4)) ** 2)
    found, _ = measured(signal, signal + 2 * noise((780, 924), 1))
    assert found["spectrum_signal_limit", "all"] == pytest.approx(0.02, rel=0.07)
    # signal up to the end, and nothing but noise: nothing is told
    assert ("spectrum_signal_limit", "all") not in measured(signal, signal)[0]
    assert ("spectrum_signal_limit", "all") not in measured(noise(), noise())[0]


def test_resampled_noise_is_a_floor_and_filtered_noise_is_not():
    clean = shaped(noise((780, 924)), lambda f: 2 * (0.02 / np.maximum(f, 1e-4)) ** 2)
    y, x = np.mgrid[:780, :924] * 0.997
    resampled = ndimage.map_coordinates(clean + 2 * noise((780, 924), 1), [y + 0.01 * x, x])
    assert measured(resampled, resampled)[0]["spectrum_signal_limit", "all"] == pytest.approx(
        0.02, rel=0.1
    )
    data = shaped(noise((780, 924)), lambda f: np.exp(-2 * (np.pi * 2.5 * f) ** 2))
    _, curve = measured(data, data)
    assert signal_limit(curve, 0.5 / SIZE) is None


def test_bytes_do_not_depend_on_threads():
    tables = []
    before = numba.get_num_threads()
    for threads in (1, before):
        numba.set_num_threads(threads)
        tables.append(measured(noise(), noise(seed=1))[1].to_csv())
    assert tables[0] == tables[1]


def test_volumes_are_compared_where_they_meet():
    grid = Grid((1, 128, 128), (SIZE, SIZE, SIZE), (0, 0, 0), "nm")
    truth = Volume(noise((1, 128, 128)).astype(np.float32), grid)
    part = truth.crop((slice(None), slice(10, 110), slice(0, 96)))
    rows, curve = volume_spectrum(part, truth, factor=2)
    assert max(row["value"] for row in rows if "error" in row["metric"]) == 0
    assert curve["frequency"].iloc[-1] < 0.5 / SIZE
    other = Volume(part.read(), Grid(part.grid.shape, (SIZE, 9, 9), (0, 0, 0), "nm"))
    with pytest.raises(AcuityError, match="voxels of"):
        volume_spectrum(other, truth, factor=2)


@pytest.mark.parametrize(
    ("image", "truth", "options", "words"),
    [
        (np.zeros((64, 64)), noise((64, 64)), {}, "the image: is constant"),
        (noise((64, 64)), np.full((64, 64), np.nan), {}, "the truth: holds NaN"),
        (noise((64, 64)), noise((64, 65)), {}, r"\(64, 64\), the truth \(64, 65\)"),
        (noise((16, 64)), noise((16, 64)), {}, "16 x 64 pixels.*at least 32"),
        (noise((64, 64)), noise((64, 64)), {"low_nyquist": 0.06}, "below 0.8 of"),
        (noise((64, 64)), noise((64, 64)), {"low_nyquist": 0.0}, "above 0 and"),
    ],
)
def test_mistakes_are_named(image, truth, options, words):
    with pytest.raises(AcuityError, match=words):
        measured(image, truth, **options)
