"""Scattering functions: known spectra, absolute scale, directions, mistakes."""

import math

import numpy as np
import pytest
from scipy import ndimage

from acuity.errors import AcuityError
from acuity.measure.scattering import scattering, scattering_rows
from acuity.measure.shells import Shells, spectrum


def noise(shape=(48, 48, 48), seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def part(curve, name):
    return curve[curve["subset"] == name]


def test_white_noise_scatters_alike_at_every_q():
    """Variance 4, voxels of 2 x 3 x 4 nm: I(q) = 4 * 24 nm^3, whatever the direction."""
    curve = scattering(10 + 2 * noise(), spacing=(2, 3, 4), unit="nm")
    for name in ("all", "z", "xy"):
        own = part(curve, name)
        mean = np.average(own["intensity"], weights=own["n"])
        assert mean == pytest.approx(96, rel=0.05)
        assert own["intensity"].iloc[5:].std() / mean < 0.25


def test_the_integral_is_the_variance():
    """Parseval: every frequency once, with those that half of the spectrum leaves out."""
    shape, spacing = (16, 18, 21), (1.0, 2.0, 1.5)
    shells = Shells(shape, spacing)
    shells.counts = dict.fromkeys(shells.counts, 60)
    found, squares = spectrum(noise(shape), "noise")
    sums = shells.sums(lambda z: [np.abs(found[z].astype(np.complex128)) ** 2])["all"]
    window = [0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n) for n in shape]
    window = window[0][:, None, None] * window[1][:, None] * window[2]
    data = noise(shape).astype(float)
    data = (data - (data * window).sum() / window.sum()) * window
    near_zero = np.abs(np.fft.fftn(data)) ** 2
    frequency = np.sqrt(
        sum(
            f**2
            for f in np.meshgrid(
                *(np.fft.fftfreq(n, d) for n, d in zip(shape, spacing, strict=True)), indexing="ij"
            )
        )
    )
    inside = frequency >= 0.5 * shells.width
    assert sums[:, 0].sum() == inside.sum()
    assert sums[:, 2].sum() == pytest.approx(near_zero[inside].sum(), rel=1e-5)
    assert squares == pytest.approx((window**2).sum(), rel=1e-6)


@pytest.mark.parametrize(("axis", "name"), [(0, "z"), (1, "xy"), (2, "xy")])
def test_a_wave_is_a_peak_at_its_q(axis, name):
    spacing = (5.0, 4.0, 4.0)
    place = np.arange(64) * spacing[axis]
    shape = [1, 1, 1]
    shape[axis] = 64
    wave = np.cos(2 * np.pi * place / 32.0).reshape(shape) + np.zeros((64, 64, 64))
    curve = scattering(wave, spacing=spacing)
    own = part(curve, name)
    assert own["q"].iloc[own["intensity"].argmax()] == pytest.approx(2 * np.pi / 32, rel=0.06)
    other = part(curve, "xy" if name == "z" else "z")
    assert other["intensity"].max() < 1e-3 * own["intensity"].max()


def test_units_do_not_matter():
    data = noise((24, 24, 24))
    first = scattering(data, spacing=(8, 8, 8), unit="nm")
    again = scattering(data, spacing=(0.008, 0.008, 0.008), unit="um")
    assert np.allclose(first["q"], again["q"], rtol=1e-9)
    assert np.allclose(first["intensity"], again["intensity"], rtol=1e-6)


def test_a_sphere_scatters_as_a_sphere():
    """Radius 5 nm: Guinier's radius sqrt(3 / 5) R, and the first minimum at q R = 4.493."""
    z, y, x = np.ogrid[:96, :96, :96]
    r = np.sqrt((z - 47.3) ** 2 + (y - 47.1) ** 2 + (x - 47.6) ** 2)
    curve = part(scattering(np.clip(5.5 - r, 0, 1), spacing=(1, 1, 1)), "all")
    low = curve[(curve["q"] > 0.11) & (curve["q"] < 0.3)]
    slope = np.polyfit(low["q"] ** 2, np.log(low["intensity"]), 1)[0]
    assert math.sqrt(-3 * slope) == pytest.approx(math.sqrt(0.6) * 5, rel=0.05)
    near = curve[(curve["q"] > 0.6) & (curve["q"] < 1.2)]
    assert near["q"].iloc[near["intensity"].argmin()] == pytest.approx(4.493 / 5, abs=0.05)


def test_binary_scattering_forgets_the_grey_values():
    data = ndimage.gaussian_filter(noise(), 2)
    first = scattering(data, spacing=(1, 1, 1), threshold=0.0)
    again = scattering(np.where(data > 0, data + 3, data - 1), spacing=(1, 1, 1), threshold=0.0)
    assert np.array_equal(first["intensity"], again["intensity"])
    plain = scattering(data, spacing=(1, 1, 1))
    assert not np.allclose(first["intensity"], plain["intensity"])


def test_axial_blur_is_seen_along_z_alone():
    data = noise((64, 64, 64))
    truth = scattering(data, spacing=(1, 1, 1))
    blurred = scattering(ndimage.gaussian_filter1d(data, 1.5, axis=0), spacing=(1, 1, 1))
    rows = {(r["metric"], r["subset"]): r["value"] for r in scattering_rows(blurred, truth)}
    assert rows["scattering_log_bias", "z"] < -1
    assert abs(rows["scattering_log_bias", "xy"]) < 0.4 < rows["scattering_log_rms", "z"]
    same = scattering_rows(truth, truth)
    assert {row["value"] for row in same} == {0.0}
    assert {row["unit"] for row in same} == {"decade"}


def test_a_known_gain_is_a_known_distance():
    data = noise((24, 24, 24))
    truth, louder = (scattering(gain * data, spacing=(1, 1, 1)) for gain in (1, 10))
    for row in scattering_rows(louder, truth):
        assert row["value"] == pytest.approx(2, abs=1e-4)


def test_curves_of_other_grids_are_refused():
    truth = scattering(noise((24, 24, 24)), spacing=(1, 1, 1))
    for other in (
        scattering(noise((24, 24, 24)), spacing=(2, 2, 2)),
        scattering(noise((32, 32, 32)), spacing=(1, 1, 1)),
    ):
        with pytest.raises(AcuityError, match="one grid"):
            scattering_rows(other, truth)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((24, 24, 24)), "is constant"),
        (np.full((24, 24, 24), np.nan), "NaN"),
        (noise((4, 24, 24)), r"\(4, 24, 24\).*at least 8"),
        (noise((24, 24)), r"\(24, 24\)"),
    ],
)
def test_mistakes_are_named(data, words):
    with pytest.raises(AcuityError, match=words):
        scattering(data, spacing=(1, 1, 1)[: data.ndim])
