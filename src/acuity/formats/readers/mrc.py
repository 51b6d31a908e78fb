"""MRC, the format of electron tomography."""

import math
import re
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from acuity.errors import CUT_SHORT, AcuityError
from acuity.formats.opened import FlatArray, Mapped, OpenedFile, Sizes, all_positive, by_times
from acuity.formats.parts import MRC_SUFFIXES
from acuity.formats.readers.base import Reader
from acuity.formats.refused import begins_as
from acuity.text import first_bytes
from acuity.units import convert
from acuity.volume import LazyArray

_HEADER = 1024
_TYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED = {
    3: ("complex 16-bit numbers, a Fourier transform", "write its inverse with IMOD's fftrans"),
    4: ("complex numbers, a Fourier transform", "write its inverse with IMOD's fftrans"),
    16: ("colour", "write grey values with IMOD's colornewst or in Fiji (Image > Type > 8-bit)"),
    101: ("voxels of 4 bits, two a byte", "unpack them with IMOD: newstack -mode 0 IN OUT"),
}
_STAMPS = {b"\x44\x44": "<", b"\x44\x41": "<", b"\x11\x11": ">"}
_IMOD_STAMP = 1146047817
_SIGNED_BYTES = 1  # a flag of IMOD
# Spaces of a stack of volumes.
_VOLUME_STACK = range(401, 631)
_MOST = 2**20  # voxels along an axis: more come of a header read in the wrong byte order


# What counts of the header: its numbers and their places, in words of four bytes.
_FIELDS = {
    "counts": ("3i4", 0),  # along x, y, z
    "mode": ("i4", 3),
    "cells": ("3i4", 7),
    "lengths": ("3f4", 10),
    "order": ("3i4", 16),
    "low": ("f4", 19),
    "high": ("f4", 20),
    "space": ("i4", 22),
    "extended": ("i4", 23),
    "imod_stamp": ("i4", 38),
    "imod_flags": ("i4", 39),
    "origin": ("3f4", 49),
}


def _parse(head: bytes, endian: Any) -> SimpleNamespace:
    said = {
        name: np.frombuffer(head, np.dtype(kind).newbyteorder(endian), 1, 4 * word)[0].tolist()
        for name, (kind, word) in _FIELDS.items()
    }
    return SimpleNamespace(**said, shape=tuple(said["counts"][::-1]))


def _plausible(header: SimpleNamespace) -> bool:
    sized = all(0 < count < _MOST for count in header.shape)
    return sized and 0 <= header.mode < 1024 and header.extended >= 0


def _read_header(path: Path) -> tuple[SimpleNamespace, Any, dict[str, str]]:
    """Read the header in its byte order, which the stamp tells or, where it does not, the numbers."""
    head = first_bytes(path, _HEADER)
    if len(head) < _HEADER:
        raise AcuityError(
            f"{path}: has {len(head)} bytes where the header of an MRC file has {_HEADER}; {CUT_SHORT}."
        )
    either = {endian: _parse(head, endian) for endian in "<>"}
    stamp, notes = head[212:216], {}
    endian = _STAMPS.get(stamp[:2])
    if endian is None or not _plausible(either[endian]):
        told = " ".join(f"{byte:02x}" for byte in stamp)
        fits = [endian for endian, header in either.items() if _plausible(header)]
        if len(fits) != 1:
            own = "check that the file is MRC (IMOD: header FILE) and give it the ending of its own format"
            raise AcuityError(
                f"{path}: found the machine stamp {told} and a header of "
                f"{by_times(either['<'].shape, 'd')} voxels in mode {either['<'].mode}, which "
                f"is no MRC in either byte order; {begins_as(path, own)}."
            )
        (endian,) = fits
        way = "little" if endian == "<" else "big"
        notes["byte_order"] = f"{way}, by the numbers of the header; the machine stamp is {told}"
    if head[208:212] != b"MAP ":
        notes["header"] = "without the word MAP, as MRC files of before 2000"
        # before it meant the origin, other things stood there
        either[endian].origin = [0.0] * 3
    return either[endian], endian, notes


