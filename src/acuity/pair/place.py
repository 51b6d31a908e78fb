"""About where the fine scan of a pair lies in the coarse one: a guess that orders the search, no more."""

import re
from collections.abc import Sequence

import numpy as np

from acuity.errors import AcuityError
from acuity.units import convert, parse_sizes
from acuity.volume import Grid, Volume

_VOXELS = re.compile(r"(?<=[\d.\s])(voxels?|low voxels?)\s*$", re.IGNORECASE)
FORM = "three numbers (z y x) and a unit of length or voxel, such as '0.4 1.2 0.9 mm' or '40 120 90 voxel'"


def parse_place(text: str, where: str) -> tuple[list[float], str | None]:
    """Read where the middle of a fine scan lies.

    Parameters
    ----------
    text : str
        ``"0.4 1.2 0.9 mm"`` (z y x) from the outer corner of the coarse volume, or
        ``"40 120 90 voxel"`` in voxels of it.
    where : str
        The key that it stands in, for the error.

    Returns
    -------
    numbers : list of float
        Three, above 0.
    unit : str or None
        Canonical unit; None for voxels.

    Raises
    ------
    AcuityError
        If it is not of that form.
    """
    counted = _VOXELS.search(text)
    # voxels are read as any length is
    said = f"{text[: counted.start()]} um" if counted else text
    try:
        numbers, unit = parse_sizes(said, where)
    except AcuityError:
        numbers, unit = [], ""
    if len(numbers) != 3:
        raise AcuityError(f"{where}: found {text[:200]!r}, allowed are {FORM}")
    return numbers, None if counted else unit


def stated_place(text: str, low: Grid, where: str) -> tuple[float, ...]:
    """Return the low voxel (z, y, x) at which a sheet says that the middle of the fine scan lies.

    Parameters
    ----------
    text : str
        As `parse_place` reads it.
    low : acuity.volume.Grid
        Of the coarse volume.
    where : str
        The pair, for the error.

    Raises
    ------
    AcuityError
        If it lies outside the coarse volume.
    """
    numbers, unit = parse_place(text, where)
    if unit is not None:
        numbers = [
            convert(n, unit, low.unit) / s for n, s in zip(numbers, low.spacing, strict=True)
        ]
    if any(n > count for n, count in zip(numbers, low.shape, strict=True)):
        sides = [n * s for n, s in zip(low.shape, low.spacing, strict=True)]
        raise AcuityError(
            f"{where}: place is {text!r}, which lies outside the low volume of {_told(low.shape)} voxels, "
            f"{_told(sides)} {low.unit} (z, y, x); allowed is where the middle of the high one lies, about, "
            "counted from the low one's corner"
        )
    return tuple(n - 0.5 for n in numbers)


def recorded_place(low: Volume, high: Volume) -> tuple[float, ...] | None:
    """Return the low voxel (z, y, x) at which the middle of the fine scan lies by the files' own positions.

    Parameters
    ----------
    low, high : acuity.volume.Volume

    Returns
    -------
    tuple of float or None
        None where one of the files tells no position, or where they would have nothing in common.
    """
    if not (any(low.grid.origin) and any(high.grid.origin)):
        return None
    grid, place = high.grid, []
    for axis in range(3):
        middle = grid.origin[axis] + (grid.shape[axis] - 1) / 2 * grid.spacing[axis]
        at = convert(middle, grid.unit, low.grid.unit) - low.grid.origin[axis]
        place.append(at / low.grid.spacing[axis])
    inside = np.all(np.less(0, place)) and np.all(np.less(place, low.grid.shape))
    return tuple(place) if inside else None


def _told(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
