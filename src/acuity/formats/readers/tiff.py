"""TIFF: one image or many pages, BigTIFF, OME-TIFF and ImageJ's."""

import contextlib
import json
import math
import os
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast
from xml.etree import ElementTree

import numpy as np
import tifffile

from acuity.errors import AcuityError, error_reason, one_sentence
from acuity.formats import vendor, xray
from acuity.formats.files import IMAGE_NOTES, SCAN_NOTES, SLICE_KINDS, note_among, notes_of
from acuity.formats.opened import (
    FlatArray,
    Mapped,
    OpenedFile,
    Oriented,
    Sizes,
    all_positive,
    close_with,
    describe,
    is_number,
    with_notes,
)
from acuity.formats.readers.base import Reader
from acuity.formats.refused import begins_as
from acuity.shards import size_of
from acuity.units import canonical, convert, known
from acuity.volume import Box, LazyArray

SUFFIXES = SLICE_KINDS[0]
_STACK_AXES = "ZIQ"  # a z axis by its name, or pages without a meaning given
_GREYS = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
_AXIS_NAMES = {"C": "channels", "S": "samples", "T": "time points"}
# Formats within TIFF whose pages tifffile puts together.
_OTHERS = ("lsm", "stk", "fluoview", "mmstack", "ndtiff", "scanimage", "scn", "svs", "ndpi", "bif")
AGAIN = "copy it again from its source, or open it in Fiji and save it with File > Save As > Tiff"


@dataclass(eq=False)
class PagesArray(LazyArray):
    """Slices that are decoded page by page.

    Parameters
    ----------
    path : pathlib.Path
        The file, for errors.
    file : tifffile.TiffFile
        Open; closed when this array goes.
    pages : sequence
        One page a slice; or its number in the file, which takes less memory.
    shape : tuple of int
        (z, y, x).
    dtype : numpy.dtype
        Type of a voxel.
    """

    path: Path
    file: tifffile.TiffFile
    pages: Sequence
    shape: tuple[int, ...]
    dtype: np.dtype

    def __post_init__(self) -> None:
        self.dtype = np.dtype(self.dtype)
        close_with(self, self.file)

    def read_box(self, box: Box) -> np.ndarray:
        """Decode the pages of a box."""
        z, y, x = box
        block = np.empty(size_of(box), self.dtype)
        for image, number in zip(block, range(z.start, z.stop), strict=True):
            page = self.pages[number]
            page = _page_at(self.file, page) if isinstance(page, int) else page
            image[...] = _decode(self.path, page, number).reshape(self.shape[1:])[y, x]
        return block


def _page_at(file: tifffile.TiffFile, index: int) -> tifffile.TiffPage:
    return cast(tifffile.TiffPage, file.pages[index])


def _decode(path: Path, page: tifffile.TiffPage, number: int) -> np.ndarray:
    try:
        return page.asarray()
    except MemoryError as error:
        raise AcuityError(
            f"{path}: slice {number} needs {page.nbytes / 2**20:.0f} MiB of memory to be decoded, which "
            "the job does not have; give it more memory, or save the file without compression."
        ) from error
    except Exception as error:
        raise ValueError(f"slice {number}: {error_reason(error)}") from error


