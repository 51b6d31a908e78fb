"""Automatic segmentation of pores: threshold, closing, separation, labels.

The route of Bukka et al. 2025 (section 2.5): automatic threshold, small holes filled by a
closing, merged objects separated, labels for analysis; optional non-local means beforehand.
"""

import numpy as np
from numba import njit, prange

from acuity.errors import AcuityError
from acuity.segment.mask import cylinder
from acuity.segment.nlm import nlm as non_local_means
from acuity.segment.separate import components, drop_small, separate
from acuity.segment.threshold import otsu
from acuity.volume import Volume, write_volume


@njit(cache=True, parallel=True)
def _dilate(source, radius, out):
    """Dilation of bytes with a ball; rows along x, so that the inner loops vectorise."""
    nz, ny, nx = source.shape
    r = int(radius)
    for z in prange(nz):
        for y in range(ny):
            row = out[z, y]
            for x in range(nx):
                row[x] = 0
            for dz in range(-r, r + 1):
                for dy in range(-r, r + 1):
                    rest = radius * radius - dz * dz - dy * dy
                    a = z + dz
                    b = y + dy
                    if rest < 0 or a < 0 or a >= nz or b < 0 or b >= ny:
                        continue
                    line = source[a, b]
                    for x in range(nx):
                        row[x] |= line[x]
                    for dx in range(1, int(np.sqrt(rest)) + 1):
                        for x in range(nx - dx):
                            row[x] |= line[x + dx]
                        for x in range(nx - dx):
                            row[x + dx] |= line[x]


def closing_ball(binary, radius):
    """Binary closing with a ball of `radius` voxels.

    Beyond the volume there is neither object nor background, so that nothing is lost at its
    border.

    Parameters
    ----------
    binary : numpy.ndarray
        (z, y, x), bool.
    radius : float
        In voxels; below 1 nothing changes.

    Returns
    -------
    numpy.ndarray
        (z, y, x), bool, holding all of `binary`.
    """
    if radius < 1:
        return binary
    if radius > 64:
        raise AcuityError(f"segment: closing is {radius} voxels; allowed are 0 to 64")
    reach = float(radius) + 1e-6
    grown = np.empty(binary.shape, np.uint8)
    _dilate(binary.view(np.uint8), reach, grown)
    grown ^= 1
    background = np.empty_like(grown)
    _dilate(grown, reach, background)
    background ^= 1
    return background.view(bool)


def segment_array(
    data,
    *,
    objects="dark",
    threshold="otsu",
    closing=1,
    separation=0.75,
    smallest=30,
    nlm=False,
    mask_radius=None,
    anisotropy=(1.0, 1.0, 1.0),
):
    """Segment a volume in memory.

    Parameters
    ----------
    data : numpy.ndarray
        (z, y, x), any real type.
    objects, threshold, closing, separation, smallest, nlm, mask_radius
        As for `segment`.
    anisotropy : tuple of float
        Voxel size along z, y, x, as multiples of the smallest.

    Returns
    -------
    (numpy.ndarray, dict)
        Labels, uint32 (z, y, x), 1 to n, and the figures that `segment` returns.

    Raises
    ------
    AcuityError
        If a setting is none of those allowed, the volume is not of the shape (z, y, x), holds
        values that are not finite or is constant, or no voxel lies in the mask.
    """
    if objects not in ("dark", "bright"):
        raise AcuityError(f"segment: objects is {objects!r}; allowed are 'dark' and 'bright'")
    data = np.ascontiguousarray(data, np.float32)
    if data.ndim != 3 or data.size == 0:
        raise AcuityError(f"segment: the volume has shape {data.shape}; (z, y, x) is needed")
    mask = cylinder(data.shape, mask_radius)
    if not mask.any():
        raise AcuityError(f"segment: no voxel lies in the mask of radius {mask_radius}")
    inside = data if mask.all() else data[:, mask]
    low, high = float(inside.min()), float(inside.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise AcuityError("segment: the volume holds NaN or infinite voxels")
    if not high > low:
        raise AcuityError(f"segment: every voxel is {low:g}; a constant volume has no objects")
    sigma = None
    if nlm:
        data, sigma = non_local_means(data)
        inside = data if mask.all() else data[:, mask]
    if threshold == "otsu":
        value = otsu(inside)
    elif isinstance(threshold, int | float) and not isinstance(threshold, bool):
        value = float(threshold)
    else:
        raise AcuityError(f"segment: threshold is {threshold!r}; allowed are 'otsu' or a number")
    del inside
    binary = data <= value if objects == "dark" else data > value
    binary &= mask
    binary = closing_ball(binary, closing)
    binary &= mask
    porosity = float(binary.sum() / (mask.sum() * data.shape[0]))
    labels, n = components(binary)
    del binary
    before = n = drop_small(labels, n, smallest)
    if separation and n:
        n = separate(labels, n, separation, anisotropy)
        n = drop_small(labels, n, smallest)
    report = {
        "threshold": value,
        "objects": n,
        "objects_before_separation": before,
        "fraction": porosity,
        "nlm_sigma": sigma,
    }
    return labels, report


def segment(
    volume,
    output,
    *,
    objects="dark",
    threshold="otsu",
    closing=1,
    separation=0.75,
    smallest=30,
    nlm=False,
    mask_radius=None,
):
    """Segment a volume into labelled objects and write the label volume.

    The whole volume is held in memory, about 24 bytes a voxel at the peak.

    Parameters
    ----------
    volume : acuity.volume.Volume
        The grey-level volume (z, y, x).
    output : path
        The label volume to write, ``X.ome.zarr``: uint32, 0 for background.
    objects : {"dark", "bright"}
        Whether objects (pores) are darker or brighter than the rest.
    threshold : "otsu" or float
        Otsu's threshold of the voxels in the mask, or a grey value.
    closing : float
        Radius in voxels of the ball that closes small holes; 0 for none.
    separation : float or None
        Depth in voxels (h) below which two parts of an object are not separated; 0 or None to
        leave touching objects together.
    smallest : int
        Objects of fewer voxels are dropped, before and after the separation.
    nlm : bool
        Smooth by non-local means before thresholding.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample; None for the whole volume.

    Returns
    -------
    dict
        threshold (grey value), objects, objects_before_separation (counts), fraction (of the
        mask that is object, before small ones are dropped), nlm_sigma (noise found, or None).

    Raises
    ------
    AcuityError
        For a constant or empty volume, NaN, an empty mask, or an unknown setting.
    """
    data = np.asarray(volume.read(slice(None), slice(None), slice(None)))
    spacing = np.asarray(volume.grid.spacing, float)
    labels, report = segment_array(
        data,
        objects=objects,
        threshold=threshold,
        closing=closing,
        separation=separation,
        smallest=smallest,
        nlm=nlm,
        mask_radius=mask_radius,
        anisotropy=tuple(spacing / spacing.min()),
    )
    step = {
        "step": "segment",
        "objects": objects,
        "threshold": report["threshold"],
        "closing": closing,
        "separation": separation,
        "smallest": smallest,
        "nlm": bool(nlm),
        "mask_radius": mask_radius,
    }
    write_volume(
        output,
        Volume(labels, volume.grid, intensity="label", provenance=(*volume.provenance, step)),
    )
    return report
