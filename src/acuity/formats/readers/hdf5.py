"""HDF5: one three-dimensional dataset of a file."""

import json
import math
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeGuard
from xml.etree import ElementTree

import h5py
import numpy as np

from acuity.errors import AcuityError, error_reason, one_sentence
from acuity.formats.axes import AxesArray, spatial_axes
from acuity.formats.hdf5_links import Found, LinkedFile, VirtualParts
from acuity.formats.hdf5_scan import detector_doubt, image_keys, is_angle, master_of, raw_mark
from acuity.formats.opened import Mapped, OpenedFile, Sizes, by_times, close_with, scaled
from acuity.formats.parts import HDF5_SUFFIXES
from acuity.formats.readers.base import Reader
from acuity.shards import Layout
from acuity.units import check_spacing, convert, known, parse_voxel_size
from acuity.volume import LazyArray

# BigDataViewer: /t00000/s00/0/cells, the first level of resolution
_BIG_DATA_VIEWER = re.compile(r"/t\d+/s(\d+)/(\d+)/cells")
_COUNT_MOST = 6  # axes with those of length one
_LETTERS = {"channel": "c", "channels": "c", "time": "t"}
# names of axes that hold a letter, such as voxel_z (Savu), z_axis or "x [um]"
_LETTERED = re.compile(
    r"(?:(?:voxel|pixel|axis|dim|pos|position)[_ ]?)?([xyz])"
    r"(?:[_ ]?(?:voxel|pixel|axis|dim|pos|position|index)s?)?(?: ?[\[(].*)?"
)


def read(path: Path, name: str | None) -> OpenedFile:
    """Open a dataset of an HDF5 file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    name : str, optional
        The dataset's path in the file; by default its only one with three axes.

    Returns
    -------
    OpenedFile
        Read part by part, also from parts of a virtual dataset and behind links to files in the
        same folder. The voxel size is taken from the attributes ``element_size_um`` (z, y, x in
        micrometres) or ``voxel_size`` (a text such as "10 nm", or numbers in z, y, x with their
        unit in ``voxel_size_unit``, ``unit`` or ``units``) of the dataset or of a group that
        holds it. Axes that are named (``axistags``, labels, ``axes``) are brought to z, y, x.

    Raises
    ------
    AcuityError
        If the file is cut short, the dataset is not there or not the only one, a part or a filter
        is missing, or the images are the projections of a scan.
    """
    how = "it is damaged or cut short, copy it again from its source"
    with LinkedFile(path) as file, one_sentence(f"{path}: cannot be read as HDF5", how):
        return _read(file, path, name)


def parts_of(path: Path, name: str | None) -> list[Path]:
    """List the other files that a dataset is read from: behind links, parts of a virtual one.

    Parameters
    ----------
    path : pathlib.Path
        The HDF5 file.
    name : str, optional
        The dataset; the one that is read by default.

    Returns
    -------
    list of pathlib.Path
        Nothing where the file cannot be read: its reader says why.
    """
    with suppress(Exception), closing(LinkedFile(path)) as file:
        found = _choose(file, path, name)
        file.values(found)
        viewer = _BIG_DATA_VIEWER.fullmatch(found.dataset.name)
        return sorted([*file.parts, *(_viewer_text(path) if viewer else ())])
    return []


