"""A folder of TIFF images, one slice each."""

import re
from pathlib import Path

import numpy as np

from acuity.errors import AcuityError
from acuity.formats import tiff
from acuity.formats.source import Source, describe
from acuity.volume import Box, LazyArray


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
    first : array
        The first slice, (1, y, x).
    """

    def __init__(self, files: list[Path], first: np.ndarray | LazyArray) -> None:
        self._files = files
        self.shape = (len(files), *first.shape[1:])
        self.dtype = np.dtype(first.dtype).newbyteorder("=")

    def read_box(self, box: Box) -> np.ndarray:
        """Read the slices of a box."""
        z, y, x = box
        block = np.empty([part.stop - part.start for part in box], self.dtype)
        for image, file in zip(block, self._files[z], strict=True):
            # opened anew, and so checked anew: it may have changed since
            image[...] = _open_slice(file, self.shape[1:], self.dtype).data[0, y, x]
        return block


def _open_slice(
    file: Path, shape: tuple[int, ...] | None = None, dtype: np.dtype | None = None
) -> Source:
    source = tiff.read(file)
    if source.data.shape[0] != 1:
        raise AcuityError(
            f"{file}: holds {source.data.shape[0]} slices, allowed in a folder of slices is one "
            "image a file."
        )
    if shape is not None:
        found = describe(source.data.shape[1:], source.data.dtype)
        expected = describe(shape, dtype)
        if found != expected:
            raise AcuityError(
                f"{file}: this slice is {found} where the first one is {expected}; all slices "
                "must be alike."
            )
    return source


def read(folder: Path) -> Source:
    """Open a folder of TIFF images in the natural order of their names.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; hidden files and what is no TIFF are left aside.

    Returns
    -------
    Source
        Read file by file.

    Raises
    ------
    AcuityError
        If there is no TIFF, or a slice differs in size or type, naming it.
    """
    files = slice_files(folder)
    if not files:
        raise AcuityError(
            f"{folder}: found no TIFF files (.tif, .tiff) and no OME-Zarr in this folder."
        )
    first = _open_slice(files[0])
    data = FilesArray(files, first.data)
    for file in files[1:]:
        _open_slice(file, data.shape[1:], data.dtype)
    # a slice knows its pixels and not its distance to the next
    hint = first.hint
    if first.spacing is not None and len(files) > 1:
        pixel = " x ".join(f"{size:g}" for size in dict.fromkeys(first.spacing[1:]))
        hint = f"pixels of {pixel} {first.unit} and no distance between slices"
    spacing = first.spacing if len(files) == 1 else None
    return Source(data, "TIFF folder", spacing, first.unit, hint=hint)
