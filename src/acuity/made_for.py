"""What a model was made for, and whether a volume is like it.

A training describes the low-resolution volumes that it learned from (`describe`) and keeps their range in the
model's card (`together`). What the model is to restore later is described in the same way and held
against that (`compare`): a network gives a result for any volume, and only of one like those that it
learned from does that mean anything.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from acuity.assumptions import survey
from acuity.errors import AcuityError
from acuity.seals import again, write_sealed
from acuity.units import convert
from acuity.volume import Volume, open_volume, read_sealed_json

# What may be accepted though it differs, and what it is called.
Accepted = Literal["level", "voxel_size", "axes", "bit_depth", "noise", "grey_values", "unrecorded"]
ACCEPTABLE: dict[Accepted, str] = {
    "level": "level",
    "voxel_size": "voxel size",
    "axes": "axes",
    "bit_depth": "bit depth",
    "noise": "noise",
    "grey_values": "grey values",
    "unrecorded": "card",
}
_SIZE = 0.05  # relative difference of a voxel's side
_NOISE = 2**0.5  # ratio of standard deviations: a factor of 2 in the power of the high band
_GREY = 0.5  # of the width of the grey values that were taught
_PLANES = 64  # that the noise is found in
_KEPT = 0.9  # of the second differences, the smallest: edges are among the others
_SIGMA = 1.26696  # by which their root mean square falls short, of Gaussian noise
_MIDDLE = 2**-0.5  # of a plane's sides: a square within the circle that a tomograph saw


@dataclass(frozen=True)
class Input:
    """What a volume is to a model.

    Attributes
    ----------
    voxel_size : tuple of float
        Sides (z, y, x) of its voxels.
    unit : str
        Their unit.
    axes : str
        ``zyx``, or ``yx`` for an image.
    bit_depth : str
        Type of its grey values; of one that was made worse, that of the volume it was made from.
    noise : float or None
        Standard deviation of the noise, see `noise`; None where it is not the same each time.
    low, high : float or None
        0.1st and 99.9th percentile of its grey values.
    """

    voxel_size: tuple[float, ...]
    unit: str
    axes: str
    bit_depth: str
    noise: float | None = None
    low: float | None = None
    high: float | None = None


class Comparison(NamedTuple):
    """What a volume is in one respect, beside those that a model learned from.

    Attributes
    ----------
    key : str
        One of `ACCEPTABLE`.
    found, taught : str
        Of the volume, and of those that were learned from.
    within : bool
        Whether it is like them.
    """

    key: Accepted
    found: str
    taught: str
    within: bool = False

    def __str__(self) -> str:
        of = "of " if self.key == "noise" else ""
        level = "level " if self.key == "level" else ""
        return f"{ACCEPTABLE[self.key]} {of}{self.found}, and the model learned from {level}{self.taught}"


def describe(
    volume: Volume,
    *,
    name: str | PathLike = "the volume",
    scale: Sequence[int] = (1, 1, 1),
    values: bool = True,
) -> Input:
    """Describe a volume as an input of models; reads it once, and some planes twice.

    Parameters
    ----------
    volume : acuity.volume.Volume
        (z, y, x).
    name : path
        Its file, for errors.
    scale : sequence of int
        How many of its voxels become one of the input (z, y, x), where it is a target from which inputs are
        made.
    values : bool
        Whether its grey values and noise are those of the inputs.

    Returns
    -------
    Input

    Raises
    ------
    AcuityError
        If a voxel is not finite.
    """
    told: dict[str, float] = {}
    if values:
        found = survey(volume.data, name=name)
        told = {"noise": noise(volume), "low": found.low, "high": found.high}
    return replace(header(volume, scale), **told)


def header(volume: Volume, scale: Sequence[int] = (1, 1, 1)) -> Input:
    """Describe a volume as far as its header tells: no noise, no grey values.

    Parameters
    ----------
    volume, scale
        As for `describe`.

    Returns
    -------
    Input
    """
    grid = volume.grid
    worse = next((step for step in volume.provenance if "source_dtype" in step), {})
    return Input(
        tuple(size * f for size, f in zip(grid.spacing, scale, strict=True)),
        grid.unit,
        "yx" if grid.shape[0] == 1 else "zyx",
        worse.get("source_dtype", volume.dtype.name),
    )


def noise(volume: Volume) -> float:
    """Estimate the standard deviation of the noise in planes XY, from second differences along y and x.

    The filter [-1, 2, -1] / sqrt(6) along both axes leaves the highest frequencies, in which white noise keeps
    its standard deviation and structure has next to nothing; of up to 64 planes, evenly spaced, the
    middle square is filtered, which lies within the circle that a tomograph saw. The largest tenth of the
    values, where edges are, is left out, as Donoho's median does (Biometrika 81, 425, 1994); a root mean
    square of the others does not step with the grey values of few bits.

    Parameters
    ----------
    volume : acuity.volume.Volume
        (z, y, x), finite.

    Returns
    -------
    float
        In grey values; 0 where a plane has fewer than 3 voxels along an axis.
    """
    nz, *plane = volume.grid.shape
    if min(plane) < 3:
        return 0.0
    sides = [max(3, int(n * _MIDDLE)) for n in plane]
    box = [slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(plane, sides, strict=True)]
    found = []
    for z in np.unique(np.linspace(0, nz - 1, min(nz, _PLANES)).round().astype(int)):
        image = np.asarray(volume.read(slice(int(z), int(z) + 1), *box)[0], np.float64)
        for axis in (0, 1):
            image = np.diff(image, 2, axis) / 6**0.5
        found.append(np.abs(image).ravel())
    values = np.sort(np.concatenate(found))
    kept = values[: max(1, int(_KEPT * values.size))]
    return float(_SIGMA * np.sqrt(np.mean(kept * kept)))


def together(inputs: Sequence[Input]) -> dict[str, Any]:
    """Return what a model's card says of all volumes that it learned from: their range.

    Parameters
    ----------
    inputs : sequence of Input
        At least one; their sizes are brought to the unit of the first.

    Returns
    -------
    dict
        JSON values: ``unit``; ``voxel_size``, the least and the largest (z, y, x); lists ``axes`` and
        ``bit_depth``; ``noise``, ``low`` and ``high`` with the least and the largest, or None.
    """
    unit = inputs[0].unit
    sizes = [[convert(side, one.unit, unit) for side in one.voxel_size] for one in inputs]
    return {
        "unit": unit,
        "voxel_size": [list(map(end, zip(*sizes, strict=True))) for end in (min, max)],
        "axes": sorted({one.axes for one in inputs}),
        "bit_depth": sorted({one.bit_depth for one in inputs}),
        **{key: _range([getattr(one, key) for one in inputs]) for key in ("noise", "low", "high")},
    }


def _range(values):
    return None if None in values else [min(values), max(values)]


def compare(
    made_for: Mapping[str, Any], found: Input, *, normalised: bool = False
) -> list[Comparison]:
    """Hold a volume against those that a model learned from, in each respect that is known.

    Parameters
    ----------
    made_for : mapping
        As `together` returns it; empty for a model whose training has kept none.
    found : Input
        Of the volume.
    normalised : bool
        Whether the model brings each volume to its own mean and standard deviation: then grey values
        do not matter, and noise counts as a part of their width.

    Returns
    -------
    list of Comparison
    """
    if not made_for:
        return [
            Comparison("unrecorded", "of an earlier version", "volumes that it does not describe")
        ]
    least, most = made_for["voxel_size"]
    sides = [convert(side, found.unit, made_for["unit"]) for side in found.voxel_size]
    # An image has no voxel along z.
    counted = range(1, 3) if found.axes == "yx" else range(3)
    alike = all(least[i] * (1 - _SIZE) <= sides[i] <= most[i] * (1 + _SIZE) for i in counted)
    own_size, taught_size = (_size(ends, made_for["unit"]) for ends in (sides, least))
    said = [Comparison("voxel_size", own_size, taught_size, alike)]
    for key in cast("tuple[Accepted, ...]", ("axes", "bit_depth")):
        own, taught = getattr(found, key), made_for[key]
        said.append(Comparison(key, own, " and ".join(taught), own in taught))
    if made_for["low"] is not None and found.low is not None:
        said += _of_values(made_for, found, normalised)
    return said


def compare_all(
    found: Input,
    level: float,
    *,
    taught_level: float,
    made_for: Mapping[str, Any],
    normalisation: Mapping[str, Any] | None,
) -> list[Comparison]:
    """Hold a volume, and the level at which it is to be restored, against what a model's card says.

    Parameters
    ----------
    found : Input
        Of the volume.
    level : float
        At which it is to be restored.
    taught_level, made_for, normalisation
        Of the card: its ``level`` and the keys of these names.

    Returns
    -------
    list of Comparison
        The level first.
    """
    asked = Comparison("level", f"{level:g}", f"{taught_level:g}", taught_level == level)
    normalised = bool((normalisation or {}).get("own"))
    return [asked, *compare(made_for, found, normalised=normalised)]


def _of_values(made_for, found, normalised):
    """Yield how noise and grey values compare."""
    (low, _), (_, high) = made_for["low"], made_for["high"]
    width = high - low
    own = found.high - found.low
    part = own / width if normalised and width else 1.0
    least, most = (end * part for end in made_for["noise"])
    taught = " to ".join(dict.fromkeys(f"{end:.4g}" for end in made_for["noise"]))
    shares = [f" (grey values {size:.4g} wide)" if normalised else "" for size in (own, width)]
    alike = least / _NOISE <= found.noise <= most * _NOISE
    yield Comparison("noise", f"{found.noise:.4g}{shares[0]}", f"{taught}{shares[1]}", alike)
    far = max(
        made_for["low"][0] - found.low,
        found.low - made_for["low"][1],
        made_for["high"][0] - found.high,
        found.high - made_for["high"][1],
    )
    ends = (f"{a:.4g} to {b:.4g}" for a, b in ((found.low, found.high), (low, high)))
    yield Comparison("grey_values", *ends, normalised or far <= _GREY * width)


def _size(sides, unit):
    told = sides[:1] if len({f"{side:.4g}" for side in sides}) == 1 else sides
    return " x ".join(f"{side:.4g}" for side in told) + f" {unit}"


def check(
    card: Mapping[str, Any],
    found: Input,
    accept: Collection[str],
    *,
    level: float,
    name: str | PathLike,
    model: str | PathLike,
) -> list[str]:
    """Refuse a volume that is not like those that a model learned from, unless that is accepted.

    Parameters
    ----------
    card : mapping
        The model's card.
    found : Input
        Of the volume.
    accept : collection of str
        Of `ACCEPTABLE`.
    level : float
        At which the volume is to be restored.
    name, model : path
        The volume and the card, for the error.

    Returns
    -------
    list of str
        What differs and was accepted, a sentence each.

    Raises
    ------
    AcuityError
        Naming all that differs and is not accepted.
    """
    kept = {key: card.get(key) or {} for key in ("made_for", "normalisation")}
    every = compare_all(found, level, taught_level=card["level"], **kept)
    said = [one for one in every if not one.within]
    wrong = [difference for difference in said if difference.key not in accept]
    if wrong:
        keys = ", ".join(difference.key for difference in wrong)
        silent = any(one.key == "unrecorded" for one in wrong)
        how = "cannot be compared with" if silent else "is not like"
        raise AcuityError(
            f"{name}: {how} what the model {model} was made for: found the "
            f"{'; the '.join(map(str, wrong))}; allowed is a volume like those, or "
            f"accept: [{keys}], which its page then says"
        )
    return [str(difference) for difference in said]


def write_input(volume: str | PathLike, output: str | PathLike) -> None:
    """Describe a stored volume, and write that as JSON.

    Parameters
    ----------
    volume : path
    output : path
    """
    found = describe(open_volume(volume), name=volume)
    write_sealed(output, asdict(found))


def read_input(path: str | PathLike) -> Input:
    """Read what `write_input` has written.

    Raises
    ------
    AcuityError
        If it is missing or damaged.
    """
    content = read_sealed_json(
        Path(path), "it is not known what the volume is to a model", again(path)
    )
    try:
        return Input(**content | {"voxel_size": tuple(content["voxel_size"])})
    except (KeyError, TypeError):
        raise AcuityError(f"{path}: describes no volume; {again(path)}.") from None
