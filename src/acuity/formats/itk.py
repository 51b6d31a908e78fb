"""NRRD, NIfTI and MetaImage, read with SimpleITK."""

import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acuity.errors import AcuityError
from acuity.formats.axes import AxesArray, spatial_axes
from acuity.formats.parts import META_SUFFIXES, NRRD_SUFFIXES, named_parts, text_header
from acuity.formats.reader import Reader
from acuity.formats.source import Sizes, Source
from acuity.units import canonical, convert, known
from acuity.volume import error_reason

_NIFTI = (b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0")
# Units of NIfTI by their numbers; ITK brings all of them to millimetres.
_NIFTI_UNITS = {1: "m", 2: "mm", 3: "um"}


@dataclass
class _Header:
    """What the header itself says, where ITK keeps silent.

    Parameters
    ----------
    name : str
        Of the format.
    files : list of pathlib.Path
        Those that hold the voxels.
    offset : int
        Bytes before the voxels in each; -1 where they stand at the end.
    packed : str
        "" for plain bytes, "zlib", or "text" where the length tells nothing.
    item : int
        Bytes of a voxel; 0 for what ITK finds.
    units : list of str
        One an axis, x first, or none.
    stated : bool
        Whether there are sizes of voxels.
    notes : dict
        For the provenance.
    """

    name: str
    files: list[Path]
    offset: int
    packed: str
    item: int
    units: list[str]
    stated: bool
    notes: dict


class _Whole:
    """An image that ITK reads whole when its first voxel is asked for."""

    def __init__(self, reader: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._reader = reader
        self._image: Any = None  # of whose memory the values are a view
        self._values: np.ndarray | None = None
        self.shape, self.dtype = shape, np.dtype(dtype)

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        if self._values is None:
            import SimpleITK

            try:
                self._image = self._reader.Execute()
            except RuntimeError as error:
                if "allocate" in str(error).lower():
                    raise MemoryError(_reason(error)) from error
                raise ValueError(_reason(error)) from error
            self._values = SimpleITK.GetArrayViewFromImage(self._image)  # not copied
            self._reader = None
        return self._values[key]


def read(path: Path) -> Source:
    """Open an NRRD, NIfTI or MetaImage; it is read whole when its first voxel is asked for.

    Parameters
    ----------
    path : pathlib.Path
        The file, or the header of a pair; the voxels lie in the same folder or below it.

    Returns
    -------
    Source
        The axes in the order of the file; a direction other than that of the axes is noted and not
        applied. A size without a unit is none; nor is 1 mm on every axis in NIfTI, which programs
        write that know no size.

    Raises
    ------
    AcuityError
        If it is damaged, cut short, in colour, has several components or time points, or its voxels
        lie elsewhere.
    """
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    header = _header(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise AcuityError(
            f"{path}: cannot be read as {header.name} ({_reason(error)}); it is damaged or of a kind "
            "that ITK does not know, save it again as TIFF, in Fiji with File > Save As > Tiff."
        ) from error
    types = {
        getattr(SimpleITK, f"sitk{name}"): np.dtype(name.lower())
        for name in ("UInt8", "Int8", "UInt16", "Int16", "UInt32", "Int32", "UInt64", "Int64")
        + ("Float32", "Float64")
    }
    dtype = types.get(reader.GetPixelID())
    if reader.GetNumberOfComponents() != 1 or dtype is None:
        kind = SimpleITK.GetPixelIDValueAsString(reader.GetPixelID())
        raise AcuityError(
            f"{path}: found {reader.GetNumberOfComponents()} values a voxel ({kind}), allowed is one "
            "number; write one channel, or grey values, to a file of its own."
        )
    shape = tuple(reader.GetSize())[::-1]
    _check_length(path, header, math.prod(shape) * (header.item or dtype.itemsize))
    letters = ["t", "z", "y", "x"][-len(shape) :] if 2 <= len(shape) <= 4 else None
    axes, notes = spatial_axes(str(path), shape, letters)
    notes |= header.notes
    count = min(3, len(shape))
    spacing, unit, hint = _size(header, [float(s) for s in reader.GetSpacing()][:count])
    direction = np.array(reader.GetDirection()).reshape(len(shape), -1)
    origin = (0.0, 0.0, 0.0)
    if not np.allclose(direction, np.eye(len(shape)), atol=1e-6):
        rows = "; ".join(" ".join(f"{v:.6g}" for v in row) for row in direction)
        notes["direction"] = f"{rows} (x y z), not applied"
    elif spacing is not None and count == 3:
        origin = tuple(
            convert(float(f"{p:.9g}"), _world(header), unit) for p in reader.GetOrigin()[2::-1]
        )
    data = AxesArray(_Whole(reader, shape, dtype), axes)
    return Source(data, header.name, spacing, unit, origin, hint=hint, notes=notes)


def _world(header: _Header) -> str:
    return "mm" if header.name == "NIfTI" else header.units[0]


def _size(header: _Header, sizes: list[float]) -> tuple[Sizes | None, str, str]:
    """Give the voxel size along z, y, x, its unit, or what is told of it."""
    sizes = [float(f"{size:.7g}") for size in sizes]
    told = " x ".join(f"{size:g}" for size in sizes[::-1])
    if not header.stated:
        return None, "", ""
    if not all(math.isfinite(size) and size > 0 for size in sizes):
        return None, "", f"sizes of {told}"
    if not header.units:
        return None, "", f"sizes of {told} without a unit (programs of ITK mean mm)"
    if header.name == "NIfTI" and all(size == 1 for size in sizes):
        return None, "", "1 mm on every axis, which is what programs write that know no size"
    units = [_world(header)] * len(sizes) if header.name == "NIfTI" else header.units
    unit = canonical(header.units[0])
    found = [convert(size, own, unit) for size, own in zip(sizes, units, strict=True)][::-1]
    if len(found) == 2:  # one image: as thick as a pixel is wide
        found = [found[1], *found]
    return tuple(found), unit, ""


# --------------------------------------------------------------------------------- headers


def _header(path: Path) -> _Header:
    if path.suffix.lower() in META_SUFFIXES:
        return _meta(path)
    return _nrrd(path) if path.suffix.lower() in NRRD_SUFFIXES else _nifti(path)


def _parts(path: Path, names: list[str]) -> list[Path]:
    """Find the files of voxels where ITK will look for them."""
    parts = named_parts(path)
    for name, part in zip(names, parts, strict=True):
        if part.resolve() != (path.parent / name).resolve():
            raise AcuityError(
                f"{path}: names its voxels as {name}, and they lie at {part.name} beside it; write "
                f"that name into the header."
            )
    return parts


def _meta(path: Path) -> _Header:
    fields, names, end = text_header(path)
    packed = fields.get("compresseddata", "").lower() in ("true", "1")
    stated = "elementspacing" in fields or "elementsize" in fields
    unit = fields.get("distanceunits", "")
    dims = len(fields.get("dimsize", "").split())
    skip = fields.get("headersize", "0")
    return _Header(
        "MetaImage",
        _parts(path, names) or [path],
        (int(skip) if re.fullmatch(r"-?\d+", skip) else 0) if names else end,
        "zlib" if packed else "",
        0,
        [unit] * min(3, dims) if known(unit) else [],
        stated,
        {},
    )


def _nrrd(path: Path) -> _Header:
    fields, names, end = text_header(path)
    encoding = fields.get("encoding", "raw").lower()
    packed = {"raw": "", "gzip": "zlib", "gz": "zlib"}
    if encoding not in (*packed, "ascii", "txt", "text", "hex"):
        raise AcuityError(
            f"{path}: found the encoding {encoding}, allowed are raw, gzip, ascii and hex; write it "
            "again with one of them."
        )
    skip = fields.get("byteskip", "0")
    lines = fields.get("lineskip", "0").strip() not in ("", "0")
    units = re.findall(r'"([^"]*)"', fields.get("spaceunits", "") or fields.get("units", ""))
    dims = min(3, len(fields.get("sizes", "").split()))
    units = [unit for unit in units if unit][:dims]
    directions = re.findall(r"\(([^)]*)\)", fields.get("spacedirections", ""))
    if "spaceunits" in fields and len(set(units)) > 1 and not _straight(directions):
        units = []
    stated = bool(directions) or any(
        "nan" not in size.lower() for size in fields.get("spacings", "").split()
    )
    return _Header(
        "NRRD",
        _parts(path, names) or [path],
        (int(skip) if re.fullmatch(r"-?\d+", skip) else 0) + (0 if names else end),
        "text" if lines else packed.get(encoding, "text"),
        0,
        units if len(units) == dims and all(map(known, units)) else [],
        stated,
        {},
    )


def _straight(directions: list[str]) -> bool:
    """Whether each axis runs along its own direction in space, so that its unit is known."""
    try:
        rows = np.array([[float(n) for n in row.split(",")] for row in directions])
    except ValueError:
        return False
    return rows.shape == (3, 3) and not (rows - np.diag(np.diag(rows))).any()


def _nifti(path: Path) -> _Header:
    data = path
    if path.suffix.lower() == ".hdr":
        data = next(iter(named_parts(path)), None)
        if data is None:
            raise AcuityError(
                f"{path}: is the header of a pair and the voxels ({path.stem}.img) are not beside it; "
                "put both into one folder."
            )
    with open(path, "rb") as file:
        head = file.read(2**16)
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(47).decompress(head, 1024)
        except zlib.error as error:
            raise AcuityError(
                f"{path}: cannot be unpacked ({error}); it is damaged, copy it again from its source."
            ) from error
    for endian in "<>":
        size = struct.unpack(f"{endian}i", head[:4])[0] if len(head) > 347 else 0
        if size == 348 and head[344:348] in _NIFTI:
            bits = struct.unpack_from(f"{endian}h", head, 72)[0]
            offset, slope, inter = struct.unpack_from(f"{endian}3f", head, 108)
            units = head[123]
        elif size == 540 and head[4:8] in _NIFTI and len(head) > 539:
            bits = struct.unpack_from(f"{endian}h", head, 14)[0]
            offset, slope, inter = struct.unpack_from(f"{endian}q2d", head, 168)
            units = struct.unpack_from(f"{endian}i", head, 500)[0]
        else:
            continue
        break
    else:
        raise AcuityError(
            f"{path}: does not begin as NIfTI does; it is of another format (Analyze, ENVI) or cut "
            "short, save it as NIfTI (.nii) or TIFF, in Fiji with File > Save As > Tiff."
        )
    notes = {}
    if slope not in (0.0, 1.0) or (slope and inter):
        notes["values"] = f"stored values x {slope:g} + {inter:g}, as the file says"
    unit = _NIFTI_UNITS.get(units & 7, "")
    return _Header(
        "NIfTI",
        [data],
        int(offset) if data == path or offset > 0 else 0,
        "zlib" if data.name.lower().endswith(".gz") else "",
        bits // 8,
        [unit] * 3 if unit else [],
        True,
        notes,
    )


def _check_length(path: Path, header: _Header, needed: int) -> None:
    """Compare the bytes of the voxels with what the header asks for: ITK fills what is missing."""
    if header.packed == "text":
        return
    found, start = 0, max(0, header.offset)
    for file in header.files:
        found += _length(file, start, header.packed)
    # voxels at the end may have anything before them
    if found == needed or (header.offset < 0 and found >= needed):
        return
    left = found - needed
    if 0 < left < 4096 and header.name == "NIfTI":  # some round the length up
        header.notes["bytes_left_over"] = str(left)
        return
    where = "" if header.files == [path] else f" in {header.files[0].name}"
    raise AcuityError(
        f"{path}: has {found} bytes of voxels{where} where its header asks for {needed}; "
        + (
            "it is cut short, copy it again from its source."
            if left < 0
            else "the two must agree, save it again from its program."
        )
    )


def _length(file: Path, start: int, packed: str) -> int:
    if not packed:
        return max(0, file.stat().st_size - start)
    count = 0
    unpack = zlib.decompressobj(47)
    # NIfTI packs its header too
    skip = start if file.name.lower().endswith(".gz") else 0
    try:
        with open(file, "rb") as stream:
            stream.seek(0 if skip else start)
            while block := stream.read(2**20):
                while block:
                    count += len(unpack.decompress(block))
                    block = unpack.unused_data
                    if unpack.eof and block.strip(b"\0"):
                        unpack = zlib.decompressobj(47)
                    elif unpack.eof:
                        break
    except (zlib.error, OSError, ValueError, EOFError) as error:
        raise AcuityError(
            f"{file}: cannot be unpacked ({error_reason(error)}); it is damaged, copy it again from "
            "its source."
        ) from error
    if not unpack.eof:
        raise AcuityError(
            f"{file}: ends in the middle of what is packed; it is cut short, copy it again from its "
            "source."
        )
    return count - skip


def _reason(error: Exception) -> str:
    """Give what ITK says without the place in its source."""
    text = re.sub(r"\s+", " ", str(error))
    text = re.split(r"ITK ERROR: |sitk::ERROR: ", text)[-1]
    return re.sub(r"^\w+\(0x[0-9a-f]+\): ", "", text)[:160].rstrip(". ")


def _looks_like(path: Path) -> bool:
    """Tell NIfTI, whose ending may be .gz or that of another format."""
    name = path.name.lower()
    if name.endswith(".nii.gz"):
        return path.is_file()
    if path.suffix.lower() != ".hdr" or not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(348)[344:348] in _NIFTI


READER = Reader(
    "NRRD, NIfTI, MetaImage",
    (*NRRD_SUFFIXES, ".nii", *META_SUFFIXES),
    lambda path, dataset: read(path),
    _looks_like,
    whole=True,
)
