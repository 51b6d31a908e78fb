"""Seals: what was written, and whether it is still that.

A table ``X.tsv`` has its seal beside it, in ``X.tsv.seal``: its number of rows and its checksum. A
JSON file holds its seal itself. The job that writes a file seals it, and whoever reads the file
checks: a table that is cut, that lost a row or was edited by hand is refused.

Acuity of before seals left none. A table without a seal is read, with a note in the log, where it
lies in a study's folder (the one that holds ``measure``) in which no seal lies at all.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from acuity.errors import AcuityError
from acuity.writing import part_of, replacing, write_json

logger = logging.getLogger("acuity")

SUFFIX = ".seal"
SEAL = "seal"
_SHA = "sha256:"
_PIECE = 2**20  # bytes read at a time


def seal_path(path: str | os.PathLike) -> Path:
    """Return the seal's place, beside its table."""
    path = Path(path)
    return path.with_name(path.name + SUFFIX)


def again(path: str | os.PathLike) -> str:
    """Say how a file is made anew by a plain rerun; what a link points to has to go as well."""
    path = Path(path)
    both = f" and {os.path.realpath(path)}, to which it links," if path.is_symlink() else ""
    return f"remove {path}{both} and run the same command again, which makes it anew"


@contextlib.contextmanager
def sealing(path: str | os.PathLike) -> Iterator[Path]:
    """Replace a table and its seal, see `acuity.writing.replacing`; of a failure both stay.

    Parameters
    ----------
    path : path
        The table.

    Yields
    ------
    pathlib.Path
        Where to write the table.
    """
    with replacing(path) as part, part_of(seal_path(path), flush=True) as seal:
        yield part
        digest, lines = hashlib.sha256(), 0
        with open(part, "rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                lines += piece.count(b"\n")
        # the first line is the head
        said = {"rows": max(lines - 1, 0), "checksum": _SHA + digest.hexdigest()}
        seal.write_text(json.dumps(said, indent=1) + "\n")


def read_sealed(path: str | os.PathLike) -> bytes:
    """Read a sealed table.

    Parameters
    ----------
    path : path
        The table.

    Returns
    -------
    bytes
        Its content, checked.

    Raises
    ------
    AcuityError
        If it has no seal, or is not what its seal says: cut, edited, of other rows.
    OSError
        If the table cannot be read.
    """
    content = Path(path).read_bytes()
    file = seal_path(path)
    damaged = AcuityError(
        f"{file}: is no seal or a damaged one, so that nothing tells whether {path} is whole; "
        f"{again(path)}."
    )
    try:
        seal = json.loads(file.read_bytes())
        rows, checksum = int(seal["rows"]), str(seal["checksum"])
    except FileNotFoundError:
        study = _study(path)
        if study is not None and not _sealed(study):
            _note(path)
            return content
        raise AcuityError(
            f"{path}: its seal {file.name} is not beside it, so that nothing tells whether it is "
            f"whole; where this is a copy, copy the seal too, else {again(path)}."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise damaged from None
    lines = content.count(b"\n")
    there = max(lines - 1, 0)
    if checksum == _SHA + hashlib.sha256(content).hexdigest():
        if rows == there:
            return content
        raise damaged
    cut = " and a cut one" if content and not content.endswith(b"\n") else ""
    if there == rows and not cut:
        told = f"other values in its {rows} rows than its seal was made for"
    else:
        told = f"{there} rows{cut} where its seal counts {rows} rows"
    raise AcuityError(
        f"{path}: found {told}, so it was damaged, exchanged or edited after it was written; "
        f"{again(path)}."
    )


def add_seal(content: dict[str, Any], holder: dict[str, Any] | None = None) -> dict[str, Any]:
    """Seal what is to be written as JSON.

    Parameters
    ----------
    content : dict
        All that the file will hold.
    holder : dict, optional
        The part of it that gets the seal; by default `content` itself.

    Returns
    -------
    dict
        `content`, changed.
    """
    holder = content if holder is None else holder
    holder.pop(SEAL, None)
    holder[SEAL] = _digest(content)
    return content


def write_sealed(path: str | os.PathLike, content: dict[str, Any]) -> None:
    """Write a JSON file with its seal in it, in one step; NaN is no JSON and raises ValueError."""
    write_json(path, add_seal(content))


def check_seal(
    content: dict[str, Any],
    path: str | os.PathLike,
    remedy: str,
    *,
    holder: dict[str, Any] | None = None,
    must: bool = False,
) -> None:
    """Check the seal of a JSON file that was read, and take it out.

    Parameters
    ----------
    content : dict
        All that the file holds.
    path : path
        The file.
    remedy : str
        What to do where it is damaged, for the error.
    holder : dict, optional
        The part of `content` that has the seal; by default `content` itself.
    must : bool
        Refuse a file without a seal wherever it lies; by default it is refused in a study in which
        others have one.

    Raises
    ------
    AcuityError
        If it is not what was written.
    """
    holder = content if holder is None else holder
    seal = holder.pop(SEAL, None)
    # a seal whose name was damaged is not taken for none
    traces = (isinstance(value, str) and value.startswith(_SHA) for value in holder.values())
    if seal is None and not any(traces):
        if must or _sealed(_study(path)):
            raise AcuityError(
                f"{path}: has no seal, so that nothing tells whether it is whole; {remedy}."
            )
        _note(path)
    elif seal != _digest(content):
        raise AcuityError(
            f"{path}: its content is not the one that its seal was made for, so it was damaged or "
            f"edited after it was written; {remedy}."
        )


def _digest(content: Mapping[str, Any]) -> str:
    # as it comes back from the file: keys are text there and tuples lists
    plain = json.loads(json.dumps(content, allow_nan=False))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return _SHA + hashlib.sha256(text.encode()).hexdigest()


def _note(path: str | os.PathLike) -> None:
    logger.warning("%s: was written before files had seals; it is read as it is, unchecked", path)


def _study(path: str | os.PathLike) -> Path | None:
    """The study's folder that a file lies in."""
    return next((folder for folder in Path(path).parents if (folder / "measure").is_dir()), None)


def _sealed(study: Path | None) -> bool:
    """Whether there is any seal in a study's folder; volumes, of many files, hold none."""
    if study is None:
        return False
    for folder, folders, files in os.walk(study):
        if any(name.endswith(".tsv" + SUFFIX) for name in files):
            return True
        if Path(folder) != study / "measure":  # folders of samples, whose names may end so
            folders[:] = [name for name in folders if not name.endswith(".zarr")]
    return False
