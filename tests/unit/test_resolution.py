import numpy as np
import pytest
import scipy.ndimage as ndi

from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.measure.resolution import FWHM, gaussian_fit, resolution_rows


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    return (ndi.gaussian_filter(rng.random((96, 96, 96)), 4.0) > 0.5).astype(np.float32)


def noise(shape, sd, seed=1):
    return np.random.default_rng(seed).normal(0, sd, shape).astype(np.float32)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.5])
@pytest.mark.parametrize("radius", [None, 40.0])
def test_a_known_gaussian_is_recovered(truth, sigma, radius):
    image = gaussian(truth, sigma) + noise(truth.shape, 0.02)
    found, gain, offset, curve = gaussian_fit(image, truth, mask_radius=radius)
    assert found == pytest.approx(sigma, rel=0.01)
    assert gain == pytest.approx(1.0, abs=0.01)
    assert offset == pytest.approx(0.0, abs=0.01)
    assert curve.attrs["mse"] == pytest.approx(0.02**2, rel=0.05)


def test_gain_and_offset_are_free(truth):
    image = 0.7 * gaussian(truth, 2.0) + 0.2
    sigma, gain, offset, curve = gaussian_fit(image, truth)
    assert sigma == pytest.approx(2.0, rel=0.01)
    assert gain == pytest.approx(0.7, rel=0.01)
    assert offset == pytest.approx(0.2, abs=0.01)
    # Without them, the lost contrast reads as blur.
    plain = curve["sigma"][curve["mse_plain"].idxmin()]
    assert plain > 2.5


def test_identity_is_sharp(truth):
    sigma, gain, offset, curve = gaussian_fit(truth, truth)
    assert sigma < 0.05
    assert gain == pytest.approx(1.0, abs=1e-3)
    assert offset == pytest.approx(0.0, abs=1e-3)
    assert curve["mse"].iloc[0] == pytest.approx(0.0, abs=1e-6)
    assert curve["mse"].is_monotonic_increasing


def test_the_curve_is_the_error_in_space(truth):
    image = gaussian(truth, 1.5) + noise(truth.shape, 0.05)
    _, _, _, curve = gaussian_fit(image, truth)
    assert len(curve) == 101
    for sigma in (2.0, 4.0):
        expected = np.mean((image - gaussian(truth, sigma, truncate=6.0)) ** 2)
        row = curve.iloc[round(10 * sigma)]
        assert row["sigma"] == pytest.approx(sigma)
        assert row["mse_plain"] == pytest.approx(expected, rel=0.01)
        assert row["mse"] <= row["mse_plain"] * (1 + 1e-6)


def test_a_shift_reads_as_blur(truth):
    image = np.roll(gaussian(truth, 1.0), 1, axis=2)
    sigma, _, _, _ = gaussian_fit(image, truth, mask_radius=40.0)
    assert sigma > 1.1


def test_units_and_anisotropy(truth):
    # Voxels twice as long along z: a blur of 3 um is 1.5 voxels there.
    image = gaussian(truth, (1.5, 3.0, 3.0))
    rows, curve = resolution_rows(image, truth, spacing=(2.0, 1.0, 1.0), unit="um")
    v = {r["metric"]: r for r in rows}
    assert v["resolution_sigma"]["value"] == pytest.approx(3.0, rel=0.01)
    assert v["resolution_fwhm"]["value"] == pytest.approx(3.0 * 2.3548, rel=0.01)
    assert v["resolution_fwhm"]["unit"] == "um"
    assert pytest.approx(2.354820045) == FWHM
    assert curve["sigma"].max() == pytest.approx(10.0)


def test_inputs_stay_as_they_are(truth):
    image = gaussian(truth, 1.0)
    before = image.copy(), truth.copy()
    gaussian_fit(image, truth)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(truth, before[1])


def test_mistakes(truth):
    with pytest.raises(AcuityError, match="shape"):
        gaussian_fit(truth[1:], truth)
    with pytest.raises(AcuityError, match="every voxel"):
        gaussian_fit(truth, np.ones_like(truth))
    with pytest.raises(AcuityError, match="NaN"):
        gaussian_fit(np.full_like(truth, np.nan), truth)
