"""Translations of the slices of a stack: on disk as JSON, and applied with one cubic resampling."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.ndimage

from acuity.errors import AcuityError, require
from acuity.seals import SEAL, add_seal, again
from acuity.volume import read_sealed_json
from acuity.writing import write_text

_HEADER = ("unit", "voxel_size", "mode", "source")
# Nearer than this to a whole number of pixels, a shift is that number and no value is resampled.
_WHOLE = 1e-6


def write_transforms(path, transforms):
    """Write the translations of a stack as JSON, replacing the file in one step.

    Parameters
    ----------
    path : path-like
        The file; its folder is made.
    transforms : mapping
        ``dy`` and ``dx``: the displacement of each slice against the aligned frame in voxels,
        slice(y, x) = aligned(y - dy, x - dx). ``unit`` and ``voxel_size`` (z, y, x): of the
        volume. ``mode``: how the displacements were derived. ``source``: digest of the volume that
        they were found on. Further entries that JSON can hold are kept.

    Raises
    ------
    AcuityError
        If an entry is missing, or a displacement is missing or not finite.
    """
    path = Path(path)
    content = _checked(transforms, path)
    dy, dx = content.pop("dy"), content.pop("dx")
    count = len(dy)
    content["voxel_size"] = [float(v) for v in content["voxel_size"]]
    head = {key: content.pop(key) for key in _HEADER}
    head |= {"count": count} | {key: v for key, v in content.items() if key != "count"}
    moves = enumerate(zip(dy, dx, strict=True))
    slices = [{"z": z, "dy": float(a), "dx": float(b)} for z, (a, b) in moves]
    seal = json.dumps(add_seal({**head, "slices": slices})[SEAL])
    text = json.dumps(head, indent=1, allow_nan=False).removesuffix("\n}")
    lines = ",\n  ".join(map(json.dumps, slices))
    write_text(path, f'{text},\n "slices": [\n  {lines}\n ],\n "{SEAL}": {seal}\n}}\n')


def read_transforms(path):
    """Read what `write_transforms` wrote.

    Returns
    -------
    dict
        The header's entries, ``count``, and ``dy``, ``dx`` as float64 arrays, one value a slice.

    Raises
    ------
    AcuityError
        If the file is absent, is no such JSON, or lacks a slice.
    """
    path = Path(path)
    content = read_sealed_json(path, "the stack cannot be aligned", again(path))
    slices = content.pop("slices", None)
    try:
        order = [int(part["z"]) for part in slices]
        content["dy"] = [float(part["dy"]) for part in slices]
        content["dx"] = [float(part["dx"]) for part in slices]
    except (TypeError, KeyError, ValueError):
        raise AcuityError(
            f"{path}: 'slices' is no list of entries with z, dy and dx, as Acuity writes it"
        ) from None
    if order != list(range(len(order))) or content.get("count") != len(order):
        raise AcuityError(
            f"{path}: lists {len(order)} slices where count says {content.get('count')}; allowed "
            "are all slices from z = 0 up, in order"
        )
    return _checked(content, path)


def _checked(transforms, path):
    if not isinstance(transforms, Mapping):
        raise AcuityError(f"{path}: transforms are a mapping, found {type(transforms).__name__}")
    content = dict(transforms)
    missing = [key for key in (*_HEADER, "dy", "dx") if key not in content]
    require(not missing, f"{path}: transforms lack {', '.join(missing)}")
    for key in ("dy", "dx"):
        content[key] = np.asarray(content[key], np.float64)
    if content["dy"].ndim != 1 or content["dy"].shape != content["dx"].shape:
        raise AcuityError(
            f"{path}: found {content['dy'].size} dy and {content['dx'].size} dx; one of each a "
            "slice is needed"
        )
    finite = np.isfinite(content["dy"]) & np.isfinite(content["dx"])
    if not finite.all():
        raise AcuityError(
            f"{path}: the displacement of slice {int(np.argmin(finite))} is not finite; allowed "
            "are numbers"
        )
    return content


def apply_translation(image, dy, dx, fill=0):
    """Bring a slice into the aligned frame: aligned(y, x) = slice(y + dy, x + dx).

    One resampling with cubic splines, whose coefficients continue the slice by mirroring about
    its outermost pixels. A shift by whole pixels moves values without changing them.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), any real type.
    dy, dx : float
        Displacement of the slice against the aligned frame, in pixels.
    fill : float
        Value where the slice has none.

    Returns
    -------
    image : numpy.ndarray
        (y, x), float32. Between sharp edges a spline may pass the range of the values.
    valid : numpy.ndarray
        (y, x), bool: where the slice reaches.

    Raises
    ------
    AcuityError
        If a displacement is not finite.
    """
    if not (np.isfinite(dy) and np.isfinite(dx)):
        raise AcuityError(f"register: a slice cannot be moved by ({dy}, {dx}) pixels")
    moved = np.asarray(image, np.float32)
    moved, valid_y = _along_rows(moved, dy)
    moved, valid_x = _along_rows(moved.T, dx)
    valid = valid_y[:, None] & valid_x[None, :]
    moved = np.ascontiguousarray(moved.T)
    moved[~valid] = fill
    return moved, valid


def reach(count, shift):
    """Tell along one axis where a slice that is brought into the aligned frame has values.

    Parameters
    ----------
    count : int
        Pixels along the axis.
    shift : float
        Displacement of the slice against the aligned frame, in pixels.

    Returns
    -------
    numpy.ndarray
        (count,), bool.
    """
    source = np.arange(count) + (round(shift) if abs(shift - round(shift)) < _WHOLE else shift)
    return (source >= 0) & (source <= count - 1)


def _along_rows(image, shift):
    """Resample along the first axis at ``row + shift``; give where that lies inside."""
    n = len(image)
    shift = float(np.clip(shift, -n - 1.0, n + 1.0))
    whole = round(shift)
    rows = np.arange(n)
    valid = reach(n, shift)
    if abs(shift - whole) < _WHOLE:
        return image[np.clip(rows + whole, 0, n - 1)], valid
    whole = int(np.floor(shift))
    t = shift - whole
    # The cubic B-spline at the four nearest coefficients.
    weights = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    spline = scipy.ndimage.spline_filter1d(image, 3, axis=0, output=np.float32, mode="mirror")
    out = np.zeros(image.shape, np.float32)
    for offset, weight in zip(range(whole - 1, whole + 3), weights, strict=True):
        source = np.abs(rows + offset)
        source = np.clip(np.minimum(source, 2 * (n - 1) - source), 0, n - 1)
        out += np.float32(weight) * spline[source]
    return out, valid


def to_type(image, dtype):
    """Round and clip to a whole-number type; a type of floating point is only converted."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f" or image.dtype == dtype:
        return image.astype(dtype, copy=False)
    info = np.iinfo(dtype)
    # 2^31 - 1 and 2^32 - 1 are no float32
    return np.clip(np.rint(image.astype(np.float64)), info.min, info.max).astype(dtype)
