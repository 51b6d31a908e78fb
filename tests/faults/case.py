"""One bad input: how it is made, what is called, and the sentence that must come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A bad input of a kind of its own.

    Parameters
    ----------
    name : str
        A sentence-like name, unique; the part before the first colon is its family (a reader,
        "sheet", "study", "command line").
    make : callable
        Writes the input into an empty folder, and gives what to call then, without arguments.
    said : str
        A regular expression that the one sentence matches.
    """

    name: str
    make: Callable[[Path], Callable[[], object]]
    said: str

    @property
    def family(self) -> str:
        return self.name.split(":", 1)[0]
