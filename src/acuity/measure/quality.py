"""Image quality against a truth: MSE, PSNR, SSIM and multi-scale SSIM with its local map.

SSIM: Wang et al. 2004 (doi:10.1109/TIP.2003.819861), equation 13, Gaussian windows of sigma 1.5
cut at 11 voxels, K1 = 0.01, K2 = 0.03. Multi-scale SSIM: Wang, Simoncelli and Bovik 2003
(doi:10.1109/ACSSC.2003.1292216), equation 7. All of it in three dimensions, with reflecting
borders; a single slice is measured in its plane.
"""

import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numba import njit, prange

from acuity.errors import AcuityError, require
from acuity.field_of_view import cylinder, values_inside
from acuity.filters import gaussian
from acuity.measure.volumes import Radius, Voxels
from acuity.slabs import Part, open_writer
from acuity.streaming_median import medians
from acuity.tables import tidy_row
from acuity.threshold import otsu_inside
from acuity.volume import Volume, choose_layout, slabs

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
_DEPTH = 64  # slices compared at a time; a multiple of 16 voxels of the finest scale


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
    c1, c2 = (np.float32((k * data_range) ** 2) for k in (0.01, 0.03))
    windowed = partial(gaussian, sigma=sigma, truncate=_TRUNCATE)
    aa, bb, ab = (windowed(p * q) for p, q in ((a, a), (b, b), (a, b)))
    ma, mb = windowed(a), windowed(b)
    _ratios(ma, mb, aa, bb, ab, middle, c1, c2, ma, mb)
    return ma, mb


def _checked(image, truth, data_range):
    if tuple(image.shape) != tuple(truth.shape) or len(image.shape) != 3 or 0 in image.shape:
        raise AcuityError(
            f"quality: the image has shape {tuple(image.shape)}, the truth {tuple(truth.shape)}; "
            "one (z, y, x) is needed"
        )
    if data_range is not None and not (np.isfinite(data_range) and data_range > 0):
        raise AcuityError(f"quality: the data range is {data_range}; it must be above 0")


