"""What a format declares of itself: one object `READER` at the end of its module."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from acuity.formats.opened import OpenedFile


@dataclass(frozen=True)
class Reader:
    """A format that can be read.

    Parameters
    ----------
    name : str
        As users know it, such as "MRC".
    suffixes : tuple of str
        Endings of its files, in lower case.
    read : callable
        From the path, and the dataset that the user named (None where none is), to a `OpenedFile`.
    looks_like : callable, optional
        Whether a file or folder is of this format by its content, asked where the ending does not
        tell.
    whole : bool
        Whether it holds all of a volume in memory, however little is asked for.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, str | None], OpenedFile]
    looks_like: Callable[[Path], bool] | None = None
    whole: bool = False