def count_pages(path: Path) -> int:
    """Count the pages of a TIFF by following its chain of directories to the end.

    tifffile stops without an error where the chain is cut short, and slices would be missing.

    Raises
    ------
    AcuityError
        If the file is no TIFF or is cut short.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:

        def unpack(fmt: str) -> int:
            data = file.read(struct.calcsize(fmt))
            if len(data) < struct.calcsize(fmt):
                raise AcuityError(
                    f"{path}: the TIFF is cut short after {count} pages at {size} bytes; copy it "
                    "again from its source."
                )
            return struct.unpack(fmt, data)[0]

        count = 0
        order = {b"II": "<", b"MM": ">"}.get(file.read(2), "")
        version = unpack(f"{order}H") if order else 0
        if version not in (42, 43):
            own = "give it the ending of its own format, or copy it again from its source"
            raise AcuityError(
                f"{path}: is no TIFF file, whatever its name says; {begins_as(path, own)}."
            )
        entries, entry, pointer = ("H", 12, "I") if version == 42 else ("Q", 20, "Q")
        if version == 43:
            file.seek(8)
        offset = unpack(order + pointer)
        seen = set()
        while offset:
            if offset in seen:
                raise AcuityError(f"{path}: the TIFF's directories form a ring; it is damaged.")
            seen.add(offset)
            file.seek(offset)
            file.seek(unpack(order + entries) * entry, os.SEEK_CUR)
            offset = unpack(order + pointer)
            count += 1
    if not count:
        raise AcuityError(f"{path}: the TIFF holds no image.")
    return count


# Bytes of a value by its type, where the voxels of a page lie, and directories elsewhere in the file.
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_PLACES, _PLACE = {273: 279, 324: 325}, {3: "H", 4: "I"}
_ELSEWHERE = {330, 34665, 34853}
_COMPRESSION, _DATE = 259, 306


def directory(path: Path) -> tuple | None:
    """Give what the directory of a TIFF says, but for its date and where its voxels lie.

    Slices that say the same are opened in the same way, and one of them tells of all; this takes a
    tenth of the time of opening them.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    tuple, optional
        To be compared; None where it has several pages, is no classic TIFF or is cut short.
    """
    try:
        with open(path, "rb") as file:
            return _directory(file, os.fstat(file.fileno()).st_size)
    except (OSError, LookupError, ValueError, struct.error):
        return None  # opening it says what is wrong


def _directory(file: BinaryIO, size: int) -> tuple | None:
    head = file.read(8)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None:
        return None
    file.seek(*struct.unpack(f"{order}I", head[4:]))
    [count] = struct.unpack(f"{order}H", file.read(2))
    *entries, following = struct.unpack(f"{order}{'HHI4s' * count}I", file.read(12 * count + 4))
    said: list = [order]
    places, packed = {}, False
    for tag, kind, number, value in zip(*[iter(entries)] * 4, strict=True):
        length = _BYTES.get(kind, 0) * number
        if length > 4:
            file.seek(*struct.unpack(f"{order}I", value))
            value = file.read(length)
        if tag in _ELSEWHERE or len(value) < length or length == 0:
            return None
        value = value[:length]
        if tag in _PLACES or tag in _PLACES.values():
            places[tag] = struct.unpack(f"{order}{number}{_PLACE[kind]}", value)
            value = number
        packed = packed or (tag == _COMPRESSION and value.strip(b"\0") != b"\1")
        if tag != _DATE:
            said.append((tag, kind, value))
    for starts, lengths in _PLACES.items():
        ends = zip(places.get(starts, ()), places.get(lengths, ()), strict=True)
        if any(start + length > size for start, length in ends):
            return None
    # where voxels lie as they are, what lies behind them tells of more images
    return None if following else (*said, () if packed else (size, *places.values()))


@dataclass(frozen=True)
class _Page:
    """What counts of one page of a file.

    Parameters
    ----------
    index : int
        Its place in the file, from 0.
    shape : tuple of int
        Rows and columns; several slices before them where the page holds those.
    dtype : numpy.dtype
    grey : bool
        Whether it has one grey value a pixel.
    reduced : bool
        Whether it says of itself that it is the smaller copy of another, or a mask.
    meaning : tuple
        Photometric interpretation, orientation and bits: alike in all slices.
    start, end : int
        First byte of its voxels where they lie as one block and are not packed, else -1; byte after
        the last.
    images : int, optional
        How many images its own description tells of.
    axes : tuple of (str, int)
        Axes of them but y and x, with their lengths, where the description tells.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype
    grey: bool
    reduced: bool
    meaning: tuple
    start: int
    end: int
    images: int | None
    axes: tuple[tuple[str, int], ...]


def read(path: Path, notes: Sequence[Path] = (), alone: bool = False) -> OpenedFile:
    """Open a TIFF.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    notes : sequence of pathlib.Path
        What an instrument has written beside it, see :func:`acuity.formats.files.notes_of`.
    alone : bool
        Whether what its metadata say of other files does not count, as where it is one of a list.

    Returns
    -------
    OpenedFile
        Read when asked for; what is compressed is decoded page by page.

    Raises
    ------
    AcuityError
        If it is cut short, has colours, channels or time points, pages that differ, or another number
        of images than it says; if its values have no plain meaning.
    """
    count_pages(path)
    with one_sentence(f"{path}: cannot be read as a TIFF", AGAIN), contextlib.ExitStack() as stack:
        file = stack.enter_context(tifffile.TiffFile(path))
        source, stored = _read(path, file, notes, alone)
        if isinstance(stored, PagesArray):
            stack.pop_all()  # it stays open as long as that array
        return source


