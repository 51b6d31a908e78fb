"""Blocks of slices of a low volume, as people write them: ``x 100:140``."""

import re
from typing import NamedTuple

from acuity.errors import AcuityError

FORM = "x 100:140"
_BLOCK = re.compile(r"\s*([zyx])\s+(\d+)\s*:\s*(\d+)\s*")


class Block(NamedTuple):
    """Slices of a volume along one axis.

    Attributes
    ----------
    axis : int
        0, 1, 2 for z, y, x.
    start, stop : int
        The first slice and the one behind the last.
    """

    axis: int
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{'zyx'[self.axis]} {self.start}:{self.stop}"


def parse_block(text: str, where: str = "block") -> Block:
    """Read a block of slices.

    Parameters
    ----------
    text : str
        An axis, and the first slice and the one behind the last.
    where : str
        The key, for the error.

    Returns
    -------
    Block

    Raises
    ------
    AcuityError
        If it is of another form, or holds no slice.
    """
    match = _BLOCK.fullmatch(text)
    if match is None or int(match[2]) >= int(match[3]):
        raise AcuityError(
            f"{where}: found {text[:60]!r}; allowed is an axis with the first slice and the one behind the "
            f"last, such as {FORM!r}"
        )
    return Block("zyx".index(match[1]), int(match[2]), int(match[3]))
