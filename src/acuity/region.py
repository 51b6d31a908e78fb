"""Parts of a volume as people write them: ``z0:z1,y0:y1,x0:x1``."""

import re
from collections.abc import Sequence

from acuity.errors import AcuityError

FORM = "z0:z1,y0:y1,x0:x1"
_SPAN = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*")


def _spans(text: str) -> list[re.Match] | None:
    """Read up to three spans; None of what is none."""
    matches = [_SPAN.fullmatch(part) for part in text.split(",")]
    found = [match for match in matches if match is not None]
    return found if len(found) == len(matches) <= 3 else None


def is_region(text: str) -> bool:
    """Tell whether a text has the form of a region, whatever volume it is of."""
    return _spans(text) is not None


def parse_region(text: str, shape: Sequence[int], where: str = "region") -> tuple[slice, ...]:
    """Read a region such as ``"0:60,:,10:"``.

    Parameters
    ----------
    text : str
        Spans along z, y, x; open ends and negative positions as in Python.
    shape : sequence of int
        Voxels (z, y, x) of the volume.
    where : str
        The file or the key, for the error.

    Returns
    -------
    tuple of slice
        Along z, y, x, with both ends.

    Raises
    ------
    AcuityError
        If it is of another form, empty or reaches outside the volume.
    """
    matches = _spans(text)
    if matches is None:
        raise AcuityError(f"{where}: found the region {text!r}, allowed is {FORM} with open ends.")
    box = []
    for axis, count, match in zip("zyx", shape, [*matches, None, None], strict=False):
        start, stop = match.groups() if match else (None, None)
        ends = int(start or 0), count if stop is None else int(stop)
        low, high = (end + count if end < 0 else end for end in ends)
        if not 0 <= low < high <= count:
            raise AcuityError(
                f"{where}: the region asks for {match.group().strip() if match else ':'} along "
                f"{axis}, allowed are spans within 0:{count}."
            )
        box.append(slice(low, high))
    return tuple(box)


def region_text(box: Sequence[slice]) -> str:
    """Write a box as a region with both ends of each span."""
    return ",".join(f"{part.start}:{part.stop}" for part in box)