def _read(file: LinkedFile, path: Path, name: str | None) -> OpenedFile:
    found = _choose(file, path, name)
    dataset, where = found.dataset, f"{path}:{name or found.dataset.name}"
    if not _numbers(found):
        raise AcuityError(
            f"{where}: found {dataset.ndim} axes of {dataset.dtype}, allowed are three axes (z, y, "
            "x) of numbers."
        )
    labels = _labels(where, found)
    mark = raw_mark(found, image_keys(file.root))
    mark = mark or next((f"their axis {label}" for label in labels or () if is_angle(label)), "")
    spacing, unit, hint = _size(found)
    viewer = _BIG_DATA_VIEWER.fullmatch(dataset.name)
    if viewer and int(viewer[2]) == 0 and spacing is None:
        spacing, unit, hint = _viewer_size(path, int(viewer[1]), found)
    if not mark and spacing is None:
        mark = master_of(path, found)
    if mark:
        raise _projections(where, mark)
    axes, notes = spatial_axes(where, dataset.shape, _letters(labels))
    notes |= missing_chunks(where, dataset)
    values = file.values(found)
    if isinstance(values, VirtualParts) and values.unfilled:
        notes["values_no_part_holds"] = f"{values.unfilled}, read as {dataset.fillvalue}"
    data: LazyArray = AxesArray(values, axes)
    close_with(data, file)
    if viewer and dataset.dtype.kind == "i":
        dtype = np.dtype(f"u{dataset.dtype.itemsize}")
        notes["values"] = f"{dataset.dtype.name} read as {dtype.name}, as BigDataViewer stores them"
        data = Mapped(data, dtype, lambda block: block)
    data = _scaled(where, dataset, data, notes)
    if axes[0] is None and spacing is not None:
        spacing = (spacing[-1], *spacing[-2:])
    doubt = detector_doubt(dataset.name) if labels is None and spacing is None else ""
    return OpenedFile(data, "HDF5", spacing, unit, hint=hint, notes=notes, doubt=doubt)


def _projections(where: str, mark: str, which: str = "", rest: str = "") -> AcuityError:
    return AcuityError(
        f"{where}: holds the projections of a scan{which} and no volume, known by {mark}; reconstruct it "
        f"first, as with TomoPy or at the beamline, and name the reconstruction{rest}."
    )


def missing_chunks(where: str, dataset: h5py.Dataset) -> dict[str, str]:
    """Count the chunks that were never written: to HDF5 they hold the fill value."""
    if dataset.is_virtual or dataset.external or not dataset.size:
        return {}
    there, total = int(dataset.id.get_storage_size() > 0), 1
    if dataset.chunks:
        there = dataset.id.get_num_chunks()
        total = Layout(dataset.shape, dataset.chunks, dataset.chunks).count
    if there >= total:
        return {}
    if not there:
        raise AcuityError(
            f"{where}: none of its voxels was ever written, only the text that describes them; write it "
            "again, or copy it again from its source."
        )
    return {"missing_chunks": f"{total - there} of {total} chunks, read as {dataset.fillvalue}"}


def _scaled(where: str, dataset: h5py.Dataset, data: LazyArray, notes: dict) -> LazyArray:
    """Apply the scale of packed values that NetCDF and its users note beside a dataset."""
    told = [dataset.attrs.get("scale_factor", 1), dataset.attrs.get("add_offset", 0)]
    try:
        scale, shift = (float(np.ravel(number)[0]) for number in told)
        if not (math.isfinite(scale) and math.isfinite(shift) and scale):
            raise ValueError
    except (ValueError, TypeError, IndexError):
        raise AcuityError(
            f"{where}: its scale_factor and add_offset are {told[0]} and {told[1]}, allowed are "
            "numbers; take them away where the stored values count."
        ) from None
    return scaled(data, scale, shift, notes, "scale_factor and add_offset say")


# ------------------------------------------------------------------------------ which dataset


def _choose(file: LinkedFile, path: Path, name: str | None) -> Found:
    found = file.find(_only(file, path) if name is None else name)
    if found is None:
        every = [key for key, one in file.datasets().items() if _numbers(one)]
        raise AcuityError(
            f"{path}: has no dataset {name!r}, there are {_list(every) or 'none with three axes'}."
        )
    return found


def _only(file: LinkedFile, path: Path) -> str:
    """Return the name of the one dataset that can be a volume."""
    every = file.datasets()
    fitting = _fitting(every)
    if not fitting:
        for found in every.values():
            if isinstance(found, AcuityError):
                raise found
        several = [
            key for key, one in every.items() if isinstance(one, Found) and one.dataset.ndim > 3
        ]
        if len(several) == 1:  # its axes are named where they are looked at
            return several[0]
    levels = [match for key in fitting if (match := _BIG_DATA_VIEWER.fullmatch(key))]
    if levels and len(levels) == len(fitting):
        finest = [match[0] for match in levels if match[2] == "0"]
        if len(finest) == 1:
            return finest[0]
    others = [key for key, mark in fitting.items() if not mark]
    for key, mark in fitting.items():
        if mark:
            rest = f"; name a volume in it, of {_list(others)}" if others else ""
            raise _projections(str(path), mark, f" ({key})", rest)
    if len(fitting) == 1:
        return others[0]
    how = ", allowed is one with three axes (z, y, x) of numbers"
    if fitting:
        how = f": {_list(others)}; name one, as in {path.name}:/path/to/data"
    raise AcuityError(f"{path}: found {len(fitting)} datasets that could be meant{how}.")


