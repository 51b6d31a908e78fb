"""Image quality against a truth: MSE, PSNR, SSIM and multi-scale SSIM with its local map.

SSIM: Wang et al. 2004 (doi:10.1109/TIP.2003.819861), equation 13, Gaussian windows of sigma 1.5
cut at 11 voxels, K1 = 0.01, K2 = 0.03. Multi-scale SSIM: Wang, Simoncelli and Bovik 2003
(doi:10.1109/ACSSC.2003.1292216), equation 7. All of it in three dimensions, with reflecting
borders; a single slice is measured in its plane.
"""

import numpy as np
from numba import njit, prange

from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.segment.mask import cylinder
from acuity.segment.threshold import otsu

# Exponents of the scales, finest first.
WEIGHTS = {
    # Wang, Simoncelli and Bovik 2003, found in their experiment with observers.
    "wang": (0.0448, 0.2856, 0.3001, 0.2363, 0.1333),
    # The default of multissim3, from its public documentation: a Gaussian of sigma 1.
    "matlab": (0.0545, 0.2442, 0.4026, 0.2442, 0.0545),
}
_SIGMA = 1.5
_TRUNCATE = 3.5  # a radius of 5 voxels: Wang's window of 11
_WINDOW = 11


@njit(cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
def _products(a, b, aa, bb, ab):
    for z in prange(a.shape[0]):
        for y in range(a.shape[1]):
            for x in range(a.shape[2]):
                p = a[z, y, x]
                q = b[z, y, x]
                aa[z, y, x] = p * p
                bb[z, y, x] = q * q
                ab[z, y, x] = p * q


@njit(cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
def _ratios(ma, mb, saa, sbb, sab, middle, c1, c2, luminance, contrast):
    """Luminance and contrast-structure terms from the windowed means, into the last two."""
    for z in prange(ma.shape[0]):
        for y in range(ma.shape[1]):
            for x in range(ma.shape[2]):
                p = ma[z, y, x]
                q = mb[z, y, x]
                vp = saa[z, y, x] - p * p
                vq = sbb[z, y, x] - q * q
                pq = sab[z, y, x] - p * q
                p += middle
                q += middle
                luminance[z, y, x] = (2 * p * q + c1) / (p * p + q * q + c1)
                contrast[z, y, x] = (2 * pq + c2) / (vp + vq + c2)


def _terms(a, b, middle, data_range):
    """Luminance and contrast-structure maps of two volumes less `middle`, float32."""
    sigma = [_SIGMA if n > 1 else 0.0 for n in a.shape]
    c1 = np.float32((0.01 * data_range) ** 2)
    c2 = np.float32((0.03 * data_range) ** 2)
    aa, bb, ab = np.empty_like(a), np.empty_like(a), np.empty_like(a)
    _products(a, b, aa, bb, ab)
    aa = gaussian(aa, sigma, truncate=_TRUNCATE)
    bb = gaussian(bb, sigma, truncate=_TRUNCATE)
    ab = gaussian(ab, sigma, truncate=_TRUNCATE)
    ma = gaussian(a, sigma, truncate=_TRUNCATE)
    mb = gaussian(b, sigma, truncate=_TRUNCATE)
    _ratios(ma, mb, aa, bb, ab, middle, c1, c2, ma, mb)
    return ma, mb


def ssim_map(image, truth, data_range):
    """Structural similarity at each voxel.

    Parameters
    ----------
    image, truth : numpy.ndarray
        (z, y, x), of one shape.
    data_range : float
        Grey values from the lowest to the highest, the L of Wang et al. 2004.

    Returns
    -------
    numpy.ndarray
        (z, y, x), float32, at most 1.
    """
    a, b, middle = _prepare(image, truth, data_range)
    luminance, contrast = _terms(a, b, middle, data_range)
    luminance *= contrast
    return luminance


def _prepare(image, truth, data_range):
    """Checked float32 volumes less the truth's mean, and that mean.

    Without the shift, a variance would be the small difference of large float32 squares.
    """
    a = np.ascontiguousarray(image, np.float32)
    b = np.ascontiguousarray(truth, np.float32)
    if a.shape != b.shape or a.ndim != 3 or a.size == 0:
        raise AcuityError(
            f"quality: the image has shape {a.shape}, the truth {b.shape}; one (z, y, x) is needed"
        )
    if not (np.isfinite(data_range) and data_range > 0):
        raise AcuityError(f"quality: the data range is {data_range}; it must be above 0")
    for name, v in (("image", a), ("truth", b)):
        if not np.isfinite(v.sum(dtype=np.float64)):
            raise AcuityError(f"quality: the {name} holds NaN or infinite voxels")
    middle = np.float32(b.mean(dtype=np.float64))
    return a - middle, b - middle, middle


@njit(cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
def _halve(v, fz, fy, fx):
    """Block means over (fz, fy, fx) voxels; an odd last voxel is left out."""
    nz = v.shape[0] // fz
    ny = v.shape[1] // fy
    nx = v.shape[2] // fx
    out = np.empty((nz, ny, nx), np.float32)
    scale = np.float32(1.0 / (fz * fy * fx))
    for z in prange(nz):
        for y in range(ny):
            for x in range(nx):
                total = np.float32(0.0)
                for i in range(fz):
                    for j in range(fy):
                        for k in range(fx):
                            total += v[z * fz + i, y * fy + j, x * fx + k]
                out[z, y, x] = total * scale
    return out


@njit(cache=True, parallel=True, error_model="numpy")
def _double(coarse, shape, fz, fy, fx):
    """Linear interpolation of block means onto the finer grid, borders continued."""
    nz, ny, nx = shape
    cz, cy, cx = coarse.shape
    out = np.empty((nz, ny, nx), np.float32)
    for z in prange(nz):
        p = (z + 0.5) / fz - 0.5
        z0 = int(np.floor(p))
        wz = np.float32(p - z0)
        za = min(max(z0, 0), cz - 1)
        zb = min(max(z0 + 1, 0), cz - 1)
        for y in range(ny):
            p = (y + 0.5) / fy - 0.5
            y0 = int(np.floor(p))
            wy = np.float32(p - y0)
            ya = min(max(y0, 0), cy - 1)
            yb = min(max(y0 + 1, 0), cy - 1)
            for x in range(nx):
                p = (x + 0.5) / fx - 0.5
                x0 = int(np.floor(p))
                wx = np.float32(p - x0)
                xa = min(max(x0, 0), cx - 1)
                xb = min(max(x0 + 1, 0), cx - 1)
                a = coarse[za, ya, xa] * (1 - wx) + coarse[za, ya, xb] * wx
                b = coarse[za, yb, xa] * (1 - wx) + coarse[za, yb, xb] * wx
                c = coarse[zb, ya, xa] * (1 - wx) + coarse[zb, ya, xb] * wx
                d = coarse[zb, yb, xa] * (1 - wx) + coarse[zb, yb, xb] * wx
                out[z, y, x] = (a * (1 - wy) + b * wy) * (1 - wz) + (c * (1 - wy) + d * wy) * wz
    return out


def scales(shape):
    """How many of the five scales fit: at each, all sides must exceed ten coarse voxels.

    Axes of one voxel do not count. Five scales need sides above 160 voxels.

    Parameters
    ----------
    shape : sequence of int
        (z, y, x).

    Returns
    -------
    int
        1 to 5.

    Raises
    ------
    AcuityError
        If the volume is a single voxel.
    """
    sides = [n for n in shape if n > 1]
    if not sides:
        raise AcuityError(f"quality: the volume has shape {tuple(shape)}; it is a single voxel")
    count = 1
    while count < 5 and min(sides) > (_WINDOW - 1) * 2**count:
        count += 1
    return count


def _mean(values, weights):
    """Mean over the mask; weights are None or broadcast over slices."""
    if weights is None:
        return float(values.mean(dtype=np.float64))
    per_voxel = values.sum(axis=0, dtype=np.float64)
    if weights.ndim == 2:
        return float((per_voxel * weights).sum() / (weights.sum(dtype=np.float64) * len(values)))
    return float((values * weights).sum(dtype=np.float64) / weights.sum(dtype=np.float64))


def ms_ssim(image, truth, data_range, *, mask=None, maps=("matlab",)):
    """Multi-scale SSIM, by both weightings, with local maps.

    At each scale both volumes are averaged over 2 x 2 x 2 voxels. The index is the product over
    the scales of the mean contrast-structure term to its exponent, at the coarsest with
    the luminance term (equation 7 of Wang et al. 2003); negative means count as 0. The local map
    is the same product taken at each voxel, the coarser scales' terms interpolated linearly
    onto the full grid; its mean is not the index. As many of the five scales are used as fit
    (`scales`), their exponents renormalised to sum to one.

    Parameters
    ----------
    image, truth : numpy.ndarray
        (z, y, x), of one shape.
    data_range : float
        Grey values from the lowest to the highest.
    mask : numpy.ndarray, optional
        (y, x) bool, the same for all slices; means are over it, at coarser scales weighted by
        its share of the coarse voxel.
    maps : sequence of {"matlab", "wang"}
        Weightings whose local map is returned.

    Returns
    -------
    (dict, dict, float, int)
        Index by weighting; map by weighting, float32 (z, y, x); SSIM, the mean of the first
        scale's map; number of scales.
    """
    a, b, middle = _prepare(image, truth, data_range)
    count = scales(a.shape)
    exponents = {k: np.asarray(w[:count]) / sum(w[:count]) for k, w in WEIGHTS.items()}
    index = dict.fromkeys(WEIGHTS, 1.0)
    weights = None if mask is None or mask.all() else mask.astype(np.float32)
    factors = [2 if n > 1 else 1 for n in a.shape]
    pyramid = []
    single = 1.0
    for i in range(count):
        luminance, contrast = _terms(a, b, middle, data_range)
        last = i == count - 1
        if i == 0:
            single = _mean(luminance * contrast, weights)
        if last:
            contrast *= luminance
        del luminance
        mean = max(0.0, _mean(contrast, weights))
        for k in index:
            index[k] *= mean ** exponents[k][i]
        np.maximum(contrast, 0.0, out=contrast)
        pyramid.append(contrast)
        if not last:
            a = _halve(a, *factors)
            b = _halve(b, *factors)
            if weights is not None:
                weights = _halve(weights[None], 1, *factors[1:])[0]
    local = {}
    for k in maps:
        # From the coarsest up: interpolate the product so far, multiply by the finer term.
        product = pyramid[-1] ** np.float32(exponents[k][-1])
        for i in range(count - 2, -1, -1):
            product = _double(product, pyramid[i].shape, *factors)
            product *= pyramid[i] ** np.float32(exponents[k][i])
        local[k] = product
    return index, local, single, count


def contrast(truth, mask_radius=None):
    """Data range of a two-phase truth: median of its bright phase less that of its dark one.

    The phases are those of Otsu's threshold in the mask (foam: solid less pores). State it with
    the figures, and use one for all methods of a table.

    Parameters
    ----------
    truth : numpy.ndarray
        (z, y, x).
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample.

    Returns
    -------
    float
        In grey values.
    """
    truth = np.asarray(truth, np.float32)
    mask = cylinder(truth.shape, mask_radius)
    values = truth.ravel() if mask.all() else truth[:, mask].ravel()
    cut = otsu(values)
    dark = values <= cut
    return float(np.median(values[~dark]) - np.median(values[dark]))


def quality(image, truth, *, mask_radius=None, data_range=None):
    """MSE, PSNR, SSIM and multi-scale SSIM of an image against its truth.

    Parameters
    ----------
    image, truth : numpy.ndarray
        (z, y, x), of one shape. Held in memory, about 40 bytes a voxel at the peak.
    mask_radius : float or None
        Radius in voxels of the cylinder along z over whose voxels all means are taken.
    data_range : float, optional
        The range of PSNR and SSIM, in grey values. None: 255 or 65535 for a truth of 8 or 16
        bits, else the `contrast` of the truth. It is among the rows.

    Returns
    -------
    (list of dict, numpy.ndarray)
        Rows with metric, subset, value, unit and, for multi-scale SSIM, variant (number of
        scales): data_range, mse (in squared data ranges), psnr, ssim, ms_ssim_matlab, ms_ssim_wang,
        and ms_ssim_matlab_local, the mean of the local map. Then that map, float32 (z, y, x), of the matlab weighting.

    Raises
    ------
    AcuityError
        If the shapes differ, a voxel is not finite, or the range is not above 0.
    """
    if data_range is None:
        integer = np.issubdtype(truth.dtype, np.integer)
        data_range = float(np.iinfo(truth.dtype).max) if integer else contrast(truth, mask_radius)
    a, b, _ = _prepare(image, truth, data_range)
    mask = cylinder(a.shape, mask_radius)
    weights = None if mask.all() else mask
    difference = a - b
    difference *= difference
    mse = _mean(difference, weights)
    del difference
    psnr = float(10.0 * np.log10(data_range**2 / mse)) if mse > 0 else float("inf")
    del a, b
    index, local, single, count = ms_ssim(image, truth, data_range, mask=mask)
    variant = f"{count} scale{'s' if count > 1 else ''}"
    rows = [
        _row("data_range", data_range),
        _row("mse", mse / data_range**2, "range^2"),
        _row("psnr", psnr, "dB"),
        _row("ssim", single),
        _row("ms_ssim_matlab", index["matlab"], variant=variant),
        _row("ms_ssim_wang", index["wang"], variant=variant),
        _row("ms_ssim_matlab_local", _mean(local["matlab"], weights), variant=variant),
    ]
    return rows, local["matlab"]


def _row(metric, value, unit="", **more):
    return {"metric": metric, "subset": "all", "value": float(value), "unit": unit, **more}
