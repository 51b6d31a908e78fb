"""What every reader gives: an array read part by part and what its file says of it."""

import json
import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from acuity.errors import DAMAGED, one_sentence
from acuity.shards import size_of
from acuity.units import convert, known
from acuity.volume import Box, LazyArray, check_dtype

Sizes = tuple[float, ...]  # along z, y, x, or y, x of a pixel


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a finite number."""
    return isinstance(value, (int, float, np.number)) and math.isfinite(value)


def all_positive(sizes: Iterable[object]) -> bool:
    """Tell whether all sizes are finite numbers above zero."""
    return all(is_number(size) and size > 0 for size in sizes)


def by_times(sizes: Iterable[object], form: str = "g") -> str:
    """Write sizes for an error, as in ``20 x 10 x 10``; counts in the form ``d``."""
    return " x ".join(
        format(size, form) if isinstance(size, (int, float, np.number)) else repr(size)
        for size in sizes
    )


def one_slice(sizes: Sequence[float]) -> tuple[float, ...]:
    """Make height and width of a pixel a voxel as thick as it is wide; a voxel stays as it is."""
    return (sizes[1], *sizes) if len(sizes) == 2 else tuple(sizes)


@dataclass
class OpenedFile:
    """A file of someone else's, opened but not read.

    Parameters
    ----------
    data : array
        (z, y, x); anything with a shape, a dtype and indexing by slices.
    format : str
        Name of the format, for the provenance.
    spacing : tuple of float, optional
        Voxel size along z, y, x where the file carries all of it.
    unit : str
        Unit of `spacing` and `origin`.
    origin : tuple of float
        Centre of the first voxel.
    hint : str
        What the file says of the voxel size where that is not enough.
    intensity : str
        Meaning of a value where the file tells it.
    provenance : tuple of dict
        Steps that the file itself records.
    pixel : tuple of float, optional
        Height and width of a pixel in `unit` where the file carries them, with or without a
        distance between slices.
    instrument : dict
        What the microscope says of itself: maker, tilt, rows of the bar that were left out.
    notes : dict
        What was done to read the values as they are meant, for the provenance.
    doubt : str
        What speaks against its being a volume; the study must then say that it is one.
    """

    data: Any
    format: str
    spacing: Sizes | None = None
    unit: str = ""
    origin: Sizes = (0.0, 0.0, 0.0)
    hint: str = ""
    intensity: str = ""
    provenance: tuple[dict, ...] = ()
    pixel: tuple[float, ...] | None = None
    instrument: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    doubt: str = ""


class GuardedArray(LazyArray):
    """Another array in a type that volumes are stored in, whose reading errors name the file.

    Parameters
    ----------
    data : array
        (z, y, x).
    path : pathlib.Path
        The file, for the error.
    """

    def __init__(self, data: Any, path: Path) -> None:
        self._data = data
        self._path = path
        self.shape = tuple(data.shape)
        dtype = np.dtype(data.dtype)
        # voxels of 16 and 64 bits with a fraction become float32
        self.dtype = check_dtype(np.float32 if dtype.kind == "f" else dtype, str(path))

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box."""
        first, last = box[0].start, box[0].stop - 1
        with one_sentence(f"{self._path}: slices {first} to {last} cannot be read", DAMAGED):
            block = np.asarray(self._data[box])
        # what overflows becomes infinite and is refused as such
        with np.errstate(over="ignore"):
            return block.astype(self.dtype, copy=False)


