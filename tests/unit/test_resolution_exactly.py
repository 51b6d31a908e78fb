"""The Gaussian fit beside its definition: cosine transforms and sums in double precision."""

import numpy as np
import pandas as pd
import pytest
from scipy import fft, ndimage
from scipy.optimize import minimize_scalar

from acuity.errors import AcuityError
from acuity.field_of_view import cylinder, inscribed_box
from acuity.measure import resolution as module
from acuity.measure.resolution import FWHM, gaussian_fit, resolution_rows

SHAPE, SPACING = (14, 19, 22), (2.0, 0.9, 1.3)


def frequencies(shape, spacing):
    """Squared frequency along each axis, in radians a unit of length."""
    return [(np.pi * np.arange(n) / (n * d)) ** 2 for n, d in zip(shape, spacing, strict=True)]


def squared(shape, spacing):
    z, y, x = frequencies(shape, spacing)
    return z[:, None, None] + y[:, None] + x


def pair(sigma=1.7, gain=0.8, offset=3.0, noise=0.02):
    """A random truth, and its blur in the cosine domain with noise."""
    random = np.random.default_rng(0)
    truth = 5 + 2 * ndimage.gaussian_filter(random.normal(size=SHAPE), 0.7)
    spectrum = fft.dctn(truth, norm="ortho")
    spectrum *= np.exp(-0.5 * sigma**2 * squared(SHAPE, SPACING))
    image = gain * fft.idctn(spectrum, norm="ortho") + offset
    return (image + random.normal(0, noise, SHAPE)).astype(np.float32), truth.astype(np.float32)


def blurred(truth, sigma, spacing=SPACING):
    spectrum = fft.dctn(truth.astype(float), norm="ortho")
    return fft.idctn(
        spectrum * np.exp(-0.5 * sigma**2 * squared(truth.shape, spacing)), norm="ortho"
    )


def line(image, truth):
    """Least squares of image = gain * truth + offset: mean squared error, gain, offset."""
    gain, offset = np.polyfit(truth.ravel(), image.astype(float).ravel(), 1)
    return np.mean((image - gain * truth - offset) ** 2), gain, offset


def test_sums_over_bins_are_those_of_numpy():
    image, truth = pair()
    axes = frequencies(SHAPE, SPACING)
    k2 = squared(SHAPE, SPACING)
    top = sum(f[-1] for f in axes)
    found = np.zeros((SHAPE[0], 37, 4))
    module._radial_sums(image, truth, *axes, top, found)
    bins = np.minimum((np.sqrt(k2 / top) * 37).astype(int), 36)
    a, b = image.astype(float), truth.astype(float)
    for z in range(SHAPE[0]):
        for n, term in enumerate((a * a, b * b, a * b, k2 * b * b)):
            expected = np.bincount(bins[z].ravel(), term[z].ravel(), 37)
            np.testing.assert_allclose(found[z, :, n], expected, rtol=1e-10)