def _read(
    path: Path, file: tifffile.TiffFile, notes: Sequence[Path], alone: bool
) -> tuple[OpenedFile, LazyArray | np.ndarray]:
    """Open a file; beside the source give the array that reads from it."""
    pages, left_out = _slices(path, file)
    first = _page_at(file, pages[0].index)
    if first.compression not in tifffile.TIFF.DECOMPRESSORS:
        name = getattr(first.compression, "name", f"the compression {first.compression}")
        raise AcuityError(
            f"{path}: its images are packed by {name}, which cannot be read; save it without "
            "compression, in Fiji with File > Save As > Tiff."
        )
    ome = _ome(path, file)
    if ome is None:
        plain = not any(getattr(file, f"is_{other}") for other in _OTHERS)
    else:
        _same_images(path, ome, pages[0])
        plain = alone or not _planes(path, ome, pages)
    stored = (_stack if plain else _series)(path, file, pages)
    maker, said = vendor.Vendor(None), {}
    if ome is not None:
        name, own = "OME-TIFF", _ome_notes(ome)
        spacing, unit, hint = _ome_size(ome)
    elif file.is_imagej:
        said = file.imagej_metadata or {}
        name, own = "ImageJ TIFF", said.get("acuity")
        spacing, unit, hint = _imagej_size(said, first)
    else:
        name, own = "BigTIFF" if file.is_bigtiff else "TIFF", None
        spacing, unit, hint = _tag_size(first)
        maker = vendor.read(file, stored, note_among(notes, IMAGE_NOTES), first) or maker
        pixel = None if None in spacing[1:] else spacing[1:]
        pixel, unit, hint = maker.sized(pixel, unit, hint)
        spacing = (None, *(pixel or (None, None)))
    if (pages[0].meaning[1] or 1) >= 5:
        spacing = (spacing[0], spacing[2], spacing[1])
    if stored.shape[0] == 1 and spacing[0] is None:
        spacing = (spacing[2], *spacing[1:])  # one image: as thick as a pixel is wide
    pixel = None if None in spacing[1:] else spacing[1:]
    if spacing[0] is None and pixel is not None:
        hint = no_distance(pixel, unit) + (f", and {hint}" if hint else "")
    voxel = None if None in spacing else spacing
    data, origin = maker.above_bar(stored), _imagej_origin(said, voxel)
    source = OpenedFile(data, name, voxel, unit, origin, hint)
    source.pixel, source.instrument = pixel, maker.notes
    if left_out:
        source.notes["left_out"] = left_out
    _give_meaning(path, source, said, pages[0].meaning)
    if (scan := note_among(notes, SCAN_NOTES)) is not None:
        source = with_scan(source, scan, source.data.shape)
    return with_notes(source, own), stored


def with_scan(source: OpenedFile, note: Path, shape: tuple[int, ...], step: int = 1) -> OpenedFile:
    """Put what a tomograph says of a scan to what its images say of themselves.

    Parameters
    ----------
    source : OpenedFile
        The images.
    note : pathlib.Path
        What lies beside them, see :func:`acuity.formats.files.notes_of`.
    shape : tuple of int
        Number, rows and columns of the images.
    step : int
        In which the numbers of their names go on.
    """
    scan = xray.read_scan(note, shape, step)
    source = replace(source, instrument=source.instrument or scan.notes, doubt=scan.doubt)
    if scan.spacing is not None:
        return replace(source, spacing=scan.spacing, unit=scan.unit, hint="", pixel=None)
    return replace(source, hint=source.hint or scan.hint)


# --- which pages are slices


def _slices(path: Path, file: tifffile.TiffFile) -> tuple[list[_Page], str]:
    """Give the pages that are slices, and in words what was left out."""
    told = _imagej_count if file.is_imagej else _shaped_count
    pages = [_page(path, _page_at(file, n), n, told) for n in range(len(file.pages))]
    full = [page for page in pages if not page.reduced] or pages
    grey = [page for page in full if page.grey]
    if not grey:
        raise _colour(path, _page_at(file, full[0].index))
    kinds = Counter(page.shape for page in grey)
    shape = max(kinds, key=lambda kind: (kinds[kind], math.prod(kind)))
    main = [page for page in grey if page.shape == shape]
    for page in grey:
        if page.shape != shape and not _thumbnail(page.shape, shape):
            raise _unlike(path, page, main[0])
    for page in full:
        # beside one grey image its coloured copy; else a slice of the stack may be in colour
        if not page.grey and len(main) > 1 and page.shape == shape[-2:]:
            raise AcuityError(
                f"{path}: page {page.index} is in colour and others are grey, allowed is one grey value "
                "a pixel in all slices; convert it, in Fiji with Image > Type > 8-bit."
            )
    for page in main:
        if page.dtype != main[0].dtype:
            raise _unlike(path, page, main[0])
        # what only the first page tells is told for all: writers leave it out of the others
        both = zip(main[0].meaning, page.meaning, strict=True)
        if any(own not in (None, first) for first, own in both):
            raise AcuityError(
                f"{path}: page {page.index} has another photometric interpretation, orientation or "
                f"number of bits than page {main[0].index}; all slices must be alike."
            )
    colours = sum(not page.grey for page in full)
    smaller = len(pages) - len(main) - colours
    words = [
        f"{count} {word} page{'s' * (count > 1)}"
        for count, word in ((smaller, "reduced"), (colours, "colour"))
        if count
    ]
    return main, " and ".join(words)