def read(path: Path) -> OpenedFile:
    """Open an MRC file; voxels are read when they are asked for.

    Bytes (mode 0) have a sign by the format and none in the files of IMOD, whose stamp in the
    header says so; where it says that they have one, they are shifted by 128, as IMOD shows them.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    OpenedFile
        Its voxel size and origin are brought from angstrom to nanometres. One angstrom on every
        axis is what programs write that know no size, and is taken for none.

    Raises
    ------
    AcuityError
        If its size is not what the header says, it is complex, in colour, packed, a stack of
        volumes or not in the order z, y, x.
    """
    header, endian, notes = _read_header(path)
    mode, shape = header.mode, header.shape
    if mode not in _TYPES:
        what, how = _REFUSED.get(mode, ("a type that is not known", "write mode 0, 1, 2 or 6"))
        raise AcuityError(
            f"{path}: found mode {mode}, {what}, allowed is one volume of real numbers (modes 0, 1, "
            f"2, 6 and 12); {how}."
        )
    if header.space in _VOLUME_STACK:
        raise AcuityError(
            f"{path}: found a stack of volumes (space group {header.space}), allowed is one volume; "
            "write the one that you mean with IMOD: newstack, or clip."
        )
    # 0 0 0 in old files
    if header.order not in ([1, 2, 3], [0, 0, 0]):
        raise AcuityError(
            f"{path}: found the axes in the order {header.order}, allowed is x, y, z (1, 2, 3); turn "
            "it with IMOD: clip rotx, or trimvol -yz."
        )
    dtype = np.dtype(_TYPES[mode]).newbyteorder(endian)
    start, size = _HEADER + header.extended, path.stat().st_size
    needed = start + math.prod(shape) * dtype.itemsize
    told = f"{by_times(shape, 'd')} voxels of {dtype.name}"
    if size < needed:
        raise AcuityError(
            f"{path}: has {size} bytes where its header asks for {needed} ({told}); {CUT_SHORT}."
        )
    image = shape[1] * shape[2] * dtype.itemsize
    if size - needed >= image:
        raise AcuityError(
            f"{path}: its header says {shape[0]} slices ({told}), and there are voxels for "
            f"{shape[0] + (size - needed) // image}; write the right count with IMOD: alterheader, or "
            "write the file again."
        )
    if size > needed:
        notes["bytes_left_over"] = str(size - needed)
    data: LazyArray = FlatArray(path, dtype, start, shape)
    if mode == 0 and header.imod_stamp == _IMOD_STAMP:
        if header.imod_flags & _SIGNED_BYTES:
            data = Mapped(data, np.uint8, lambda block: block.astype(np.int16) + 128)
            notes["values"] = "bytes with a sign, shifted by 128 as IMOD shows them"
        else:
            data = FlatArray(path, np.dtype(np.uint8), start, shape)
            notes["values"] = "bytes without a sign, as the stamp of IMOD says"
    elif dtype.kind == "i" and header.low >= 0 and header.high > np.iinfo(dtype).max:
        kind = np.dtype(f"u{dtype.itemsize}")
        data = FlatArray(path, kind.newbyteorder(endian), start, shape)
        notes["values"] = (
            f"{dtype.name} read as {kind.name}, since the header gives {header.high:g} as the "
            "greatest value"
        )
    spacing, hint = _size(header)
    origin = tuple(_nanometres(p) if math.isfinite(p) else 0.0 for p in header.origin[::-1])
    doubt = _stack_of_images(path, header)
    return OpenedFile(data, "MRC", spacing, "nm", origin, hint=hint, notes=notes, doubt=doubt)


def _stack_of_images(path: Path, header: SimpleNamespace) -> str:
    """Say by what a file is known for images of a tilt series, frames or particles."""
    count = header.shape[0]
    for name in (f"{path.stem}.rawtlt", f"{path.stem}.tlt", f"{path.name}.mdoc"):
        with suppress(OSError):
            text = path.with_name(name).read_text(encoding="utf-8", errors="replace")
            angles = re.findall(r"(?m)^TiltAngle\b" if name.endswith("mdoc") else r"\S+", text)
            if count > 1 and len(angles) == count:
                return f"its {count} images are those of a tilt series, as {name} beside it tells"
    if count > 1 and header.cells[2] == 1 and header.space == 0:
        return f"its header calls it {count} images and not a volume (space group 0, MZ 1)"
    return ""


def _size(header: SimpleNamespace) -> tuple[Sizes | None, str]:
    places = zip(header.lengths[::-1], header.cells[::-1], strict=True)
    stored = [length / cell if cell > 0 else 0.0 for length, cell in places]
    sizes = [float(f"{size:.6g}") for size in stored]
    if not any(sizes):
        return None, ""
    if sizes == [1.0] * 3:
        return None, "1 angstrom on every axis, which is what programs write that know no size"
    if not all_positive(sizes):
        return None, f"sizes of {by_times(sizes)} angstrom"
    return tuple(map(_nanometres, stored)), ""


def _nanometres(angstrom: float) -> float:
    # stored as float32, so that 1.2 is 1.2000000477
    return convert(float(f"{angstrom:.7g}"), "angstrom", "nm")


READER = Reader("MRC", MRC_SUFFIXES, lambda path, dataset: read(path), place=50)
