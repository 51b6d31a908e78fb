"""NPY: one array of NumPy."""

import math
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from acuity.errors import CUT_SHORT, AcuityError, one_sentence
from acuity.formats.axes import AxesArray, spatial_axes
from acuity.formats.opened import FlatArray, OpenedFile, describe
from acuity.formats.readers.base import Reader
from acuity.text import first_bytes

_MAGIC = b"\x93NUMPY"


def read(path: Path) -> OpenedFile:
    """Open an array that NumPy has saved; voxels are read when they are asked for.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    OpenedFile
        The axes z, y, x in the array's order; it tells no voxel size.

    Raises
    ------
    AcuityError
        If it is no NPY, holds objects or fields, has more axes than three, or another size than its
        header says.
    """
    how = "it is damaged or of another format, save it again with numpy.save"
    with one_sentence(f"{path}: cannot be read as NPY", how), open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        shape, fortran, dtype = _header(file, version)
        start = file.tell()
    if dtype.hasobject or dtype.kind not in "biuf":
        raise AcuityError(
            f"{path}: holds {'objects of Python' if dtype.hasobject else dtype}, allowed is an array "
            "of numbers; nothing is unpickled."
        )
    if len(shape) < 2:
        raise AcuityError(
            f"{path}: found an array of {len(shape)} axes, allowed are three (z, y, x)."
        )
    needed, size = start + math.prod(shape) * dtype.itemsize, os.path.getsize(path)
    if needed != size:
        how = CUT_SHORT if size < needed else "save one array alone with numpy.save"
        raise AcuityError(
            f"{path}: has {size} bytes where its header asks for {needed} ({describe(shape, dtype)}); {how}."
        )
    axes, notes = spatial_axes(str(path), shape)
    if fortran and shape:
        notes["order"] = "stored with the first axis fastest"
        values = (
            np.empty(shape, dtype) if 0 in shape else np.memmap(path, dtype, "r", start, shape, "F")
        )
        return OpenedFile(AxesArray(values, axes), "NPY", notes=notes)
    counts = tuple(1 if axis is None else shape[axis] for axis in axes)
    return OpenedFile(FlatArray(path, dtype, start, counts), "NPY", notes=notes)


def _header(file: BinaryIO, version: tuple[int, ...]) -> tuple[tuple[int, ...], bool, np.dtype]:
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version[0]}.{version[1]}, known are 1.0 and 2.0")


def _looks_like(path: Path) -> bool:
    return path.is_file() and first_bytes(path, len(_MAGIC)) == _MAGIC


READER = Reader("NPY", (".npy",), lambda path, dataset: read(path), _looks_like, place=90)