def _unlike(path: Path, page: _Page, first: _Page) -> AcuityError:
    return AcuityError(
        f"{path}: page {page.index} is {describe(page.shape, page.dtype)} where page {first.index} is "
        f"{describe(first.shape, first.dtype)}; all slices must be alike."
    )


def _thumbnail(shape: tuple[int, ...], of: tuple[int, ...]) -> bool:
    """Tell whether an image is a smaller copy of another by its size: half at most, as wide."""
    if len(shape) != 2 or len(of) != 2 or any(2 * a > b for a, b in zip(shape, of, strict=True)):
        return False
    return abs(shape[0] * of[1] - shape[1] * of[0]) <= max(of)


def _page(path: Path, page: tifffile.TiffPage, index: int, told: Callable) -> _Page:
    if page.dtype is None:
        raise AcuityError(
            f"{path}: page {index} has values of {page.bitspersample} bits in the sample format "
            f"{int(page.sampleformat)}, which cannot be read; open it in Fiji and save it as 16-bit or "
            "32-bit."
        )
    told_as = page.tags.valueof(274)
    orientation = told_as if told_as in (None, *range(2, 9)) else 1
    images, axes = told(path, page)
    grey = _grey(page)
    lies = page.is_contiguous and page.fillorder == 1
    ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
    return _Page(
        index,
        tuple(page.shape) if grey else (page.imagelength, page.imagewidth),
        np.dtype(page.dtype),
        grey,
        page.is_reduced or bool(page.subfiletype & 4),
        # where the tag is missing tifffile says 0, which would mean that white is
        (int(page.photometric) if 262 in page.tags else 1, orientation, page.bitspersample),
        int(page.dataoffsets[0]) if lies and page.dataoffsets else -1,
        max(ends, default=0),
        images,
        axes,
    )


def _grey(page: tifffile.TiffPage) -> bool:
    grey = page.samplesperpixel == 1
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        if page.colormap is None:
            return False
        # Grey images are written with a grey palette too. Zeiss's is about grey (within 12 of 255)
        # and keeps every ninth entry for the colours of annotations.
        red, green, blue = page.colormap.astype(np.float64) / 65535
        plain = (red == green) & (red == blue)
        near = np.abs(red - np.linspace(0, 1, len(red)))[plain] < 1 / 16
        return grey and plain.mean() > 0.85 and bool(near.all())
    return grey and page.photometric in _GREYS


def _colour(path: Path, page: tifffile.TiffPage) -> AcuityError:
    name = getattr(page.photometric, "name", str(page.photometric)).lower()
    if page.photometric in _GREYS:
        return AcuityError(
            f"{path}: found {page.samplesperpixel} values a pixel (channels, or slices that were written "
            "as such), allowed is one grey value a pixel; open it in Fiji with File > Import > "
            "Bio-Formats, and save the stack with File > Save As > Tiff."
        )
    return AcuityError(
        f"{path}: found a colour image ({page.samplesperpixel} samples a pixel, {name}), allowed is one "
        "grey value a pixel; convert it, in Fiji with Image > Type > 8-bit."
    )


# --- how many slices there are

_Told = tuple[int | None, tuple[tuple[str, int], ...]]


def _imagej_count(path: Path, page: tifffile.TiffPage) -> _Told:
    """Read how many images ImageJ's description of a page tells of, and along which axes."""
    text = page.imagej_description
    if not text:
        return None, ()
    said = tifffile.tifffile.imagej_description_metadata(text)
    axes = {"channels": "C", "slices": "Z", "frames": "T"}
    told: dict[str, Any] = {key: said.get(key) for key in ("images", *axes)}
    counts = {key: n for key, n in told.items() if isinstance(n, int) and n > 0}
    images = counts.pop("images", None)
    if not counts:
        return images, ()
    product = math.prod(counts.values())
    if images is not None and images != product:
        laid_out = " and ".join(f"{key}={n}" for key, n in counts.items())
        raise _counts(path, images, f"lays them out as {laid_out}")
    return product, tuple((axis, counts.get(key, 1)) for key, axis in axes.items())


def _shaped_count(path: Path, page: tifffile.TiffPage) -> _Told:
    """Read how many images tifffile's description of a page tells of, and along which axes."""
    text = page.shaped_description
    if not text:
        return None, ()
    try:
        said = json.loads(text) if text[0] == "{" else {"shape": json.loads(f"[{text[7:-1]}]")}
        shape = [int(count) for count in said["shape"]]
    except (ValueError, TypeError, KeyError):
        return None, ()
    size = tuple(page.shape)
    if tuple(shape[-len(size) :]) != size or any(count < 1 for count in shape):
        return None, ()  # of an image that was cut or scaled since
    leading = shape[: -len(size)]
    if not leading:
        return None, ()  # of this image alone
    axes = said.get("axes")
    if not isinstance(axes, str) or len(axes) != len(shape):
        axes = "Q" * len(shape)
    return math.prod(leading), tuple(zip(axes, leading, strict=False))


