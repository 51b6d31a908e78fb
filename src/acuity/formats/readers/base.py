"""Readers: one file each, found by its name; a file that ends in ``READER = Reader(...)`` is one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from acuity.formats.opened import OpenedFile
from acuity.plugins import declared, modules


@dataclass(frozen=True)
class Reader:
    """A format that can be read; each has a file in this folder, which is all it takes.

    Parameters
    ----------
    name : str
        As users know it, such as "MRC".
    suffixes : tuple of str
        Endings of its files, in lower case.
    read : callable
        From the path, and the dataset that the user named (None where none is), to an `OpenedFile`.
    looks_like : callable, optional
        Whether a file or folder is of this format by its content, asked where the ending does not
        tell.
    whole : bool
        Whether it holds all of a volume in memory, however little is asked for.
    place : int
        Those of a lower one are asked first, and stand before it where formats are listed.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, str | None], OpenedFile]
    looks_like: Callable[[Path], bool] | None = None
    whole: bool = False
    place: int = 100

    def takes(self, path: Path) -> bool:
        """Tell whether it is to read a file or folder."""
        by_content = self.looks_like is not None and self.looks_like(path)
        return by_content or (path.suffix.lower() in self.suffixes and path.is_file())


@cache
def readers() -> tuple[Reader, ...]:
    """Load all readers.

    Returns
    -------
    tuple of Reader
        In the order in which they are asked.

    Raises
    ------
    AcuityError
        If a file of this folder cannot be loaded as a reader, naming it.
    """
    found = [declared(__package__, name, "READER", "a reader") for name in modules(__package__)]
    return tuple(sorted(found, key=lambda reader: (reader.place, reader.name)))
