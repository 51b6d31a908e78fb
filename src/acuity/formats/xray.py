"""What X-ray laboratories write beside their images and their raw voxels."""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from acuity.errors import AcuityError
from acuity.formats.opened import all_positive, by_times
from acuity.formats.vendor import number_in, parse_ini, told_alone
from acuity.text import read_text
from acuity.units import convert, known

Sections = dict[str, dict[str, str]]  # as `parse_ini` returns them
Index = tuple[int, ...]
# GE's codes of types.
_BY_BYTES: dict[float, str] = {1: "uint8", 2: "uint16", 4: "float32"}
_GE_TYPES = {1: "uint8", 5: "uint16", 10: "float32"}


@dataclass(frozen=True)
class Scan:
    """What a tomograph says of a folder of slices.

    Parameters
    ----------
    spacing : tuple of float, optional
        Voxel size along z, y, x in `unit`.
    unit : str
    hint : str
        What it says of the size where that cannot be used.
    doubt : str
        Why the images are no slices of a volume.
    notes : dict
        How the scan was taken, for the provenance.
    """

    spacing: tuple[float, ...] | None = None
    unit: str = "mm"
    hint: str = ""
    doubt: str = ""
    notes: dict = field(default_factory=dict)


def _ini(path: Path) -> Sections:
    return parse_ini(read_text(path, "header of a scanner", windows=True))


def read_scan(note: Path, shape: Index, step: int = 1) -> Scan:
    """Read what lies beside a folder of images: SkyScan's log, Nikon's ``.xtekct``, GE's ``.pca``.

    Parameters
    ----------
    note : pathlib.Path
        The file, see :func:`acuity.formats.files.notes_of`.
    shape : tuple of int
        Number, rows and columns of the images.
    step : int
        In which the numbers of their names go on.

    Returns
    -------
    Scan
        Without a size where the file tells of other images.
    """
    try:
        said = _ini(note)
    except AcuityError as error:
        return Scan(hint=f"nothing that can be used, as {error}")
    kind = note.suffix.lower()
    if kind == ".log":
        scan = _skyscan(said, note.name, shape, step)
    else:
        scan = (_nikon if kind == ".xtekct" else _ge)(said, note.name, shape)
    return replace(scan, notes=told_alone(scan.notes))


def _skyscan(said: Sections, name: str, shape: Index, numbered: int) -> Scan:
    taken, made = said.get("acquisition", {}), said.get("reconstruction")
    notes = {
        "maker": "Bruker (SkyScan)",
        "instrument": said.get("system", {}).get("scanner"),
        **_tube(taken.get("source voltage (kv)"), taken.get("source current (ua)")),
        "taken": taken.get("study date and time"),
    }
    if made is None:
        told = [number_in(taken.get(f"number of {side}")) for side in ("rows", "columns")]
        if None in told or tuple(told) == shape[1:]:
            doubt = f"its images are projections, as {name} has no section [Reconstruction]"
            return Scan(doubt=doubt)
        return Scan(hint=f"the pixel size of its projections ({name})", notes=notes)
    sizes: dict[str, Any] = {
        match[1]: number_in(value)
        for key, value in made.items()
        if (match := re.fullmatch(r"pixel size\s*\(?([^\s)]*)\)?", key))
    }
    unit: str = next(iter(sizes), "um")
    size: Any = sizes.get(unit)
    step = number_in(made.get("section to section step", "1"))
    told = [number_in(made.get(f"result image {side} (pixels)")) for side in ("height", "width")]
    count = number_in(made.get("sections count"))
    if count is not None and count != shape[0]:
        notes["sections_in_log"] = int(count)
    if not (all_positive((size, step)) and known(unit)):
        hint = f"a pixel size of {size} {unit} and a step of {step} in {name}"
    elif None not in told and tuple(told) != shape[1:]:
        hint = (
            f"pixels of {size:g} {unit} for images of {by_times(told)} in {name}, and these have "
            f"{by_times(shape[1:], 'd')}"
        )
    elif numbered not in (1, step):
        hint = (
            f"a step of {step:g} from section to section in {name}, and the numbers of the slices go on in "
            f"steps of {numbered}"
        )
    else:
        return Scan((float(f"{size * step:.12g}"), size, size), unit, notes=notes)
    return Scan(hint=hint, notes=notes)


