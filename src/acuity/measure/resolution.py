"""Effective resolution of an image: the Gaussian blur of the truth that fits it best."""

import numpy as np
import pandas as pd
import scipy.fft
from numba import get_num_threads, njit, prange
from scipy.optimize import minimize_scalar

from acuity.errors import AcuityError
from acuity.field_of_view import cylinder, inscribed_box
from acuity.measure.volumes import Radius, Spacing
from acuity.tables import tidy_row

FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
_BINS = 4096


@njit(cache=True, parallel=True, error_model="numpy")
def _radial_sums(image, truth, fz, fy, fx, top, sums):
    """Sums over bins of squared frequency, a slice of `sums` for each plane of the spectrum.

    The four columns are the sums of image^2, truth^2, image * truth, and squared frequency times
    truth^2.
    """
    bins = sums.shape[1]
    for z in prange(image.shape[0]):
        for y in range(image.shape[1]):
            for x in range(image.shape[2]):
                k2 = fz[z] + fy[y] + fx[x]
                # Bins are even in frequency, not its square, so that low ones are not coarse.
                j = min(int(np.sqrt(k2 / top) * bins), bins - 1)
                a = np.float64(image[z, y, x])
                b = np.float64(truth[z, y, x])
                s = sums[z, j]
                s[0] += a * a
                s[1] += b * b
                s[2] += a * b
                s[3] += k2 * b * b


@njit(cache=True, parallel=True, error_model="numpy")
def _masked_sums(image, blurred, mask, z0, z1, sums):
    """Sums over the mask of 1, image, blurred, image^2, blurred^2, image * blurred, by slice."""
    for z in prange(z0, z1):
        for y in range(mask.shape[0]):
            for x in range(mask.shape[1]):
                if mask[y, x]:
                    a = np.float64(image[z, y, x])
                    b = np.float64(blurred[z, y, x])
                    s = sums[z]
                    s[0] += 1.0
                    s[1] += a
                    s[2] += b
                    s[3] += a * a
                    s[4] += b * b
                    s[5] += a * b


def _cosines(volume):
    """Return the orthonormal cosine spectrum of a volume, which is overwritten."""
    return scipy.fft.dctn(volume, norm="ortho", overwrite_x=True, workers=get_num_threads())


def _squared_frequencies(shape, spacing):
    """Return the squared angular frequencies of a cosine spectrum along each axis."""
    return [(np.pi * np.arange(n) / (n * h)) ** 2 for n, h in zip(shape, spacing, strict=True)]


def _blurred(spectrum, frequencies, sigma):
    """The volume of a cosine spectrum under a Gaussian blur, reflecting borders."""
    z, y, x = (np.exp(-0.5 * sigma * sigma * f).astype(np.float32) for f in frequencies)
    product = spectrum * (z[:, None, None] * y[:, None])
    product *= x
    return scipy.fft.idctn(product, norm="ortho", overwrite_x=True, workers=get_num_threads())


def _refine(image, spectrum, frequencies, mask, margins, sigma, width):
    """Sigma, error, gain and offset of the best fit near `sigma`, over the mask's inner voxels."""
    (margin, y, x), (nz, ny, nx) = margins, image.shape
    inner, middle = np.zeros_like(mask), np.s_[y : ny - y, x : nx - x]
    inner[middle] = mask[middle]

    def fit(s):
        blurred = _blurred(spectrum, frequencies, s)
        sums = np.zeros((nz, 6))
        _masked_sums(image, blurred, inner, margin, nz - margin, sums)
        n, a, b, aa, bb, ab = sums.sum(axis=0)
        gain = (ab - a * b / n) / (bb - b * b / n)
        error = (aa - a * a / n - gain * (ab - a * b / n)) / n
        return error, gain, (a - gain * b) / n

    low, high = max(0.0, sigma - width), sigma + width
    found = minimize_scalar(
        lambda s: fit(s)[0], bounds=(low, high), method="bounded", options={"xatol": 1e-3 * width}
    )
    sigma = float(found.x) if found.fun < fit(0.0)[0] else 0.0
    return sigma, *fit(sigma)


