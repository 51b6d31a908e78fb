"""Shards of Zarr v3, written and read chunk by chunk.

The layout is the ``sharding_indexed`` codec of the Zarr v3 specification with the codecs of
:data:`CODECS`, so that any Zarr library reads it. It is done here and not by zarr-python because
that reads a shard that is missing or empty as zeros, leaves chunks of zeros out when an array is
opened again, and holds several whole shards at a time; here a lost chunk is an error and a thread
holds one chunk.
"""

import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import blosc

from acuity.threads import cores
from acuity.writing import part_of

Index = tuple[int, ...]  # along each axis, mostly z, y, x
Box = tuple[slice, ...]

CHECKSUM = 4  # bytes
_ABSENT = 2**64 - 1
_THREADS = 4
_PIECE = 2**20  # bytes read at a time


class ShardError(Exception):
    """A chunk that is missing or damaged.

    Parameters
    ----------
    chunk : tuple of int
        Its index in the array along z, y, x.
    file : pathlib.Path
        The shard.
    reason : str
        What is wrong.
    """

    def __init__(self, chunk: Index, file: Path, reason: str) -> None:
        super().__init__(f"chunk {chunk} in {file}: {reason}")
        self.chunk, self.file, self.reason = chunk, file, reason


@dataclass(frozen=True)
class Layout:
    """How an array is cut into chunks and shards.

    Parameters
    ----------
    shape : tuple of int
        Voxels along z, y, x.
    chunk, shard : tuple of int
        Voxels of a chunk and of a shard; a shard is a whole number of chunks.
    """

    shape: Index
    chunk: Index
    shard: Index

    def boxes(self, box: Box | None = None, *, chunks: bool = False) -> Iterator[tuple[Index, Box]]:
        """Give the shards (or chunks) that meet a box, each with the part it has of the box.

        Parameters
        ----------
        box : tuple of slice, optional
            The box; the whole array by default.
        chunks : bool
            Chunks rather than shards.

        Yields
        ------
        tuple
            Index along z, y, x, and the part of the box as slices of the array.
        """
        size = self.chunk if chunks else self.shard
        box = box or whole(self.shape)
        spans = zip(box, size, strict=True)
        ranges = (range(part.start // length, -(-part.stop // length)) for part, length in spans)
        for index in itertools.product(*ranges):
            yield index, _inside(index, size, box)

    def box_of(self, index: Index) -> Box:
        """Give the box of a shard, cut where the array ends."""
        return _inside(index, self.shard, whole(self.shape))

    @property
    def count(self) -> int:
        """Number of shards."""
        return math.prod(-(-n // length) for n, length in zip(self.shape, self.shard, strict=True))

    @property
    def chunks_per_shard(self) -> Index:
        """Chunks of a shard along z, y, x."""
        return tuple(s // c for s, c in zip(self.shard, self.chunk, strict=True))

    def codecs(self, dtype: np.dtype) -> list[dict[str, Any]]:
        """Give the codecs of the array as the Zarr metadata have them."""
        little = {"name": "bytes", "configuration": {"endian": "little"}}
        packed = {
            "cname": "lz4",
            "clevel": 5,
            "shuffle": "bitshuffle",
            "typesize": dtype.itemsize,
            "blocksize": 0,
        }
        inner = [little, {"name": "blosc", "configuration": packed}, {"name": "crc32c"}]
        if dtype.itemsize == 1:
            inner[0] = {"name": "bytes"}
        sharding = {
            "chunk_shape": list(self.chunk),
            "codecs": inner,
            "index_codecs": [little, {"name": "crc32c"}],
            "index_location": "end",
        }
        return [{"name": "sharding_indexed", "configuration": sharding}]


def _inside(index: Index, size: Index, box: Box) -> Box:
    """Return what a shard or a chunk of a size has of a box."""
    return tuple(
        slice(max(i * length, part.start), min((i + 1) * length, part.stop))
        for i, length, part in zip(index, size, box, strict=True)
    )


def whole(shape: Sequence[int]) -> Box:
    """Return the box of a whole array."""
    return tuple(slice(0, count) for count in shape)


def size_of(box: Sequence[slice]) -> Index:
    """Return the voxels of a box along each axis."""
    return tuple(part.stop - part.start for part in box)


def shift(box: Sequence[slice], origin: Sequence[int]) -> tuple[slice, ...]:
    """Count a box from another first voxel."""
    places = zip(box, origin, strict=True)
    return tuple(slice(part.start - first, part.stop - first) for part, first in places)


def shard_file(array: Path, index: Index) -> Path:
    """Give the file of a shard."""
    return array.joinpath("c", *map(str, index))


def write_shard(array: Path, layout: Layout, index: Index, block: np.ndarray) -> tuple[int, ...]:
    """Write a shard in one step, all its chunks, those of zeros too.

    Parameters
    ----------
    array : pathlib.Path
        Folder of the array.
    layout : Layout
        Its chunks and shards.
    index : tuple of int
        Index of the shard along z, y, x.
    block : numpy.ndarray
        The shard's voxels, cut where the array ends.

    Returns
    -------
    size, checksum : int
        Bytes of the file and their crc32c.
    """
    origin = [i * length for i, length in zip(index, layout.shard, strict=True)]
    box = tuple(slice(o, o + n) for o, n in zip(origin, block.shape, strict=True))
    parts = [shift(part, origin) for _, part in layout.boxes(box, chunks=True)]
    table = np.full((*layout.chunks_per_shard, 2), _ABSENT, "<u8")

    def pack(part: Box) -> bytes:
        values = np.zeros(layout.chunk, block.dtype)
        values[tuple(slice(0, p.stop - p.start) for p in part)] = block[part]
        packed = blosc.compress(values, b"lz4", 5, blosc.BITSHUFFLE)
        return packed + _checksum(packed)

    file = shard_file(array, index)
    file.parent.mkdir(parents=True, exist_ok=True)
    checksum = 0
    with part_of(file) as part_file, open(part_file, "wb") as out:
        for part, packed in zip(parts, each(pack, parts), strict=True):
            place = tuple(p.start // c for p, c in zip(part, layout.chunk, strict=True))
            table[place] = out.tell(), len(packed)
            out.write(packed)
            checksum = google_crc32c.extend(checksum, packed)
        end = table.tobytes() + _checksum(table.tobytes())
        out.write(end)
        size = out.tell()
    return size, google_crc32c.extend(checksum, end)


def file_checksum(file: Path) -> tuple[int, ...]:
    """Give the bytes of a file and their crc32c, as `write_shard` gave them."""
    size = checksum = 0
    with open(file, "rb") as source:
        while piece := source.read(_PIECE):
            size += len(piece)
            checksum = google_crc32c.extend(checksum, piece)
    return size, checksum


def read_box(array: Path, layout: Layout, dtype: np.dtype, box: Box) -> np.ndarray:
    """Read a box of an array.

    Parameters
    ----------
    array : pathlib.Path
        Folder of the array.
    layout : Layout
        Its chunks and shards.
    dtype : numpy.dtype
        Type of a voxel.
    box : tuple of slice
        Inside the array, not empty.

    Returns
    -------
    numpy.ndarray
        The voxels of the box, C order.

    Raises
    ------
    ShardError
        If a chunk is missing or fails its checksum.
    """
    out = np.empty(size_of(box), dtype)
    start = [part.start for part in box]
    for index, part in layout.boxes(box):
        file = shard_file(array, index)
        first = tuple(p.start // c for p, c in zip(part, layout.chunk, strict=True))
        try:
            handle = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            reason = "the file is missing" if isinstance(error, FileNotFoundError) else str(error)
            raise ShardError(first, file, reason) from error
        try:
            with open(handle, "rb", closefd=False) as source:
                table = _table(source, layout, first, file)

            def unpack(item, table=table, index=index, file=file, handle=handle) -> None:
                chunk, piece = item
                parts = zip(chunk, index, layout.chunks_per_shard, strict=True)
                entry = table[tuple(i - shard * count for i, shard, count in parts)]
                values = _chunk(handle, layout, dtype, entry, partial(ShardError, chunk, file))
                inner = shift(piece, [i * c for i, c in zip(chunk, layout.chunk, strict=True)])
                out[shift(piece, start)] = values[inner]

            for _ in each(unpack, list(layout.boxes(part, chunks=True))):
                pass
        finally:
            os.close(handle)
    return out


def _table(source: Any, layout: Layout, chunk: Index, file: Path) -> np.ndarray:
    """Read the index at the end of a shard: place and length of each of its chunks."""
    counts = layout.chunks_per_shard
    length = 16 * int(np.prod(counts)) + CHECKSUM
    size = source.seek(0, os.SEEK_END)
    if size < length:
        raise ShardError(chunk, file, f"the file is cut short at {size} bytes")
    source.seek(size - length)
    content = source.read(length)
    if content[-CHECKSUM:] != _checksum(content[:-CHECKSUM]):
        raise ShardError(chunk, file, "the checksum of its index does not match")
    return np.frombuffer(content[:-CHECKSUM], "<u8").reshape(*counts, 2)


def _chunk(
    handle: int,
    layout: Layout,
    dtype: np.dtype,
    entry: np.ndarray,
    lost: Callable[[str], ShardError],
) -> np.ndarray:
    """Read one chunk at its place and length, and check it."""
    offset, length = entry
    if offset == _ABSENT:
        raise lost("the chunk is missing")
    content = os.pread(handle, int(length), int(offset))
    if len(content) < length or content[-CHECKSUM:] != _checksum(content[:-CHECKSUM]):
        raise lost("its checksum does not match")
    values = np.empty(layout.chunk, dtype)
    blosc.decompress(content[:-CHECKSUM], values)
    return values


def _checksum(content: bytes) -> bytes:
    return google_crc32c.value(content).to_bytes(CHECKSUM, "little")


def each(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """Apply a function to every item in a few threads, in order, not far ahead of the caller."""
    if len(items) == 1:
        yield function(items[0])
        return
    # made anew each time: a pool that is kept does not survive a fork
    with ThreadPoolExecutor(min(_THREADS, len(items), cores())) as pool:
        waiting = []
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * _THREADS:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
