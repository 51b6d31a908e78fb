"""TIFF: one image or many pages, BigTIFF, OME-TIFF and ImageJ's."""

import contextlib
import math
import os
import struct
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile

from acuity.errors import AcuityError
from acuity.formats import vendor
from acuity.formats.source import FlatArray, Sizes, Source, close_with, describe, with_notes
from acuity.units import convert, known
from acuity.volume import Box, LazyArray, error_reason

# Resolutions in dots an inch that programs write for a printer: they say nothing of the sample.
_PRINTER_DPI = {1, 64, 72, 75, 90, 96, 100, 120, 144, 150, 180, 200, 240, 300, 350, 360, 400, 600}
SUFFIXES = (".tif", ".tiff")
_STACK_AXES = "ZIQ"  # a z axis by its name, or pages without a meaning given


class PagesArray(LazyArray):
    """Slices that are decoded page by page.

    Parameters
    ----------
    file : tifffile.TiffFile
        Open; closed when this array goes.
    pages : sequence
        One page a slice.
    shape : tuple of int
        (z, y, x).
    """

    def __init__(self, file: tifffile.TiffFile, pages, shape: tuple[int, int, int]) -> None:
        self._pages = pages
        self.shape = shape
        self.dtype = np.dtype(pages[0].dtype)
        close_with(self, file)

    def read_box(self, box: Box) -> np.ndarray:
        """Decode the pages of a box."""
        z, y, x = box
        block = np.empty([part.stop - part.start for part in box], self.dtype)
        for image, number in zip(block, range(z.start, z.stop), strict=True):
            try:
                whole = self._pages[number].asarray()
            except Exception as error:
                raise ValueError(f"slice {number}: {error_reason(error)}") from error
            image[...] = whole.reshape(self.shape[1:])[y, x]
        return block


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
        order = {b"II": "<", b"MM": ">"}.get(file.read(2))
        version = unpack(f"{order}H") if order else 0
        if version not in (42, 43):
            raise AcuityError(f"{path}: is no TIFF file, whatever its name says.")
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


def read(path: Path) -> Source:
    """Open a TIFF.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    Source
        Read when asked for; what is compressed is decoded page by page.

    Raises
    ------
    AcuityError
        If it is cut short, has colours, channels or time points, or pages that differ.
    """
    count_pages(path)
    file = tifffile.TiffFile(path)
    maker, pages = None, False
    try:
        first = file.pages[0]
        _refuse_colour(path, first)
        data = _stack(path, file)
        pages = isinstance(data, PagesArray)
        if file.is_ome:
            name, notes = "OME-TIFF", _ome_notes(file.ome_metadata)
            spacing, unit, hint = _ome_size(path, file.ome_metadata)
        elif file.is_imagej:
            name, notes = "ImageJ TIFF", (file.imagej_metadata or {}).get("acuity")
            spacing, unit, hint = _imagej_size(file, first)
        else:
            name, notes = "BigTIFF" if file.is_bigtiff else "TIFF", None
            spacing, unit, hint = _tag_size(first)
            maker = vendor.read(file, data)
            if maker is not None and maker.pixel is not None:
                spacing, unit, hint = (None, *maker.pixel), maker.unit, ""
            if maker is not None and maker.rows is not None:
                data = vendor.UpperRows(data, maker.rows)
    except BaseException:
        file.close()
        raise
    if not pages:
        file.close()
    if data.shape[0] == 1 and spacing[0] is None:
        spacing = (spacing[2], *spacing[1:])  # one image: as thick as a pixel is wide
    pixel = None if None in spacing[1:] else spacing[1:]
    if None in spacing:
        if not hint and pixel is not None:
            hint = no_distance(pixel, unit)
        spacing = None
    source = Source(data, name, spacing, unit, hint=hint, pixel=pixel)
    source.instrument = {} if maker is None else maker.notes
    if spacing is not None and file.is_imagej:
        source.origin = _imagej_origin(file.imagej_metadata, spacing)
    return with_notes(source, notes)


def _refuse_colour(path: Path, page: tifffile.TiffPage) -> None:
    grey = page.samplesperpixel == 1
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        # Grey images are written with a grey palette too. Zeiss's is about grey (within 12 of 255)
        # and keeps every ninth entry for the colours of annotations.
        red, green, blue = page.colormap.astype(np.float64) / 65535
        plain = (red == green) & (red == blue)
        near = np.abs(red - np.linspace(0, 1, len(red)))[plain] < 1 / 16
        grey = grey and plain.mean() > 0.85 and bool(near.all())
    elif page.photometric not in (
        tifffile.PHOTOMETRIC.MINISBLACK,
        tifffile.PHOTOMETRIC.MINISWHITE,
    ):
        grey = False
    if not grey:
        raise AcuityError(
            f"{path}: found a colour image ({page.samplesperpixel} samples a pixel, "
            f"{page.photometric.name.lower()}), allowed is one grey value a pixel; convert it, in "
            "Fiji with Image > Type > 8-bit."
        )