def gaussian_fit(
    image: np.ndarray,
    truth: np.ndarray,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    mask_radius: Radius = None,
    largest: float = 10.0,
):
    """Fit an image by its truth, blurred by a Gaussian of unknown width.

    The effective resolution of Bukka et al. 2025, section 2.5.1: the sigma at which the mean
    squared error between the image and the blurred truth is least; here with gain and offset
    free (a loss of contrast alone would read as blur), and in the domain of the discrete cosine
    transform, whose borders reflect. There a blur is the factor exp(-sigma^2 k^2 / 2), and the
    error for any sigma a sum over bins of frequency. The volumes must be registered: a shift
    reads as blur. The curve is that of the largest box inside the mask; sigma, gain and offset
    are then refined over all voxels of the mask, away from the volume's faces.

    Parameters
    ----------
    image, truth : numpy.ndarray
        (z, y, x), of one shape. Memory: about 20 bytes a voxel.
    spacing : (float, float, float)
        Voxel size along z, y, x in any unit; sigma comes in the same.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample.
    largest : float
        Widest sigma tried, in units of the smallest voxel side.

    Returns
    -------
    (float, float, float, pandas.DataFrame)
        Sigma, 0 if no blur fits best; gain and offset (image = gain * blurred truth + offset);
        and the curve, columns sigma, mse (gain and offset fitted at each sigma) and mse_plain
        (gain 1, offset 0, as the paper's figure 9). Multiply sigma by `FWHM` for the full width
        at half maximum. ``curve.attrs["mse"]`` is the least error.

    Raises
    ------
    AcuityError
        If shapes differ, a voxel is not finite, or the truth is constant in the box.
    """
    if np.shape(image) != np.shape(truth) or np.ndim(image) != 3:
        raise AcuityError(
            f"gaussian_fit: the image has shape {np.shape(image)}, the truth {np.shape(truth)}; "
            "one (z, y, x) is needed"
        )
    box = inscribed_box(np.shape(truth), mask_radius)
    a, b = (np.asarray(part[box], np.float32) for part in (image, truth))
    size = a.size
    mean_a, mean_b = a.mean(dtype=np.float64), b.mean(dtype=np.float64)
    if not (np.isfinite(mean_a) and np.isfinite(mean_b)):
        raise AcuityError("gaussian_fit: the image or the truth holds NaN or infinite voxels")
    if b.min() == b.max():
        raise AcuityError(f"gaussian_fit: every voxel of the truth is {b.flat[0]:g} in the box")
    # Orthonormal, so that sums over the spectrum are sums over the voxels; without the means,
    # which belong to the offset.
    a, b = (_cosines(part - np.float32(mean)) for part, mean in ((a, mean_a), (b, mean_b)))
    a[0, 0, 0] = b[0, 0, 0] = 0.0
    f = _squared_frequencies(a.shape, spacing)
    top = sum(v[-1] for v in f)
    sums = np.zeros((a.shape[0], _BINS, 4))
    _radial_sums(a, b, f[0], f[1], f[2], top, sums)
    ii, tt, it, k2 = sums.sum(axis=0).T
    del a, b, sums
    # The mean squared frequency of a bin stands for all of it.
    even = ((np.arange(_BINS) + 0.5) / _BINS) ** 2 * top
    k2 = np.where(tt > 0, k2 / np.where(tt > 0, tt, 1.0), even)
    total = ii.sum()

    def fitted(sigma):
        h = np.exp(-0.5 * sigma * sigma * k2)
        cross, power = (h * it).sum(), (h * h * tt).sum()
        return (total - cross / power * cross) / size

    def plain(sigma):
        h = np.exp(-0.5 * sigma * sigma * k2)
        error = total - 2.0 * (h * it).sum() + (h * h * tt).sum()
        return error / size + (mean_a - mean_b) ** 2

    step = 0.1 * min(spacing)
    tried = np.arange(0, round(10 * largest) + 1) * step
    curve = pd.DataFrame(
        {
            "sigma": tried,
            "mse": [max(0.0, fitted(s)) for s in tried],
            "mse_plain": [max(0.0, plain(s)) for s in tried],
        }
    )
    best = tried[int(np.argmin(curve["mse"]))]
    near = max(0.0, best - step), best + step
    sigma = float(minimize_scalar(fitted, bounds=near, method="bounded").x)
    # A box's faces reflect, but the blur that is sought brought in voxels from beyond them, which
    # reads a few percent low. So the last digits come from the whole volume, blurred in the
    # cosine domain and compared away from its faces, over all voxels of the mask.
    spectrum = _cosines(np.asarray(truth, np.float32) - np.float32(mean_b))
    frequencies = _squared_frequencies(truth.shape, spacing)
    margins = np.minimum(np.ceil(np.divide(3.0 * sigma, spacing)), np.floor_divide(truth.shape, 4))
    image, mask = np.asarray(image, np.float32), cylinder(truth.shape, mask_radius)
    start = margins.astype(int), sigma, max(step, 0.1 * sigma)
    sigma, error, gain, offset = _refine(image, spectrum, frequencies, mask, *start)
    curve.attrs["mse"] = float(max(0.0, error))
    return sigma, float(gain), float(offset - gain * mean_b), curve


def resolution_rows(
    image: np.ndarray, truth: np.ndarray, *, spacing: Spacing, unit: str, mask_radius: Radius = None
):
    """Rows of the Gaussian fit (`gaussian_fit`) for a table of measures.

    Parameters
    ----------
    image, truth : numpy.ndarray
        (z, y, x), of one shape.
    spacing : sequence of float
        Voxel size along z, y, x.
    unit : str
        Its unit.
    mask_radius : float, optional
        As for `gaussian_fit`.

    Returns
    -------
    (list of dict, pandas.DataFrame)
        resolution_sigma and resolution_fwhm in `unit`, resolution_gain, resolution_offset and
        resolution_mse, the least error; and the curve.

    Raises
    ------
    AcuityError
        As `gaussian_fit`.
    """
    fit = gaussian_fit(image, truth, spacing=spacing, mask_radius=mask_radius)
    sigma, gain, offset, curve = fit
    return [
        tidy_row("resolution_sigma", sigma, unit),
        tidy_row("resolution_fwhm", FWHM * sigma, unit),
        tidy_row("resolution_gain", gain),
        tidy_row("resolution_offset", offset),
        tidy_row("resolution_mse", curve.attrs["mse"]),
    ], curve