def _numbers(found: Found | AcuityError) -> TypeGuard[Found]:
    """Tell whether a dataset holds numbers along two axes or more."""
    return (
        isinstance(found, Found)
        and found.dataset.dtype.kind in "biuf"
        and 2 <= found.dataset.ndim <= _COUNT_MOST
    )


def _fitting(every: dict[str, Found | AcuityError]) -> dict[str, str]:
    """Choose the datasets that can be a volume, and with each what shows it to be raw."""
    several: dict[tuple, dict[str, Found]] = {}
    for name, found in every.items():
        if _numbers(found):
            several.setdefault((found.path, found.dataset.name), {})[name] = found
    roots = [found.groups[0].file["/"] for found in every.values() if isinstance(found, Found)]
    keys = image_keys(roots[0]) if roots else {}
    fitting: dict[int, dict[str, str]] = {2: {}, 3: {}}
    for named in several.values():
        name, found = next(iter(named.items()))
        shape = found.dataset.shape
        # without those of length one that are too many
        axes = min(len(shape), max(3, sum(count != 1 for count in shape)))
        if axes in fitting:
            marks = [raw_mark(one, keys) for one in named.values()]
            fitting[axes][name] = next(filter(None, marks), "")
    return fitting[3] or fitting[2]


def _list(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


# ---------------------------------------------------------------------------------------- axes


def _labels(where: str, found: Found) -> list[str] | None:
    """Read the names of the axes where the file tells them."""
    dataset = found.dataset
    if "axistags" in dataset.attrs:
        try:
            tags = json.loads(_text(dataset.attrs["axistags"]))["axes"]
            labels = [str(tag["key"]) for tag in tags]
        except (ValueError, KeyError, TypeError) as error:
            raise AcuityError(
                f"{where}: its axistags cannot be read ({error_reason(error)}), so the order of its "
                "axes is not known; write it again from ilastik, or take the attribute away."
            ) from error
        if len(labels) != dataset.ndim:
            raise AcuityError(
                f"{where}: found {dataset.ndim} axes and axistags for {len(labels)} ({labels}); "
                "write it again from ilastik, or take the attribute away."
            )
        return labels
    beside = [dataset.parent.get(f"dim{n + 1}") for n in range(dataset.ndim)]  # EMD
    told = [
        [dimension.label for dimension in dataset.dims],
        [_text(axis.attrs.get("name", "")) for axis in beside if isinstance(axis, h5py.Dataset)],
        *(_names(holder.attrs.get("axes")) for holder in (dataset, *found.groups[::-1])),
    ]
    for labels in told:
        if len(labels) == dataset.ndim and all(labels):
            return labels
    return None


def _names(said: Any) -> list[str]:
    if isinstance(said, (str, bytes)):
        parts = re.findall(r"\w+", _text(said))
        together = len(parts) == 1 and set(parts[0].lower()) <= set("xyzct")
        return list(parts[0]) if together else parts
    if isinstance(said, np.ndarray):
        return [_text(part) for part in said.ravel()]
    return []


def _letters(labels: list[str] | None) -> list[str] | None:
    """Give axes as letters; None where they are named in another way, and the order counts."""
    names = [label.lower().strip() for label in labels or ()]
    letters = [
        match[1] if (match := _LETTERED.fullmatch(name)) else _LETTERS.get(name, name)
        for name in names
    ]
    named = {"x", "y"} <= set(letters) <= set("xyzct") and len(set(letters)) == len(letters)
    return letters if named else None


# ---------------------------------------------------------------------------------- voxel size


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _holders(found: Found) -> Iterator[h5py.HLObject]:
    holder = found.dataset
    yield holder
    while holder.name != "/":
        holder = holder.parent
        yield holder
    yield from found.groups[::-1]


def _size(found: Found) -> tuple[Sizes | None, str, str]:
    """Look for a voxel size in the attributes of a dataset and of the groups above it."""
    hint = ""
    for holder in _holders(found):
        said = holder.attrs
        if "element_size_um" in said:
            return _sizes("element_size_um", said["element_size_um"], ["um"], found.dataset)
        if "voxel_size" in said and isinstance(said["voxel_size"], (str, bytes)):
            try:
                return *parse_voxel_size(_text(said["voxel_size"]), "attribute voxel_size"), ""
            except AcuityError as error:
                return None, "", str(error).rstrip(".")
        for name in ("voxel_size", "resolution"):
            if name not in said:
                continue
            value, units = said[name], _units(said, name)
            if units and all(map(known, units)):
                return _sizes(name, value, units, found.dataset)
            where = f"in {' '.join(map(repr, units))}" if units else "without a unit"
            hint = hint or f"a {name} of {value} {where}"
    return None, "", hint


def _units(said: h5py.AttributeManager, name: str) -> list[str]:
    """Give the unit of sizes, or those of each axis; nothing where none is told."""
    keys = [key for key in (f"{name}_unit", "unit", "units") if key in said]
    told = [[_text(unit) for unit in np.ravel(said[key])] for key in keys]
    return next((units for units in told if units and all(map(known, units))), (told or [[]])[0])


def _viewer_text(path: Path) -> list[Path]:
    """Give the XML of BigDataViewer beside its HDF5, where it is there."""
    return [file for file in (path.with_suffix(".xml"),) if file.is_file()]


def _viewer_size(path: Path, setup: int, found: Found) -> tuple[Sizes | None, str, str]:
    """Read the voxel size of a view from BigDataViewer's XML, which has it along x, y, z."""
    for file in _viewer_text(path):
        try:
            views = ElementTree.parse(file).iter("ViewSetup")
            view = next(view for view in views if view.findtext("id", "").strip() == str(setup))
            unit = view.findtext("voxelSize/unit", "").strip()
            sizes = view.findtext("voxelSize/size", "").split()[::-1]
            told = tuple(map(int, view.findtext("size", "").split()[::-1]))
        except (ElementTree.ParseError, StopIteration, OSError, ValueError):
            return None, "", f"nothing that can be read in {file.name}"
        if not known(unit):
            return None, "", f"sizes of {' x '.join(sizes)} in {unit!r} ({file.name})"
        if told and told != found.dataset.shape:
            there, here = by_times(told, "d"), by_times(found.dataset.shape, "d")
            hint = f"the sizes of a view of {there} in {file.name}, and this one is {here}"
            return None, "", hint
        return _sizes(f"voxelSize of {file.name}", np.array(sizes), [unit], found.dataset)
    return None, "", ""


def _sizes(
    name: str, value: Any, units: list[str], dataset: h5py.Dataset
) -> tuple[Sizes | None, str, str]:
    """Read numbers along z, y, x; what is no voxel size becomes a hint."""
    try:
        parts = value
        if isinstance(value, (str, bytes)):
            parts = re.split(r"[\s,;]+", _text(value).strip(" \0[]()"))
        sizes = np.asarray(parts).ravel().astype(np.float64)
        if sizes.size == 2 and dataset.ndim == 2:  # y, x of an image
            sizes = sizes[[1, 0, 1]]
        if sizes.size not in (1, 3) or len(units) not in (1, sizes.size):
            raise ValueError
        spacing = check_spacing(np.broadcast_to(sizes, 3).tolist(), name)
        each = np.broadcast_to(units, 3)
        return tuple(map(convert, spacing, each, [units[-1]] * 3)), units[-1], ""
    except (AcuityError, ValueError, TypeError):
        told = " ".join(_text(value).split())[:60]
        return None, "", f"{name} = {told}, which is no voxel size of three numbers (z, y, x)"


READER = Reader("HDF5", HDF5_SUFFIXES, read, place=30)
