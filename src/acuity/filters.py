"""Gaussian filtering of volumes, shared by degrading, restoring and measuring."""

import numpy as np
from numba import njit, prange
from numpy.typing import ArrayLike

from acuity.errors import AcuityError


def gaussian_kernel(sigma: float, truncate: float = 4.0) -> np.ndarray:
    """Half of a sampled Gaussian kernel, normalised so that the whole kernel sums to one.

    Parameters
    ----------
    sigma : float
        Standard deviation in voxels.
    truncate : float
        The kernel ends at ``int(truncate * sigma + 0.5)`` voxels, as in SciPy.

    Returns
    -------
    numpy.ndarray
        float32, ``radius + 1`` weights, the first that of the centre.
    """
    radius = int(truncate * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    weights /= weights[0] + 2.0 * weights[1:].sum()
    return weights.astype(np.float32)


def reflected(n: int, radius: int) -> np.ndarray:
    """Indices of an axis of `n` voxels continued by `radius` reflected voxels on either side."""
    i = np.mod(np.arange(-radius, n + radius), 2 * n)
    return np.minimum(i, 2 * n - 1 - i)


# Every output row is a weighted sum of whole input rows, two pairs of neighbours at a time: the
# inner loops run along x for all three axes, so that they vectorise, and each voxel's sum has
# a fixed order, so that the result does not depend on threads or slabs.
@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _sum_rows(source, rows, weights, first, out):
    """Set ``out`` to the weighted sum of rows ``rows[first - k]`` and ``rows[first + k]``."""
    n = out.shape[0]
    radius = weights.shape[0] - 1
    centre = source[rows[first]]
    w = weights[0]
    for j in range(n):
        out[j] = w * centre[j]
    k = 1
    while k + 1 <= radius:
        wa = weights[k]
        wb = weights[k + 1]
        a = source[rows[first - k]]
        b = source[rows[first + k]]
        c = source[rows[first - k - 1]]
        d = source[rows[first + k + 1]]
        for j in range(n):
            out[j] += wa * (a[j] + b[j]) + wb * (c[j] + d[j])
        k += 2
    if k <= radius:
        wa = weights[k]
        a = source[rows[first - k]]
        b = source[rows[first + k]]
        for j in range(n):
            out[j] += wa * (a[j] + b[j])


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def sum_shifts(line: np.ndarray, weights: np.ndarray, stride: int, out: np.ndarray) -> None:
    """Set ``out`` to the weighted sum of `line` shifted by multiples of `stride`.

    `line` is flat and longer than `out` by ``2 * radius * stride``, half at either end.
    """
    n = out.shape[0]
    radius = weights.shape[0] - 1
    middle = radius * stride
    centre = line[middle : middle + n]
    w = weights[0]
    for j in range(n):
        out[j] = w * centre[j]
    k = 1
    while k + 1 <= radius:
        wa = weights[k]
        wb = weights[k + 1]
        i = k * stride
        a = line[middle - i : middle - i + n]
        b = line[middle + i : middle + i + n]
        i += stride
        c = line[middle - i : middle - i + n]
        d = line[middle + i : middle + i + n]
        for j in range(n):
            out[j] += wa * (a[j] + b[j]) + wb * (c[j] + d[j])
        k += 2
    if k <= radius:
        wa = weights[k]
        i = k * stride
        a = line[middle - i : middle - i + n]
        b = line[middle + i : middle + i + n]
        for j in range(n):
            out[j] += wa * (a[j] + b[j])


@njit(cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
def _along_z(volume, rows, weights, out):
    nz, ny, nx = volume.shape
    for y in prange(ny):
        plane = np.empty((nz, nx), np.float32)
        for z in range(nz):
            for x in range(nx):
                plane[z, x] = volume[z, y, x]
        radius = weights.shape[0] - 1
        for z in range(nz):
            _sum_rows(plane, rows, weights, z + radius, out[z, y])


@njit(cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
def _along_y_x(volume, rows_y, weights_y, rows_x, weights_x, out):
    nz, ny, nx = volume.shape
    ry = weights_y.shape[0] - 1
    rx = weights_x.shape[0] - 1
    for z in prange(nz):
        plane = volume[z].copy()
        line = np.empty(nx + 2 * rx, np.float32)
        row = np.empty(nx, np.float32)
        for y in range(ny):
            _sum_rows(plane, rows_y, weights_y, y + ry, row)
            if rx == 0:
                for x in range(nx):
                    out[z, y, x] = weights_x[0] * row[x]
            else:
                for i in range(nx + 2 * rx):
                    line[i] = row[rows_x[i]]
                sum_shifts(line, weights_x, 1, out[z, y])


def gaussian(volume: ArrayLike, sigma: ArrayLike, *, truncate: float = 4.0) -> np.ndarray:
    """Gaussian filter of a volume with reflecting borders.

    Equal to ``scipy.ndimage.gaussian_filter(volume, sigma, mode="reflect")`` to float32
    precision (1e-5 relative), separable, parallel and independent of the number of threads: the
    same voxels give the same bytes in a slab with enough halo (``int(truncate * sigma + 0.5)``
    slices) as in the whole volume.

    Parameters
    ----------
    volume : numpy.ndarray
        (z, y, x), any real type; computed in float32.
    sigma : float or sequence of float
        Standard deviation in voxels, one for all axes or one each for z, y, x; 0 leaves an axis
        as it is.
    truncate : float
        The kernel is cut at this many standard deviations.

    Returns
    -------
    numpy.ndarray
        (z, y, x), float32, a new array.

    Raises
    ------
    AcuityError
        If `volume` has not three axes, or sigma is negative or not one or three numbers.
    """
    volume = np.ascontiguousarray(volume, np.float32)
    if volume.ndim != 3:
        raise AcuityError(f"gaussian: the volume has {volume.ndim} axes; 3 (z, y, x) are needed")
    sigmas = np.atleast_1d(np.asarray(sigma, np.float64))
    if sigmas.size == 1:
        sigmas = np.repeat(sigmas, 3)
    if sigmas.shape != (3,) or not np.all(np.isfinite(sigmas)) or np.any(sigmas < 0):
        raise AcuityError(
            f"gaussian: sigma is {sigma}; allowed are one or three (z, y, x) numbers from 0 up"
        )
    if volume.size == 0:
        return volume.copy()
    weights = [gaussian_kernel(s, truncate) if s > 0 else np.ones(1, np.float32) for s in sigmas]
    rows = [reflected(n, len(w) - 1) for n, w in zip(volume.shape, weights, strict=True)]
    out, source = np.empty_like(volume), volume
    if len(weights[0]) > 1:
        _along_z(volume, rows[0], weights[0], out)
        source = out
    if len(weights[1]) > 1 or len(weights[2]) > 1:
        _along_y_x(source, rows[1], weights[1], rows[2], weights[2], out)
    elif source is volume:
        out[...] = volume
    return out


def half_weights(count: int) -> np.ndarray:
    """Return how often each frequency of a half spectrum (`scipy.fft.rfft`) stands in the whole.

    Parameters
    ----------
    count : int
        Voxels along the axis.

    Returns
    -------
    numpy.ndarray
        (count // 2 + 1,), float64: 2, but 1 for frequency 0 and, for an even count, the last one.
    """
    weights = np.full(count // 2 + 1, 2.0)
    weights[0] = 1.0
    if count % 2 == 0:
        weights[-1] = 1.0
    return weights
