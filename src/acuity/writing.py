"""Files that are written whole or not at all."""

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acuity.errors import AcuityError


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
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR):
            raise AcuityError(f"{path}: cannot be written ({error.strerror}).") from error
        raise


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
    part = path.with_name(f".{path.name}.part")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            with open(part, "rb") as written:
                os.fsync(written.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


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
