"""NRRD, NIfTI and MetaImage, read with SimpleITK."""

import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from acuity.errors import CUT_SHORT, AcuityError, one_sentence
from acuity.formats.axes import AxesArray, spatial_axes
from acuity.formats.opened import (
    FlatArray,
    OpenedFile,
    Sizes,
    all_positive,
    by_times,
    one_slice,
    scaled,
)
from acuity.formats.parts import META_SUFFIXES, NRRD_SUFFIXES, named_parts, text_header
from acuity.formats.readers.base import Reader
from acuity.text import first_bytes
from acuity.units import canonical, convert, known

_NIFTI = (b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0")
# Headers of its versions 1 and 2 by their lengths: place of the mark; form and place of what counts, in
# this order: type and bits, counts, sizes, offset and scale, unit, whether placed in space, and how.
_NIFTI_FIELDS = {
    348: (344, "2h 70, 8h 40, 8f 76, 3f 108, B 123, h 254, 12f 280"),
    540: (4, "2h 12, 8q 16, 8d 104, q2d 168, i 500, i 348, 12d 400"),
}
# Units of NIfTI by their numbers; ITK brings all of them to millimetres.
_NIFTI_UNITS = {1: "m", 2: "mm", 3: "um"}

_DAMAGED = "it is damaged, copy it again from its source"
_TIFF = "TIFF, in Fiji with File > Save As > Tiff"

# Types of voxels by their names in the headers, as NumPy names them.
_NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}
_META_TYPES = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_NRRD_TYPES = {
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("short", "short int", "signed short", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **{"float": "f4", "double": "f8"},
}


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
    sizes : list of float
        Sizes of voxels as the header has them, x first; none where they are left to ITK.
    counts : list of int
        Number of voxels, x first.
    kind : str
        Type of a voxel with its byte order, as NumPy names it; "" where it is left to ITK.
    scale : (float, float)
        What a stored value is multiplied with and what is added then, where ITK does not do so.
    plain : bool
        Whether the voxels must be read without ITK, which would change or refuse them.
    hint : str
        What is told of the sizes of voxels where that is not enough.
    """

    name: str
    files: list[Path]
    offset: int
    packed: str
    units: list[str]
    stated: bool
    sizes: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    kind: str = ""
    scale: tuple[float, ...] = (1.0, 0.0)
    plain: bool = False
    hint: str = ""
    item: int = 0
    notes: dict = field(default_factory=dict)


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


def read(path: Path) -> OpenedFile:
    """Open an NRRD, NIfTI or MetaImage; it is read whole when its first voxel is asked for.

    Parameters
    ----------
    path : pathlib.Path
        The file, or the header of a pair; the voxels lie in the same folder or below it.

    Returns
    -------
    OpenedFile
        The axes in the order of the file; a direction other than that of the axes is noted and not
        applied. A size without a unit is none; nor is 1 mm on every axis in NIfTI, which programs
        write that know no size.

    Raises
    ------
    AcuityError
        If it is damaged, cut short, in colour, has several components or time points, or its voxels
        lie elsewhere.
    """
    header = _header(path)
    reader = None if header.plain or not all_positive(header.sizes) else _itk_reader(path, header)
    if reader is None:
        shape = tuple(header.counts[::-1])
        values, sizes = _plain(path, header, shape), header.sizes
    else:
        values = _whole(path, header, reader)
        shape, sizes = values.shape, [float(size) for size in reader.GetSpacing()]
    letters = ["t", "z", "y", "x"][-len(shape) :] if 2 <= len(shape) <= 4 else None
    axes, notes = spatial_axes(str(path), shape, letters)
    spacing, unit, hint = _size(header, sizes[:3])
    origin: Sizes = (0.0, 0.0, 0.0)
    if reader is None:
        axes = (0, 1, 2)
    else:
        direction = np.array(reader.GetDirection()).reshape(len(shape), -1)
        if not np.allclose(direction, np.eye(len(shape)), atol=1e-6):
            rows = "; ".join(" ".join(f"{v:.6g}" for v in row) for row in direction)
            notes["direction"] = f"{rows} (x y z), not applied"
        elif spacing is not None and len(shape) >= 3:
            places = (float(f"{place:.9g}") for place in reader.GetOrigin()[2::-1])
            origin = tuple(convert(place, _world(header), unit) for place in places)
    slope, shift = header.scale
    data = scaled(AxesArray(values, axes), slope, shift, header.notes, "the file says")
    notes = header.notes | notes
    return OpenedFile(data, header.name, spacing, unit, origin, hint=hint, notes=notes)


def _itk_reader(path: Path, header: _Header) -> Any:
    """Let ITK read the header."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    how = f"it is damaged or of a kind that ITK does not know, save it again as {_TIFF}"
    with one_sentence(f"{path}: cannot be read as {header.name}", how, _reason):
        reader.ReadImageInformation()
    return reader


def _whole(path: Path, header: _Header, reader: Any) -> _Whole:
    """Check what ITK will read."""
    import SimpleITK

    names = [
        "Float32",
        "Float64",
        *(f"{kind}{n}" for kind in ("UInt", "Int") for n in (8, 16, 32, 64)),
    ]
    types = {getattr(SimpleITK, f"sitk{name}"): np.dtype(name.lower()) for name in names}
    dtype = types.get(reader.GetPixelID())
    if reader.GetNumberOfComponents() != 1 or dtype is None:
        kind = SimpleITK.GetPixelIDValueAsString(reader.GetPixelID())
        raise AcuityError(
            f"{path}: found {reader.GetNumberOfComponents()} values a voxel ({kind}), allowed is one "
            "number; write one channel, or grey values, to a file of its own."
        )
    shape = tuple(reader.GetSize())[::-1]
    _check_length(path, header, math.prod(shape) * (header.item or dtype.itemsize))
    return _Whole(reader, shape, dtype)


def _plain(path: Path, header: _Header, shape: tuple[int, ...]) -> Any:
    """Open plain or packed voxels as z, y, x without ITK, which makes 1 of a size that is none, or an error."""
    dtype = np.dtype(header.kind) if header.kind else None
    if dtype is None or header.packed == "text" or len(header.files) != 1 or len(header.counts) < 2:
        raise AcuityError(
            f"{path}: tells sizes of {_told(header.sizes)}, with which it cannot be read; write sizes above "
            f"zero into its header, or save it as {_TIFF}."
        )
    needed, file = math.prod(shape) * dtype.itemsize, header.files[0]
    _check_length(path, header, needed)
    start = header.offset if header.offset >= 0 else file.stat().st_size - needed
    planes = (math.prod(shape[:-2]), *shape[-2:])
    if not header.packed:
        return FlatArray(file, dtype, start, planes)
    skip = 0 if _is_gzip(file) else start
    content = b"".join(_unpacked(file, skip))[start - skip :][:needed]
    return np.frombuffer(content, dtype).reshape(planes)


def _told(sizes: list[float]) -> str:
    return by_times(sizes[::-1])


def _world(header: _Header) -> str:
    return "mm" if header.name == "NIfTI" else header.units[0]


def _size(header: _Header, sizes: list[float]) -> tuple[Sizes | None, str, str]:
    """Give the voxel size along z, y, x, its unit, or what is told of it."""
    sizes = [float(f"{size:.7g}") for size in sizes]
    told = _told(sizes)
    if not header.stated or header.hint:
        return None, "", header.hint
    if not all_positive(sizes):
        return None, "", f"sizes of {told}"
    if not header.units:
        return None, "", f"sizes of {told} without a unit (programs of ITK mean mm)"
    if header.name == "NIfTI" and all(size == 1 for size in sizes):
        return None, "", "1 mm on every axis, which is what programs write that know no size"
    units = [_world(header)] * len(sizes) if header.name == "NIfTI" else header.units
    unit = canonical(header.units[0])
    found = [convert(size, own, unit) for size, own in zip(sizes, units, strict=True)][::-1]
    return one_slice(found), unit, ""


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
    sizes = fields.get("elementspacing", fields.get("elementsize"))
    unit = fields.get("distanceunits", "")
    counts = _integers(fields.get("dimsize", ""))
    dims = len(fields.get("dimsize", "").split())
    skip = fields.get("headersize", "0")
    big = fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "")).lower()
    order = ">" if big in ("true", "1") else "<"
    kind = _META_TYPES.get(fields.get("elementtype", "").upper(), "")
    if fields.get("elementnumberofchannels", "1") != "1":
        kind = ""
    return _Header(
        "MetaImage",
        _parts(path, names) or [path],
        (int(skip) if re.fullmatch(r"-?\d+", skip) else 0) if names else end,
        "zlib" if packed else "",
        [unit] * min(3, dims) if known(unit) else [],
        sizes is not None,
        _floats(sizes, dims),
        counts,
        kind and order + kind,
        tuple(
            _floats(fields.get(f"elementtointensityfunction{name}", plain), 1)[0]
            for name, plain in (("slope", "1"), ("offset", "0"))
        ),
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
    counts = _integers(fields.get("sizes", ""))
    sizes = _floats(fields.get("spacings"), len(counts))
    stated = bool(directions) or not all(map(math.isnan, sizes))
    if directions:
        rows = [_floats(row.replace(",", " "), 0) for row in directions]
        sizes = [math.hypot(*row) for row in rows]
    kind = _NRRD_TYPES.get(fields.get("type", "").lower(), "")
    order = ">" if fields.get("endian", "").lower() == "big" else "<"
    return _Header(
        "NRRD",
        _parts(path, names) or [path],
        (int(skip) if re.fullmatch(r"-?\d+", skip) else 0) + (0 if names else end),
        "text" if lines else packed.get(encoding, "text"),
        units if len(units) == dims and all(map(known, units)) else [],
        stated,
        sizes if stated else [],
        counts,
        kind and order + kind,
    )


def _integers(text: str) -> list[int]:
    """Read counts; none where they are no counts."""
    return [int(part) for part in text.split()] if re.fullmatch(r"[\d\s]*", text) else []


def _floats(text: str | None, count: int) -> list[float]:
    """Read so many numbers, 0 being one that is missing or none; none where there is no text."""
    found = []
    for part in (text or "").split():
        try:
            found.append(float(part))
        except ValueError:
            found.append(0.0)
    return found if text is None else found + [0.0] * (count - len(found))


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
        parts = named_parts(path)
        if not parts:
            raise AcuityError(
                f"{path}: is the header of a pair and the voxels ({path.stem}.img) are not beside it; "
                "put both into one folder."
            )
        data = parts[0]
    head = first_bytes(path, 2**16)
    if head[:2] == b"\x1f\x8b":
        with one_sentence(f"{path}: cannot be unpacked", _DAMAGED, str):
            head = zlib.decompressobj(47).decompress(head, 1024)
    for endian in "<>":
        size = struct.unpack(f"{endian}i", head[:4])[0] if len(head) > 3 else 0
        mark, fields = _NIFTI_FIELDS.get(size, (0, ""))
        if fields and len(head) >= size and head[mark : mark + 4] in _NIFTI:
            break
    else:
        raise AcuityError(
            f"{path}: does not begin as NIfTI does; it is of another format (Analyze, ENVI) or cut "
            f"short, save it as NIfTI (.nii) or {_TIFF}."
        )
    forms = (field.split() for field in fields.split(","))
    said = [struct.unpack_from(endian + form, head, int(place)) for form, place in forms]
    (code, bits), counts, sizes, (offset, slope, inter), (units,), (placed,), rows = said
    # A scale of 0 does not count by the format.
    counts_scale = math.isfinite(slope) and math.isfinite(inter) and slope != 0
    dims = min(max(counts[0], 2), 7)
    # axes of one voxel at the end have no size of their own
    sides = [float(f"{size:.7g}") for size in sizes[1 : min(dims, 3) + 1]]
    along = list(counts[1 : dims + 1])
    while len(along) > 3 and along[-1] == 1:
        along.pop()
    unit = _NIFTI_UNITS.get(units & 7, "")
    placing = np.reshape(rows, (3, 4))[:, : len(sides)]
    lengths = [float(f"{length:.7g}") for length in np.sqrt((placing**2).sum(axis=0))]
    hint = ""
    if placed > 0 and not np.allclose(lengths, np.abs(sides), rtol=0.01, atol=0):
        hint = f"sizes of {_told(sides)} (pixdim) and of {_told(lengths)} (sform)"
    zipped = _is_gzip(data)
    # ITK adds the offset of a scale of 0. It goes by the name of a file for whether it is packed, and refuses an
    # sform of its own.
    plain = (
        (not counts_scale and inter != 0 and math.isfinite(inter))
        or zipped != data.name.lower().endswith(".gz")
        or bool(hint)
    )
    scale, notes = (1.0, 0.0), {}
    if counts_scale and plain:
        scale = (slope, inter)
    elif counts_scale and (slope, inter) != (1, 0):  # ITK applies it
        notes["values"] = f"stored values x {slope:g} + {inter:g}, as the file says"
    return _Header(
        "NIfTI",
        [data],
        int(offset) if data == path or offset > 0 else 0,
        "zlib" if zipped else "",
        [unit] * 3 if unit else [],
        True,
        sides,
        along,
        _NIFTI_TYPES.get(code, "") and endian + _NIFTI_TYPES[code],
        scale=scale,
        plain=plain,
        hint=hint,
        item=bits // 8,
        notes=notes,
    )


def _check_length(path: Path, header: _Header, needed: int) -> None:
    """Compare the bytes of the voxels with what the header asks for: ITK fills what is missing."""
    if header.packed == "text":
        return
    found = sum(_length(file, max(0, header.offset), header.packed) for file in header.files)
    # voxels at the end may have anything before them
    if found == needed or (header.offset < 0 and found >= needed):
        return
    left = found - needed
    if 0 < left < 4096 and header.name == "NIfTI":  # some round the length up
        header.notes["bytes_left_over"] = str(left)
        return
    where = "" if header.files == [path] else f" in {header.files[0].name}"
    how = CUT_SHORT if left < 0 else "the two must agree, save it again from its program"
    raise AcuityError(
        f"{path}: has {found} bytes of voxels{where} where its header asks for {needed}; {how}."
    )


def _length(file: Path, start: int, packed: str) -> int:
    if not packed:
        return max(0, file.stat().st_size - start)
    # NIfTI packs its header too
    skip = start if _is_gzip(file) else 0
    return sum(map(len, _unpacked(file, start - skip))) - skip


def _unpacked(file: Path, start: int) -> Iterator[bytes]:
    """Unpack a stream of gzip or zlib, of one member after the other."""
    unpack = zlib.decompressobj(47)
    with one_sentence(f"{file}: cannot be unpacked", _DAMAGED), open(file, "rb") as stream:
        stream.seek(start)
        while block := stream.read(2**20):
            while block:
                yield unpack.decompress(block)
                block = unpack.unused_data
                if unpack.eof and block.strip(b"\0"):
                    unpack = zlib.decompressobj(47)
                elif unpack.eof:
                    break
    if not unpack.eof:
        raise AcuityError(f"{file}: ends in the middle of what is packed; {CUT_SHORT}.")


def _is_gzip(file: Path) -> bool:
    return first_bytes(file, 2) == b"\x1f\x8b"


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
    is_header = path.suffix.lower() == ".hdr" and path.is_file()
    return is_header and first_bytes(path, 348)[344:] in _NIFTI


READER = Reader(
    "NRRD, NIfTI, MetaImage",
    (*NRRD_SUFFIXES, ".nii", *META_SUFFIXES),
    lambda path, dataset: read(path),
    _looks_like,
    whole=True,
    place=70,
)