@njit(cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
def _halve(v, fz, fy, fx):
    """Block means over (fz, fy, fx) voxels; an odd last voxel is left out."""
    nz, ny, nx = v.shape[0] // fz, v.shape[1] // fy, v.shape[2] // fx
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


def _between(axis, i, factor):
    """Along one axis, of each needed voxel of scale `i`: two of the next scale, and the second's weight.

    Borders are continued; `axis` is that of `_needed`.
    """
    n, _, (start, _), _ = axis[i + 1]
    place = (np.arange(*axis[i][2]) + 0.5) / factor - 0.5
    low = np.floor(place).astype(np.int64)
    first, second = (np.clip(at, 0, n - 1) - start for at in (low, low + 1))
    return first, second, (place - low).astype(np.float32)


@njit(cache=True, parallel=True, error_model="numpy")
def _double(coarse, z, y, x):
    """Linear interpolation of block means onto the finer grid, along each axis as `_between` says."""
    (za, zb, wz), (ya, yb, wy), (xa, xb, wx) = z, y, x
    out = np.empty((len(wz), len(wy), len(wx)), np.float32)
    for k in prange(len(wz)):
        for j in range(len(wy)):
            u, v = wy[j], wz[k]
            for i in range(len(wx)):
                p, q, w = xa[i], xb[i], wx[i]
                a = coarse[za[k], ya[j], p] * (1 - w) + coarse[za[k], ya[j], q] * w
                b = coarse[za[k], yb[j], p] * (1 - w) + coarse[za[k], yb[j], q] * w
                c = coarse[zb[k], ya[j], p] * (1 - w) + coarse[zb[k], ya[j], q] * w
                d = coarse[zb[k], yb[j], p] * (1 - w) + coarse[zb[k], yb[j], q] * w
                out[k, j, i] = (a * (1 - u) + b * u) * (1 - v) + (c * (1 - u) + d * u) * v
    return out


def scales(shape: Sequence[int]):
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
    require(len(sides) > 0, f"quality: the volume has shape {tuple(shape)}; it is a single voxel")
    count = 1
    while count < 5 and min(sides) > (_WINDOW - 1) * 2**count:
        count += 1
    return count


def contrast(truth: Voxels, mask_radius: Radius = None):
    """Data range of a two-phase truth: median of its bright phase less that of its dark one.

    The phases are those of Otsu's threshold in the mask (foam: solid less pores). State it with
    the figures, and use one for all methods of a table. The truth is read five times, slab by slab.

    Parameters
    ----------
    truth : array
        (z, y, x), in memory or read part by part.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample.

    Returns
    -------
    float
        In grey values.
    """
    cut = otsu_inside(truth, mask_radius)

    def phases():
        for values in values_inside(truth, mask_radius):
            dark = values <= cut
            yield values[dark], values[~dark]

    dark, bright = medians(phases)
    return float(bright - dark)


def settle(
    image: Voxels, truth: Voxels, *, mask_radius: Radius = None, data_range: float | None = None
):
    """What must be known of two whole volumes before a part of them is compared.

    Both are read once, slab by slab, and the truth again where `contrast` is needed.

    Parameters
    ----------
    image, truth : array
        (z, y, x), of one shape, in memory or read part by part.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample.
    data_range : float, optional
        The range of PSNR and SSIM, in grey values; by default the `contrast` of the truth.

    Returns
    -------
    dict
        data_range; middle, the truth's mean.

    Raises
    ------
    AcuityError
        If the shapes differ, a voxel is not finite, or the range is not above 0.
    """
    _checked(image, truth, data_range)
    depth = choose_layout(truth.shape, np.float32).shard[0]
    sums = []
    for z0, z1 in slabs(truth.shape[0], depth):
        for name, data in (("image", image), ("truth", truth)):
            planes = [p.sum(dtype=np.float64) for p in np.asarray(data[z0:z1], np.float32)]
            if not np.all(np.isfinite(planes)):
                raise AcuityError(f"quality: the {name} holds NaN or infinite voxels")
        sums.append(math.fsum(planes))
    if data_range is None:
        data_range = contrast(truth, mask_radius)
        _checked(image, truth, data_range)
    middle = np.float32(math.fsum(sums) / math.prod(truth.shape))
    return {"data_range": float(data_range), "middle": float(middle)}


def _needed(part, n, factor, count):
    """Along one axis, for each scale: voxels in all, own ones, those needed, and their windows.

    Own voxels of all parts make up the axis once; needed are those that the interpolation to the
    finer scale reads; a window is what the Gaussian sees of them.
    """
    start, stop = need = part.start, part.stop
    out = []
    for i in range(count):
        if i:
            start, n, last = start // factor, n // factor, stop == n
            stop = n if last else stop // factor
            low, high = (int(np.floor((v + 0.5) / factor - 0.5)) for v in (need[0], need[1] - 1))
            need = (min(max(low, 0), n - 1), min(max(high + 1, 0), n - 1) + 1)
        reach = _WINDOW // 2 if n > 1 else 0
        out.append((n, (start, stop), need, (max(0, need[0] - reach), min(n, need[1] + reach))))
    return out


def _pyramid(data, middle, axes, factors, count):
    """Windows of a box at each scale, less `middle`; read a few slices at a time.

    Without the shift, a variance would be the small difference of large float32 squares. (The
    finest scale is kept only where it is needed: its halo is sixteen times thinner.)
    """
    windows = [[axis[i][3] for axis in axes] for i in range(count)]
    out = [np.empty([b - a for a, b in window], np.float32) for window in windows]
    step = [f ** (count - 1) for f in factors]
    reach = [
        (
            min(axis[i][3][0] * f**i for i in range(count)) // s * s,
            min(axis[0][0], max(-(-axis[i][3][1] * f**i // s) * s for i in range(count))),
        )
        for axis, f, s in zip(axes, factors, step, strict=True)
    ]
    (z0, z1), (y0, y1), (x0, x1) = reach
    deep = step[0] * max(1, 16 // step[0])
    for z in range(z0, z1, deep):
        block = np.asarray(data[z : min(z + deep, z1), y0:y1, x0:x1], np.float32) - middle
        first = [z, y0, x0]
        for i, (window, whole) in enumerate(zip(windows, out, strict=True)):
            if i:
                block = _halve(np.ascontiguousarray(block), *factors)
                first = [a // f for a, f in zip(first, factors, strict=True)]
            a, b = max(window[0][0], first[0]), min(window[0][1], first[0] + len(block))
            if a < b:
                rows, columns = (
                    slice(p - f, q - f) for (p, q), f in zip(window[1:], first[1:], strict=True)
                )
                inner = block[a - first[0] : b - first[0], rows, columns]
                whole[a - window[0][0] : b - window[0][0]] = inner
    return out


def compare(
    image: Voxels,
    truth: Voxels,
    settled: Mapping[str, float],
    box: Sequence[slice] | None = None,
    *,
    mask_radius: Radius = None,
):
    """Compare a part of two volumes: its map, and sums from which `quality_rows` are made.

    At each scale both volumes are averaged over 2 x 2 x 2 voxels. The local map is the product
    over the scales of the contrast-structure terms to their exponents, at the coarsest with
    the luminance term (equation 7 of Wang et al. 2003), at each voxel, the coarser scales' terms
    interpolated linearly onto the full grid; negative terms count as 0. As many of the five scales
    are used as fit (`scales`), their exponents renormalised to sum to one.

    The part is read with what the windows of all scales see around it, 96 voxels for five of them;
    how volumes are cut changes no bit of the map.

    Parameters
    ----------
    image, truth : array
        (z, y, x), of one shape, in memory or read part by part.
    settled : dict
        Of `settle`.
    box : tuple of slice, optional
        The part along z, y, x; it starts at multiples of 16 voxels and ends there or where the
        volume ends. By default all of it.
    mask_radius : float or None
        Radius in voxels of the cylinder along z over whose voxels all sums are taken, at coarser
        scales weighted by its share of the coarse voxel.

    Returns
    -------
    (numpy.ndarray, dict)
        Local multi-scale SSIM with the matlab weighting, float32. Then sums over the part: square
        (of the difference), ssim, local (of the map) and, for each scale, terms and weights.
    """
    shape = tuple(image.shape)
    box = box or tuple(slice(0, n) for n in shape)
    count = scales(shape)
    factors = [2 if n > 1 else 1 for n in shape]
    axes = [_needed(p, n, f, count) for p, n, f in zip(box, shape, factors, strict=True)]
    middle = np.float32(settled["middle"])
    images = _pyramid(image, middle, axes, factors, count)
    truths = _pyramid(truth, middle, axes, factors, count)
    exponents = np.asarray(WEIGHTS["matlab"][:count]) / sum(WEIGHTS["matlab"][:count])
    plain = cylinder(shape, mask_radius, box[1:]).astype(np.float32)
    masked = not plain.all()
    sums: dict[str, Any] = {"terms": [], "weights": []}
    pyramid = []
    for i in range(count):
        a, b = images.pop(0), truths.pop(0)
        own, need = (
            tuple(
                slice(axis[i][k][0] - axis[i][3][0], axis[i][k][1] - axis[i][3][0]) for axis in axes
            )
            for k in (1, 2)
        )
        if i and masked:
            plain = _halve(plain[None], 1, *factors[1:])[0]
        weights = plain if masked else None
        if i == 0:
            difference = a[own] - b[own]
            difference *= difference
            sums["square"] = _total(difference, weights)
            del difference
        luminance, contrast = _terms(a, b, middle, settled["data_range"])
        del a, b
        if i == 0:
            sums["ssim"] = _total(luminance[own] * contrast[own], weights)
        if i == count - 1:
            contrast *= luminance
        del luminance
        sums["terms"].append(_total(contrast[own], weights))
        depth, *sides = (part.stop - part.start for part in own)
        area = math.prod(sides) if weights is None else float(weights.sum(dtype=np.float64))
        sums["weights"].append(depth * area)
        pyramid.append(np.maximum(contrast[need], 0.0))
        del contrast
    # From the coarsest up: interpolate the product so far, multiply by the finer term.
    product = pyramid[-1] ** np.float32(exponents[-1])
    for i in range(count - 2, -1, -1):
        about = [_between(axis, i, factor) for axis, factor in zip(axes, factors, strict=True)]
        product = _double(product, about[0], about[1], about[2])
        product *= pyramid[i] ** np.float32(exponents[i])
    sums["local"] = _total(product, cylinder(shape, mask_radius, box[1:]) if masked else None)
    return product, sums


def quality(
    image: Volume,
    truth: Volume,
    output: str | os.PathLike,
    *,
    part: Part | None = None,
    mask_radius: Radius = None,
    data_range: float | None = None,
):
    """Compare an image with its truth and write the local multi-scale SSIM, block by block.

    Memory is that of a block of 64 slices of a column of shards, with a halo at the finest scale of
    5 voxels: about 60 bytes a voxel of it.

    Parameters
    ----------
    image, truth : acuity.volume.Volume
        (z, y, x), of one shape.
    output : path
        The map, ``X.ome.zarr``: float32, of the matlab weighting.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.
    mask_radius
        As for `settle`.
    data_range : float, optional
        As for `settle`; by default 255 or 65535 for a truth with grey values of 8 or 16 bits
        (`Volume.grey_range`), else its `contrast`.

    Returns
    -------
    dict
        settled, and parts: the sums of its blocks (`compare`), for `quality_rows`. It is noted for
        the job that joins slabs.

    Raises
    ------
    AcuityError
        If the shapes differ, a voxel is not finite, or the range is not above 0.
    """
    data_range = data_range or truth.grey_range
    inputs = {"image": image.digest, "truth": truth.digest, "mask_radius": mask_radius}
    about: dict[str, Any] = {"intensity": "local MS-SSIM", "settled": inputs}
    with open_writer(output, truth.grid, np.float32, part, block=_DEPTH, **about) as writer:
        settled = writer.agree(
            "settled",
            lambda: settle(image.data, truth.data, mask_radius=mask_radius, data_range=data_range),
        )
        parts = []
        _, *columns = (
            [slice(a, min(a + side, n)) for a in range(0, n, side)]
            for n, side in zip(truth.grid.shape, writer.layout.shard, strict=True)
        )
        for span in writer.spans(_DEPTH):
            for y, x in product(*columns):
                box = slice(*span), y, x
                local, sums = compare(image.data, truth.data, settled, box, mask_radius=mask_radius)
                writer.write_box(box, local)
                parts.append(sums)
        found = {"settled": settled, "parts": parts}
        writer.note(**found)
    return found


def _total(values, weights):
    """Sum in float64, slice by slice; weights are None or (y, x)."""
    if weights is None:
        return math.fsum(plane.sum(dtype=np.float64) for plane in values)
    return math.fsum((plane * weights.astype(np.float64)).sum() for plane in values)


def quality_rows(found: Sequence[dict]):
    """Figures over a whole volume from the sums of its parts.

    The multi-scale index is the product over the scales of the mean contrast-structure term to its
    exponent; negative means count as 0. The sums of the blocks are added exactly (``math.fsum``), so
    that the figures do not depend on how many jobs shared them.

    Parameters
    ----------
    found : list of dict
        What `quality` has returned, of each job.

    Returns
    -------
    list of dict
        Rows with metric, subset, value, unit and, for multi-scale SSIM, variant (number of
        scales): data_range, mse (in squared data ranges), psnr, ssim, ms_ssim_matlab, ms_ssim_wang,
        and ms_ssim_matlab_local, the mean of the local map.
    """
    parts = [sums for own in found for sums in own["parts"]]
    data_range = found[0]["settled"]["data_range"]
    count = len(parts[0]["terms"])

    def mean(sums, i=0):
        weight = math.fsum(part["weights"][i] for part in parts)
        return math.fsum(sums(part) for part in parts) / weight

    mse = mean(lambda part: part["square"])
    means = [max(0.0, mean(lambda part, i=i: part["terms"][i], i)) for i in range(count)]
    index = {
        name: math.prod(m ** (w / sum(all_[:count])) for m, w in zip(means, all_, strict=False))
        for name, all_ in WEIGHTS.items()
    }
    variant = f"{count} scale{'s' if count > 1 else ''}"
    return [
        tidy_row("data_range", data_range),
        tidy_row("mse", mse / data_range**2, "range^2"),
        tidy_row("psnr", 10.0 * np.log10(data_range**2 / mse) if mse > 0 else np.inf, "dB"),
        tidy_row("ssim", mean(lambda part: part["ssim"])),
        tidy_row("ms_ssim_matlab", index["matlab"], variant=variant),
        tidy_row("ms_ssim_wang", index["wang"], variant=variant),
        tidy_row("ms_ssim_matlab_local", mean(lambda part: part["local"]), variant=variant),
    ]