class FlatArray(LazyArray):
    """Voxels that lie one after the other in a file, read with plain reads.

    A memory map would do as well, but the pages that it has touched count as memory of the job.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    dtype : numpy.dtype
        Type of a voxel with its byte order.
    offset : int
        Bytes before the first voxel.
    shape : tuple of int
        (z, y, x).
    """

    def __init__(self, path: Path, dtype: np.dtype, offset: int, shape: tuple[int, ...]) -> None:
        self._path = path
        self._offset = offset
        self.dtype = np.dtype(dtype)
        self.shape = tuple(int(count) for count in shape)

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box."""
        z, y, x = box
        block = np.empty(size_of(box), self.dtype)
        _, rows, columns = self.shape
        with open(self._path, "rb") as file:
            for image, number in zip(block, range(z.start, z.stop), strict=True):
                # the rows of a box lie together, whole
                first = (number * rows + y.start) * columns * self.dtype.itemsize
                file.seek(self._offset + first)
                lines = np.empty((y.stop - y.start, columns), self.dtype)
                if file.readinto(lines.data) < lines.nbytes:
                    raise ValueError("the file ends too early")
                image[...] = lines[:, x]
        return block


class Mapped(LazyArray):
    """Another array whose values mean something else than their numbers say.

    Parameters
    ----------
    data : array
        (z, y, x).
    dtype : numpy.dtype
        Type of the values that are meant.
    function : callable
        From a block as it is stored to one as it is meant.
    """

    def __init__(self, data: Any, dtype: Any, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self._data = data
        self._function = function
        self.shape = tuple(data.shape)
        self.dtype = np.dtype(dtype)

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box."""
        return self._function(np.asarray(self._data[box])).astype(self.dtype, copy=False)


class Oriented(LazyArray):
    """Images that are stored turned or mirrored, as a tag Orientation tells.

    Parameters
    ----------
    data : array
        (z, y, x), as stored.
    orientation : int
        1 to 8, as TIFF and EXIF number them.
    """

    def __init__(self, data: LazyArray | np.ndarray, orientation: int) -> None:
        self._data = data
        self._turned = orientation >= 5
        self._flipped = (orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7))  # y, x
        depth, *plane = data.shape
        self.shape = (depth, *(plane[::-1] if self._turned else plane))
        self.dtype = np.dtype(data.dtype)

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box."""
        plane = [
            slice(count - part.stop, count - part.start) if flipped else part
            for part, count, flipped in zip(box[1:], self.shape[1:], self._flipped, strict=True)
        ]
        block = np.asarray(self._data[(box[0], *(plane[::-1] if self._turned else plane))])
        block = block.swapaxes(1, 2) if self._turned else block
        steps = (slice(None, None, -1 if flipped else 1) for flipped in self._flipped)
        return block[(slice(None), *steps)]


def scaled(data: Any, slope: float, shift: float, notes: dict, by: str) -> Any:
    """Apply a scale that a file tells of its stored values, and note it.

    Parameters
    ----------
    data : array
        (z, y, x), as stored.
    slope, shift : float
        What a stored value is multiplied with, and what is added then.
    notes : dict
        Of the source; where there is a scale, `values` tells of it.
    by : str
        What tells of it, such as "the file says".
    """
    if (slope, shift) == (1, 0):
        return data
    notes["values"] = f"stored values x {slope:g} + {shift:g}, as {by}"
    return Mapped(data, np.float32, lambda block: block.astype(np.float64) * slope + shift)


def close_with(owner: Any, resource: Any) -> None:
    """Close an open file when the array that reads from it goes."""
    weakref.finalize(owner, resource.close)


def describe(shape: tuple[int, ...], dtype: Any) -> str:
    """Give the size and the type of an image for an error."""
    return f"{by_times(shape, 'd')} of {np.dtype(dtype).name}"


def with_notes(source: OpenedFile, notes: Any) -> OpenedFile:
    """Take up what an export of Acuity has noted of a volume; other notes are left aside.

    Parameters
    ----------
    source : OpenedFile
        As the file's own format tells it.
    notes : dict or str
        With `intensity`, `provenance`, `origin` and its `unit`, as JSON text or read already.
    """
    if isinstance(notes, str):
        with suppress(ValueError):
            notes = json.loads(notes)
    if not isinstance(notes, dict):
        return source
    steps, origin = notes.get("provenance"), notes.get("origin", ())
    if isinstance(steps, list) and all(isinstance(step, dict) for step in steps):
        source.provenance = tuple(steps)
    if isinstance(notes.get("intensity"), str):
        source.intensity = notes["intensity"]
    placed = isinstance(origin, list) and len(origin) == 3 and all(map(is_number, origin))
    if placed and known(notes.get("unit")) and source.spacing is not None:
        source.origin = tuple(convert(place, notes["unit"], source.unit) for place in origin)
    return source