def _stack(path: Path, file: tifffile.TiffFile, pages: list[_Page]) -> np.ndarray | LazyArray:
    """Give the slices as (z, y, x), without reading them where possible."""
    first = pages[0]
    told = [page.images for page in pages if page.images is not None]
    count = len(pages)
    axes: Sequence[tuple[str, int]] = first.axes
    if count == 1:
        count = _behind(path, file, first, sum(told) if told else 1)
    else:
        # appended to one another, each with a description of its own
        if told and sum(told) != count:
            raise _counts(path, sum(told), f"holds {count}")
        axes = [axis for page in pages for axis in page.axes]
    stack = [(axis, length) for axis, length in axes if length > 1]
    _refuse_axes(path, stack, max(1, len(told)))
    _check_end(path, max(page.end for page in pages))
    if len(first.shape) == 3 and len(pages) == 1:  # one page of several slices
        return _decode(path, _page_at(file, first.index), 0).reshape(first.shape)
    if len(first.shape) != 2:
        raise AcuityError(
            f"{path}: each page holds {describe(first.shape, first.dtype)}, allowed is one slice a page."
        )
    rows, columns = first.shape
    each = rows * columns * first.dtype.itemsize
    together = (page.start == first.start + n * each for n, page in enumerate(pages))
    if first.start >= 0 and all(together):
        kind = first.dtype.newbyteorder(file.byteorder)
        return FlatArray(path, kind, first.start, (count, rows, columns))
    indices = [page.index for page in pages]
    return PagesArray(path, file, indices, (count, rows, columns), first.dtype)


def _behind(path: Path, file: tifffile.TiffFile, page: _Page, told: int) -> int:
    """Give the number of images of a file of one directory, which may lie one behind the other."""
    each = math.prod(page.shape) * page.dtype.itemsize
    if page.start < 0:
        if told > 1:
            raise _counts(path, told, "holds 1, which is packed")
        return 1
    _check_end(path, page.start + each)
    size = os.path.getsize(path)
    there = (size - page.start) // each
    if told > there:
        raise _counts(path, told, f"has data for {there}")
    end = page.start + told * each
    whole_page = _page_at(file, page.index)
    last = max([whole_page.offset, *(tag.valueoffset for tag in whole_page.tags.values())])
    whole = size > end and (size - end) % each == 0
    if file.is_imagej and len(file.pages) == 1 and last < end and whole:
        raise _counts(path, told, f"has data for {there}")
    return told


def _counts(path: Path, told: int, found: str) -> AcuityError:
    return AcuityError(
        f"{path}: says that it holds {told} image{'s' * (told != 1)} and {found}; {AGAIN}."
    )


def _check_end(path: Path, end: int | None) -> None:
    """Refuse a file that ends before its voxels do; None where a page of them is missing."""
    size = os.path.getsize(path)
    if end is None or end > size:
        needed = f"{end} bytes are needed, {size} are there" if end else "pages are missing"
        raise AcuityError(
            f"{path}: the TIFF is cut short: {needed}; copy it again from its source."
        )


def _refuse_axes(path: Path, stack: list[tuple[str, int]], most: int) -> None:
    """Refuse images along other axes than z, or more than one of those."""
    # channels and time points first: with them, the slices are no fault
    for axis, length in [*(one for one in stack if one[0] not in _STACK_AXES), *stack]:
        if axis not in _STACK_AXES or len(stack) > most:
            raise AcuityError(
                f"{path}: found {length} {_AXIS_NAMES.get(axis, f'along the axis {axis}')}, allowed is "
                "one stack of slices (z, y, x); where they are slices, say so in Fiji with Image > "
                "Properties."
            )


def _series(path: Path, file: tifffile.TiffFile, pages: list[_Page]) -> np.ndarray | LazyArray:
    """Give the slices of a format that tifffile puts together as (z, y, x)."""
    found = [series for series in file.series if not series.keyframe.is_reduced]
    if len(found) != 1:
        raise AcuityError(
            f"{path}: holds {len(found)} images, allowed is one; save the one that you mean as a file of "
            "its own."
        )
    series, first = found[0], pages[0]
    sizes = [(axis, count) for axis, count in zip(series.axes, series.shape, strict=True)]
    stack = [(axis, count) for axis, count in sizes if axis not in "YX" and count > 1]
    _refuse_axes(path, stack, 1)
    shape = (math.prod(count for _, count in stack), *first.shape[-2:])
    end = None
    if series.dataoffset is not None:
        end = series.dataoffset + math.prod(shape) * first.dtype.itemsize
    elif None not in series.pages:
        end = max(page.end for page in pages)
    _check_end(path, end)
    if series.dataoffset is not None:
        kind = first.dtype.newbyteorder(file.byteorder)
        return FlatArray(path, kind, series.dataoffset, shape)
    if len(series.pages) != shape[0]:
        return np.asarray(series.asarray()).reshape(shape)  # one page of several slices
    return PagesArray(path, file, series.pages, shape, first.dtype)