def _tube(kilovolts: str | None, microamperes: str | None) -> dict[str, float | None]:
    """Read the voltage and the current of an X-ray tube."""
    volts, current = number_in(kilovolts), number_in(microamperes)
    return {
        "voltage_V": None if volts is None else volts * 1000,
        "current_A": None if current is None else float(f"{current * 1e-6:.9g}"),
    }


def _nikon(said: Sections, name: str, shape: Index) -> Scan:
    scan, tube = said.get("xtekct", {}), said.get("xrays", {})
    notes = {"maker": "Nikon", **_tube(tube.get("xraykv"), tube.get("xrayua"))}
    voxels = tuple(number_in(scan.get(f"voxels{axis}")) for axis in "zyx")
    detector = tuple(number_in(scan.get(f"detectorpixels{axis}")) for axis in "yx")
    if voxels == shape:
        sizes = tuple(number_in(scan.get(f"voxelsize{axis}")) for axis in "zyx")
        if all_positive(sizes):
            return Scan(sizes, scan.get("units", "mm"), notes=notes)
        return Scan(hint=f"sizes of {sizes} in {name}", notes=notes)
    if detector == shape[1:]:
        return Scan(doubt=f"its images are projections, of the size of the detector in {name}")
    return Scan(hint=f"voxels of another volume in {name}")


def _ge(said: Sections, name: str, shape: Index) -> Scan:
    image = said.get("image", {})
    if tuple(number_in(image.get(f"dim{axis}")) for axis in "yx") == shape[1:]:
        return Scan(doubt=f"its images are projections, of the size of the detector in {name}")
    return Scan(hint=f"the geometry of other images in {name}")


@dataclass
class _Header:
    """What one header says of raw voxels; None where it is silent."""

    name: str
    maker: str
    shape: tuple[int, ...]
    dtype: str | None
    offset: int
    spacing: tuple[float, ...] | None
    unit: str


def read_headers(data: Path, headers: list[Path]) -> dict[str, Any]:
    """Read what scanners say of raw voxels: VGStudio's ``.vgi``, GE's ``.pcr``, Nikon's ``.xtekct``.

    Parameters
    ----------
    data : pathlib.Path
        The file of voxels, which must have the size that is told.
    headers : list of pathlib.Path
        One or more, which must agree.

    Returns
    -------
    dict
        In the keys of a sidecar: `shape`, `dtype`, `byte_order`, `offset`, and, where they are told,
        `voxel_size` with `unit`; and `maker`.

    Raises
    ------
    AcuityError
        If one cannot be understood, or two of them do not agree.
    """
    readers = {".vgi": _vgi, ".pcr": _pcr, ".xtekct": _xtekct}
    found = [readers[header.suffix.lower()](header, _ini(header)) for header in headers]
    first = found[0]
    for other in found[1:]:
        pairs: list[Any] = [("shape", first.shape, other.shape), ("type", first.dtype, other.dtype)]
        if first.spacing and other.spacing and known(first.unit) and known(other.unit):
            here = tuple(convert(size, first.unit, "mm") for size in first.spacing)
            there = tuple(convert(size, other.unit, "mm") for size in other.spacing)
            if not np.allclose(here, there, rtol=1e-4, atol=0):
                pairs.append(("voxel size", here, there))
        for what, one, two in pairs:
            if one is not None and two is not None and one != two:
                raise AcuityError(
                    f"{data}: {first.name} and {other.name} beside it tell different things, the {what} "
                    f"is {_plain(one)} in the one and {_plain(two)} in the other; remove the wrong one."
                )
    dtype = next((one.dtype for one in found if one.dtype is not None), None)
    spacing, unit = next(((one.spacing, one.unit) for one in found if one.spacing), (None, ""))
    maker = first.maker
    if dtype is None:
        voxels, size = math.prod(first.shape), os.path.getsize(data)
        maker += " (type of the voxels by the size of the file)"
        dtype = _BY_BYTES.get(size / voxels)
        if dtype is None:
            raise AcuityError(
                f"{data}: found {size} bytes where {first.name} tells of {voxels} voxels "
                f"({_plain(first.shape)}), allowed are 1, 2 or 4 bytes a voxel; the file is cut short or "
                "the header is another's."
            )
    said: dict[str, Any] = {
        "shape": list(first.shape),
        "dtype": dtype,
        "byte_order": "little",
        "offset": first.offset,
        "maker": maker,
    }
    if spacing is not None:
        said |= {"voxel_size": list(spacing), "unit": unit}
    return said


