"""Open a microscopist's file as a volume, whatever its format."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from acuity.errors import AcuityError
from acuity.formats.files import check_kind, split_name, voxels_of
from acuity.formats.opened import GuardedArray, OpenedFile, all_positive, by_times, is_number
from acuity.formats.readers import tiff_folder
from acuity.formats.readers.base import Reader, readers
from acuity.formats.refused import begins_as, conversion
from acuity.region import parse_region, region_text
from acuity.units import canonical, convert, known, parse_length, parse_sizes, parse_voxel_size
from acuity.volume import Grid, Volume

_EVERYDAY = ("nm", "um", "mm")


def read_volume(
    path: str | os.PathLike | Sequence[str | os.PathLike],
    voxel_size: str | None = None,
    region: str | None = None,
    pitch: str | None = None,
    volume: bool = False,
) -> Volume:
    """Open a file or folder as a volume; voxels are read when they are asked for.

    Parameters
    ----------
    path : path
        A TIFF (one image, many pages, BigTIFF, OME-TIFF, ImageJ), a folder of TIFF slices, a list
        of them (a ``.txt`` with a file a line, or a sequence of paths), an OME-Zarr 0.4 or 0.5, an
        HDF5 or Imaris file (``file.h5:/path/to/data`` where it has several datasets), MRC, NRRD,
        NIfTI, MetaImage, NPY, PNG, JPEG or BMP (one or a folder of slices), raw voxels with a
        sidecar, or a volume of Acuity.
    voxel_size : str, optional
        ``"10 nm"`` or ``"20 10 10 nm"`` (z y x). It goes before the file's own, which is
        then recorded in the provenance. Without it the file must carry one. Beside a pitch, one
        number is the size of a pixel.
    region : str, optional
        Part to take, ``"z0:z1,y0:y1,x0:x1"`` in voxels, ends may be left open or be negative as
        in Python; axes left out are taken whole. The origin moves with it.
    pitch : str, optional
        Distance between slices, such as the milling pitch ``"20 nm"``; it goes before the file's
        own. The pixel size comes from `voxel_size` or from the file.
    volume : bool
        The study says that it is a volume: images of a detector that say nothing of themselves are
        taken for one then, and refused otherwise.

    Returns
    -------
    Volume
        With the grid, the meaning of the intensities and the provenance. Lengths are in nm, um or
        mm. Voxels are uint8, int8, uint16, int16, uint32, int32 or float32, as in the file;
        float16 and float64 become float32, booleans uint8.

    Raises
    ------
    AcuityError
        If the file is missing, cut short, of another format, in colour, has no voxel size, or the
        region lies outside it; if the slices of a stack do not go together.
    """
    if isinstance(path, (str, os.PathLike)):
        name, dataset = split_name(os.fspath(path))
        file = Path(name)
        source = _open(file, dataset)
        name = file.parent.name if file.name == "zarr.json" else file.name
    else:
        files = [Path(part) for part in path]
        source = tiff_folder.read(files)
        path = file = files[0].parent
        name, dataset = file.name, None
    entry: dict = {"step": "ingest", "source": name + (f":{dataset}" if dataset else "")}
    entry["format"] = source.format
    if 0 in source.data.shape:
        raise AcuityError(f"{path}: is empty, its shape is {tuple(source.data.shape)}.")
    if source.doubt and not volume:
        raise AcuityError(
            f"{path}: {source.doubt}; where it is a volume all the same, write true in the sheet's "
            "column volume, else reconstruct it first and name the reconstruction."
        )
    if source.instrument:
        entry["instrument"] = source.instrument
    entry |= source.notes
    source = _sound(source)
    own = _everyday(source)
    if pitch is not None:
        used = _everyday(_with_pitch(source, path, pitch, voxel_size))
        said_by = "study" if voxel_size is not None else "file and pitch"
    elif voxel_size is not None:
        spacing, unit = parse_voxel_size(voxel_size)
        used = _everyday(replace(source, spacing=spacing, unit=unit, origin=(0.0, 0.0, 0.0)))
        said_by = "study"
    else:
        used, said_by = own, "file"
    if used is None or used.spacing is None:
        raise AcuityError(_sizeless(source, path))
    entry |= {"voxel_size": _text(used), "voxel_size_from": said_by}
    if own is not None and own.spacing is not None and said_by != "file":
        entry["voxel_size_in_file"] = _text(own)
        # the origin keeps its place in voxels
        places = zip(own.origin, own.spacing, used.spacing, strict=True)
        used.origin = tuple(place / size * new for place, size, new in places)
    data = GuardedArray(source.data, file)
    grid = Grid(data.shape, used.spacing, used.origin, used.unit)
    opened = Volume(data, grid, source.intensity)
    if region is not None:
        box = parse_region(region, data.shape, str(path))
        entry["region"] = region_text(box)
        opened = opened.crop(box)
    return replace(opened, provenance=(*source.provenance, entry))


def _sound(source: OpenedFile) -> OpenedFile:
    """Leave out sizes of the file that are none, and say what they are where it counts.

    A study that states a size needs no other, so a wrong one is no reason to refuse the file.
    """
    sizes, unit = source.spacing, source.unit
    if sizes is not None and not (known(unit) and all_positive(sizes)):
        hint = f"sizes of {by_times(sizes)} {unit if known(unit) else f'in {unit!r}'}".rstrip()
        pixel = tuple(sizes[1:]) if source.pixel is None else source.pixel
        source = replace(source, spacing=None, pixel=pixel, hint=hint, origin=(0.0, 0.0, 0.0))
    if source.pixel is not None and not (known(unit) and all_positive(source.pixel)):
        source = replace(source, pixel=None)
    if not all(map(is_number, source.origin)):
        source = replace(source, origin=(0.0, 0.0, 0.0))
    return source


def _told(source: OpenedFile) -> str:
    return f" (it tells {source.hint})" if source.hint else ""


def _sizeless(source: OpenedFile, path: object) -> str:
    """Say of a file without a voxel size what the study has to state."""
    if source.pixel is not None:
        return (
            f"{path}: the file tells {source.hint}; state the distance as pitch, such as "
            '"20 nm", or the voxel size as voxel_size, such as "20 10 10 nm" (z y x).'
        )
    return (
        f"{path}: the file carries no voxel size{_told(source)}; state it as voxel_size, such as "
        '"10 nm" or "20 10 10 nm" (z y x).'
    )


def _with_pitch(source: OpenedFile, path: object, pitch: str, voxel_size: str | None) -> OpenedFile:
    """Put the distance between slices beside the size of a pixel."""
    size, own = parse_length(pitch, "pitch")
    count = source.data.shape[0]
    if count < 2:
        raise AcuityError(
            f"{path}: found {count} slice where a pitch of {pitch} is stated; a stack is at least "
            "two slices."
        )
    pixel, unit = source.pixel, source.unit
    if voxel_size is not None:
        sizes, unit = parse_sizes(voxel_size, "voxel_size")
        if len(sizes) > 1 and not math.isclose(convert(size, own, unit), sizes[0]):
            raise AcuityError(
                f"{path}: the voxel_size {voxel_size!r} and the pitch {pitch!r} state different "
                "distances between slices; state one of them."
            )
        pixel = tuple(sizes * 3)[1:3]
    elif source.spacing is not None:
        pixel = source.spacing[1:]
    elif pixel is None:
        raise AcuityError(
            f"{path}: the file carries no pixel size{_told(source)}; state it as voxel_size beside the "
            'pitch, such as "10 nm".'
        )
    spacing = (convert(size, own, unit), *pixel)
    return replace(source, spacing=spacing, unit=unit, origin=(0.0, 0.0, 0.0))


def _text(source: OpenedFile) -> str:
    return " ".join(f"{size:.12g}" for size in source.spacing or ()) + f" {source.unit}"


def _everyday(source: OpenedFile) -> OpenedFile | None:
    """Bring the sizes of a file to nm, um or mm; None where it has none."""
    if source.spacing is None:
        return None
    unit = to = canonical(source.unit)
    if unit not in _EVERYDAY:
        # the largest unit in which the smallest size is at least 0.1
        fits = [one for one in _EVERYDAY if convert(min(source.spacing), unit, one) >= 0.1]
        to = fits[-1] if fits else _EVERYDAY[0]
    spacing = tuple(convert(size, unit, to) for size in source.spacing)
    origin = tuple(convert(place, unit, to) for place in source.origin)
    return replace(source, spacing=spacing, origin=origin, unit=to)


def _open(file: Path, dataset: str | None) -> OpenedFile:
    if not file.exists():
        raise AcuityError(f"{file}: no such file or folder.")
    check_kind(file)
    file = voxels_of(file)
    reader = reader_of(file)
    if (file.is_dir() or reader is None) and (how := conversion(file)):
        raise AcuityError(f"{file}: found {how}.")
    if reader is not None:
        return reader.read(file, dataset)
    if how := begins_as(file, ""):
        raise AcuityError(f"{file}: its ending tells no format, and {how}.")
    raise AcuityError(
        f"{file}: found a file of the type {file.suffix.lower() or 'without ending'!r}, allowed are "
        f"{formats()}."
    )


def reader_of(file: Path) -> Reader | None:
    """Choose the reader of a file or folder; None where there is none."""
    return next((reader for reader in readers() if reader.takes(file)), None)


def formats() -> str:
    """List what can be read, as the readers declare it."""
    return ", ".join(
        reader.name + (f" ({', '.join(reader.suffixes)})" if reader.suffixes else "")
        for reader in readers()
    )
