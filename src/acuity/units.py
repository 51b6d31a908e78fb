"""Units of length: their spellings, their sizes in metres, and voxel sizes written as text."""

import math
import re
from collections.abc import Sequence

from acuity.errors import AcuityError

# canonical name: (metres, long name as in OME-Zarr, further spellings found in files)
_UNITS: dict[str, tuple[float, str, tuple[str, ...]]] = {
    "pm": (1e-12, "picometer", ("picometre",)),
    "angstrom": (1e-10, "angstrom", ("a", "å", "ångström", "angstroms", "ångstrom", "angström")),
    "nm": (1e-9, "nanometer", ("nanometre", "nanometers", "nanometres")),
    "um": (
        1e-6,
        "micrometer",
        ("µm", "μm", "micrometre", "micron", "microns", "micrometers", "\\u00b5m", "�m"),
    ),
    "mm": (1e-3, "millimeter", ("millimetre", "millimeters", "millimetres")),
    "cm": (1e-2, "centimeter", ("centimetre", "centimeters", "centimetres")),
    "inch": (0.0254, "inch", ("in", "inches", '"')),
    "m": (1.0, "meter", ("metre", "meters", "metres")),
}
_SPELLINGS = {
    spelling: name
    for name, (_, long, further) in _UNITS.items()
    for spelling in (name, long, *further)
}
UNITS = tuple(_UNITS)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_VOXEL_SIZE = re.compile(
    rf"\s*({_NUMBER})(?:[\s,x×]+({_NUMBER})[\s,x×]+({_NUMBER}))?\s*([^\s\d.,+-]\S*)\s*"
)


def canonical(unit: str, where: str = "unit") -> str:
    """Give the name that Acuity uses for a unit of length.

    Parameters
    ----------
    unit : str
        Any common spelling, such as ``"µm"``, ``"micron"`` or ``"micrometer"``.
    where : str
        What the unit belongs to, for the error.

    Returns
    -------
    str
        One of ``UNITS``, such as ``"um"``.

    Raises
    ------
    AcuityError
        If the unit is none of length.
    """
    name = _SPELLINGS.get(str(unit).strip().lower())
    if name is None:
        raise AcuityError(
            f"{where}: found the unit {str(unit)!r}, allowed are {', '.join(UNITS)} "
            "(and their usual other spellings)."
        )
    return name


def known(unit: object) -> bool:
    """Tell whether a text is a unit of length."""
    return isinstance(unit, str) and unit.strip().lower() in _SPELLINGS


def long_name(unit: str) -> str:
    """Give the unit's name in OME-Zarr metadata, such as ``"micrometer"``."""
    return _UNITS[canonical(unit)][1]


def convert(value: float, unit: str, to: str) -> float:
    """Convert a length from one unit to another."""
    source, target = canonical(unit), canonical(to)
    if source == target:
        return float(value)
    # rounded to 12 digits, so that 0.01 um is 10 nm and not 10.000000000002 nm
    ratio = float(f"{_UNITS[source][0] / _UNITS[target][0]:.12g}")
    return float(f"{value * ratio:.12g}")


def parse_voxel_size(
    text: str, where: str = "voxel_size"
) -> tuple[tuple[float, float, float], str]:
    """Read a voxel size with its unit.

    Parameters
    ----------
    text : str
        ``"10 nm"`` for cubic voxels or ``"20 10 10 nm"`` in the order z, y, x.
    where : str
        The file or key that it stands in, for the error.

    Returns
    -------
    spacing : tuple of float
        Voxel size along z, y, x.
    unit : str
        Canonical unit.

    Raises
    ------
    AcuityError
        If there is no number, not one or three of them, no unit, or a size that is not positive.
    """
    match = _VOXEL_SIZE.fullmatch(str(text))
    if match is None:
        raise AcuityError(
            f"{where}: found {str(text)!r}, a voxel size is one number or three (z y x) and a "
            'unit, such as "10 nm" or "20 10 10 nm".'
        )
    first, *others, unit = match.groups()
    values = [float(first)] + [float(number) for number in others if number is not None]
    return check_spacing(values * 3 if len(values) == 1 else values, where), canonical(unit, where)


def check_spacing(values: Sequence[float], where: str) -> tuple[float, float, float]:
    """Refuse a voxel size that is not three positive finite numbers."""
    spacing = tuple(float(value) for value in values)
    if len(spacing) != 3 or not all(math.isfinite(size) and size > 0 for size in spacing):
        raise AcuityError(
            f"{where}: found the voxel size {', '.join(f'{size:g}' for size in spacing)}, allowed "
            "are three positive numbers (z, y, x)."
        )
    return spacing
