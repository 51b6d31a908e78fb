"""Raw voxels with a sidecar file that says what they are."""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from acuity.errors import AcuityError
from acuity.formats import xray
from acuity.formats.files import RAW_SUFFIXES, SIDECARS, find_sidecars
from acuity.formats.opened import FlatArray, OpenedFile
from acuity.formats.readers.base import Reader
from acuity.text import parse_json, parse_yaml, read_text
from acuity.units import parse_voxel_size

_KEYS = ("shape", "dtype", "byte_order", "voxel_size", "unit", "offset", "intensity")
_REQUIRED = ("shape", "dtype")
_TYPES = tuple(["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])


def read(path: Path) -> OpenedFile:
    """Open raw voxels; they are read when they are asked for.

    The sidecar is ``scan.raw.yaml`` or ``scan.yaml`` beside ``scan.raw`` (or ``.yml``,
    ``.json``): `shape` (z, y, x), `dtype`, `byte_order` (little or big; for types of more than a
    byte), `voxel_size` ("10 nm", or numbers with `unit`), and if need be `offset` (bytes of a
    header) and `intensity`. Without one, the headers of VGStudio, GE and Nikon beside the file count
    (:func:`acuity.formats.xray.read_headers`).

    Parameters
    ----------
    path : pathlib.Path
        The file of voxels.

    Returns
    -------
    OpenedFile
        The voxels.

    Raises
    ------
    AcuityError
        If the sidecar is missing or wrong, or the file has another size than it says.
    """
    sidecars = find_sidecars(path)
    sidecar = sidecars[0]
    own = sidecar.suffix in SIDECARS
    said = _load(sidecar) if own else xray.read_headers(path, sidecars)
    dtype = _dtype(sidecar, said)
    shape = said["shape"]
    counts = isinstance(shape, list) and all(type(n) is int and n > 0 for n in shape)
    if not counts or len(shape) != 3:
        raise AcuityError(f"{sidecar}: shape is {shape!r}, allowed are three counts [z, y, x].")
    offset = said.get("offset", 0)
    if type(offset) is not int or offset < 0:
        raise AcuityError(f"{sidecar}: offset is {offset!r}, allowed is a number of bytes.")
    needed, found = offset + math.prod(shape) * dtype.itemsize, os.path.getsize(path)
    if needed != found:
        raise AcuityError(
            f"{path}: found {found} bytes where {sidecar.name} asks for {needed} (shape {shape}, "
            f"{dtype.name}, offset {offset}); they must agree."
        )
    spacing, unit, hint = None, "", ""
    size = said.get("voxel_size")
    if isinstance(size, str):
        try:
            spacing, unit = parse_voxel_size(size, "voxel_size")
        except AcuityError:  # no reason to refuse the file where the study states one
            hint = f"a voxel_size of {size!r}"
    elif size is not None:
        numbers = size if isinstance(size, list) else [size] * 3
        if len(numbers) != 3:
            hint = f"a voxel_size of {size}"
        elif "unit" in said:
            spacing, unit = tuple(numbers), str(said["unit"])
        else:
            hint = f"a voxel_size of {size} without a unit"
    data, intensity = FlatArray(path, dtype, offset, tuple(shape)), str(said.get("intensity", ""))
    opened = OpenedFile(data, "raw", spacing, unit, hint=hint, intensity=intensity)
    return opened if own else replace(opened, instrument={"maker": said["maker"]})


def _load(sidecar: Path) -> dict[str, Any]:
    parse = parse_json if sidecar.suffix == ".json" else parse_yaml
    said = parse(read_text(sidecar, "sidecar", windows=True), sidecar, "sidecar")
    if not isinstance(said, dict):
        raise AcuityError(f"{sidecar}: holds no keys, allowed are {', '.join(_KEYS)}.")
    for key in said:
        if key not in _KEYS:
            raise AcuityError(f"{sidecar}: found the key {key!r}, allowed are {', '.join(_KEYS)}.")
    for key in _REQUIRED:
        if key not in said:
            raise AcuityError(f"{sidecar}: the key {key!r} is missing.")
    return said


def _dtype(sidecar: Path, said: dict[str, Any]) -> np.dtype:
    name, order = said["dtype"], said.get("byte_order")
    if name not in _TYPES:
        raise AcuityError(f"{sidecar}: dtype is {name!r}, allowed are {', '.join(_TYPES)}.")
    dtype = np.dtype(name)
    if order is None and dtype.itemsize == 1:
        return dtype
    if order not in ("little", "big"):
        raise AcuityError(f"{sidecar}: byte_order is {order!r}, allowed are little and big.")
    return dtype.newbyteorder("<" if order == "little" else ">")


READER = Reader("raw", RAW_SUFFIXES, lambda path, dataset: read(path), place=95)
