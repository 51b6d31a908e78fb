"""IMS: images of Imaris, which are HDF5."""

from pathlib import Path
from typing import Any

import numpy as np

from acuity.errors import AcuityError, one_sentence
from acuity.formats.hdf5_links import LinkedFile
from acuity.formats.opened import OpenedFile, all_positive, by_times, close_with
from acuity.formats.parts import IMS_SUFFIX
from acuity.formats.readers.base import Reader
from acuity.formats.readers.hdf5 import missing_chunks
from acuity.shards import whole
from acuity.units import known
from acuity.volume import CroppedArray

_FINEST = "/DataSet/ResolutionLevel 0"
_EXPORT = "export it from Imaris with File > Export > TIFF Series"


def read(path: Path, name: str | None) -> OpenedFile:
    """Open the finest level of an Imaris image.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    name : str, optional
        One channel of several, as ``/DataSet/ResolutionLevel 0/TimePoint 0/Channel 1/Data``.

    Returns
    -------
    OpenedFile
        Read part by part, without the voxels that pad it to whole chunks. The voxel size is the
        extent divided by the number of voxels; one micrometre on every axis is what Imaris writes
        where it knows none.

    Raises
    ------
    AcuityError
        If it is damaged, or has several channels or time points and none is named.
    """
    how = f"it is damaged or cut short, copy it again or {_EXPORT}"
    with LinkedFile(path) as file, one_sentence(f"{path}: cannot be read as an Imaris file", how):
        return _read(file, path, name)


def _read(file: LinkedFile, path: Path, name: str | None) -> OpenedFile:
    level = file.root.get(_FINEST)
    if level is None:
        raise AcuityError(
            f"{path}: has no {_FINEST} as images of Imaris do (version 5.5 and later); {_EXPORT}."
        )
    images = [
        f"{_FINEST}/{time}/{channel}/Data"
        for time in level
        for channel in level[time]
        if "Data" in level[time][channel]
    ]
    if name is None and len(images) != 1:
        raise AcuityError(
            f"{path}: found {len(images)} images (channels and time points), allowed is one; name it, "
            f"as in {path.name}:{images[0] if images else _FINEST}."
        )
    name = name or images[0]
    found = file.find(name)
    if found is None or found.dataset.ndim != 3:
        raise AcuityError(
            f"{path}: has no image {name!r}, there are {', '.join(images[:6]) or 'none'}."
        )
    notes = missing_chunks(f"{path}:{name}", found.dataset)
    values = file.values(found)
    about = dict(file.root["DataSetInfo/Image"].attrs) if "DataSetInfo/Image" in file.root else {}
    channel = dict(found.dataset.parent.attrs)
    shape = []
    for axis, padded in zip("ZYX", values.shape, strict=True):
        told = _number(channel.get(f"ImageSize{axis}")) or _number(about.get(axis)) or padded
        if told > padded:
            raise AcuityError(
                f"{path}: says {told:g} voxels along {axis.lower()} and holds {padded}; it is damaged, "
                "copy it again from its source."
            )
        shape.append(int(told))
    data = CroppedArray(values, whole(shape))
    close_with(data, file)
    if tuple(shape) != values.shape:
        notes["padding"] = f"{values.shape} in the file, without what pads it to whole chunks"
    spacing, unit, origin, hint = _extent(about, shape)
    return OpenedFile(data, "Imaris", spacing, unit, origin, hint=hint, notes=notes)


def _extent(about: dict, shape: list[int]) -> tuple[Any, str, Any, str]:
    """Return voxel size, unit and origin along z, y, x, and what is told where that is not enough."""
    nothing, hint = (0.0, 0.0, 0.0), ""
    ends = [[_number(about.get(f"Ext{end}{n}")) for n in (2, 1, 0)] for end in ("Min", "Max")]
    if None in (*ends[0], *ends[1]):
        return None, "", nothing, ""
    low, high = np.array(ends)
    sizes = [float(f"{size:.7g}") for size in (high - low) / shape]
    told = by_times(sizes)
    unit = _text(about.get("Unit", "")).strip()
    if not all_positive(sizes):
        hint = f"sizes of {told}"
    elif sizes == [1.0] * 3:
        hint = "1 on every axis, which is what Imaris writes that knows no size"
    elif not known(unit):
        hint = f"sizes of {told} without a unit"
    else:
        origin = tuple(float(f"{place:.7g}") for place in low + np.array(sizes) / 2)
        return tuple(sizes), unit, origin, ""
    return None, "", nothing, hint


def _text(value: Any) -> str:
    """Give a text that Imaris stores as an array of single letters."""
    if isinstance(value, np.ndarray):
        value = b"".join(np.char.encode(value.ravel().astype("U"), "utf-8").tolist())
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _number(value: Any) -> float | None:
    try:
        return float(_text(value))
    except ValueError:
        return None


READER = Reader("Imaris", (IMS_SUFFIX,), read, place=60)
