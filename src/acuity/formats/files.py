"""Which files on disk make up what a user names as one input."""

import re
from pathlib import Path

from acuity.errors import AcuityError

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".nxs")
RAW_SUFFIXES = (".raw", ".bin", ".dat", ".vol", ".img")
SIDECARS = (".yaml", ".yml", ".json")
_NAMED = re.compile(rf"(?i)(.+({'|'.join(map(re.escape, HDF5_SUFFIXES))})):(.+)")


def split_name(path: str) -> tuple[str, str | None]:
    """Split ``file.h5:/path/to/data`` into the file and the dataset, None where none is named."""
    match = _NAMED.fullmatch(path)
    return (match.group(1), match.group(3)) if match else (path, None)


def files_of(path: str) -> list[Path]:
    """List the files of an input: a folder's, or the file with its sidecar.

    Parameters
    ----------
    path : str
        File or folder, or ``file.h5:/path/to/data``.

    Returns
    -------
    list of pathlib.Path
        Sorted; hidden files of a folder of slices do not count.

    Raises
    ------
    AcuityError
        If there is nothing, or a raw file has no sidecar.
    """
    file = Path(split_name(path)[0])
    if file.name == "zarr.json":
        file = file.parent
    if not file.exists():
        raise AcuityError(f"{file}: no such file or folder")
    if file.is_dir():
        if file.suffix == ".zarr":
            return sorted(part for part in file.rglob("*") if part.is_file())
        return sorted(f for f in file.iterdir() if f.is_file() and not f.name.startswith("."))
    return [file, find_sidecar(file)] if file.suffix.lower() in RAW_SUFFIXES else [file]


def find_sidecar(path: Path) -> Path:
    """Find the sidecar of a raw file.

    Raises
    ------
    AcuityError
        If there is none, or more than one.
    """
    names = [path.with_name(path.name + end) for end in SIDECARS]
    names += [path.with_suffix(end) for end in SIDECARS]
    found = [name for name in names if name.is_file()]
    if len(found) != 1:
        raise AcuityError(
            f"{path}: found {len(found)} sidecar files, allowed is one of {names[0].name} and "
            f"{names[2].name} beside it, with shape, dtype, byte_order and voxel_size."
        )
    return found[0]
