"""Lengths with a unit, as keys of a study."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from pydantic import AfterValidator

from acuity.errors import AcuityError
from acuity.study.messages import short
from acuity.units import parse_length, parse_sizes


def check_length(value: str, parse: Callable[[str, str], object] = parse_sizes) -> str:
    """Check a voxel size such as ``"10 nm"`` or ``"20 10 10 nm"`` (z y x).

    Parameters
    ----------
    value : str
        The text.
    parse : callable
        `acuity.units.parse_sizes`, or `acuity.units.parse_length` where only one number is allowed.

    Returns
    -------
    str
        The same text.

    Raises
    ------
    ValueError
        If it is no positive length with a unit.
    """
    try:
        parse(value, "length")
    except AcuityError as error:
        raise ValueError(
            f"{short(value)}: {str(error).removeprefix('length: ').rstrip('.')}"
        ) from None
    return value


VoxelSize = Annotated[str, AfterValidator(check_length)]
Length = Annotated[str, AfterValidator(partial(check_length, parse=parse_length))]
