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
        ("µm", "μm", "micrometre", "micron", "microns", "micrometers", "�m", "ƒêm"),
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
_SIZES = re.compile(
    rf"\s*({_NUMBER})(?:[\s,;x×]+({_NUMBER})[\s,;x×]+({_NUMBER}))?\s*([^\s\d.,;+-]\S*)\s*"
)
_LONGEST = 200  # letters of a size
_ALLOWED = (
    'a voxel size is one number or three (z y x) and a unit, such as "10 nm" or "20 10 10 nm".'
)
_COMMA = re.compile(r"(?<=\d),(?=\d)")
_THOUSANDS = re.compile(r"(?<!\d)[1-9]\d{0,2},\d{3}(?!\d)")


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
    name = _SPELLINGS.get(_spelling(str(unit)))
    if name is None:
        raise AcuityError(
            f"{where}: found the unit {str(unit)!r}, allowed are {', '.join(UNITS)} "
            "(and their usual other spellings)."
        )
    return name


def known(unit: object) -> bool:
    """Tell whether a text is a unit of length."""
    return isinstance(unit, str) and _spelling(unit) in _SPELLINGS


def _spelling(unit: str) -> str:
    r"""Undo what programs do to a letter that is not of ASCII, such as ``\u00B5m`` or ``Âµm``."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), unit)
    return text.strip().replace("Â", "").lower()


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


def parse_sizes(text: str, where: str) -> tuple[list[float], str]:
    """Read one length or three with their unit.

    A comma may stand between three numbers (``"20,10,10 nm"``) or before a fraction (``"2,5 um"``),
    where only one of the two can be meant.

    Parameters
    ----------
    text : str
        ``"10 nm"``, or ``"20 10 10 nm"`` with blanks, commas, semicolons or x between the numbers.
    where : str
        The file or key that it stands in, for the error.

    Returns
    -------
    sizes : list of float
        One positive number or three.
    unit : str
        Canonical unit.

    Raises
    ------
    AcuityError
        If there is no number, not one or three of them, no unit, a size that is not positive, or a
        comma that may mean one thing or another.
    """
    text = str(text)
    if len(text) > _LONGEST:
        raise AcuityError(
            f"{where}: found {text[:20]!r} and {len(text) - 20} letters more, {_ALLOWED}"
        )
    match = _SIZES.fullmatch(text)
    if _COMMA.search(text):
        mixed = match is not None and len(re.findall(r"\d\s*[;x×\s]\s*[\d.]", text)) > 0
        points = None if "." in text else _SIZES.fullmatch(_COMMA.sub(".", text))
        if points is not None and _THOUSANDS.search(text):
            raise AcuityError(
                f"{where}: found {text!r}, whose comma may stand before a fraction or between "
                "thousands, allowed is a point before a fraction and nothing between thousands."
            )
        match = points or (None if mixed else match)
    if match is None:
        raise AcuityError(f"{where}: found {text!r}, {_ALLOWED}")
    *numbers, unit = match.groups()
    sizes = [float(number) for number in numbers if number is not None]
    check_spacing((sizes * 3)[:3], where)
    return sizes, canonical(unit, where)


def parse_voxel_size(
    text: str, where: str = "voxel_size"
) -> tuple[tuple[float, float, float], str]:
    """Read a voxel size with its unit.

    Parameters
    ----------
    text : str
        ``"10 nm"`` for cubic voxels or ``"20 10 10 nm"`` in the order z, y, x; see `parse_sizes`.
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
        As `parse_sizes` does.
    """
    sizes, unit = parse_sizes(text, where)
    return check_spacing((sizes * 3)[:3], where), unit


def parse_length(text: str, where: str) -> tuple[float, str]:
    """Read one length with its unit, such as a distance between slices; see `parse_sizes`."""
    text, sizes = str(text), []
    try:
        sizes, unit = parse_sizes(text, where)
    except AcuityError:
        if len(text) > _LONGEST or _COMMA.search(text):  # told in its own words
            raise
    if len(sizes) != 1:
        raise AcuityError(
            f"{where}: found {text[:_LONGEST]!r}, allowed is one number and a unit, above zero, such as "
            '"20 nm".'
        )
    return sizes[0], unit


def check_spacing(values: Sequence[float], where: str) -> tuple[float, float, float]:
    """Refuse a voxel size that is not three positive finite numbers."""
    spacing = tuple(float(value) for value in values)
    if len(spacing) != 3 or not all(math.isfinite(size) and size > 0 for size in spacing):
        raise AcuityError(
            f"{where}: found the voxel size {', '.join(f'{size:g}' for size in spacing)}, allowed "
            "are three positive numbers (z, y, x)."
        )
    return spacing