# --- what the numbers mean

# ImageJ's functions of calibration by their numbers; those beyond the polynomials are no straight
# change of the grey values.
_CURVES = (
    *("exponential", "power", "log", "Rodbard", "gamma variate", "y=a+b*ln(x-c)"),
    *("Rodbard (NIH Image)", "exponential with offset", "Gaussian", "exponential recovery"),
)
_FUNCTIONS = dict(enumerate(_CURVES, 4)) | {21: "uncalibrated OD", 22: "custom"}
_POLYNOMIALS = {0: 2, 1: 3, 2: 4, 3: 5}  # number of coefficients
_NO_FUNCTION = 20
_SIGNED = 32768  # by which ImageJ shifts signed values of 16 bits


def _give_meaning(path: Path, source: OpenedFile, said: dict, meaning: tuple) -> None:
    """Turn stored numbers into the values that a viewer shows, and note what was done.

    Parameters
    ----------
    path : pathlib.Path
        The file, for errors.
    source : OpenedFile
        With its data as they are stored; changed.
    said : dict
        ImageJ's description, empty where it has none.
    meaning : tuple
        Of its slices, see `_Page`.
    """
    photometric, orientation, bits = meaning
    dtype = np.dtype(source.data.dtype).newbyteorder("=")
    white = photometric == tifffile.PHOTOMETRIC.MINISWHITE
    function = said.get("cf", _NO_FUNCTION)
    if function != _NO_FUNCTION and dtype.kind in "ui" and dtype.itemsize <= 2:
        if white:
            raise AcuityError(
                f"{path}: has white as its lowest value and a calibration by ImageJ, which of them "
                "counts is not told; convert it, in Fiji with Image > Type > 32-bit."
            )
        _calibrate(path, source, said, dtype)
    elif white:
        _invert(path, source, bits, dtype)
    if orientation not in (None, 1):
        source.data = Oriented(source.data, orientation)
        source.notes["orientation"] = f"{orientation} in the file, turned to 1"


def _invert(path: Path, source: OpenedFile, bits: Any, dtype: np.dtype) -> None:
    """Turn values over whose lowest is white."""
    if dtype.kind not in "biu":
        raise AcuityError(
            f"{path}: has white as its lowest value (photometric MINISWHITE) in the type {dtype}, "
            "which has no highest one; invert and save it in Fiji with Edit > Invert."
        )
    if dtype.kind == "b":
        source.notes["values"] = "white was 0 in the file (MINISWHITE): v = not stored"
        source.data = Mapped(source.data, dtype, np.logical_not)
        return
    top = int(np.iinfo(dtype).max) + int(np.iinfo(dtype).min)
    if isinstance(bits, int) and 0 < bits < 8 * dtype.itemsize:
        top = 2**bits - 1
    source.notes["values"] = f"white was lowest in the file (MINISWHITE): v = {top} - stored"
    source.data = Mapped(source.data, dtype, lambda block: top - block.astype(np.int64))


def _calibrate(path: Path, source: OpenedFile, said: dict, dtype: np.dtype) -> None:
    """Apply the calibration that ImageJ has noted."""
    function = said["cf"]
    if function not in _POLYNOMIALS:
        name = _FUNCTIONS.get(function, repr(function))
        raise AcuityError(
            f"{path}: its values are calibrated in ImageJ by the function {name}, allowed are a "
            "straight line and polynomials; save the calibrated values, in Fiji with Image > Type > "
            "32-bit."
        )
    terms: list[Any] = [said.get(f"c{n}") for n in range(_POLYNOMIALS[function])]
    if not all(map(is_number, terms)):
        told = ", ".join(f"c{n}={term}" for n, term in enumerate(terms))
        raise AcuityError(
            f"{path}: its values are calibrated in ImageJ with {told}, allowed are "
            f"{len(terms)} numbers; calibrate it again, in Fiji with Analyze > Calibrate."
        )
    shift = _SIGNED if dtype == np.int16 else 0
    clip = said.get("zeroclip") is True
    unit = str(said.get("vunit", ""))
    if unit and unit.lower() != "gray value":
        source.intensity = unit
    if terms[1:] == [1.0] and terms[0] == -shift and not clip:
        return
    formula = " + ".join(
        f"{term:g} v^{n}" if n > 1 else f"{term:g}{' v' * n}" for n, term in enumerate(terms)
    )
    cut, shifted = ", not below 0" if clip else "", f" + {shift}" if shift else ""
    source.notes["values"] = f"ImageJ: {formula} of the stored v{cut}{shifted}"

    def apply(block: np.ndarray) -> np.ndarray:
        values = block.astype(np.float64) + shift
        result = np.polynomial.polynomial.polyval(values, terms)
        return np.maximum(result, 0) if clip else result

    source.data = Mapped(source.data, _narrowest(apply, dtype, terms), apply)


