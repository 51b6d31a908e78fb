"""OME-Zarr 0.4 (Zarr v2) and 0.5 (Zarr v3)."""

import math
from pathlib import Path

import numpy as np
import zarr
from zarr.storage import LocalStore

from acuity.errors import AcuityError
from acuity.formats.source import Source, with_notes
from acuity.units import convert, known
from acuity.volume import Box, LazyArray, error_reason, open_volume, store_path

VERSIONS = ("0.4", "0.5")
_MARKS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")


def is_zarr(folder: Path) -> bool:
    """Tell whether a folder is a Zarr store."""
    return any((folder / mark).exists() for mark in _MARKS)


class SpatialArray(LazyArray):
    """The z, y and x axes of an array whose other axes have a length of one.

    Parameters
    ----------
    array : zarr.Array
        The array.
    axes : list of str
        Names of its axes.
    """

    def __init__(self, array: zarr.Array, axes: list[str]) -> None:
        self._array = array
        self._axes = axes
        sizes = dict(zip(axes, array.shape, strict=True))
        self.shape = tuple(sizes.get(axis, 1) for axis in "zyx")
        self.dtype = np.dtype(array.dtype)

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box."""
        parts = dict(zip("zyx", box, strict=True))
        block = self._array[tuple(parts.get(axis, slice(0, 1)) for axis in self._axes)]
        return np.asarray(block).reshape([part.stop - part.start for part in box])


def read(path: Path) -> Source:
    """Open the finest level of an OME-Zarr image.

    Parameters
    ----------
    path : pathlib.Path
        The folder of the image or its root ``zarr.json``.

    Returns
    -------
    Source
        Read chunk by chunk. A chunk that is not there holds the array's fill value, as Zarr has
        it; only volumes written by Acuity tell a lost chunk from an empty one.

    Raises
    ------
    AcuityError
        If it has no OME metadata of the versions 0.4 or 0.5, several images, channels or time
        points, or axes in another order.
    """
    path = store_path(path)
    try:
        group = zarr.open_group(LocalStore(path, read_only=True), mode="r")
        attributes = dict(group.attrs)
    except Exception as error:
        raise AcuityError(
            f"{path}: cannot be opened as an OME-Zarr image ({error_reason(error)}); it may be "
            "incomplete."
        ) from error
    if "acuity" in attributes and "ome" in attributes:
        volume = open_volume(path)
        return Source(
            volume.data,
            "Acuity volume",
            volume.grid.spacing,
            volume.grid.unit,
            volume.grid.origin,
            intensity=volume.intensity,
            provenance=volume.provenance,
        )
    ome = attributes.get("ome", attributes)
    images = ome.get("multiscales", [])
    if len(images) != 1:
        raise AcuityError(
            f"{path}: found {len(images)} images in its OME metadata (multiscales), allowed is one."
        )
    version = str(ome.get("version", images[0].get("version")))
    if version not in VERSIONS:
        raise AcuityError(
            f"{path}: found OME-Zarr {version}, allowed are {' and '.join(VERSIONS)}."
        )
    try:
        source = _image(path, group, images[0], version)
    except AcuityError:
        raise
    except Exception as error:
        raise AcuityError(
            f"{path}: its OME metadata or array cannot be read ({error_reason(error)})."
        ) from error
    return with_notes(source, attributes.get("acuity"))


def _image(path: Path, group: zarr.Group, image: dict, version: str) -> Source:
    dataset = image["datasets"][0]
    array = group[dataset["path"]]
    axes = [axis["name"] for axis in image["axes"]]
    if len(axes) != array.ndim:
        raise AcuityError(f"{path}: found {array.ndim} axes in the array and {axes} in its text.")
    spatial = [axis for axis in axes if axis in "zyx"]
    if spatial not in (["z", "y", "x"], ["y", "x"]):
        raise AcuityError(f"{path}: found the axes {axes}, allowed is the order z, y, x.")
    for axis, count in zip(axes, array.shape, strict=True):
        if axis not in "zyx" and count != 1:
            raise AcuityError(f"{path}: found {count} along the axis {axis!r}, allowed is one.")
    scale, shift = np.ones(len(axes)), np.zeros(len(axes))
    scaled = False
    # those of the dataset first, then those of the whole image
    for step in [
        *dataset.get("coordinateTransformations", ()),
        *image.get("coordinateTransformations", ()),
    ]:
        if step["type"] == "scale":
            scale, shift = scale * step["scale"], shift * step["scale"]
            scaled = True
        elif step["type"] == "translation":
            shift = shift + step["translation"]
        elif step["type"] != "identity":
            raise AcuityError(
                f"{path}: found a transformation {step['type']!r}, allowed are scale and "
                "translation."
            )
    units = {axis["name"]: axis.get("unit") for axis in image["axes"]}
    name, data = f"OME-Zarr {version}", SpatialArray(array, axes)
    if not scaled or not all(known(units[axis]) for axis in spatial):
        sizes = " x ".join(f"{scale[axes.index(axis)]:g}" for axis in spatial)
        return Source(data, name, hint=f"sizes of {sizes} without a unit" if scaled else "")
    unit = units["x"]

    def along(values: np.ndarray) -> list[float]:
        return [convert(values[axes.index(axis)], units[axis], unit) for axis in spatial]

    spacing, origin = along(scale), along(shift)
    if len(spacing) == 2:  # one image: as thick as a pixel is wide
        spacing, origin = [spacing[1], *spacing], [0.0, *origin]
    if not all(math.isfinite(size) and size > 0 for size in spacing):
        return Source(data, name, hint=f"sizes of {spacing}")
    return Source(data, name, tuple(spacing), unit, tuple(origin))
