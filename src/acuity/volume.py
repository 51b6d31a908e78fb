"""Volumes: an array, its grid in space, and their OME-Zarr 0.5 store.

A store is a folder ``X.ome.zarr``. Its one array lies in ``0/`` (Zarr v3, sharded, compressed
with blosc lz4 and a bit shuffle, a crc32c checksum on every chunk and on every shard's index).
The root ``zarr.json`` is written last, in one step, with the OME metadata and under ``acuity``
the content digest, the meaning of the intensities, the provenance and a seal over all of the file: a
volume is there entirely or not at all, and a store without that file is refused. Where a volume is
read whole, its voxels are held against the content digest.

Writing is three steps, so that several jobs can fill one store: it is made empty, its shards are
filled, and it is made valid (:func:`finalise`). :class:`VolumeWriter` takes them in one process, and
`acuity.slabs` in several.
"""

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from acuity.errors import AcuityError, error_reason
from acuity.seals import SEAL, add_seal, again, check_seal
from acuity.shards import (
    Box,
    Index,
    Layout,
    ShardError,
    each,
    read_box,
    shard_file,
    shift,
    size_of,
    whole,
    write_shard,
)
from acuity.units import canonical, check_spacing, long_name
from acuity.writing import disk_errors, write_json

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
CHUNK = (16, 128, 128)
SHARD_BYTES = 16 * 2**20
# Of what lies in a store and how; another number is refused. Those of version 1 have no seal.
STORE_VERSION = 2
# A volume is written as a stream along z and a writer holds one row of shards: rows are 16 slices
# deep, fewer where a slice is so large that a row would be more than this.
ROW_DEPTH, ROW_BYTES = 16, 512 * 2**20

# folder in a store, of what the jobs tell each other that fill it together
MARKERS = ".slabs"
# what may lie in a store, besides hidden files; a folder that holds anything else is not removed
_OWN = {"0", "zarr.json"}


@dataclass(frozen=True)
class Grid:
    """Where the voxels of a volume lie in space.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.
    spacing : tuple of float
        Voxel size along z, y, x in `unit`.
    origin : tuple of float
        Centre of voxel (0, 0, 0) along z, y, x in `unit`.
    unit : str
        Unit of length; any usual spelling is brought to ``"um"``, ``"nm"`` and so on.

    Raises
    ------
    AcuityError
        If a size is not positive, a number is not finite, or the unit is unknown.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)
    unit: str = "um"

    def __post_init__(self) -> None:
        shape = tuple(int(count) for count in self.shape)
        if len(shape) != 3 or any(count < 1 for count in shape):
            raise AcuityError(f"grid: found the shape {shape}, allowed are three counts >= 1.")
        origin = tuple(float(position) for position in self.origin)
        if len(origin) != 3 or not all(map(math.isfinite, origin)):
            raise AcuityError(f"grid: found the origin {origin}, allowed are three finite numbers.")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "spacing", check_spacing(self.spacing, "grid"))
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "unit", canonical(self.unit, "grid"))

    def crop(self, box: Sequence[slice]) -> "Grid":
        """Give the grid of a part, whose origin moves with it.

        Parameters
        ----------
        box : sequence of slice
            Slices along z, y, x with step 1.

        Returns
        -------
        Grid

        Raises
        ------
        AcuityError
            If the part is empty.
        """
        spans = [part.indices(count)[:2] for part, count in zip(box, self.shape, strict=True)]
        shape = tuple(stop - start for start, stop in spans)
        places = zip(self.origin, spans, self.spacing, strict=True)
        origin = tuple(position + start * size for position, (start, _), size in places)
        return replace(self, shape=shape, origin=origin)

    def downsample(self, factors: Sequence[int]) -> "Grid":
        """Give the grid of averages over blocks of voxels; a block cut by the end is left out.

        Parameters
        ----------
        factors : sequence of int
            Voxels in a block along z, y, x.
        """
        each = list(zip(self.shape, self.spacing, self.origin, factors, strict=True))
        shape = tuple(count // factor for count, _, _, factor in each)
        spacing = tuple(size * factor for _, size, _, factor in each)
        # the centre of a block of f voxels lies (f - 1) / 2 voxels from its first centre
        origin = tuple(position + size * (factor - 1) / 2 for _, size, position, factor in each)
        return replace(self, shape=shape, spacing=spacing, origin=origin)

    def refine(self, factors: Sequence[int], offset: Sequence[float] | None = None) -> "Grid":
        """Give the grid whose blocks of `factors` voxels are the voxels of this one.

        Parameters
        ----------
        factors : sequence of int
            Whole factors (z, y, x).
        offset : sequence of float, optional
            Where this grid's first voxel lies, in voxels of the finer one; the middle of a block,
            (factor - 1) / 2, by default.
        """
        offset = [(f - 1) / 2 for f in factors] if offset is None else offset
        shape: Any = tuple(n * f for n, f in zip(self.shape, factors, strict=True))
        size: Any = tuple(s / f for s, f in zip(self.spacing, factors, strict=True))
        origin: Any = tuple(at - p * s for at, p, s in zip(self.origin, offset, size, strict=True))
        return Grid(shape, size, origin, self.unit)


class LazyArray:
    """An array, mostly of three axes (z, y, x), that is read part by part.

    A subclass gives `shape` and `dtype` and reads a box in :meth:`read_box`. Indexing takes
    integers, slices with a positive step and an ellipsis, and gives a numpy array.
    """

    shape: Index
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box: a slice an axis, with bounds inside the array and step 1."""
        raise NotImplementedError

    def __getitem__(self, key: Any) -> np.ndarray:
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim + 1 - len(keys))
        keys += [slice(None)] * (self.ndim - len(keys))
        if len(keys) > self.ndim:
            raise IndexError(f"too many indices: {len(keys)} for {self.ndim} axes")
        box: list[slice] = []
        then: list[slice | int] = []
        for part, count in zip(keys, self.shape, strict=True):
            if isinstance(part, slice):
                start, stop, step = part.indices(count)
                if step < 1:
                    raise IndexError("a slice of a volume has a positive step")
                box.append(slice(start, max(start, stop)))
                then.append(slice(None, None, step))
            else:
                position = int(part) + (count if part < 0 else 0)
                if not 0 <= position < count:
                    raise IndexError(f"index {part} is outside an axis of {count}")
                box.append(slice(position, position + 1))
                then.append(0)
        shape = size_of(box)
        block = self.read_box(tuple(box)) if all(shape) else np.empty(shape, self.dtype)
        return block[tuple(then)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)


