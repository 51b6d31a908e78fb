"""OME-Zarr 0.4 (Zarr v2) and 0.5 (Zarr v3)."""

import math
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import LocalStore

from acuity.errors import AcuityError, one_sentence
from acuity.formats.axes import AxesArray, spatial_axes
from acuity.formats.files import is_zarr
from acuity.formats.opened import OpenedFile, all_positive, by_times, one_slice, with_notes
from acuity.formats.readers.base import Reader
from acuity.seals import SEAL
from acuity.shards import Layout
from acuity.units import convert, known
from acuity.volume import open_volume, store_path

VERSIONS = ("0.4", "0.5")


def read(path: Path) -> OpenedFile:
    """Open the finest level of an OME-Zarr image.

    Parameters
    ----------
    path : pathlib.Path
        The folder of the image or its root ``zarr.json``.

    Returns
    -------
    OpenedFile
        Read chunk by chunk. A chunk that is not there holds the array's fill value, as Zarr has
        it; only volumes written by Acuity tell a lost chunk from an empty one.

    Raises
    ------
    AcuityError
        If it has no OME metadata of the versions 0.4 or 0.5, several images, channels or time
        points, or axes that are none of z, y, x, c and t.
    """
    path = store_path(path)
    with one_sentence(f"{path}: cannot be opened as an OME-Zarr image", "it may be incomplete"):
        group = zarr.open(LocalStore(path, read_only=True), mode="r")
        if isinstance(group, zarr.Array):
            holder = path.absolute().parent
            how = "write it as OME-Zarr 0.4 or 0.5, as with ome-zarr-py"
            if is_zarr(holder):
                how = f"name the folder that holds it, {holder.name}"
            raise AcuityError(
                f"{path}: is one array of a Zarr without the OME metadata of an image; {how}."
            )
        attributes = dict(group.attrs)
    # under a name that was damaged, too: the seal tells
    sealed = (isinstance(entry, dict) and SEAL in entry for entry in attributes.values())
    if "ome" in attributes and ("acuity" in attributes or any(sealed)):
        volume = open_volume(path)
        place = (volume.grid.spacing, volume.grid.unit, volume.grid.origin)
        about: dict[str, Any] = {"intensity": volume.intensity, "provenance": volume.provenance}
        return OpenedFile(volume.data, "Acuity volume", *place, **about)
    ome = attributes.get("ome", attributes)
    if not isinstance(ome, dict) or not ome.get("multiscales"):
        raise AcuityError(f"{path}: {_what_else(path, group, attributes)}")
    images = ome["multiscales"]
    if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], dict):
        raise AcuityError(
            f"{path}: found {len(images)} images in its OME metadata (multiscales), allowed is one."
        )
    version, notes = ome.get("version", images[0].get("version")), {}
    if version is None:
        # it may be left out; the two differ in the version of Zarr
        version = VERSIONS[group.metadata.zarr_format - 2]
        notes["version"] = f"not told by the file, read as {version}"
    if str(version) not in VERSIONS:
        raise AcuityError(
            f"{path}: found OME-Zarr {version}, allowed are {' and '.join(VERSIONS)}; write it again "
            "with a newer version of its program, or open it in napari or Fiji and save it as OME-TIFF."
        )
    own = attributes.get("acuity")
    with one_sentence(f"{path}: its OME metadata or array cannot be read"):
        source = _image(path, group, images[0], str(version), notes, own)
    return with_notes(source, own)


def _what_else(path: Path, group: zarr.Group, attributes: dict) -> str:
    """Say what a Zarr without an image is, and what to name in its place."""
    ome = attributes.get("ome", attributes)
    ome = ome if isinstance(ome, dict) else {}
    inside = sorted(name for name, _ in group.groups())
    name = path.name
    if "bioformats2raw.layout" in {**attributes, **ome}:
        inside = [part for part in inside if part != "OME"] or ["0"]
        more = f" to {name}/{inside[-1]}" if len(inside) > 1 else ""
        return (
            f"is a collection of {len(inside)} images as bioformats2raw writes it; name one of them, "
            f"{name}/{inside[0]}{more}."
        )
    for key, example in (("plate", "A/1/0"), ("well", "0")):
        if key in ome:
            return f"is a {key} of many images; name one of them, as in {name}/{example}."
    if inside:
        return (
            f"is a Zarr without OME metadata of an image (multiscales), it holds {', '.join(inside[:6])}; "
            f"name the OME-Zarr image in it, as in {name}/{inside[0]}."
        )
    return (
        "is a Zarr without OME metadata of an image (multiscales), so its axes and voxel size are not "
        "known; write it as OME-Zarr 0.4 or 0.5, as with ome-zarr-py."
    )


