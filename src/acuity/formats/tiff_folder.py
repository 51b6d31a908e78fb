"""A folder or a list of TIFF images, one slice each."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from acuity.errors import AcuityError
from acuity.formats import tiff
from acuity.formats.files import SLICE_LIST, check_numbering, listed_files
from acuity.formats.source import Source, describe
from acuity.formats.vendor import pixel_text
from acuity.units import convert
from acuity.volume import Box, LazyArray, check_finite, error_reason

# Pixel sizes of one stack differ by less than this: autofocus moves the last digits.
_SAME_PIXEL = 0.005


def natural_key(name: str) -> list:
    """Give a key that sorts ``slice_2`` before ``slice_10``."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part.lower())
        for part in re.findall(r"\d+|\D+", name)
    ] + [(2, 0, name)]


def slice_files(folder: Path) -> list[Path]:
    """List the TIFF files of a folder in the natural order of their names."""
    files = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in tiff.SUFFIXES and not file.name.startswith(".")
    ]
    return sorted(files, key=lambda file: natural_key(file.name))


class FilesArray(LazyArray):
    """Slices that are read file by file.

    Parameters
    ----------
    files : list of pathlib.Path
        One file a slice.
    first : Source
        The first slice.
    """

    def __init__(self, files: list[Path], first: Source) -> None:
        self._files = files
        self._first = first
        self.shape = (len(files), *first.data.shape[1:])
        self.dtype = np.dtype(first.data.dtype).newbyteorder("=")

    def read_box(self, box: Box) -> np.ndarray:
        """Read the slices of a box."""
        z, y, x = box
        block = np.empty([part.stop - part.start for part in box], self.dtype)
        numbers = range(*z.indices(len(self._files)))
        for image, number, file in zip(block, numbers, self._files[z], strict=True):
            # opened anew, and so checked anew: it may have changed since
            source = _open_slice(file, self._first)
            try:
                image[...] = source.data[0, y, x]
            except Exception as error:
                raise _unreadable(file, error) from error
            check_finite(image[None], number, str(file))
        return block


def _open_slice(file: Path, first: Source | None = None) -> Source:
    try:
        source = tiff.read(file)
    except (AcuityError, MemoryError):
        raise
    except Exception as error:
        raise _unreadable(file, error) from error
    if source.data.shape[0] != 1:
        raise AcuityError(
            f"{file}: holds {source.data.shape[0]} slices, allowed in a folder of slices is one "
            "image a file."
        )
    if first is not None:
        found = describe(source.data.shape[1:], source.data.dtype)
        expected = describe(first.data.shape[1:], first.data.dtype)
        if found != expected:
            raise AcuityError(
                f"{file}: this slice is {found} where the first one is {expected}; all slices "
                "must be alike."
            )
        _same_pixel(file, source, first)
    return source


def _same_pixel(file: Path, source: Source, first: Source) -> None:
    """Refuse a slice taken at another magnification."""
    if source.pixel is None or first.pixel is None:
        return
    sizes = [convert(size, source.unit, first.unit) for size in source.pixel]
    for size, expected in zip(sizes, first.pixel, strict=True):
        if abs(size - expected) > _SAME_PIXEL * expected:
            raise AcuityError(
                f"{file}: this slice has pixels of {pixel_text(source.pixel, source.unit)} where "
                f"the first one has {pixel_text(first.pixel, first.unit)}; all slices must be of "
                "one magnification."
            )


def _unreadable(file: Path, error: Exception) -> AcuityError:
    return AcuityError(
        f"{file}: this slice cannot be read ({error_reason(error)}); the file is damaged or cut "
        "short."
    )


def read(source: Path | Sequence[Path]) -> Source:
    """Open a folder of TIFF images in the natural order of their names, or a list of images.

    Parameters
    ----------
    source : pathlib.Path or sequence of pathlib.Path
        The folder, whose hidden files and what is no TIFF are left aside; a list of slices
        (``.txt``, see :func:`acuity.formats.files.listed_files`); or the files in order.

    Returns
    -------
    Source
        Read file by file.

    Raises
    ------
    AcuityError
        If there is no TIFF, a number is missing in the names of a folder, or a slice cannot be
        read or differs in size, type or pixel size, naming it.
    """
    if not isinstance(source, Path):
        files, name = list(source), "TIFF list"
        if not files:
            raise AcuityError("slices: the list names no file, allowed is at least one.")
    elif source.suffix.lower() == SLICE_LIST:
        files, name = listed_files(source), "TIFF list"
    else:
        files, name = slice_files(source), "TIFF folder"
        if not files:
            raise AcuityError(
                f"{source}: found no TIFF files (.tif, .tiff) and no OME-Zarr in this folder."
            )
        check_numbering(files, source)
    for file in files:
        if file.suffix.lower() not in tiff.SUFFIXES or not file.is_file():
            raise AcuityError(f"{file}: is no TIFF file (.tif, .tiff) that could be read.")
    first = _open_slice(files[0])
    data = FilesArray(files, first)
    for file in files[1:]:
        _open_slice(file, first)
    # a slice knows its pixels and not its distance to the next
    hint = first.hint
    if first.spacing is not None and len(files) > 1:
        hint = tiff.no_distance(first.spacing[1:], first.unit)
    spacing = first.spacing if len(files) == 1 else None
    opened = Source(data, name, spacing, first.unit, hint=hint, pixel=first.pixel)
    opened.instrument = first.instrument
    return opened