def _stack(path: Path, file: tifffile.TiffFile) -> np.ndarray | LazyArray:
    """Give the slices of a file as (z, y, x), without reading them where possible."""
    first = file.pages[0]
    kind = describe(first.shape, first.dtype)
    if not (file.is_ome or file.is_imagej):
        for number, page in enumerate(file.pages):
            found = describe(page.shape, page.dtype)
            if found != kind:
                raise AcuityError(
                    f"{path}: page {number} is {found} where page 0 is {kind}; all slices must "
                    "be alike."
                )
    if len(file.series) != 1:
        raise AcuityError(
            f"{path}: holds {len(file.series)} images, allowed is one; save the one that you mean "
            "as a file of its own."
        )
    series = file.series[0]
    sizes = [(axis, count) for axis, count in zip(series.axes, series.shape, strict=True)]
    stack = [(axis, count) for axis, count in sizes if axis not in "YX" and count > 1]
    names = {"C": "channels", "S": "samples", "T": "time points"}
    for axis, count in stack:
        if axis not in _STACK_AXES or len(stack) > 1:
            raise AcuityError(
                f"{path}: found {count} {names.get(axis, f'along the axis {axis}')}, allowed is "
                "one stack of slices (z, y, x); where they are slices, say so in Fiji with Image > "
                "Properties."
            )
    shape = (math.prod(count for _, count in stack), first.imagelength, first.imagewidth)
    end = None
    if series.dataoffset is not None:
        end = series.dataoffset + math.prod(shape) * first.dtype.itemsize
    elif None not in series.pages:
        end = max(
            offset + count
            for page in series.pages
            if page.parent is file
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
        )
    size = os.path.getsize(path)
    if end is None or end > size:
        raise AcuityError(
            f"{path}: the TIFF is cut short: {f'{end} bytes are needed' if end else 'pages are '}"
            f"{f', {size} are there' if end else 'missing'}; copy it again from its source."
        )
    if series.dataoffset is not None:
        kind = first.dtype.newbyteorder(file.byteorder)
        return FlatArray(path, kind, series.dataoffset, shape)
    if len(series.pages) != shape[0]:
        return np.asarray(series.asarray()).reshape(shape)  # one page of several slices
    return PagesArray(file, series.pages, shape)


# Each gives the sizes along z, y, x, None where it is not told, their unit and, where there is
# something to say to the user, what the file says instead.
_Found = tuple[tuple[float | None, float | None, float | None], str, str]
_NOTHING: _Found = ((None, None, None), "", "")


def _pixel(page: tifffile.TiffPage, tag: str) -> float | None:
    """Give the length of a pixel from a resolution tag, in the unit of that tag."""
    count, unit = page.tags[tag].value if tag in page.tags else (0, 1)
    # the tag is a ratio of two integers; nine digits are what it was meant to be
    return float(f"{unit / count:.9g}") if count and unit else None


def _tag_size(page: tifffile.TiffPage) -> _Found:
    unit = {2: "inch", 3: "cm"}.get(
        int(page.tags["ResolutionUnit"].value) if "ResolutionUnit" in page.tags else 0
    )
    y, x = _pixel(page, "YResolution"), _pixel(page, "XResolution")
    if unit is None or x is None or y is None:
        return _NOTHING
    dpi = convert(1, "inch", unit) / x
    if round(dpi) in _PRINTER_DPI and abs(dpi - round(dpi)) < 0.01:
        return (None, None, None), "", f"{dpi:.0f} dots an inch, which is meant for a printer"
    return (None, y, x), unit, ""


def _imagej_size(file: tifffile.TiffFile, page: tifffile.TiffPage) -> _Found:
    said = file.imagej_metadata or {}
    unit = said.get("unit")
    if not unit or not known(unit):
        return _tag_size(page) if not unit else (*_NOTHING[:2], f"a size in {unit!r}")
    spacing = said.get("spacing")
    depth = float(spacing) if isinstance(spacing, (int, float)) and spacing > 0 else None
    return (depth, _pixel(page, "YResolution"), _pixel(page, "XResolution")), unit, ""


def _imagej_origin(said: dict, spacing: Sizes) -> Sizes:
    """Give the centre of the first voxel from the voxel at which the coordinate is zero."""
    places = [said.get(f"{axis}origin", 0) for axis in "zyx"]
    if not all(isinstance(place, (int, float)) and math.isfinite(place) for place in places):
        return (0.0, 0.0, 0.0)
    # adding 0.0 makes a negative zero a plain one
    return tuple(
        float(f"{-place * size:.12g}") + 0.0 for place, size in zip(places, spacing, strict=True)
    )


def _ome_notes(metadata: str | None) -> str | None:
    """Give what Acuity itself has noted in an OME-TIFF that it exported."""
    with contextlib.suppress(ElementTree.ParseError):
        for note in ElementTree.fromstring(metadata or "").iterfind(".//{*}CommentAnnotation"):
            if note.get("Namespace") == "acuity":
                return note.findtext("{*}Value")
    return None


def _ome_size(path: Path, metadata: str | None) -> _Found:
    try:
        pixels = ElementTree.fromstring(metadata or "").find(".//{*}Pixels")
    except ElementTree.ParseError as error:
        raise AcuityError(f"{path}: its OME metadata cannot be read ({error}).") from error
    if pixels is None:
        return _NOTHING
    sizes, target = [], ""
    for axis in "XYZ":
        size = pixels.get(f"PhysicalSize{axis}")
        unit = pixels.get(f"PhysicalSize{axis}Unit", "um")  # the schema's default
        if size is None:
            sizes.append(None)
        elif not known(unit):
            return (*_NOTHING[:2], f"a size in {unit!r}")
        else:
            target = target or unit
            sizes.append(convert(float(size), unit, target))
    return tuple(sizes[::-1]), target, ""


def no_distance(pixel: tuple[float, float], unit: str) -> str:
    """Say that slices know their pixels and not their distance from one another."""
    return f"pixels of {vendor.pixel_text(pixel, unit)} and no distance between slices"
