"""Bring a user's file in as a volume, once and checked."""

import hashlib
import os
from pathlib import Path

import numpy as np

from acuity.errors import AcuityError
from acuity.formats.hdf5 import split_name
from acuity.formats.raw import SUFFIXES as RAW_SUFFIXES
from acuity.formats.raw import find_sidecar
from acuity.formats.read import read_volume
from acuity.formats.tiff_folder import natural_key
from acuity.volume import VolumeWriter, check_finite, slabs, store_path


def ingest(
    path: str | os.PathLike,
    output: str | os.PathLike,
    *,
    voxel_size: str | None = None,
    region: str | None = None,
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

    Raises
    ------
    AcuityError
        If the source cannot be read, has no voxel size, holds NaN, is empty or constant; nothing
        is left at `output` then.
    """
    volume = read_volume(path, voxel_size, region)
    source = Path(split_name(os.fspath(path))[0])
    provenance = [*volume.provenance]
    provenance[-1] = {**provenance[-1], "sha256": source_digest(source)}
    low, high = np.inf, -np.inf
    with VolumeWriter(
        output,
        volume.grid,
        volume.dtype,
        intensity=volume.intensity or "grey value of the source",
        provenance=provenance,
    ) as writer:
        for z0, z1 in slabs(volume.grid.shape[0], writer.slab_depth):
            block = volume.read(slice(z0, z1))
            check_finite(block, z0, os.fspath(path))  # in the words of the source
            low, high = min(low, block.min()), max(high, block.max())
            writer.write(z0, block)
        if low == high:
            raise AcuityError(
                f"{path}: is constant, every voxel is {low:g}; allowed is a volume with contrast."
            )


def source_digest(path: Path) -> str:
    """Give the SHA-256 of a file, or of the names and contents of the files of a folder.

    Parameters
    ----------
    path : pathlib.Path
        File or folder; the sidecar of a raw file counts too.
    """
    path = store_path(path)
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
        files.sort(key=lambda file: natural_key(file.relative_to(path).as_posix()))
        whole = hashlib.sha256()
        for file in files:
            whole.update(file.relative_to(path).as_posix().encode() + b"\0")
            whole.update(_file_digest(file))
        return whole.hexdigest()
    if path.suffix.lower() in RAW_SUFFIXES:
        both = _file_digest(path) + _file_digest(find_sidecar(path))
        return hashlib.sha256(both).hexdigest()
    return _file_digest(path).hex()


def _file_digest(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