def _narrowest(apply: Callable, dtype: np.dtype, terms: list[float]) -> np.dtype:
    """Choose the type of calibrated values: integers where a straight line gives nothing else."""
    if len(terms) == 2 and all(term == int(term) for term in terms):
        limits = np.iinfo(dtype)
        ends = apply(np.array([limits.min, limits.max], dtype))
        for kind in ("uint8", "int8", "uint16", "int16", "int32"):
            if np.iinfo(kind).min <= ends.min() and ends.max() <= np.iinfo(kind).max:
                return np.dtype(kind)
    return np.dtype(np.float32)


# --- how large a voxel is

# Each gives the sizes along z, y, x, None where it is not told, their unit and, where there is
# something to say to the user, what the file says instead.
_Found = tuple[tuple[Any, ...], str, str]
_NOTHING: _Found = ((None, None, None), "", "")


def display(pixel: float, unit: str) -> str:
    """Tell whether a size of a pixel is one that programs write for a printer or a screen.

    Sizes in inch or cm mean that below 330 dots an inch (77 um), and above where they are a whole
    multiple of a usual number of dots, as exactly as they are written: 236 a cm are 600 an inch. In
    other units only multiples that are met exactly mean it.

    Parameters
    ----------
    pixel : float
        Its length.
    unit : str
        Any unit of length.

    Returns
    -------
    str
        What it is in words; empty where it may be that of a sample.
    """
    dots = convert(1, "inch", unit) / pixel
    slack, usual = 0.02, tuple[int, ...]()
    if canonical(unit) in ("inch", "cm"):
        written = f"{1 / pixel:.7g}".partition("e")[0]
        last = 10.0 ** -len(written.partition(".")[2])
        slack = max(slack, last / 2 * convert(1, "inch", unit))
        usual = (50, 60, 72, 96) if dots <= 1270 else (600, 800) if dots <= 9700 else ()
        meant = dots <= 330
    else:
        usual, meant = ((72, 96, 300) if 70 < dots < 601 else ()), False
    meant = meant or any(abs(dots - round(dots / each) * each) <= slack for each in usual)
    return f"{dots:.3g} dots an inch, which is meant for a printer or a screen" if meant else ""


def _pixel(page: tifffile.TiffPage, tag: str) -> float | None:
    """Give the length of a pixel from a resolution tag, in the unit of that tag."""
    try:
        count, unit = page.tags[tag].value
        # the tag is a ratio of two integers; nine digits are what it was meant to be
        size = float(f"{unit / count:.9g}")
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return size if size > 0 and math.isfinite(size) else None


def _tag_size(page: tifffile.TiffPage) -> _Found:
    units = {2: "inch", 3: "cm", 4: "mm", 5: "um"}
    unit = units.get(page.tags.valueof("ResolutionUnit", 0))
    y, x = _pixel(page, "YResolution"), _pixel(page, "XResolution")
    if unit is None or x is None or y is None:
        return _NOTHING
    told = display(x, unit)
    return (*_NOTHING[:2], told) if told else ((None, y, x), unit, "")


def _imagej_size(said: dict, page: tifffile.TiffPage) -> _Found:
    """Read ImageJ's sizes; it writes units of y and z where they differ from that of x."""
    unit = str(said.get("unit") or "")
    if not unit:
        return _tag_size(page)
    units = {axis: str(said.get(f"{axis}unit") or unit) for axis in "zy"} | {"x": unit}
    for axis in "yx":
        if not known(units[axis]):
            return (*_NOTHING[:2], f"a size in {units[axis]!r}")
    sizes: dict[str, Any] = {"y": _pixel(page, "YResolution"), "x": _pixel(page, "XResolution")}
    told = next((display(size, units[axis]) for axis, size in sizes.items() if size), "")
    if told:
        return (*_NOTHING[:2], told)
    hint, spacing = "", said.get("spacing")
    if isinstance(spacing, bool) or (spacing is not None and not isinstance(spacing, (int, float))):
        hint = f"a spacing of {spacing!r}"
    elif spacing and math.isfinite(spacing):
        if known(units["z"]):
            sizes["z"] = abs(float(spacing))  # as ImageJ takes it
        else:
            hint = f"a spacing in {units['z']!r}"
    found = {
        axis: convert(size, units[axis], unit) for axis, size in sizes.items() if size is not None
    }
    return tuple(map(found.get, "zyx")), unit, hint


