"""Write a volume for other programs: TIFF for ImageJ and Fiji, OME-TIFF, OME-Zarr 0.4."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
import zarr
from numcodecs import Blosc
from zarr.storage import LocalStore

from acuity.errors import AcuityError
from acuity.shards import Layout, shift
from acuity.volume import CHUNK, Volume, multiscales, open_volume, slabs
from acuity.writing import disk_errors, part_of

_DEPTH = CHUNK[0]  # slices at a time, whole chunks
_CLASSIC_BYTES = 2**32 - 2**25  # offsets of four bytes, with room for tags


def export(
    volume_path: str | os.PathLike, output: str | os.PathLike, *, overwrite: bool = False
) -> None:
    """Write a volume as a TIFF that ImageJ reads, as OME-TIFF or as OME-Zarr 0.4.

    Voxel size with its unit, origin, meaning of the intensities, content digest and provenance go
    along. Works slab by slab, and under another name until it is whole.

    Parameters
    ----------
    volume_path : path
        A volume of Acuity.
    output : path
        ``.ome.tif`` or ``.ome.tiff``, ``.tif`` or ``.tiff`` (BigTIFF where it needs more than
        4 GiB), or ``.zarr``.
    overwrite : bool
        Replace what is there; refused by default.

    Raises
    ------
    AcuityError
        If the output is there already, its ending is another one, the volume is damaged or the
        disk full; nothing is left then.
    """
    if Path(volume_path).is_file() and Path(volume_path).name != "zarr.json":
        raise AcuityError(f"{volume_path}: is a file, allowed is a volume's folder NAME.ome.zarr.")
    volume = open_volume(volume_path)
    output = Path(output)
    write = check_output(output, overwrite=overwrite)
    with disk_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with part_of(output, folder=write is _write_zarr) as part:
            write(volume, part)
            # a folder takes the place of nothing else
            if output.is_dir() and not output.is_symlink():
                shutil.rmtree(output)
            elif os.path.lexists(output) and part.is_dir():
                output.unlink()


def check_output(
    output: str | os.PathLike, *, overwrite: bool = False
) -> Callable[[Volume, Path], None]:
    """Find what writes an output, by its ending.

    Parameters
    ----------
    output : path
    overwrite : bool
        Whether it may be there.

    Returns
    -------
    callable
        Takes the volume and the path.

    Raises
    ------
    AcuityError
        If there is none for the ending, or the output is there already.
    """
    output = Path(output)
    name = output.name.lower()
    write = next((write for ending, write in _WRITERS.items() if name.endswith(ending)), None)
    if write is None:
        raise AcuityError(
            f"{output}: found the ending {output.suffix!r}, allowed are .tif, .tiff, .ome.tif, "
            ".ome.tiff and .zarr."
        )
    if os.path.lexists(output) and not overwrite:
        raise AcuityError(f"{output}: is there already; name another output or remove it first.")
    return write


def _blocks(volume: Volume) -> Iterator[tuple[int, np.ndarray]]:
    for z0, z1 in slabs(volume.grid.shape[0], _DEPTH):
        yield z0, volume.read(slice(z0, z1))


def _about(volume: Volume) -> dict[str, Any]:
    """Say what a volume is, for readers that keep it."""
    return {
        "digest": volume.digest,
        "intensity": volume.intensity,
        "unit": volume.grid.unit,
        "origin": list(volume.grid.origin),
        "provenance": list(volume.provenance),
    }


def _write_pages(volume: Volume, path: Path, description: bytes) -> None:
    spacing = volume.grid.spacing
    size = int(np.prod(volume.grid.shape, dtype=np.int64)) * volume.dtype.itemsize
    with tifffile.TiffWriter(path, bigtiff=size > _CLASSIC_BYTES) as file:
        file.write(
            (image for _, block in _blocks(volume) for image in block),
            shape=volume.grid.shape,
            dtype=volume.dtype,
            photometric="minisblack",
            description=description,
            resolution=(1 / spacing[2], 1 / spacing[1]),
            resolutionunit="NONE",
            metadata=None,
            software="acuity",
        )


def _write_tiff(volume: Volume, path: Path) -> None:
    """Write one page a slice, uncompressed, under the description that ImageJ reads."""
    grid = volume.grid
    count = grid.shape[0]
    lines = ["ImageJ=1.54f", f"images={count}", f"slices={count}", f"unit={grid.unit}"]
    lines += [f"spacing={grid.spacing[0]:.12g}", "loop=false"]
    for axis, place, size in zip("xyz", grid.origin[::-1], grid.spacing[::-1], strict=True):
        # ImageJ's origin is the voxel at which the coordinate is zero
        lines.append(f"{axis}origin={-place / size!r}")
    lines.append(f"acuity={json.dumps(_about(volume))}")
    _write_pages(volume, path, ("\n".join(lines) + "\n").encode("ascii"))


def _write_ome_tiff(volume: Volume, path: Path) -> None:
    """Write one page a slice, uncompressed, under the XML of OME (schema of June 2016)."""
    grid = volume.grid
    symbol = {"um": "µm", "angstrom": "Å", "inch": "in"}.get(grid.unit, grid.unit)
    kind = "float" if volume.dtype == np.float32 else volume.dtype.name
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    ome = ElementTree.Element("OME", {"xmlns": schema, "Creator": "acuity"})
    image = ElementTree.SubElement(ome, "Image", {"ID": "Image:0", "Name": "volume"})
    sizes = dict(zip("ZYX", grid.shape, strict=True)) | {"C": 1, "T": 1}
    attributes = {"ID": "Pixels:0", "DimensionOrder": "XYZCT", "Type": kind, "BigEndian": "false"}
    attributes |= {f"Size{axis}": str(count) for axis, count in sizes.items()}
    place = {"TheZ": "0", "TheC": "0", "TheT": "0"}
    for axis, size, origin in zip("ZYX", grid.spacing, grid.origin, strict=True):
        attributes |= {f"PhysicalSize{axis}": repr(size), f"PhysicalSize{axis}Unit": symbol}
        place |= {f"Position{axis}": repr(origin), f"Position{axis}Unit": symbol}
    pixels = ElementTree.SubElement(image, "Pixels", attributes)
    ElementTree.SubElement(pixels, "Channel", {"ID": "Channel:0:0", "SamplesPerPixel": "1"})
    ElementTree.SubElement(pixels, "TiffData", {"IFD": "0", "PlaneCount": str(grid.shape[0])})
    ElementTree.SubElement(pixels, "Plane", place)
    notes = ElementTree.SubElement(ome, "StructuredAnnotations")
    own = {"ID": "Annotation:0", "Namespace": "acuity"}
    note = ElementTree.SubElement(notes, "CommentAnnotation", own)
    ElementTree.SubElement(note, "Value").text = json.dumps(_about(volume))
    header = b'<?xml version="1.0" encoding="UTF-8"?>'
    _write_pages(volume, path, header + ElementTree.tostring(ome, encoding="us-ascii"))


def _write_zarr(volume: Volume, path: Path) -> None:
    """Write Zarr v2 with the metadata of OME-Zarr 0.4, one level."""
    grid = volume.grid
    chunk = tuple(min(most, count) for most, count in zip(CHUNK, grid.shape, strict=True))
    array = zarr.create_array(
        LocalStore(path / "0"),
        shape=grid.shape,
        dtype=volume.dtype,
        chunks=chunk,
        compressors=Blosc(cname="lz4", clevel=5, shuffle=Blosc.BITSHUFFLE),
        fill_value=0,
        zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": "/"},
        # one that is missing is a loss then, and no block of zeros
        config={"write_empty_chunks": True},
    )
    for z0, block in _blocks(volume):
        box = tuple(slice(0, count) for count in block.shape)
        # chunk by chunk: of several at a time zarr would go on writing behind an error
        for _, part in Layout(block.shape, chunk, chunk).boxes(box):
            array[shift(part, (-z0, 0, 0))] = block[part]
    (path / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
    image = {"version": "0.4", "name": "volume", **multiscales(grid)}
    attributes = {"multiscales": [image], "acuity": _about(volume)}
    (path / ".zattrs").write_text(json.dumps(attributes, indent=1))


# The longer endings first.
_WRITERS = {
    **dict.fromkeys((".ome.tif", ".ome.tiff"), _write_ome_tiff),
    **dict.fromkeys((".tif", ".tiff"), _write_tiff),
    ".zarr": _write_zarr,
}
