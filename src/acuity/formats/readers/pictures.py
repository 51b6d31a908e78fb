"""PNG, JPEG and BMP: single images, and slices of a folder (`acuity.formats.readers.tiff_folder`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from acuity.errors import DAMAGED, AcuityError, error_reason, one_sentence
from acuity.formats import vendor
from acuity.formats.files import IMAGE_NOTES, SLICE_KINDS, note_among, notes_of
from acuity.formats.opened import OpenedFile, Oriented, one_slice
from acuity.formats.readers.base import Reader
from acuity.formats.readers.tiff import AGAIN, display
from acuity.formats.refused import begins_as
from acuity.volume import Box, LazyArray

SUFFIXES = tuple(suffix for kind in SLICE_KINDS[1:] for suffix in kind)
_KINDS = ("PNG", "JPEG", "BMP")
_GREY = ("1", "L")
_COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "LA")
_ORIENTATION = 0x0112  # in EXIF
_CONVERT = "allowed are grey values; convert it in Fiji with Image > Type > 8-bit"
# Micrographs of a mosaic are larger than what Pillow takes for an attack.
Image.MAX_IMAGE_PIXELS = None


class PictureArray(LazyArray):
    """An image that is decoded when it is read.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    shape : tuple of int
        (1, y, x), as it is stored.
    dtype : numpy.dtype
        Type of a pixel.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._path = path
        self.shape, self.dtype = shape, np.dtype(dtype)

    def read_box(self, box: Box) -> np.ndarray:
        """Read the pixels of a box."""
        image = _decode(self._path)[0]
        if image.shape != self.shape[1:] or image.dtype != self.dtype:
            raise ValueError("it has changed since it was opened")
        return image[None][box]


def read(path: Path, notes: Sequence[Path] = (), alone: bool = False) -> OpenedFile:
    """Open an image.

    Grey values stored as colours that are all grey are read as grey values, and turned as a viewer
    turns them. Resolutions that are meant for printers and screens are no sizes of pixels.

    Parameters
    ----------
    path : pathlib.Path
        The file, PNG, JPEG or BMP.
    notes : sequence of pathlib.Path
        What a microscope has written beside it.
    alone : bool
        As for TIFF; nothing here.

    Returns
    -------
    OpenedFile
        One slice, uint8 or uint16.

    Raises
    ------
    AcuityError
        If it is of another format, damaged, in colour, transparent or has several frames.
    """
    how = f"it is of another format, damaged or cut short: {AGAIN}"
    what = f"{path}: cannot be read as PNG, JPEG or BMP"
    with (
        one_sentence(what, lambda: begins_as(path, how), _reason),
        Image.open(path, formats=_KINDS) as image,
    ):
        kind, mode, size = str(image.format), image.mode, image.size
        frames = getattr(image, "n_frames", 1)
        turned = _orientation(image)
        dpi = image.info.get("dpi")
    if frames > 1 and kind == "PNG":
        raise AcuityError(
            f"{path}: holds {frames} images one after the other, allowed is one; save them as a "
            "folder of images, in Fiji with File > Save As > Image Sequence."
        )
    said: dict[str, str] = {}
    if mode in _GREY:
        shape, dtype = size[::-1], np.dtype(np.uint8)
    else:
        # what it is shows in its pixels alone
        with one_sentence(f"{path}: cannot be decoded", DAMAGED, _reason):
            values, what = _decode(path)
        shape, dtype = values.shape, values.dtype
        if what:
            said["values"] = what
    if kind == "JPEG":
        said["compression"] = "JPEG, which changes values"
    if turned > 1:
        said["orientation"] = f"turned as a viewer shows it (EXIF {turned})"
    data = Oriented(PictureArray(path, (1, *map(int, shape)), dtype), turned)
    maker = vendor.read(None, data, note_among(notes, IMAGE_NOTES)) or vendor.Vendor(None)
    pixel, unit, hint = maker.sized(*_resolution(dpi, turned))
    spacing = None if pixel is None else one_slice(pixel)
    source = OpenedFile(maker.above_bar(data), kind, spacing, unit, hint=hint, pixel=pixel)
    source.instrument, source.notes = maker.notes, said
    return source


def _orientation(image: Image.Image) -> int:
    # Pillow decodes a PNG to look for what may follow the pixels; programs write it before them
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    turned = image.getexif().get(_ORIENTATION, 1)
    return turned if turned in range(2, 9) else 1


def _resolution(dpi: Any, turned: int) -> tuple[tuple[float, ...] | None, str, str]:
    """Give height and width of a pixel from dots an inch, which mostly are those of a printer."""
    try:
        across, down = (float(number) for number in dpi)
        pixel = (1 / down, 1 / across)
    except (TypeError, ValueError, ZeroDivisionError):
        return None, "", ""
    if not all(0 < size < 1 for size in pixel):
        return None, "", ""
    for size in pixel:
        if hint := display(size, "inch"):
            return None, "", hint
    return pixel[::-1] if turned >= 5 else pixel, "inch", ""


def _decode(path: Path) -> tuple[np.ndarray, str]:
    """Decode an image as it is stored, and say how its values were where not as grey."""
    with Image.open(path, formats=_KINDS) as image:
        mode = image.mode
        head = path.read_bytes()[:26] if image.format == "PNG" else b""
        if len(head) == 26 and head[24] == 16:
            # Pillow keeps 8 of the 16 bits of colours
            values = np.asarray(imagecodecs.png_decode(path.read_bytes()))
            mode = {2: "LA", 3: "RGB", 4: "RGBA"}[values.shape[2]] if values.ndim == 3 else "L"
        elif mode == "1":
            values = np.asarray(image).astype(np.uint8) * 255
        elif mode == "L":
            values = np.asarray(image)
        elif mode in _COLOUR:
            mode = "RGBA" if mode in ("PA", "LA") or "transparency" in image.info else mode
            mode = "RGB" if mode in ("P", "RGBX") else mode
            values = np.asarray(image.convert(mode))
        else:
            raise AcuityError(f"{path}: found an image in the colours {mode}, {_CONVERT}.")
    what = ""
    if values.ndim == 3:
        if mode in ("RGBA", "LA"):
            alpha = values[..., -1]
            if alpha.min() != np.iinfo(values.dtype).max:
                raise AcuityError(
                    f"{path}: found transparent pixels, allowed are grey values; flatten the image, "
                    "in Fiji with Image > Type > 8-bit."
                )
            values = values[..., :-1]
        if (values != values[..., :1]).any():
            raise AcuityError(f"{path}: found an image in colour, {_CONVERT}.")
        values, what = values[..., 0], "colours that are all grey, read as grey values"
    return values, what


def _reason(error: Exception) -> str:
    reason = error_reason(error)
    return "it is none of them" if reason.startswith("cannot identify") else reason


READER = Reader(
    "PNG, JPEG, BMP",
    SUFFIXES,
    lambda path, dataset: read(path, notes_of([path]), alone=True),
    place=80,
)
