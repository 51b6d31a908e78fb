"""Simulated scans against a second way to compute them: places, distortion, sampling, recording."""

import math
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from acuity.filters import gaussian_kernel
from acuity.settings import call
from acuity.simulate.sem import (
    ELECTRON,
    Scan,
    automatic_contrast,
    drift_modes,
    elastic_modes,
    expose,
    sample,
)


def philox(seed):
    return np.random.Generator(np.random.Philox(seed))


# ---- where the beam stands

WAVES = np.array([[0.011, -0.007, 0.4, 3.0, -2.0], [0.02, 0.03, 1.1, -1.5, 4.0]])
PATH = np.array([[0.7, 0.3, 2.0, -1.0], [1.9, -2.1, 0.5, 3.0]])
BENT = Scan(
    (16, 23),
    3.5,
    (140.0, -60.0),
    rotation=25.0,
    scale=1.1,
    shift=(7.0, -11.0),
    elastic=WAVES,
    drift=PATH,
)


def place(y, x):
    """Where the beam of `BENT` stands for one pixel."""
    dy, dx = y - 7.5, x - 11.0
    c, s = math.cos(math.radians(25)), math.sin(math.radians(25))
    py = 147 + 3.85 * (c * dy + s * dx)
    px = -71 + 3.85 * (c * dx - s * dy)
    moved = np.array([py, px])
    for ky, kx, phase, *amplitude in WAVES:
        moved += np.multiply(amplitude, math.cos(ky * (py - 140) + kx * (px + 60) + phase))
    for periods, phase, *amplitude in PATH:
        path = math.sin(2 * math.pi * periods * y / 16 + phase) - math.sin(phase)
        moved += np.multiply(amplitude, path)
    return moved


def test_the_beam_stands_where_all_settings_put_it():
    points = [(0, 0), (15, 22), (7.5, 11), (3.25, 20.5), (-4, 30)]
    found = BENT.places(*np.transpose(points))
    np.testing.assert_allclose(np.transpose(found), [place(*p) for p in points], rtol=1e-12)


def test_pixels_are_found_in_twelve_steps_from_the_middle():
    at = np.array([[150.0, -90.0], [120.0, -40.0], [131.0, -65.5]])
    c, s = math.cos(math.radians(25)), math.sin(math.radians(25))
    inverse = np.array([[c, -s], [s, c]]) / 3.85
    expected = []
    for p in at:
        q = np.array([7.5, 11.0])
        for _ in range(12):
            before, q = q, q + inverse @ (p - place(*q))
        # Not one step more or less: they would be seen.
        assert 1e-9 < np.abs(q - before).max() < 1e-2
        expected.append(q)
    found = np.transpose(BENT.pixels(*at.T))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    one = np.transpose(BENT.pixels(*at.T, steps=1))
    expected = [[7.5, 11.0] + inverse @ (p - place(7.5, 11.0)) for p in at]
    np.testing.assert_allclose(one, expected, rtol=1e-12)


def test_by_default_nothing_moves():
    assert [f.default for f in fields(Scan)[3:]] == [0.0, 1.0, (0.0, 0.0), None, None]


def test_scans_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        BENT.rotation = 0.0


def test_elastic_modes_are_what_is_drawn_scaled_to_the_greatest():
    random, again = philox(8), philox(8)
    modes = elastic_modes(random=random, greatest=4.5, wavelength=130.0, field=(310.0, 520.0))
    lengths = 130 * (1 + again.random(6))
    angle, phase = 2 * np.pi * again.random(6), 2 * np.pi * again.random(6)
    amplitude = again.standard_normal((6, 2))
    assert modes.shape == (6, 5)
    wave = 2 * np.pi / lengths * np.array([np.sin(angle), np.cos(angle)])
    np.testing.assert_allclose(modes[:, :2], wave.T, rtol=1e-12)
    np.testing.assert_allclose(modes[:, 2], phase, rtol=1e-12)
    # The greatest of 33 x 33 points.
    greatest = 0.0
    for y in np.arange(33) * 310 / 32 - 155:
        for x in np.arange(33) * 520 / 32 - 260:
            moved = amplitude.T @ np.cos(wave[0] * y + wave[1] * x + phase)
            greatest = max(greatest, np.hypot(*moved))
    np.testing.assert_allclose(modes[:, 3:], amplitude * 4.5 / greatest, rtol=1e-12)
    assert random.random() == again.random()