class CroppedArray(LazyArray):
    """A box of another array.

    Parameters
    ----------
    data : array
        Anything with a shape, a dtype and indexing by slices.
    box : sequence of slice
        Slices along z, y, x with step 1.
    """

    def __init__(self, data: Any, box: Sequence[slice]) -> None:
        spans = [part.indices(count)[:2] for part, count in zip(box, data.shape, strict=True)]
        self.data = data
        self.dtype = np.dtype(data.dtype)
        self.shape = tuple(stop - start for start, stop in spans)
        self._first = [-start for start, _ in spans]

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box, counted from the crop's own first voxel."""
        return np.asarray(self.data[shift(box, self._first)])


@dataclass
class Volume:
    """An array with its place in space and what its numbers mean.

    Parameters
    ----------
    data : array
        A numpy array or one that is read part by part; (z, y, x).
    grid : Grid
        Where its voxels lie.
    intensity : str
        What a value means, such as ``"attenuation (1/um)"`` or ``"label"``.
    provenance : tuple of dict
        The steps it came from, oldest first.
    digest : str
        Content digest of the stored volume; empty for one that was not opened from a store.
    """

    data: Any
    grid: Grid
    intensity: str = ""
    provenance: tuple[dict, ...] = ()
    digest: str = ""

    def __post_init__(self) -> None:
        if tuple(self.data.shape) != self.grid.shape:
            raise AcuityError(
                f"volume: found data of the shape {tuple(self.data.shape)} on a grid of the shape "
                f"{self.grid.shape}; they must be the same."
            )

    @property
    def dtype(self) -> np.dtype:
        """The type of a voxel."""
        return np.dtype(self.data.dtype)

    @property
    def source(self) -> str:
        """Name of the file that it was read from; empty where its provenance does not tell."""
        sources = [step["source"] for step in self.provenance if step.get("source")]
        return sources[-1] if sources else ""

    @property
    def grey_range(self) -> float | None:
        """The largest grey value (255, 65535; 127, 32767) of an image of 8 or 16 bits; else None.

        Told by the type of a voxel, or where the image was resampled to float32 in the intensities of
        one of 8 or 16 bits, by the step that did it (its ``grey_values``).
        """
        known = {name: float(np.iinfo(name).max) for name in ("uint8", "uint16", "int8", "int16")}
        if self.dtype.name in known:
            return known[self.dtype.name]
        stated = None
        for step in self.provenance:
            if step.get("step") == "ingest":  # a file's own past says nothing of its values
                stated = None
            stated = step.get("grey_values", stated)
        return known.get(stated) if isinstance(stated, str) else None

    def after(self, step: dict) -> dict[str, Any]:
        """Return intensity and provenance of what a step makes of it, as a writer takes them."""
        return {"intensity": self.intensity, "provenance": (*self.provenance, step)}

    def read(
        self, z: slice = slice(None), y: slice = slice(None), x: slice = slice(None)
    ) -> np.ndarray:
        """Read a part as a numpy array.

        Parameters
        ----------
        z, y, x : slice
            The part along each axis; all of it by default.

        Raises
        ------
        AcuityError
            If the part cannot be read, naming the file and the chunk.
        """
        return np.asarray(self.data[z, y, x])

    def crop(self, box: Sequence[slice]) -> "Volume":
        """Give a part as a volume of its own, not read yet, with its origin moved.

        Parameters
        ----------
        box : sequence of slice
            Slices along z, y, x with step 1.
        """
        return replace(self, data=CroppedArray(self.data, box), grid=self.grid.crop(box), digest="")

    def within(self, grid: Grid, name: str = "volume") -> "Volume":
        """Give the part that lies on another grid, so that the two compare voxel by voxel.

        A restored volume has fewer slices than its truth where their number is no multiple of the
        degradation's factor.

        Parameters
        ----------
        grid : Grid
            Of the same unit and voxel size, its origin on one of this volume's voxels.
        name : str
            What this volume is, for the error.

        Returns
        -------
        Volume
            On `grid`, not read yet; this volume itself where it has that grid.

        Raises
        ------
        AcuityError
            If voxel sizes differ, the origin is off the raster by more than a thousandth of a
            voxel, or the grid reaches beyond this volume.
        """
        if self.grid == grid:
            return self
        if self.grid.unit != grid.unit or not np.allclose(self.grid.spacing, grid.spacing, 1e-6, 0):
            raise AcuityError(
                f"{name}: found voxels of {self.grid.spacing} {self.grid.unit}; to be compared it "
                f"needs those of the other grid, {grid.spacing} {grid.unit} (z, y, x)."
            )
        places = zip(grid.origin, self.grid.origin, self.grid.spacing, strict=True)
        offsets = [(there - here) / size for there, here, size in places]
        if any(abs(offset - round(offset)) > 1e-3 for offset in offsets):
            raise AcuityError(
                f"{name}: the other grid starts {tuple(round(o, 4) for o in offsets)} voxels (z, y, "
                "x) from its first one; allowed are whole numbers, so that voxels meet."
            )
        first = [round(offset) for offset in offsets]
        last = [start + count for start, count in zip(first, grid.shape, strict=True)]
        if min(first) < 0 or any(b > n for b, n in zip(last, self.grid.shape, strict=True)):
            raise AcuityError(
                f"{name}: has {self.grid.shape} voxels (z, y, x), and the other grid asks for those "
                f"from {tuple(first)} up to {tuple(last)}."
            )
        box = tuple(map(slice, first, last))
        return replace(self, data=CroppedArray(self.data, box), grid=grid, digest="")


