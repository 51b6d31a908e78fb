"""Files that are written whole or not at all.

What is not whole yet lies beside its place under a name that nobody can foresee,
``.NAME.RANDOM.part``. It is made anew, through no link, and locked while it is written: what a
killed job has left is not locked any more, and is removed when that file is written again.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acuity.errors import AcuityError

_PART = re.compile(r"\.(.+)\.[0-9a-f]{16}\.part", re.S)
# a file's name has at most 255 bytes
_LONGEST = 255 - len("..0123456789abcdef.part")

_NO_PLACE = (
    errno.EACCES,
    errno.EEXIST,  # a file where a folder is to be
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)


@contextlib.contextmanager
def disk_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into one sentence.

    Parameters
    ----------
    path : path
        What is being written, for the error.
    """
    try:
        yield
    except OSError as error:
        # numpy tells of a full disk without the number of the error
        short = error.errno is None and "requested and" in str(error)
        if short or error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise AcuityError(
                f"{path}: disk full while writing; nothing of it was kept, free some space or "
                "choose another results folder."
            ) from error
        if error.errno in _NO_PLACE:
            at = os.fsdecode(error.filename or path)
            own = at == os.fspath(path) or _PART.fullmatch(os.path.basename(at))
            where = "" if own else f": {at}"
            raise AcuityError(f"{path}: cannot be written ({error.strerror}{where}).") from error
        raise


# What can be done where a restored volume is larger than the disk.
LARGE = "restore a part of it (region), in fewer bytes a voxel (dtype), or write to another disk"


def bytes_text(count: float) -> str:
    """Write a number of bytes with three digits, such as ``461 GB``; units are powers of 1000."""
    unit, size = "B", 1
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if count < 999.5 * size:
            break
        unit, size = larger, 1000 * size
    return f"{count / size:.3g} {unit}"


def free_space(path: str | os.PathLike) -> int:
    """Give the free bytes of the disk on which a file lies or is to lie; its folder may not be there."""
    folder = Path(path).absolute()
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_space(path: str | os.PathLike, size: int, remedy: str) -> None:
    """Refuse what is larger than the free disk, before anything is written.

    Parameters
    ----------
    path : path
        The file or folder that is to be written; what is there is replaced and counts as free.
    size : int
        Its bytes, uncompressed.
    remedy : str
        What to do, for the error.

    Raises
    ------
    AcuityError
        With both sizes.
    """
    path = Path(path)
    free = free_space(path)
    if size > free:
        free += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    if size > free:
        raise AcuityError(
            f"{path}: needs {bytes_text(size)} of disk, uncompressed, and {bytes_text(free)} are free; "
            f"{remedy}."
        )


def _name(path: Path) -> str:
    """The name of a file, as it stands in that of its part."""
    return os.fsdecode(os.fsencode(path.name)[:_LONGEST])


def _open(part: Path, how: int = 0) -> int:
    """Open a part, through no link; over NFS a lock needs the right to write."""
    how |= os.O_RDONLY if part.is_dir() else os.O_RDWR
    return os.open(part, how | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _lock(handle: int) -> bool:
    """Lock a part; false where another process is writing it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some file systems know no locks. No two jobs write one file: it is what a dead one left.
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def remove_leftovers(folder: str | os.PathLike, name: str | None = None) -> None:
    """Remove what killed jobs have left in a folder, and nothing that is being written.

    Parameters
    ----------
    folder : path
        The folder; it may not be there.
    name : str, optional
        Of this file alone; by default of all files in the folder.
    """
    try:
        entries = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return
    for entry in entries:
        found = _PART.fullmatch(entry)
        if not found or (name is not None and found[1] != name):
            continue
        part = Path(folder, entry)
        with contextlib.suppress(OSError):  # gone meanwhile, or not ours
            if part.is_symlink():
                part.unlink()
                continue
            handle = _open(part)
            try:
                if _lock(handle):
                    _remove(part)
            finally:
                os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def part_of(
    path: str | os.PathLike, *, folder: bool = False, flush: bool = False
) -> Iterator[Path]:
    """Make the part of a file, or of a folder, that takes its place when it is whole.

    Parameters
    ----------
    path : path
        The file; its folder is there.
    folder : bool
        Make a folder.
    flush : bool
        Flush the file to disk before it takes its place.

    Yields
    ------
    pathlib.Path
        Where to write.
    """
    path = Path(path)
    name = _name(path)
    remove_leftovers(path.parent, name)
    while True:
        part = path.with_name(f".{name}.{secrets.token_hex(8)}.part")
        if folder:
            part.mkdir()
        handle = _open(part, 0 if folder else os.O_CREAT | os.O_EXCL)
        if _lock(handle) and part.exists():
            break
        os.close(handle)  # another process took it for a dead one's in this very moment
    try:
        yield part
        if not os.path.samestat(os.fstat(handle), os.lstat(part)):
            raise AcuityError(f"{path}: {part.name} was exchanged while it was written; run again.")
        if flush:
            os.fsync(handle)
        os.replace(part, path)
    finally:
        _remove(part)
        os.close(handle)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Replace a file in one step: written beside its place, flushed to disk, renamed.

    Parameters
    ----------
    path : path
        The file; its folder is made.

    Yields
    ------
    pathlib.Path
        Where to write.

    Raises
    ------
    AcuityError
        If the disk is full or the folder cannot be written; what was there is there then.
    """
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_of(path, flush=True) as part:
            yield part


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write a file in one step, see `replacing`."""
    with replacing(path) as part:
        part.write_bytes(data)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file, UTF-8, in one step, see `replacing`."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write a JSON file in one step, see `replacing`; NaN is no JSON and raises ValueError."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
