"""Chunks of HDF5 whose filter is not installed: named, and the common ones unpacked here."""

import math
import zlib
from contextlib import suppress
from typing import Any

import h5py
import imagecodecs
import numpy as np

from acuity.errors import AcuityError
from acuity.shards import Layout, shift, size_of
from acuity.volume import Box, LazyArray

# https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
_NAMES = {
    4: "SZIP",
    307: "bzip2",
    32000: "LZF",
    32001: "Blosc",
    32004: "LZ4",
    32008: "Bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32018: "FCIDECOMP",
    32022: "JPEG-LS",
    32024: "SZ3",
    32026: "Blosc2",
    32028: "SPERR",
}
_BITSHUFFLE = 32008
_LZ4, _ZSTD = 2, 3  # what Bitshuffle packs its blocks with


def _shuffle(data: bytes, values: tuple[int, ...]) -> bytes:
    item = values[0]
    whole = len(data) // item * item
    columns = np.frombuffer(data[:whole], np.uint8).reshape(item, -1)
    return columns.T.tobytes() + data[whole:]


def _bitshuffle(data: bytes, values: tuple[int, ...]) -> bytes:
    """Undo Bitshuffle: blocks of whole multiples of eight values, a rest that is as it was."""
    item, packed = values[2], values[4] if len(values) > 4 else 0
    if not packed:
        block = values[3] if len(values) > 3 else 0
        whole = len(data) // (8 * item) * 8 * item
        plain = imagecodecs.bitshuffle_decode(data[:whole], itemsize=item, blocksize=block)
        return bytes(plain) + data[whole:]
    if packed not in (_LZ4, _ZSTD):
        raise ValueError(f"Bitshuffle packs its blocks in way {packed}, which is not known")
    total, size = int.from_bytes(data[:8], "big"), int.from_bytes(data[8:12], "big")
    at, parts = 12, []
    for left in range(total, 0, -size or -total):
        count = min(size, left) // (8 * item) * 8 * item
        if not count:
            break
        length = int.from_bytes(data[at : at + 4], "big")
        part: Any = data[at + 4 : at + 4 + length]
        at += 4 + length
        if packed == _LZ4:
            part = imagecodecs.lz4_decode(part, header=False, out=count)
        else:
            part = imagecodecs.zstd_decode(part, out=count)
        plain = imagecodecs.bitshuffle_decode(part, itemsize=item, blocksize=count // item)
        parts.append(bytes(plain))
    return b"".join(parts) + data[at:]


_DECODERS = {
    1: lambda data, values: zlib.decompress(data),
    2: _shuffle,
    3: lambda data, values: data[:-4],  # Fletcher's checksum at the end
    307: lambda data, values: imagecodecs.bz2_decode(data),
    32001: lambda data, values: imagecodecs.blosc_decode(data),
    32004: lambda data, values: imagecodecs.lz4h5_decode(data),
    _BITSHUFFLE: _bitshuffle,
    32015: lambda data, values: imagecodecs.zstd_decode(data),
}


def _filters(dataset: h5py.Dataset) -> list[tuple[int, tuple[int, ...], str]]:
    plist = dataset.id.get_create_plist()
    found = [plist.get_filter(n) for n in range(plist.get_nfilters())]
    return [(code, values, name.decode(errors="replace")) for code, _, values, name in found]


def unpacked(dataset: h5py.Dataset, where: str) -> Any:
    """Give something that reads the values of a dataset, whether its filters are installed or not.

    Parameters
    ----------
    dataset : h5py.Dataset
        With chunks or without.
    where : str
        File and dataset, for the error.

    Returns
    -------
    h5py.Dataset or PackedChunks
        The dataset itself where HDF5 can unpack it.

    Raises
    ------
    AcuityError
        If a filter is not installed that is not known here either, naming it and its package.
    """
    filters = _filters(dataset)
    if all(h5py.h5z.filter_avail(code) for code, _, _ in filters):
        return dataset
    with suppress(ImportError):
        # it brings the filters with it
        import hdf5plugin  # noqa: F401
    missing = [(code, name) for code, _, name in filters if not h5py.h5z.filter_avail(code)]
    if not missing:
        return dataset
    unknown = [(code, name) for code, name in missing if code not in _DECODERS]
    if not unknown and all(code in _DECODERS for code, _, _ in filters):
        return PackedChunks(dataset, [(code, values) for code, values, _ in filters])
    code, name = (unknown or missing)[0]
    label = _NAMES.get(code) or name or "a filter without a name"
    raise AcuityError(
        f"{where}: its voxels are packed with {label} (HDF5 filter {code}), which is not installed "
        "here; install it with pip install 'acuity[hdf5plugin]', or where the file was written "
        "unpack it with h5repack -f GZIP=1."
    )


class PackedChunks(LazyArray):
    """A dataset whose chunks are fetched as they are stored and unpacked here.

    Parameters
    ----------
    dataset : h5py.Dataset
        With chunks.
    filters : list of (int, tuple of int)
        Number and values of each filter, in the order in which they were applied.
    """

    def __init__(self, dataset: h5py.Dataset, filters: list[tuple[int, tuple[int, ...]]]) -> None:
        self._dataset = dataset
        self._filters = filters
        self.shape, self.dtype = dataset.shape, dataset.dtype
        self._layout = Layout(dataset.shape, dataset.chunks, dataset.chunks)

    def read_box(self, box: Box) -> np.ndarray:
        """Read and unpack the chunks of a box."""
        out = np.full(size_of(box), self._dataset.fillvalue, self.dtype)
        for index, part in self._layout.boxes(box):
            first = tuple(n * size for n, size in zip(index, self._layout.chunk, strict=True))
            if (block := self._chunk(first)) is not None:
                out[shift(part, [of.start for of in box])] = block[shift(part, first)]
        return out

    def _chunk(self, first: tuple[int, ...]) -> np.ndarray | None:
        """Unpack the chunk that begins at a place; None where it was never written."""
        if self._dataset.id.get_chunk_info_by_coord(first).byte_offset is None:
            return None
        mask, data = self._dataset.id.read_direct_chunk(first)
        for number, (code, values) in reversed(list(enumerate(self._filters))):
            # a filter may have been left out for one chunk
            if not mask >> number & 1:
                data = bytes(_DECODERS[code](bytes(data), values))
        chunks = self._dataset.chunks
        if len(data) != math.prod(chunks) * self.dtype.itemsize:
            raise ValueError(f"the chunk at {first} unpacks to {len(data)} bytes")
        return np.frombuffer(data, self.dtype).reshape(chunks)