def test_sums_over_a_mask_are_those_of_numpy():
    image, truth = pair()
    mask = cylinder(SHAPE, 7.0)
    found = np.zeros((SHAPE[0], 6))
    module._masked_sums(image, truth, mask, 3, 11, found)
    a, b = (v.astype(float)[:, mask] for v in (image, truth))
    expected = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=2).sum(axis=1)
    expected[:3] = expected[11:] = 0
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("sigma", [0.0, 1.9])
def test_a_blur_is_a_factor_of_the_cosine_spectrum(sigma):
    _, truth = pair()
    spectrum = fft.dctn(truth, norm="ortho")
    found = module._blurred(spectrum, frequencies(SHAPE, SPACING), sigma)
    np.testing.assert_allclose(found, blurred(truth, sigma), atol=2e-5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(fft.idctn(spectrum, norm="ortho"), truth, atol=2e-5)


def reference(image, truth, mask, margins, low, high):
    """The best sigma over what lies inside the mask and the margins: it, error, gain, offset."""
    inner = np.broadcast_to(mask, truth.shape).copy()
    for axis, m in enumerate(margins):
        n = truth.shape[axis]
        keep = (np.arange(n) >= m) & (np.arange(n) < n - m)
        inner &= keep.reshape([n if k == axis else 1 for k in range(3)])

    def fit(s):
        return line(image[inner], blurred(truth, s)[inner])

    best = minimize_scalar(lambda s: fit(s)[0], bounds=(low, high), method="bounded",
                           options={"xatol": 1e-9})  # fmt: skip
    return (float(best.x), *fit(best.x)), fit


@pytest.mark.parametrize("radius", [None, 8.2])
@pytest.mark.parametrize(("start", "width"), [(1.5, 0.6), (2.6, 0.5), (0.3, 0.5)])
def test_the_last_digits_come_from_all_voxels_of_the_mask(radius, start, width):
    """Also where the best lies at an end of what is tried; the mask is left as it was."""
    image, truth = pair()
    margins, mask = (3, 2, 4), cylinder(SHAPE, radius)
    before = mask.copy()
    spectrum = fft.dctn(truth - truth.mean(), norm="ortho")
    sigma, error, gain, offset = module._refine(
        image, spectrum, frequencies(SHAPE, SPACING), mask, margins, start, width
    )
    np.testing.assert_array_equal(mask, before)
    low, high = max(0.0, start - width), start + width
    (best, *_), fit = reference(image, truth - truth.mean(), mask, margins, low, high)
    assert sigma == pytest.approx(best, abs=4e-3 * width)
    expected, slope, level = fit(sigma)
    assert (error, gain) == pytest.approx((expected, slope), rel=1e-4)
    assert offset == pytest.approx(level, rel=1e-6)


def test_no_blur_is_taken_where_none_is_better():
    _, truth = pair()
    spectrum = fft.dctn(truth, norm="ortho")
    sharper = truth + 0.5 * (truth - blurred(truth, 1.0)).astype(np.float32)
    sigma, error, gain, _ = module._refine(
        sharper,
        spectrum,
        frequencies(SHAPE, SPACING),
        cylinder(SHAPE, None),
        (1, 1, 1),
        0.2,
        0.3,
    )
    assert sigma == 0.0
    inner = (slice(1, -1),) * 3
    expected, slope, _ = line(sharper[inner], truth[inner].astype(float))
    assert (error, gain) == pytest.approx((expected, slope), rel=1e-4)


@pytest.mark.parametrize("largest", [10.0, 2.04, 2.06])
@pytest.mark.parametrize("radius", [None, 9.2])
def test_the_curve_is_the_error_of_every_blur_in_the_box(radius, largest):
    image, truth = pair()
    options = {} if largest == 10.0 else {"largest": largest}
    sigma, gain, offset, curve = gaussian_fit(
        image, truth, spacing=SPACING, mask_radius=radius, **options
    )
    assert list(curve.columns) == ["sigma", "mse", "mse_plain"]
    np.testing.assert_allclose(
        curve["sigma"], np.arange(round(10 * largest) + 1) * 0.09, rtol=1e-12
    )
    box = inscribed_box(SHAPE, radius)
    a, b = image[box].astype(float), truth[box].astype(float)
    for row in curve.iloc[::7].itertuples():
        own = blurred(b, row.sigma)
        assert row.mse_plain == pytest.approx(np.mean((a - own) ** 2), rel=2e-4)
        assert row.mse == pytest.approx(line(a, own)[0], rel=2e-3, abs=2e-6)
    if largest < 10:
        return
    # What is found in the box decides how wide the margins are and where the end is looked for.
    first = minimize_scalar(
        lambda s: line(a, blurred(b, s))[0], bounds=(1.0, 2.5), method="bounded"
    ).x
    margins = [
        min(int(np.ceil(3 * first / d)), n // 4) for n, d in zip(SHAPE, SPACING, strict=True)
    ]
    mask = cylinder(SHAPE, radius)
    (best, *_), fit = reference(image, truth, mask, margins, first - 0.3, first + 0.3)
    assert sigma == pytest.approx(best, abs=2e-3)
    error, slope, level = fit(sigma)
    assert gain == pytest.approx(slope, rel=1e-4)
    assert offset == pytest.approx(level, abs=1e-3)
    assert curve.attrs["mse"] == pytest.approx(error, rel=1e-4)


def test_narrow_blurs_have_margins_of_three_sigma():
    image, truth = pair(sigma=0.55, noise=0.001)
    sigma, gain, offset, curve = gaussian_fit(image, truth, spacing=SPACING)
    margins = [int(np.ceil(3 * 0.55 / d)) for d in SPACING]
    assert margins == [1, 2, 2]
    (best, *_), fit = reference(image, truth, cylinder(SHAPE, None), margins, 0.3, 0.8)
    assert sigma == pytest.approx(best, abs=1e-3)
    error, slope, level = fit(sigma)
    assert (gain, offset) == pytest.approx((slope, level), rel=1e-3)
    assert curve.attrs["mse"] == pytest.approx(error, rel=2e-3)


def test_rows_carry_the_unit_and_the_full_width():
    image, truth = pair()
    rows, curve = resolution_rows(image, truth, spacing=SPACING, unit="um", mask_radius=9.2)
    sigma, gain, offset, other = gaussian_fit(image, truth, spacing=SPACING, mask_radius=9.2)
    pd.testing.assert_frame_equal(curve, other)
    assert pytest.approx(np.sqrt(8 * np.log(2)), rel=1e-15) == FWHM
    expected = [
        ("sigma", sigma, "um"), ("fwhm", FWHM * sigma, "um"), ("gain", gain, ""),
        ("offset", offset, ""), ("mse", other.attrs["mse"], ""),
    ]  # fmt: skip
    assert rows == [
        {"metric": f"resolution_{m}", "subset": "all", "value": v, "unit": u}
        for m, v, u in expected
    ]


def test_mistakes_are_named():
    image, truth = pair()
    plain = "gaussian_fit: the image has shape {}, the truth {}; one (z, y, x) is needed"
    nowhere = "gaussian_fit: the image or the truth holds NaN or infinite voxels"
    bad = truth.copy()
    bad[3, 4, 5] = np.inf
    for a, b, message in (
        (image, truth[1:], plain.format(SHAPE, (13, 19, 22))),
        (image[0], truth[0], plain.format(SHAPE[1:], SHAPE[1:])),
        (bad, truth, nowhere),
        (image, bad, nowhere),
        (image, np.full(SHAPE, 2.5), "gaussian_fit: every voxel of the truth is 2.5 in the box"),
    ):
        with pytest.raises(AcuityError) as error:
            gaussian_fit(a, b)
        assert str(error.value) == message