def _image(path: Path, group: Any, image: dict, version: str, notes: dict, own: Any) -> OpenedFile:
    levels = [image["datasets"][0], *(one for one in image["datasets"][1:] if one["path"] in group)]
    # the finest comes first, but in some files
    dataset = max(levels, key=lambda one: math.prod(group[one["path"]].shape))
    array = group[dataset["path"]]
    axes = [str(axis["name"]).lower() for axis in image["axes"]]
    letters = [
        {"channel": "c", "time": "t"}.get(axis.get("type"), letter)
        for axis, letter in zip(image["axes"], axes, strict=True)
    ]
    if len(axes) != array.ndim:
        raise AcuityError(f"{path}: found {array.ndim} axes in the array and {axes} in its text.")
    if not {"y", "x"} <= set(letters) <= set("zyxct") or len(set(letters)) < len(letters):
        raise AcuityError(
            f"{path}: found the axes {', '.join(axes)}, allowed are z, y, x, and c (channels) and t "
            "(time points) of length one."
        )
    places, turned = spatial_axes(str(path), array.shape, letters)
    data = AxesArray(array, places)
    notes |= turned | _missing(path, array, own)
    name = f"OME-Zarr {version}"
    scale, shift, problem = _transformations(path, dataset, image, len(axes))
    units = {letter: axis.get("unit") for letter, axis in zip(letters, image["axes"], strict=True)}
    spatial = [letter for letter in "zyx" if letter in letters]
    order = [letters.index(letter) for letter in spatial]
    sizes = by_times(scale[order])
    bare = [letter for letter in spatial if not known(units[letter])]
    if not problem and bare:
        where = "" if len(bare) == len(spatial) else f" along {', '.join(bare)}"
        problem = f"sizes of {sizes} without a unit{where}"
    if not problem and not all_positive(scale[order]):
        problem = f"sizes of {sizes}"
    if problem:
        return OpenedFile(data, name, hint=problem.removeprefix("-"), notes=notes)
    unit = units["x"]

    def along(values: np.ndarray) -> list[float]:
        return [convert(values[letters.index(letter)], units[letter], unit) for letter in spatial]

    origin = along(np.where(np.isfinite(shift), shift, 0))
    origin = [0.0] * (3 - len(origin)) + origin
    return OpenedFile(data, name, one_slice(along(scale)), unit, tuple(origin), notes=notes)


def _transformations(
    path: Path, dataset: dict, image: dict, count: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Give scale, shift and what is wrong with them; "-" where there is no scale."""
    scale, shift = np.ones(count), np.zeros(count)
    scaled = False
    # those of the dataset first, then those of the whole image
    told = (holder.get("coordinateTransformations") or () for holder in (dataset, image))
    for step in chain.from_iterable(told):
        kind = step.get("type")
        if kind not in ("scale", "translation", "identity"):
            raise AcuityError(
                f"{path}: found a transformation {kind!r}, allowed are scale and translation."
            )
        if kind == "identity":
            continue
        try:
            values = np.array([float(value) for value in step[kind]])
            if len(values) != count:
                raise ValueError
        except (KeyError, TypeError, ValueError):
            problem = f"a {kind} of {str(step.get(kind))[:60]}, which is none for {count} axes"
            return scale, shift, problem
        if kind == "scale":
            scale, shift = scale * values, shift * values
            scaled = True
        else:
            shift = shift + values
    return scale, shift, "" if scaled else "-"


def _missing(path: Path, array: zarr.Array, own: Any) -> dict[str, str]:
    """Count the chunks of an array that are not there: to Zarr they hold the fill value.

    In a store that carries the digest of its contents, none may be missing.
    """
    unit = "shards" if array.shards else "chunks"
    total = Layout(array.shape, array.chunks, array.shards or array.chunks).count
    there = array._nshards_initialized if array.shards else array.nchunks_initialized
    if there >= total:
        return {}
    if isinstance(own, dict) and own.get("digest"):
        raise AcuityError(
            f"{path}: {total - there} of its {total} {unit} are missing, though it carries the digest "
            "of a whole volume; it is damaged, copy or export it again."
        )
    if not there:
        raise AcuityError(
            f"{path}: none of its {total} {unit} is there, only the text that describes them; copy it "
            "again from its source, whole."
        )
    return {"missing_chunks": f"{total - there} of {total} {unit}, read as {array.fill_value}"}


READER = Reader("OME-Zarr", (), lambda path, dataset: read(path), is_zarr, place=10)