def slabs(count: int, depth: int) -> Iterator[tuple[int, ...]]:
    """Cut an axis into slabs.

    Parameters
    ----------
    count : int
        Number of slices.
    depth : int
        Slices in a slab; the last one may be thinner.

    Yields
    ------
    tuple of int
        First slice of a slab and the one behind its last.
    """
    if depth < 1:
        raise ValueError(f"a slab has at least one slice, found a depth of {depth}")
    for start in range(0, count, depth):
        yield start, min(start + depth, count)


# ---------------------------------------------------------------------------------------- layout


def choose_layout(shape: Sequence[int], dtype: Any) -> Layout:
    """Choose chunks and shards for a shape and a type of voxel."""
    item = np.dtype(dtype).itemsize
    deep = ROW_DEPTH
    while deep > 1 and deep * shape[1] * shape[2] * item > ROW_BYTES:
        deep //= 2
    side = math.isqrt(SHARD_BYTES // (deep * item))
    chunk = tuple(map(min, (min(deep, CHUNK[0]), *CHUNK[1:]), shape))
    sizes = zip(chunk, (deep, side, side), shape, strict=True)
    shard = tuple(
        size * max(1, min(most // size, -(-count // size))) for size, most, count in sizes
    )
    return Layout(tuple(shape), chunk, shard)


def store_path(path: str | os.PathLike) -> Path:
    """Give the store of a volume from its folder, its root ``zarr.json`` or a marker of a slab."""
    path = Path(path)
    if path.parent.name == MARKERS:
        return path.parent.parent
    return path.parent if path.name == "zarr.json" else path


# --------------------------------------------------------------------------------------- writing


def check_dtype(dtype: Any, where: str) -> np.dtype:
    """Give the stored type for a type of voxel; booleans are stored as uint8.

    Raises
    ------
    AcuityError
        If volumes are not stored in that type.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    if dtype.name not in DTYPES:
        raise AcuityError(f"{where}: found the type {dtype}, allowed are {', '.join(DTYPES)}.")
    return dtype.newbyteorder("=")


# Of the types of whole numbers that restored volumes are kept in, those that hold a type's values.
_HELD_BY = {"uint8": ("uint8", "uint16"), "uint16": ("uint16",)}


def restored_type(
    found: Any, wanted: str | None, *, keep: bool = False, where: str | os.PathLike = "dtype"
) -> np.dtype:
    """Give the type in which a restored volume is written.

    Parameters
    ----------
    found : dtype
        Type of a voxel of the volume that is restored.
    wanted : str or None
        ``"float32"``, or ``"uint8"`` or ``"uint16"`` for a volume of whole numbers that fit.
    keep : bool
        Where nothing is wanted: that of the volume itself if it is uint8 or uint16, and not float32.
    where : str
        The volume's file, for the error.

    Raises
    ------
    AcuityError
        If the type cannot hold what the volume's values are.
    """
    name = np.dtype(found).name
    fits = ("float32", *_HELD_BY.get(name, ()))
    if wanted is None:
        wanted = name if keep and name in fits else "float32"
    if wanted not in fits:
        raise AcuityError(
            f"{where}: found the dtype {wanted} for a restored volume whose input is {name}; allowed "
            f"of such input is {' or '.join(fits)}, choose one of them."
        )
    return np.dtype(wanted)


def check_finite(block: np.ndarray, first: int, where: str) -> None:
    """Refuse a slab with a value that is not a finite number, naming its slice.

    Parameters
    ----------
    block : numpy.ndarray
        Slab (z, y, x) of any type.
    first : int
        Number of its first slice in the volume.
    where : str
        The file, for the error.
    """
    if block.dtype.kind != "f":
        return
    for number, image in enumerate(block, first):
        # NaN passes through both, and neither makes a copy
        if not (math.isfinite(image.min()) and math.isfinite(image.max())):
            found = "NaN" if np.isnan(image).any() else "an infinite value"
            raise AcuityError(
                f"{where}: found {found} in slice {number}, allowed are finite numbers only."
            )


def remove_store(path: str | os.PathLike) -> None:
    """Remove a store and all in it.

    Raises
    ------
    AcuityError
        If there is something else at the path; it is left as it is.
    """
    store = store_path(path)
    if store.is_dir() and not store.is_symlink():
        names = sorted(entry.name for entry in store.iterdir())
        foreign = [name for name in names if name not in _OWN and not name.startswith(".")]
        if foreign:
            raise AcuityError(
                f"{store}: found {foreign[0]!r} in it, so it is no volume of Acuity and is "
                "not replaced; name another output."
            )
        # the root file first: a removal that is cut short leaves no volume that looks whole
        (store / "zarr.json").unlink(missing_ok=True)
        shutil.rmtree(store)
    elif os.path.lexists(store):
        raise AcuityError(f"{store}: is a file, a volume is written as a folder; name another.")


def _array_metadata(layout: Layout, dtype: np.dtype) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(layout.shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(layout.shard)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": layout.codecs(dtype),
        "dimension_names": ["z", "y", "x"],
        "attributes": {},
    }


class Shard(NamedTuple):
    """What was written as a shard.

    Attributes
    ----------
    digest : str
        SHA-256 of the values, not of the compressed bytes, which may change with a library.
    size, checksum : int
        Bytes of the file and their crc32c.
    """

    digest: str
    size: int
    checksum: int


def _values_digest(block: np.ndarray) -> str:
    """SHA-256 of the values of a shard."""
    values = hashlib.sha256()
    for image in block:  # a shard that has neighbours in its plane would be copied whole
        values.update(np.ascontiguousarray(image, block.dtype.newbyteorder("<")).data)
    return values.hexdigest()


def _content_digest(dtype: np.dtype, layout: Layout, digests: Mapping[Index, str]) -> str:
    """Digest of a volume from those of its shards."""
    content = hashlib.sha256(f"{dtype.name} {layout.shape}".encode())
    for index, _ in layout.boxes():
        content.update(digests[index].encode())
    return content.hexdigest()


def multiscales(grid: Grid) -> dict[str, Any]:
    """Give the OME-Zarr metadata of an image with one level, an array named ``0``."""
    unit = long_name(grid.unit)
    place = [
        {"type": "scale", "scale": list(grid.spacing)},
        {"type": "translation", "translation": list(grid.origin)},
    ]
    axes = [{"name": axis, "type": "space", "unit": unit} for axis in "zyx"]
    return {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": place}]}


def finalise(
    path: str | os.PathLike,
    grid: Grid,
    dtype: Any,
    digests: Mapping[Index, str],
    intensity: str,
    provenance: Sequence[dict],
) -> str:
    """Make a filled store a volume: check that all shards are there and write ``zarr.json``.

    Parameters
    ----------
    path : path
        The store.
    grid, dtype, intensity, provenance
        What the volume says of itself.
    digests : mapping
        Digest of each shard by its index along z, y, x.

    Returns
    -------
    str
        Content digest of the volume; it depends on type, shape and values and on nothing else.
    """
    store = store_path(path)
    dtype = check_dtype(dtype, str(store))
    layout = choose_layout(grid.shape, dtype)
    for index, _ in layout.boxes():
        if index not in digests or not shard_file(store / "0", index).is_file():
            raise AcuityError(
                f"{store}: shard {index} was not written, so the volume is incomplete; run the "
                "step that makes it again."
            )
    digest = _content_digest(dtype, layout, digests)
    root: dict[str, Any] = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {
            "ome": {"version": "0.5", "multiscales": [multiscales(grid)]},
            "acuity": {
                "version": STORE_VERSION,
                "digest": digest,
                "shape": list(grid.shape),
                "dtype": dtype.name,
                "spacing": list(grid.spacing),
                "origin": list(grid.origin),
                "unit": grid.unit,
                "intensity": intensity,
                "provenance": list(provenance),
            },
        },
    }
    write_json(store / "zarr.json", add_seal(root, root["attributes"]["acuity"]))
    return digest


def with_told(provenance: Sequence[dict], found: Mapping[str, Any]) -> tuple[dict, ...]:
    """Add figures to the last step of a provenance."""
    if not (provenance and found):
        return tuple(provenance)
    return (*provenance[:-1], {**provenance[-1], **found})


class VolumeWriter:
    """Write a volume as a stream of slabs along z, or shard by shard.

    A context manager: a clean exit makes the volume valid, an exception leaves nothing of it.
    Memory stays at one row of shards (`slab_depth` slices) and less where slabs start and end
    at multiples of `slab_depth`.

    Parameters
    ----------
    path : path
        The store ``X.ome.zarr`` or its root ``zarr.json``; a volume that is there is removed.
    grid : Grid
        Where the voxels lie.
    dtype : dtype
        Type of a voxel, one of ``DTYPES`` or bool (stored as uint8).
    intensity : str
        What a value means.
    provenance : sequence of dict
        The steps the volume came from, oldest first; JSON values only.

    Attributes
    ----------
    slab_depth : int
        Slices in a row of shards; slabs of a multiple of it are written without a copy.
    z0, z1 : int
        The first slice that this writer fills and the one behind its last: all of them here, and
        whole rows of shards where several jobs fill a volume (`acuity.slabs`).
    layout : Layout
        Its chunks and shards.
    digest : str
        Content digest, once it is closed.

    Examples
    --------
    >>> with VolumeWriter("foam.ome.zarr", grid, "float32") as writer:  # doctest: +SKIP
    ...     for z0, z1 in writer.spans(writer.slab_depth):
    ...         writer.write(z0, compute(z0, z1))
    """

    def __init__(
        self,
        path: str | os.PathLike,
        grid: Grid,
        dtype: Any,
        *,
        intensity: str = "",
        provenance: Sequence[dict] = (),
    ) -> None:
        self.path = store_path(path)
        self.grid = grid
        self.dtype = check_dtype(dtype, str(self.path))
        self.intensity = intensity
        self.provenance = tuple(provenance)
        self.layout = choose_layout(grid.shape, self.dtype)
        self.slab_depth = self.layout.shard[0]
        self.z0, self.z1 = 0, grid.shape[0]
        self.digest = ""
        self._open = False
        self._shards: dict[Index, Shard] = {}
        self._row: np.ndarray | None = None
        self._next = 0

    def __enter__(self) -> Self:
        self._begin()
        self._next = self.z0
        self._open = True
        return self

    def spans(self, depth: int) -> Iterator[tuple[int, ...]]:
        """Cut the slices that this writer fills into spans of `depth`, the last one thinner.

        Yields
        ------
        tuple of int
            First slice of a span and the one behind its last.
        """
        for start, stop in slabs(self.z1 - self.z0, depth):
            yield self.z0 + start, self.z0 + stop

    def agree(self, key: str, compute: Callable[[], Any]) -> Any:
        """Give a figure of the whole input that all jobs of a volume must agree upon.

        Parameters
        ----------
        key : str
            Its name.
        compute : callable
            Finds it; called here, and where several jobs fill a volume in the first one alone.
        """
        return compute()

    def tell(self, compute: Callable[[], dict]) -> dict:
        """Add what is found of the whole input to the last step of the provenance.

        Parameters
        ----------
        compute : callable
            Finds it, as for `agree`: JSON values by name; where there are none, nothing is added.
        """
        found = self.agree("told", compute)
        self.provenance = with_told(self.provenance, found)
        return found

    def note(self, **values: Any) -> None:
        """Keep figures of the slices that this writer fills, for the job that joins slabs."""

    def write(self, z0: int, block: np.ndarray) -> None:
        """Write the slices from `z0` on, which follow those written before.

        Parameters
        ----------
        z0 : int
            Number of the first slice.
        block : numpy.ndarray
            Slab (z, y, x); whole slices.

        Raises
        ------
        AcuityError
            If a value is not finite, naming the slice, or the disk is full.
        """
        block = self._checked(block, z0)
        if z0 != self._next or block.shape[1:] != self.grid.shape[1:]:
            raise ValueError(
                f"found a slab {block.shape} at slice {z0}, expected whole slices "
                f"{self.grid.shape[1:]} at {self._next}"
            )
        if z0 + len(block) > self.z1:
            raise ValueError(f"found slice {z0 + len(block) - 1} of those up to {self.z1}")
        while len(block):
            start = self._next - self._next % self.slab_depth
            stop = min(start + self.slab_depth, self.grid.shape[0])
            part, block = block[: stop - self._next], block[stop - self._next :]
            if len(part) == stop - start:
                row = part
            else:
                if self._row is None:
                    self._row = np.empty((self.slab_depth, *self.grid.shape[1:]), self.dtype)
                self._row[self._next - start : self._next - start + len(part)] = part
                row = self._row[: stop - start]
            self._next += len(part)
            if self._next == stop:
                self._write_shards((slice(start, stop), *whole(self.grid.shape[1:])), row)

    def write_shard(self, index: Index, block: np.ndarray) -> None:
        """Write one shard, for a caller that works shard by shard in any order.

        Parameters
        ----------
        index : tuple of int
            The shard's index along z, y, x, as given by ``layout.boxes()``.
        block : numpy.ndarray
            Its voxels.
        """
        box = self.layout.box_of(index)
        block = self._checked(block, box[0].start)
        if block.shape != size_of(box):
            raise ValueError(f"found a block {block.shape} for the shard {index} of {box}")
        self._write_shards(box, block)

    def write_box(self, box: Box, block: np.ndarray) -> None:
        """Write the shards of a box that holds whole ones, in any order.

        Parameters
        ----------
        box : tuple of slice
            Starts and ends where shards do.
        block : numpy.ndarray
            Its voxels.
        """
        for index, part in self.layout.boxes(box):
            self.write_shard(index, block[shift(part, [of.start for of in box])])

    def _checked(self, block: np.ndarray, z0: int) -> np.ndarray:
        if not self._open:
            raise RuntimeError("a VolumeWriter is used in a with statement")
        block = np.asarray(block)
        if block.ndim != 3:
            raise ValueError(f"a slab has three axes, found the shape {block.shape}")
        if not (np.can_cast(block.dtype, self.dtype) or block.dtype.kind == self.dtype.kind == "f"):
            raise ValueError(f"found a slab of {block.dtype} for a volume of {self.dtype}")
        # an overflow becomes infinite, which the check names
        with np.errstate(over="ignore"):
            block = block.astype(self.dtype, copy=False)
        check_finite(block, z0, str(self.path))
        return block

    def _write_shards(self, box: Box, block: np.ndarray) -> None:
        with disk_errors(self.path):
            for index, part in self.layout.boxes(box):
                if not self.z0 <= part[0].start < part[0].stop <= self.z1:
                    raise ValueError(f"shard {index} lies beyond slices {self.z0} to {self.z1}")
                inner = block[shift(part, [of.start for of in box])]
                size, checksum = write_shard(self.path / "0", self.layout, index, inner)
                self._shards[index] = Shard(_values_digest(inner), size, checksum)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._open, self._row = False, None
        with contextlib.ExitStack() as failed:
            failed.callback(self.abandon)
            if kind is None:
                self._complete()
                failed.pop_all()

    def _begin(self) -> None:
        """Remove what is there and make an empty store, not valid yet."""
        with disk_errors(self.path):
            remove_store(self.path)
            array = self.path / "0"
            array.mkdir(parents=True)
            write_json(array / "zarr.json", _array_metadata(self.layout, self.dtype))

    def _complete(self) -> None:
        digests = {index: shard.digest for index, shard in self._shards.items()}
        self.digest = finalise(
            self.path, self.grid, self.dtype, digests, self.intensity, self.provenance
        )

    def abandon(self) -> None:
        """Take back what was written, so that it is not taken for whole."""
        shutil.rmtree(self.path, ignore_errors=True)


def write_volume(path: str | os.PathLike, volume: Volume) -> str:
    """Write a whole volume, slab by slab.

    Parameters
    ----------
    path : path
        The store ``X.ome.zarr`` or its root ``zarr.json``; a volume that is there is removed.
    volume : Volume
        In memory or read part by part.

    Returns
    -------
    str
        Content digest.
    """
    about: dict[str, Any] = {"intensity": volume.intensity, "provenance": volume.provenance}
    with VolumeWriter(path, volume.grid, volume.dtype, **about) as writer:
        for z0, z1 in writer.spans(writer.slab_depth):
            writer.write(z0, volume.read(slice(z0, z1)))
    return writer.digest


# --------------------------------------------------------------------------------------- reading


class StoredArray(LazyArray):
    """The array of a store, read part by part and checked while it is read.

    Parameters
    ----------
    store : path
        The store ``X.ome.zarr``.
    digest : str
        Content digest that its root file states.
    """

    def __init__(self, store: Path, digest: str) -> None:
        self.store = store
        self.digest = digest
        # Digests of the shards that were read whole; None once all were, and fit.
        self._read: dict[Index, str] | None = {}
        file = store / "0" / "zarr.json"
        said = read_json(file, "the volume is incomplete", _again(store))
        try:
            self.shape = tuple(said["shape"])
            self.dtype = check_dtype(said["data_type"], str(file))
            self.layout = choose_layout(self.shape, self.dtype)
            shard = said["chunk_grid"]["configuration"]["chunk_shape"]
            chunk = said["codecs"][0]["configuration"]["chunk_shape"]
            self.layout = Layout(self.shape, tuple(chunk), tuple(shard))
            known = said["codecs"] == self.layout.codecs(self.dtype)
            if min(chunk) < 1 or any(s % c for s, c in zip(shard, chunk, strict=True)):
                raise ValueError("the shape of its chunks")
            if known and said != _array_metadata(self.layout, self.dtype):
                raise ValueError("an entry of it")
        except (LookupError, TypeError, ValueError) as error:
            raise AcuityError(
                f"{file}: is damaged ({error_reason(error)!r} is missing or wrong); "
                f"{_again(store)}."
            ) from error
        if not known:
            raise AcuityError(
                f"{file}: the array is stored in another way than Acuity stores it; read it with "
                "ingest."
            )

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box; a chunk that fails its checksum is named.

        Once all shards were read whole, in one piece or in several, they are held against the
        content digest: a shard of another volume has chunks that fit their checksums.
        """
        try:
            block = read_box(self.store / "0", self.layout, self.dtype, box)
        except ShardError as error:
            raise AcuityError(
                f"{self.store}: chunk {error.chunk} in {error.file.relative_to(self.store)} "
                f"cannot be read ({error.reason}); {_again(self.store)}."
            ) from error
        if (read := self._read) is not None:
            self._compare(read, box, block)
        return block

    def _compare(self, read: dict[Index, str], box: Box, block: np.ndarray) -> None:
        layout = self.layout
        first = [part.start for part in box]
        parts = [
            (index, shift(part, first))
            for index, part in layout.boxes(box)
            if index not in read and part == layout.box_of(index)
        ]
        if parts:
            found = each(lambda item: _values_digest(block[item[1]]), parts)
            read.update(zip((index for index, _ in parts), found, strict=True))
        if len(read) < layout.count:
            return
        content = _content_digest(self.dtype, layout, read)
        if content != self.digest:
            raise AcuityError(
                f"{self.store}: its voxels have the content digest {content[:12]} and zarr.json says "
                f"{self.digest[:12]}, so a shard is that of another volume or was damaged; "
                f"{_again(self.store)}."
            )
        self._read = None


def _again(store: Path) -> str:
    return f"remove {store / 'zarr.json'} and run the step that makes it again"


def read_sealed_json(path: Path, what: str, remedy: str, *, must: bool = False) -> dict:
    """Read a JSON file and check the seal in it, see `read_json` and `acuity.seals.check_seal`."""
    content = read_json(path, what, remedy)
    check_seal(content, path, remedy, must=must)
    return content


def read_json(path: Path, what: str, remedy: str) -> dict:
    """Read a JSON file that holds an object.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    what, remedy : str
        What it is and what to do where it is not there, for the error.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        # there is nothing to remove
        remedy = "run the step that makes it" if remedy == again(path) else remedy
        raise AcuityError(f"{path}: is not there, so {what}; {remedy}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise AcuityError(
            f"{path}: cannot be read ({error_reason(error)}), so {what}; {remedy}."
        ) from error
    if not isinstance(content, dict):
        raise AcuityError(f"{path}: holds no JSON object, so {what}; {remedy}.")
    return content


def open_volume(path: str | os.PathLike, *, complete: bool = True) -> Volume:
    """Open a stored volume; its voxels are read when they are asked for.

    Parameters
    ----------
    path : path
        The store ``X.ome.zarr`` or its root ``zarr.json``.
    complete : bool
        Look for every shard now. A job that reads one slab of a large volume leaves it to the
        reading, which names a shard that is missing.

    Returns
    -------
    Volume
        With `data` read part by part; ``volume.read()`` gives all of it.

    Raises
    ------
    AcuityError
        If the root file or a shard is missing, or the store was not written by Acuity. A chunk
        that fails its checksum raises when it is read, naming the file and the chunk.
    """
    store = store_path(path)
    if not store.exists():
        raise AcuityError(f"{store}: no such volume; check the path or run the step that makes it.")
    file = store / "zarr.json"
    remedy = _again(store) if os.path.lexists(file) else "run the step that makes it again"
    root = read_json(file, "the volume is incomplete", remedy)
    try:
        own = root["attributes"]["acuity"]
        # Stores of before it was written down are of version 1.
        if (found := own.get("version", 1)) not in (1, STORE_VERSION):
            raise AcuityError(
                f"{file}: was written by another version of Acuity, as version {found} of its "
                f"stores, and this one reads versions up to {STORE_VERSION}; run it with that "
                "version, or remove the results folder of the study and run again."
            )
        if found == STORE_VERSION or SEAL in own:
            check_seal(root, file, remedy, holder=own, must=True)
        grid = Grid(own["shape"], own["spacing"], own["origin"], own["unit"])
        intensity, provenance = own["intensity"], tuple(own["provenance"])
        digest, dtype = str(own["digest"]), np.dtype(own["dtype"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AcuityError(
            f"{file}: not a volume written by Acuity ({error_reason(error)!r} is missing or wrong); "
            f"other OME-Zarr is read with ingest; for a damaged volume of Acuity, {remedy}."
        ) from error
    data = StoredArray(store, digest)
    if data.shape != grid.shape or data.dtype != dtype:
        raise AcuityError(
            f"{store}: found an array {data.shape} of {data.dtype} where zarr.json says "
            f"{grid.shape} of {dtype}; {_again(store)}."
        )
    for index, _ in data.layout.boxes() if complete else ():
        file = shard_file(store / "0", index)
        if not file.is_file():
            raise AcuityError(
                f"{store}: {file.relative_to(store)} is missing, so the volume is incomplete; "
                f"{_again(store)}."
            )
    return Volume(data, grid, intensity, provenance, digest)