def _imagej_origin(said: dict, spacing: Sizes | None) -> Sizes:
    """Return the centre of the first voxel from the voxel at which the coordinate is zero."""
    places = [said.get(f"{axis}origin", 0) for axis in "zyx"]
    if spacing is None or not all(map(is_number, places)):
        return (0.0, 0.0, 0.0)
    # adding 0.0 makes a negative zero a plain one
    return tuple(
        float(f"{-place * size:.12g}") + 0.0 for place, size in zip(places, spacing, strict=True)
    )


def _ome(path: Path, file: tifffile.TiffFile) -> ElementTree.Element | None:
    """Read the metadata of an OME-TIFF; None where there are none, or they lie in another file."""
    if not file.is_ome:
        return None
    with one_sentence(f"{path}: its OME metadata cannot be read", reason=str):
        root = ElementTree.fromstring(file.ome_metadata or "")
    return None if root.find(".//{*}Pixels") is None else root


def _planes(path: Path, ome: ElementTree.Element, pages: list[_Page]) -> bool:
    """Compare the images that the metadata tell of with those in the file.

    Returns
    -------
    bool
        False where the metadata do not tell.
    """
    told = 0
    for pixels in ome.iterfind(".//{*}Pixels"):
        # one name alone may be that of this file before it was renamed
        names = {part.get("FileName", path.name) for part in pixels.iterfind(".//{*}UUID")}
        if len(names) > 1:
            other = min(names - {path.name})
            raise AcuityError(
                f"{path}: its OME metadata lay one volume over {len(names)} files ({other} is another), "
                "allowed is one file; name the slices in a list (.txt, one file a line), or "
                "save the volume as one file with Bio-Formats in Fiji."
            )
        counts = [pixels.get(f"Size{axis}", "") for axis in "ZCT"]
        if not all(count.isdigit() and int(count) for count in counts):
            return False
        told += math.prod(map(int, counts))
    if told != math.prod((len(pages), *pages[0].shape[:-2])):
        raise _counts(path, told, f"holds {len(pages)}")
    return True


# Types of OME by the kinds of TIFF that hold them.
_OME_TYPES = {"bit": ("bool", "uint8"), "float": ("float32",), "double": ("float64",)}


def _same_images(path: Path, ome: ElementTree.Element, page: _Page) -> None:
    """Compare size and type of an image with those that the metadata tell of."""
    size, kind = page.shape[-2:], page.dtype.name
    own = rows, columns = tuple(map(str, size))
    told = (("SizeY", rows), ("SizeX", columns), ("Type", kind))
    images = ome.iterfind(".//{*}Pixels")
    said = [tuple(pixels.get(key, plain) for key, plain in told) for pixels in images]
    if any(one[:2] == own and kind in _OME_TYPES.get(one[2], (one[2],)) for one in said):
        return
    rows, columns, other = said[0]
    raise AcuityError(
        f"{path}: its OME metadata tell of images of {rows} x {columns} of {other} and it holds "
        f"{describe(size, page.dtype)}, so that values or sizes of pixels may mean something else; "
        f"{AGAIN}."
    )


def _ome_notes(ome: ElementTree.Element) -> str | None:
    """Give what Acuity itself has noted in an OME-TIFF that it exported."""
    for note in ome.iterfind(".//{*}CommentAnnotation"):
        if note.get("Namespace") == "acuity":
            return note.findtext("{*}Value")
    return None


def _ome_size(ome: ElementTree.Element) -> _Found:
    pixels: Any = ome.find(".//{*}Pixels")
    sizes: dict[str, Any] = dict.fromkeys("ZYX")
    target = hint = ""
    for axis in "XYZ":
        told = pixels.get(f"PhysicalSize{axis}")
        size: Any = None
        unit = pixels.get(f"PhysicalSize{axis}Unit", "um")  # the schema's default
        with contextlib.suppress(TypeError, ValueError):
            size = float(told)
        if told is None:
            continue
        if not known(unit):
            hint = f"a size in {unit!r}"
        elif not all_positive([size]):
            hint = f"a PhysicalSize{axis} of {told!r}"
        elif axis != "Z" and (screen := display(size, unit)):
            # what Bio-Formats makes of a printer's resolution
            return (*_NOTHING[:2], screen)
        else:
            target = target or unit
            sizes[axis] = convert(size, unit, target)
    if None in (sizes["Y"], sizes["X"]):
        return (*_NOTHING[:2], hint)
    return tuple(sizes.values()), target, hint


def no_distance(pixel: tuple[float, ...], unit: str) -> str:
    """Say that slices know their pixels and not their distance from one another."""
    return f"pixels of {vendor.pixel_text(pixel, unit)} and no distance between slices"


READER = Reader("TIFF", SUFFIXES, lambda path, dataset: read(path, notes_of([path])), place=40)