def test_drift_modes_are_what_is_drawn_scaled_to_the_greatest():
    random, again = philox(9), philox(9)
    modes = drift_modes(random=random, greatest=2.5)
    periods, phase = 0.3 + 0.9 * again.random(3), 2 * np.pi * again.random(3)
    amplitude = again.standard_normal((3, 2))
    assert modes.shape == (3, 4)
    np.testing.assert_allclose(modes[:, :2], np.transpose([periods, phase]), rtol=1e-12)
    greatest = 0.0
    for t in np.arange(65) / 64:
        moved = amplitude.T @ (np.sin(2 * np.pi * periods * t + phase) - np.sin(phase))
        greatest = max(greatest, np.hypot(*moved))
    np.testing.assert_allclose(modes[:, 2:], amplitude * 2.5 / greatest, rtol=1e-12)
    assert random.random() == again.random()


def test_a_still_scan_draws_as_much_as_a_moving_one():
    field = {"wavelength": 130.0, "field": (310.0, 520.0)}
    for modes in (
        lambda r, g: elastic_modes(r, greatest=g, **field),
        lambda r, g: drift_modes(r, greatest=g),
    ):
        moving, still = philox(1), philox(1)
        assert modes(moving, 0.5) is not None
        assert modes(still, 0.0) is None
        assert moving.random() == still.random()


# ---- sampling


def keys(t):
    """The cubic convolution kernel of Keys (1981) for a = -1/2."""
    t = abs(t)
    if t < 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def test_cubic_sampling_is_the_kernel_of_keys_on_a_clamped_grid():
    fine = philox(2).uniform(-1, 2, (5, 7)).astype(np.float32)
    y = np.array([[-0.3, 0.0, 0.4], [1.9, 2.25, 4.0], [4.7, 3.5, 6.5], [-3.6, 3.1, 1.01]])
    x = np.array([[-0.8, 0.6, 6.0], [3.7, 5.2, 6.9], [-2.2, 9.4, 2.0], [1.5, 4.99, 0.3]])
    expected = np.zeros(y.shape)
    for n in np.ndindex(y.shape):
        for b in range(-8, 14):
            for a in range(-8, 14):
                value = float(fine[min(max(b, 0), 4), min(max(a, 0), 6)])
                expected[n] += keys(y[n] - b) * keys(x[n] - a) * value
    found = sample(fine, y, x)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


# ---- what is recorded


def line_of(random, count, width):
    half = gaussian_kernel(width, 3.0).astype(float)
    radius = len(half) - 1
    drawn = random.standard_normal(count)
    line = np.zeros(count)
    for n in range(count):
        for k in range(-radius, radius + 1):
            at = (n + k) % (2 * count)
            line[n] += half[abs(k)] * drawn[min(at, 2 * count - 1 - at)]
    line -= line.mean()
    return line / np.abs(line).max()


def exposed(signal, random, electrons, *, streaks, streak_length, shading, charging):
    """The electrons that are expected at each pixel, one at a time."""
    ny, nx = signal.shape
    angle = 2 * np.pi * random.random()
    line = line_of(random, ny, max(2.0, ny / 12))
    keep = math.exp(-1 / streak_length)
    expected = np.empty(signal.shape)
    for j in range(ny):
        held = signal[j].mean()
        for i in range(nx):
            y, x = 2 * j / (ny - 1) - 1, 2 * i / (nx - 1) - 1
            plane = (math.sin(angle) * y + math.cos(angle) * x) / math.sqrt(2)
            slow = 1 + shading * (0.7 * plane + 0.3 * (1 - y * y - x * x) / 2) + charging * line[j]
            expected[j, i] = electrons * max(signal[j, i] * slow - streaks * held, 0)
            held = keep * held + (1 - keep) * signal[j, i]
    return expected


