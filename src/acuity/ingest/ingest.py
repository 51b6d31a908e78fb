"""Bring a user's file in as a volume, once and checked."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from acuity.errors import AcuityError
from acuity.formats.files import files_of
from acuity.formats.read import read_volume
from acuity.volume import VolumeWriter, check_finite, slabs, with_told


def ingest(
    path: str | os.PathLike,
    output: str | os.PathLike,
    *,
    voxel_size: str | None = None,
    region: str | None = None,
    pitch: str | None = None,
    volume: bool = False,
) -> None:
    """Read a file or folder and write it as a volume, slab by slab.

    Memory stays at one row of shards. Voxels keep their type and values as
    :func:`acuity.formats.read.read_volume` says; the provenance names the source and the SHA-256
    of its bytes, and no folder of this machine.

    Parameters
    ----------
    path : path
        What to read; see :func:`acuity.formats.read.read_volume`.
    output : path
        The volume ``X.ome.zarr`` or its root ``zarr.json``.
    voxel_size : str, optional
        ``"10 nm"`` or ``"20 10 10 nm"`` (z y x); goes before the file's own.
    region : str, optional
        Part to take, ``"z0:z1,y0:y1,x0:x1"``.
    pitch : str, optional
        Distance between slices, such as ``"20 nm"``; see `read_volume`.
    volume : bool
        Images of a detector are a volume; see `read_volume`.

    Raises
    ------
    AcuityError
        If the source cannot be read, has no voxel size, holds NaN, is empty or constant; nothing
        is left at `output` then.
    """
    source = read_volume(path, voxel_size, region, pitch, volume)
    about: dict[str, Any] = {"intensity": source.intensity or "grey value of the source"}
    about["provenance"] = with_told(source.provenance, {"sha256": source_digest(path)})
    low, high = np.inf, -np.inf
    with VolumeWriter(output, source.grid, source.dtype, **about) as writer:
        for z0, z1 in slabs(source.grid.shape[0], writer.slab_depth):
            block = source.read(slice(z0, z1))
            check_finite(block, z0, os.fspath(path))  # in the words of the source
            low, high = min(low, block.min()), max(high, block.max())
            writer.write(z0, block)
        if low == high:
            raise constant(path, low)


def constant(path: str | os.PathLike, value: float) -> AcuityError:
    """Say of a source that it has one value alone."""
    return AcuityError(
        f"{path}: is constant, every voxel is {value:g}; allowed is a volume with contrast."
    )


def source_digest(path: str | os.PathLike) -> str:
    """Give the SHA-256 of the names and contents of the files that make up an input.

    Parameters
    ----------
    path : path
        File or folder; the sidecar of a raw file counts too.
    """
    files = files_of(os.fspath(path))
    if len(files) == 1:
        return _file_digest(files[0]).hex()
    whole = hashlib.sha256()
    for file in files:
        whole.update(os.path.relpath(file, files[0].parent).encode() + b"\0" + _file_digest(file))
    return whole.hexdigest()


def _file_digest(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
