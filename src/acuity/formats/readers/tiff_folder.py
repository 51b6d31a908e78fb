"""A folder or a list of images, TIFF, PNG, JPEG or BMP, one slice each."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from acuity.errors import DAMAGED, AcuityError, one_sentence
from acuity.formats.files import (
    SCAN_NOTES,
    SLICE_LIST,
    listed_files,
    note_among,
    notes_of,
    number_step,
    slices_of,
)
from acuity.formats.opened import OpenedFile, describe
from acuity.formats.readers import pictures, tiff
from acuity.formats.readers.base import Reader
from acuity.formats.vendor import pixel_text
from acuity.shards import size_of
from acuity.units import convert
from acuity.volume import Box, LazyArray, check_finite

# Pixel sizes of one stack differ by less than this: autofocus moves the last digits.
_SAME_PIXEL = 0.005


class FilesArray(LazyArray):
    """Slices that are read file by file.

    Parameters
    ----------
    files : list of pathlib.Path
        One file a slice.
    first : OpenedFile
        The first slice.
    notes : list of pathlib.Path
        What lies beside each slice, None where nothing does.
    """

    def __init__(self, files: list[Path], first: OpenedFile, notes: list[Path | None]) -> None:
        self._files = files
        self._first = first
        self._notes = notes
        self.shape = (len(files), *first.data.shape[1:])
        self.dtype = np.dtype(first.data.dtype).newbyteorder("=")

    def read_box(self, box: Box) -> np.ndarray:
        """Read the slices of a box."""
        z, y, x = box
        block = np.empty(size_of(box), self.dtype)
        numbers = range(*z.indices(len(self._files)))
        slices = zip(block, numbers, self._files[z], self._notes[z], strict=True)
        for image, number, file, note in slices:
            # opened anew, and so checked anew: it may have changed since
            source = _open_slice(file, note, self._first)
            with one_sentence(f"{file}: this slice cannot be read", DAMAGED):
                image[...] = source.data[0, y, x]
            check_finite(image[None], number, str(file))
        return block


def _open_slice(file: Path, note: Path | None, first: OpenedFile | None = None) -> OpenedFile:
    suffix, endings = file.suffix.lower(), (*tiff.SUFFIXES, *pictures.SUFFIXES)
    if suffix not in endings or not file.is_file():
        raise AcuityError(f"{file}: is no image ({', '.join(endings)}) that could be read.")
    reader = tiff if suffix in tiff.SUFFIXES else pictures
    source = reader.read(file, () if note is None else (note,), alone=True)
    if source.data.shape[0] != 1:
        raise AcuityError(
            f"{file}: holds {source.data.shape[0]} slices, allowed in a folder of slices is one "
            "image a file; name a stack by its own path."
        )
    if first is not None:
        found, expected = (describe(one.data.shape[1:], one.data.dtype) for one in (source, first))
        if found != expected:
            raise AcuityError(
                f"{file}: this slice is {found} where the first one is {expected}; all slices "
                "must be alike."
            )
        _same_pixel(file, source, first)
    return source


def _same_pixel(file: Path, source: OpenedFile, first: OpenedFile) -> None:
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


def read(source: Path | Sequence[Path]) -> OpenedFile:
    """Open a folder of images in the natural order of their names, or a list of images.

    Parameters
    ----------
    source : pathlib.Path or sequence of pathlib.Path
        The folder (:func:`acuity.formats.files.slices_of`); a list of slices
        (``.txt``, see :func:`acuity.formats.files.listed_files`); or the files in order.

    Returns
    -------
    OpenedFile
        Read file by file.

    Raises
    ------
    AcuityError
        If there is no image, a number is missing in the names of a folder or one does not fit, or a
        slice cannot be read or differs in size, type or pixel size, naming it.
    """
    if not isinstance(source, Path):
        files, name = list(source), "list"
        if not files:
            raise AcuityError("slices: the list names no file, allowed is at least one.")
    elif source.suffix.lower() == SLICE_LIST:
        files, name = listed_files(source), "list"
    else:
        files, name = slices_of(source), "folder"
    notes = notes_of(files)
    scan = note_among(notes, SCAN_NOTES)
    own: dict[Path, Path] = {}
    for beside_it in notes if scan is None else ():
        stem = re.sub(r"-(tif|png|bmp|jpg)$", "", beside_it.stem.lower())
        own[beside_it.parent / stem] = beside_it
    beside = [own.get(file.parent / file.stem.lower()) for file in files]
    first = _open_slice(files[0], beside[0])
    kind = "TIFF" if files[0].suffix.lower() in tiff.SUFFIXES else first.format
    name = f"{kind} {name}"
    data = FilesArray(files, first, beside)
    values = first.notes
    alike = tiff.directory(files[0]) if beside[0] is None and kind == "TIFF" else None
    for file, note in zip(files[1:], beside[1:], strict=True):
        if alike is not None and note is None and tiff.directory(file) == alike:
            continue
        values = _open_slice(file, note, first).notes | values
    # a slice knows its pixels and not its distance to the next
    hint = first.hint
    if first.spacing is not None and len(files) > 1:
        hint = tiff.no_distance(first.spacing[1:], first.unit)
    spacing = first.spacing if len(files) == 1 else None
    opened = OpenedFile(data, name, spacing, first.unit, hint=hint, pixel=first.pixel)
    opened.instrument, opened.notes, opened.intensity = first.instrument, values, first.intensity
    return opened if scan is None else tiff.with_scan(opened, scan, data.shape, number_step(files))


READER = Reader(
    "folder or list of slices",
    (SLICE_LIST,),
    lambda path, dataset: read(path),
    Path.is_dir,
    place=20,
)