def _plain(value: Any) -> str:
    return by_times(value) if isinstance(value, tuple) else str(value)


def _counts(path: Path, texts: Sequence[str | None], key: str) -> Index:
    """Read three counts that are told along x, y, z, and give them along z, y, x."""
    numbers = [number_in(text) for text in texts]
    if len(numbers) != 3 or not all(n is not None and n > 0 and n == int(n) for n in numbers):
        told = " ".join(str(text) for text in texts)
        raise AcuityError(f"{path}: {key} is {told!r}, allowed are three counts (x, y, z).")
    return tuple(int(number) for number in numbers[::-1])


def _sizes(texts: Sequence[str | None]) -> tuple[float, ...] | None:
    """Read three sizes told along x, y, z; what is no number is left to who uses it."""
    numbers = [number_in(text) for text in texts]
    return None if len(numbers) != 3 or None in numbers else tuple(numbers[::-1])


def _vgi(path: Path, said: Sections) -> _Header:
    # [representation] is how VGStudio holds the volume, [file1] how it lies in the file
    file = said.get("file1", {})
    if "file2" in said or "volume2" in said:
        raise AcuityError(
            f"{path}: tells of several files or volumes, allowed is one; save the volume that you mean "
            "as one raw file."
        )
    if not file:
        raise AcuityError(f"{path}: has no section [file1], allowed is a header of VGStudio.")
    form = file.get("fileformat", file.get("filetype", "raw")).lower()
    bits, kind = number_in(file.get("bitsperelement")), file.get("datatype", "").lower()
    dtype: str | None = None
    if kind in ("float", "double"):
        dtype = {32: "float32", 64: "float64"}.get(bits)
    elif bits in (8, 16, 32):
        dtype = f"{'' if kind in ('signed integer', 'integer') else 'u'}int{bits:.0f}"
    if form != "raw" or dtype is None or not kind:
        raise AcuityError(
            f"{path}: the file is {form}, {kind or 'of no Datatype'} of {file.get('bitsperelement')} bits, "
            "allowed are raw and integers of 8, 16 or 32 bits or float of 32 or 64."
        )
    skip = number_in(file.get("skipheader", "0"))
    # 1 mm on every axis is what VGStudio writes where no size was entered
    scene = said.get("geometry", {})
    sizes, unit = _sizes(scene.get("resolution", "").split()), scene.get("unit", "")
    scale = _sizes(scene.get("scale", "1 1 1").split())
    if sizes is not None and scale is not None and scale != (1, 1, 1):
        sizes = tuple(float(f"{size * part:.12g}") for size, part in zip(sizes, scale, strict=True))
    if sizes == (1, 1, 1) and unit == "mm":
        sizes = None
    shape = _counts(path, file.get("size", "").split(), "Size")
    held = said.get("representation", {}).get("size")
    if held is not None and _counts(path, held.split(), "size") != shape:
        raise AcuityError(
            f"{path}: tells of {file['size']} voxels in [file1] and of {held} in [representation] (x, y, "
            "z); they must agree, save the volume again."
        )
    if skip is None or skip < 0:
        raise AcuityError(
            f"{path}: SkipHeader is {file['skipheader']!r}, allowed is a number of bytes."
        )
    return _Header(path.name, "VGStudio", shape, dtype, int(skip), sizes, unit)


def _pcr(path: Path, said: Sections) -> _Header:
    volume = said.get("volumedata", {})
    sides = [volume.get(f"volume_size{axis}") for axis in "xyz"]
    shape = _counts(path, sides, "Volume_SizeX, Y, Z")
    code = number_in(volume.get("format"))
    if code not in _GE_TYPES:
        raise AcuityError(
            f"{path}: Format is {volume.get('format')!r}, allowed are "
            f"{', '.join(f'{number} ({name})' for number, name in _GE_TYPES.items())}."
        )
    size = number_in(volume.get("voxelsizerec"))
    sizes = None if size is None else (size,) * 3
    return _Header(path.name, "GE", shape, _GE_TYPES[code], 0, sizes, "mm")


def _xtekct(path: Path, said: Sections) -> _Header:
    scan = said.get("xtekct", {})
    shape = _counts(path, [scan.get(f"voxels{axis}") for axis in "xyz"], "VoxelsX, Y, Z")
    sizes = _sizes([scan.get(f"voxelsize{axis}") for axis in "xyz"])
    return _Header(path.name, "Nikon", shape, None, 0, sizes, scan.get("units", "mm"))