# 12 us of 0.8 nA at 0.02 electrons each.
ELECTRONS = 12e-6 * 0.8e-9 / 1.602176634e-19 * 0.02
BEAM = {"dwell": 12.0, "current": 0.8, "detected": 0.02}
AS_IT_IS = {"streaks": 0.06, "streak_length": 25.0, "shading": 0.06, "charging": 0.04}


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((11, 7), {}),
        # More rows: what drifts along them is wider. Trails that take all there is.
        ((39, 6), {"streaks": 0.9, "streak_length": 1.2, "shading": 0.5, "charging": 0.3}),
    ],
)
def test_every_pixel_has_its_shading_charging_and_trail(shape, settings):
    assert ELECTRON == 1.602176634e-19
    signal = philox(3).uniform(0.0, 1.5, shape)
    expected = exposed(signal, philox(4), ELECTRONS, **AS_IT_IS | settings)
    assert ((expected == 0).sum() > 5) == bool(settings)
    found = call(expose, signal, random=philox(4), noise=False, **BEAM, **settings)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-9)


def test_counts_are_drawn_after_shading_and_charging():
    signal = philox(3).uniform(0.0, 1.5, (11, 7))
    random = philox(4)
    expected = random.poisson(exposed(signal, random, ELECTRONS, **AS_IT_IS))
    found = call(expose, signal=signal, random=philox(4), **BEAM)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)


def test_one_row_has_no_charging():
    signal = np.full((1, 5), 0.5)
    settings = {"streaks": 0.0, "shading": 0.0, "noise": False}
    found = call(expose, signal, random=philox(4), **BEAM, **settings, charging=0.5)
    np.testing.assert_allclose(found, 0.5 * ELECTRONS, rtol=1e-12)


# ---- 8 bits


@pytest.mark.parametrize("ranges", [{}, {"dark": (40.0, 90.0), "bright": (120.0, 300.0)}])
def test_the_first_and_the_last_half_percent_get_the_grey_values_drawn(ranges):
    counts = philox(5).uniform(100.0, 900.0, (30, 41))
    random = philox(6)
    dark = random.uniform(*ranges.get("dark", (10.0, 30.0)))
    bright = random.uniform(*ranges.get("bright", (215.0, 245.0)))
    low, high = np.percentile(counts, 1.0), np.percentile(counts, 99.5)
    grey, gain, offset = automatic_contrast(counts=counts, random=philox(6), **ranges)
    assert gain == pytest.approx((bright - dark) / (high - low), rel=1e-12)
    assert offset == pytest.approx(dark - gain * low, rel=1e-12)
    assert grey.dtype == np.uint8
    expected = np.rint(dark + (bright - dark) * (counts - low) / (high - low))
    np.testing.assert_array_equal(grey, np.clip(expected, 0, 255))


def test_grey_values_end_at_0_and_255():
    # Few of 1000 counts far above and below all others.
    counts = np.repeat([0.0, 500.0, 600.0, 1e5], [5, 500, 492, 3])
    grey, *_ = automatic_contrast(counts, philox(6))
    assert (grey[0], grey[-1]) == (0, 255)
    assert 10 <= grey[500] <= 30
    assert 215 <= grey[-4] <= 245


def test_a_flat_image_gets_the_dark_grey_value():
    grey, gain, offset = automatic_contrast(np.full((4, 5), 2.0), philox(6))
    random = philox(6)
    dark, bright = random.uniform(10.0, 30.0), random.uniform(215.0, 245.0)
    assert gain == pytest.approx((bright - dark) / 1e-9, rel=1e-12)
    assert offset == pytest.approx(dark - 2 * gain, rel=1e-12)
    np.testing.assert_array_equal(grey, np.rint(dark))
