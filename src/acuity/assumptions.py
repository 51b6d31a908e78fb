"""What methods and measures take for granted of their volumes, and the one place that checks it.

A method's class and a measure's module declare an `Assumes`. `survey` reads a volume once,
shard by shard; `check` holds it against the declaration. What cannot be done is refused by the
code that cannot do it. What can be done, and would mislead, becomes a finding: it travels in the
last step of a volume's provenance or in the rows of a table, to the report's first page.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.tables import TOLD, WARNING
from acuity.threshold import FAR, otsu, sample_of
from acuity.volume import Grid, Volume, check_finite, choose_layout, slabs

Finding = tuple[str, str]  # what was found, and what it does
_SLICES = 16
_FEW = 1e-4  # share of the voxels up to which they are single ones and no phase
_BELOW = 0.1  # of the contrast: noise about 0 leaves the darker phase nearer to 0 than that
_BARELY = 4  # a range of which less than this part is used
_CUT = 0.05  # of the data range that an interpolation may overshoot
_SCALE = 10  # standard deviations of the training's values


@dataclass(frozen=True)
class Assumes:
    """What is taken for granted of a volume; each field is a column of the tables in the docs.

    Attributes
    ----------
    sign : str
        ``non-negative``: below 0 lies nothing but noise.
    values : str
        ``the type's range``: grey values use the range of their type, by which figures are
        judged; ``0 to the range``: what lies beyond is cut besides; ``the training's``: they are
        on the scale of the volumes that a network learned from.
    single : str
        What a few voxels far beyond all others do; empty: nothing beyond themselves.
    cubes : str
        What it does where voxels are not cubes; empty: what it does everywhere.
    units : str
        Unit in which it counts lengths.
    size : str
        The smallest volume; less is refused.
    """

    sign: Literal["any", "non-negative"] = "any"
    values: Literal["any", "the type's range", "0 to the range", "the training's"] = "any"
    single: str = ""
    cubes: str = ""
    units: str = "voxel"
    size: str = "1 voxel"

    @property
    def of_values(self) -> bool:
        """Whether a volume must be read to be checked."""
        return bool(self.sign != "any" or self.values != "any" or self.single)


@dataclass(frozen=True)
class Survey:
    """What one pass over a volume tells.

    Attributes
    ----------
    least, most : float
        Of all voxels.
    low, high : float
        Their 0.1st and 99.9th percentile.
    dark, bright : float
        Medians of the two classes of Otsu's threshold; equal in a constant volume.
    count : int
        Number of voxels.
    singles : dict or None
        Voxels that lie `FAR` times farther out than the percentiles are apart and are at most
        a ten-thousandth of all: ``count``, ``value`` (the farthest), ``squares`` (sum of their
        squared distances from the percentile).
    """

    least: float
    most: float
    low: float
    high: float
    dark: float
    bright: float
    count: int
    singles: dict | None

    @property
    def used(self) -> tuple[float, float]:
        """The values that are used, without single ones far out."""
        return (self.low, self.high) if self.singles else (self.least, self.most)


def survey(
    data: Any, mask_radius: float | None = None, *, name: str | os.PathLike = "the volume"
) -> Survey:
    """Read a volume once, shard by shard; twice where single voxels lie far out.

    Percentiles and medians are of every k-th voxel, a million or two of them.

    Parameters
    ----------
    data : array
        (z, y, x), in memory or read part by part.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is looked at; None for the whole volume.
    name : path
        Its file, for errors.

    Returns
    -------
    Survey

    Raises
    ------
    AcuityError
        If a voxel is not finite, or none lies in the mask.
    """
    parts = _parts(data, mask_radius)
    taken, least, most, seen = sample_of(parts, math.prod(data.shape))
    if not (np.isfinite(least) and np.isfinite(most)):
        for z0, z1 in slabs(data.shape[0], _SLICES):
            check_finite(np.asarray(data[z0:z1]), z0, str(name))
        raise AcuityError(f"{name}: no voxel lies in the mask of radius {mask_radius}")
    sample = np.concatenate(taken)
    low, high = (float(value) for value in np.percentile(sample, [0.1, 99.9]))
    dark = bright = float(least)
    if sample.min() < sample.max():
        above = sample > otsu(sample)
        dark, bright = float(np.median(sample[~above])), float(np.median(sample[above]))
    span = high - low
    ends = low - FAR * span, high + FAR * span
    singles = None
    if least < ends[0] or most > ends[1]:
        singles = _singles(_parts(data, mask_radius), low, high, ends)
        if not 0 < singles["count"] <= max(1, _FEW * seen):
            singles = None
    return Survey(float(least), float(most), low, high, dark, bright, seen, singles)


def _parts(data: Any, mask_radius: float | None) -> Iterator[np.ndarray]:
    """Values of each shard inside the mask: planes may be large."""
    for _, box in choose_layout(data.shape, np.float32).boxes():
        block = np.asarray(data[box], np.float32)
        mask = cylinder(data.shape, mask_radius, box[1:])
        yield block.ravel() if mask.all() else block[:, mask].ravel()


def _singles(parts: Iterable, low: float, high: float, ends: tuple[float, float]) -> dict[str, Any]:
    count, squares, value, farthest = 0, 0.0, 0.0, -1.0
    for values in parts:
        far = values[(values < ends[0]) | (values > ends[1])].astype(np.float64)
        if far.size:
            out = np.where(far > high, far - high, low - far)
            count, squares = count + far.size, squares + float((out * out).sum())
            if out.max() > farthest:
                farthest, value = float(out.max()), float(far[out.argmax()])
    return {"count": count, "value": value, "squares": squares}


def offset(assumes: Assumes, found: Survey) -> float:
    """The value that must count as 0 where values are to be non-negative and are not.

    Noise about 0 is left as it is: then the median of the darker phase is 0 within a tenth of the
    contrast. Otherwise it is the least value, or the 0.1st percentile where single voxels lie far
    out.

    Parameters
    ----------
    assumes : Assumes
    found : Survey

    Returns
    -------
    float
        0 where nothing is to be shifted.
    """
    if assumes.sign == "any" or not found.dark < -_BELOW * (found.bright - found.dark):
        return 0.0
    return found.used[0]


def check(
    assumes: Assumes,
    volume: Volume,
    *,
    grid: Grid | None = None,
    found: Survey | None = None,
    mask_radius: float | None = None,
    data_range: float | None = None,
    whole: float | None = None,
    training: Mapping[str, float] | None = None,
) -> list[Finding]:
    """Hold a volume against what is assumed of it.

    Parameters
    ----------
    assumes : Assumes
    volume : acuity.volume.Volume
        (z, y, x).
    grid : acuity.volume.Grid, optional
        The grid on which a method works, where it is another than the volume's.
    found : Survey, optional
        Of the volume, where it was made already.
    mask_radius : float or None
        As for `survey`.
    data_range : float, optional
        The data range by which figures are judged, where there is one.
    whole : float, optional
        The same, where nobody has stated it and the volume is to use all of it.
    training : dict, optional
        ``mean`` and ``std`` by which a network normalises its input.

    Returns
    -------
    list of (str, str)
        Findings: what was found, and what it does.
    """
    said: list[Finding] = []
    if assumes.of_values:
        found = found or survey(volume.data, mask_radius)
        said += _shifted(assumes, found)
        if assumes.single and found.singles:
            said.append((_out(found), _single_effect(assumes.single, found, data_range)))
        if data_range and assumes.values == "0 to the range":
            said += _cut_off(found, data_range)
        if whole and assumes.values in ("the type's range", "0 to the range"):
            said += _barely_used(found, whole)
        if training and assumes.values == "the training's":
            said += _of_training(found, training)
    grid = grid or volume.grid
    sides = [h for h, n in zip(grid.spacing, grid.shape, strict=True) if n > 1]
    if assumes.cubes and sides and max(sides) > 1.001 * min(sides):
        size = " x ".join(f"{h:.4g}" for h in grid.spacing)
        said.append((f"its voxels are no cubes ({size} {grid.unit})", assumes.cubes))
    return said


def _shifted(assumes: Assumes, found: Survey) -> Iterator[Finding]:
    if moved := offset(assumes, found):
        yield (
            f"its darker phase lies at {found.dark:,.6g}, and values below 0 have no meaning to the method",
            f"VALUES SHIFTED: {moved:,.6g} counted as 0, and was added to the result again",
        )


def _out(found: Survey) -> str:
    single, span = found.singles, found.high - found.low
    voxels = "1 voxel lies" if single["count"] == 1 else f"{single['count']:,} voxels lie"
    away = max(single["value"] - found.high, found.low - single["value"])
    times = f", {away / span:,.0f} times as far beyond them as they are apart" if span else ""
    return (
        f"{voxels} far out, at {single['value']:,.6g}; the 0.1st and the 99.9th percentile are "
        f"{found.low:,.4g} and {found.high:,.4g}{times}"
    )


def _single_effect(effect: str, found: Survey, data_range: float | None) -> str:
    if not data_range:
        return effect
    cap = 10 * math.log10(data_range**2 * found.count / found.singles["squares"])
    return f"{effect}: where an image or its truth lacks them, PSNR is {cap:.1f} dB at most"


def _cut_off(found: Survey, data_range: float) -> Iterator[Finding]:
    low, high = found.used
    if low < -_CUT * data_range or high > (1 + _CUT) * data_range:
        yield (
            f"its values go from {low:,.6g} to {high:,.6g}, beyond 0 to {data_range:,.6g}",
            "they were cut to that before errors in grey values were taken",
        )


def _barely_used(found: Survey, whole: float) -> Iterator[Finding]:
    low, high = found.used
    top = 2 ** math.ceil(math.log2(high - low + 1)) - 1
    if top and _BARELY * top <= whole + 1:
        yield (
            f"it uses {low:,.6g} to {high:,.6g} of a range of {whole:,.0f}, which {top.bit_length()} "
            "bits would hold",
            f"PSNR by {whole:,.0f} stands {20 * math.log10(whole / top):.0f} dB above that by "
            f"{top:,.0f}, and SSIM is too high as well; measure.data_range states another range",
        )


def _of_training(found: Survey, training: Mapping[str, float]) -> Iterator[Finding]:
    low, high = found.used
    width = (high - low) / training["std"]
    away = abs(0.5 * (low + high) - training["mean"]) / training["std"]
    if not (1 / _SCALE <= width <= 4 * _SCALE and away <= _SCALE):
        yield (
            f"its values go from {low:,.6g} to {high:,.6g}, and those of the training had the middle "
            f"{training['mean']:,.6g} and the width {training['std']:,.6g}",
            "the network has seen nothing like it; bring both to one scale",
        )


def warning_rows(
    assumes: Assumes,
    *,
    mask_radius: float | None = None,
    data_range: float | None = None,
    stated: bool = True,
    **volumes: Volume,
) -> list[dict]:
    """Findings of the volumes of a measure as rows of its table.

    Parameters
    ----------
    assumes : Assumes
    mask_radius, data_range
        As for `check`.
    stated : bool
        Whether the study states the data range; else it comes from the volume ``truth``, which is
        to use it.
    **volumes
        Volumes by what they are (``image``, ``truth``, ``labels``).

    Returns
    -------
    list of dict
        Metric ``warning``, without a value; columns `TOLD` besides. `acuity.measure.collect` takes
        them out of the figures. None where everything is as it is assumed, so that tables do not
        change.
    """
    row = {"metric": WARNING, "subset": "all", "value": float("nan"), "unit": ""}
    rows = []
    for name, volume in volumes.items():
        whole = data_range if name == "truth" and not stated else None
        how = {"mask_radius": mask_radius, "data_range": data_range, "whole": whole}
        said = check(assumes, volume, **how)
        rows += [row | dict(zip(TOLD, (name, *told), strict=True)) for told in said]
    return rows
