"""Methods that refine one axis: their tables by slice interval and sections along that axis."""

import io
import math
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter
from PIL import Image

from acuity.errors import AcuityError
from acuity.report.figures import LevelAxis, Panel, Plot, method_lines, save, whole_rows
from acuity.report.images import data_uri, grey_window, make_picture, stretch
from acuity.report.pages import Cell, Column, marker, page_drawings, write_page
from acuity.report.style import MUTED, look, ordered
from acuity.report.verdict import POOLED, UNMEASURED, rows_of
from acuity.tables import write_table
from acuity.volume import open_volume

DIFFERENCES = "PuOr_r"  # safe for any colour vision, white where alike
AMOUNTS = "cividis"
LEVELS = "n = {:g}"
_SIDE = 128  # voxels along a side of a section, as Hagita's figure 3
_PATCH = 64  # voxels along a side of a patch
_CUBE = 96  # voxels along a side of what an isosurface shows
_LARGEST = 256  # pixels along a picture's side
# Patches are those where the plain interpolation's error is the largest, at the 90th percentile
# and at the median: chosen by a rule, so that no method is flattered.
_QUANTILES = ((1.0, "A"), (0.9, "B"), (0.5, "C"))


@dataclass(frozen=True)
class Table:
    """One of the tables by slice interval.

    Parameters
    ----------
    name : str
        File name without ending.
    title, caption : str
    value, decibels : str
        The two metrics of a cell; either may be empty.
    digits : int
        Significant digits of the value.
    """

    name: str
    title: str
    caption: str
    value: str
    decibels: str
    digits: int = 3


TABLES = (
    Table(
        "axial_rms",
        "RMS difference (PSNR), 8 bits",
        "Root mean square difference from the truth in grey values of 255 (PSNR in dB); as Hagita "
        "2018, table 1. Lower RMS is better.",
        "rms",
        "psnr_8bit",
    ),
    Table(
        "axial_binary",
        "RMS difference (PSNR), binarised",
        "The same after both volumes were made binary at one threshold, as a share of 1; as Hagita "
        "2018, table 2.",
        "rms_binary",
        "psnr_binary",
    ),
    Table(
        "axial_wpsnr",
        "Weighted PSNR (PSNR)",
        "Weighted PSNR counts voxels more where cubic interpolation is wrong; as Heinrich 2017, "
        "tables 1 to 3. Higher is better.",
        "wpsnr",
        "psnr",
        4,
    ),
)
NETWORKS = {
    "n": Column("n", "n"),
    "parameters": Column("parameters", "Parameters", "10⁶"),
    "psnr": Column("psnr", "PSNR", "dB"),
    "wpsnr": Column("wpsnr", "Weighted PSNR", "dB"),
    "settings": Column("settings", "Settings", text=True),
}
SHEETS = ("views", "differences", "patches", "surface", "disagreement")
GRAPHS = ("axial_error", "axial_scattering", "axial_shells")
FIGURES = (*GRAPHS, *(f"axial_{kind}" for kind in SHEETS))
CRITERION = 0.143  # of `acuity.measure.fsc`


def axial_table(metrics, value="rms", decibels="psnr_8bit", *, samples=None, digits=3):
    """Lay out two measures in a table of methods by slice interval.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``.
    value, decibels : str
        Metrics; the second stands in brackets with its unit. Either may be empty.
    samples : str or list of str, optional
        By default the rows pooled over the unseen samples where there are any, or else the mean.
    digits : int
        Significant digits of the value.

    Returns
    -------
    pandas.DataFrame
        Index: the methods' names in the papers' order. Columns: ``n = 2`` and so on. Texts such as
        ``"11.2 ± 0.3 (27.1 dB)"``; the ± is half the interval, or else the standard deviation
        over eight equal parts of the volume (``rms_sd``, or from their own rows).
    """
    cells = _cells(metrics, value, decibels, samples)
    levels = sorted({level for _, level in cells})
    methods = ordered(method for method, _ in cells)
    texts = {
        LEVELS.format(level): [
            _cell_text(cells.get((method, level)), value, decibels, digits) for method in methods
        ]
        for level in levels
    }
    index = pd.Index([look(method).name for method in methods], name="Method")
    return pd.DataFrame(texts, index=index)


def _cells(metrics, value, decibels, samples):
    """Value, its error and decibels of each method and level."""
    rows = rows_of(metrics, samples)
    cells = {}
    for place, metric in (("value", value), ("decibels", decibels)):
        if not metric:
            continue
        whole = rows[(rows["metric"] == metric) & rows["subset"].isin(["all", ""])]
        parts = rows[(rows["metric"] == metric) & rows["subset"].str.startswith("octant")]
        spreads = rows[rows["metric"] == f"{metric}_sd"]
        for (method, level), group in whole.groupby(["method", "level"]):
            if method == "truth" or not group["value"].notna().any():
                continue
            cell = cells.setdefault((method, level), {})
            cell[place] = float(group["value"].mean())
            half = (group["high"] - group["low"]) / 2
            own, told = (
                table[(table["method"] == method) & (table["level"] == level)]["value"]
                for table in (parts, spreads)
            )
            if half.notna().any():
                cell[f"{place}_error"] = float(half.mean())
            elif told.notna().any():
                cell[f"{place}_error"] = float(told.mean())
            elif len(own) > 1:
                cell[f"{place}_error"] = float(own.std(ddof=1))
    return cells


def _cell_text(cell, value, decibels, digits):
    if not cell:
        return "–"
    texts = []
    if value and "value" in cell:
        texts.append(_significant(cell["value"], digits))
        error = cell.get("value_error")
        if error is not None and error > 0:
            places = max(0, len(texts[0].partition(".")[2]))
            texts[0] += f" ± {error:.{places}f}" if error >= 0.5 * 10**-places else ""
    unit = " dB" if value.endswith("psnr") or value.startswith("wpsnr") else ""
    if unit and texts:
        texts[0] += unit
    if decibels and "decibels" in cell:
        level = _significant(cell["decibels"], 4 if value.startswith("wpsnr") else 3)
        texts.append(f"({level} dB)" if texts else f"{level} dB")
    return " ".join(texts) or "–"


def _significant(number, digits):
    if not math.isfinite(number):
        return "∞" if number > 0 else "–"
    places = digits - 1 - math.floor(math.log10(abs(number))) if number else digits - 1
    return f"{number:.{max(0, places)}f}"


def network_table(metrics, models, *, samples=None):
    """Lay out what each learned method has, and what it reaches.

    Parameters
    ----------
    metrics, samples
        As for `axial_table`.
    models : mapping of (str, float) to dict
        Card of each model by method and level.

    Returns
    -------
    pandas.DataFrame
        Index: the methods' names. Columns: ``n``, ``parameters`` (10^6), ``psnr`` and ``wpsnr`` (dB;
        NaN where they were not measured), ``settings`` (text: its own, and the steps of its training).
    """
    cells = _cells(metrics, "wpsnr", "psnr", samples)
    rows = []
    for method in ordered(method for method, _ in models):
        for level in sorted(level for other, level in models if other == method):
            card, cell = models[method, level], cells.get((method, level), {})
            own = {k: v for k, v in card["settings"].items() if not isinstance(v, dict | None)}
            if "steps" in card["settings"].get("train", {}):
                own["steps"] = card["settings"]["train"]["steps"]
            rows.append(
                {
                    "method": method,
                    "n": level,
                    "settings": ", ".join(f"{name} {value}" for name, value in own.items()),
                    "parameters": card["parameters"] / 1e6,
                    "psnr": cell.get("decibels", math.nan),
                    "wpsnr": cell.get("value", math.nan),
                }
            )
    return pd.DataFrame(rows, columns=["method", *NETWORKS.keys()]).set_index("method")


def axial_error(metrics, *, samples=None):
    """Draw the measures of the tables against the slice interval.

    Parameters
    ----------
    metrics, samples
        As for `axial_table`.

    Returns
    -------
    Plot
    """
    rows = rows_of(metrics, samples)
    axis = LevelAxis("{:g}", "Slice interval n (input : target)", "", "")
    panels, methods = [], set()
    for metric, title, label in (
        ("rms", "RMS difference, 8 bits", "RMS (grey values of 255)"),
        ("psnr_8bit", "PSNR, 8 bits", "PSNR (dB)"),
        ("rms_binary", "RMS difference, binary", "RMS (share of 1)"),
        ("psnr_binary", "PSNR, binary", "PSNR (dB)"),
        ("wpsnr", "Weighted PSNR", "wPSNR (dB)"),
    ):
        cells = _cells(rows, metric, "", None if POOLED in set(rows["sample"]) else samples)
        drawn = pd.DataFrame(
            [
                {
                    "method": method,
                    "level": level,
                    "metric": metric,
                    "subset": "all",
                    "value": cell["value"],
                    "low": cell["value"] - cell.get("value_error", math.nan),
                    "high": cell["value"] + cell.get("value_error", math.nan),
                }
                for (method, level), cell in cells.items()
            ],
            columns=["method", "level", "metric", "subset", "value", "low", "high"],
        )
        drawn = whole_rows(drawn, metric)
        if not len(drawn):
            continue
        methods |= set(drawn["method"])

        def draw(axes, drawn=drawn, label=label):
            method_lines(axes, drawn, axis)
            if label.startswith("RMS"):
                axes.set_ylim(bottom=0)
            axes.set_ylabel(label)

        panels.append(Panel(title, draw))
    return Plot(
        "axial_error",
        "Error by slice interval",
        "The larger n, the more slices were left out. Whiskers: spread over eight equal parts of "
        "the volume, where it was measured. Axes in dB do not begin at 0.",
        panels,
        ordered(methods),
    )


def _power_of_ten(value, _position=None):
    """Write a tick of a logarithmic axis; mathematical text is switched off in figures."""
    exponent = str(round(math.log10(value))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{exponent}"


def _by_level(curves):
    """The curves of each slice interval, the truth's among them."""
    if curves is not None:
        for level in sorted(set(curves["level"].dropna())):
            yield level, curves[curves["level"].isna() | (curves["level"] == level)]


def _methods(curves):
    return [] if curves is None else ordered(curves["method"])


def axial_scattering(curves):
    """Draw the scattering functions of every image, the truth's among them, by slice interval.

    Parameters
    ----------
    curves : pandas.DataFrame or None
        ``method level subset q intensity`` of one sample, as `acuity.measure.scattering.scattering`
        gives them; the truth's level is empty.

    Returns
    -------
    Plot
    """
    panels = []
    for level, mine in _by_level(curves):
        for subset, where in (("all", "all directions"), ("z", "along z")):
            shown = mine[mine["subset"] == subset]

            def draw(axes, shown=shown):
                for method, curve in shown.groupby("method", sort=False):
                    how = look(method)
                    truth = method == "truth"
                    axes.plot(
                        curve["q"],
                        curve["intensity"],
                        color=how.colour,
                        lw=2.2 if truth else 1.2,
                        ls="--" if how.variant else "-",
                        zorder=2 if truth else 3,
                    )
                axes.set_xscale("log")
                axes.set_yscale("log")
                for side in (axes.xaxis, axes.yaxis):
                    side.set_major_formatter(FuncFormatter(_power_of_ten))
                    side.set_minor_formatter(NullFormatter())
                axes.set_xlabel("q = 2π / d (1/nm)")
                axes.set_ylabel("I(q) (grey value² nm³)")

            panels.append(Panel(f"{LEVELS.format(level)}, {where}", draw))
    return Plot(
        "axial_scattering",
        "Scattering functions",
        "Power of the volume at each scattering vector: averaged over all directions, as small-angle "
        "X-ray scattering would see it, and within 30° of the milling direction, where a restoration "
        "along it shows. Below the truth's line, where there is one, detail is missing, above it noise "
        "or invented detail was added.",
        panels,
        _methods(curves),
        margins=(0.8, 0.5),
    )


def axial_shells(curves):
    """Draw the shell correlations of every image with that of a second acquisition.

    Parameters
    ----------
    curves : pandas.DataFrame or None
        ``method level subset frequency fsc`` of one sample, as `acuity.measure.fsc.fsc` gives them;
        the truth's level is empty.

    Returns
    -------
    Plot
    """
    panels = []
    for level, mine in _by_level(curves):
        for subset, where in (("z", "along z"), ("xy", "across")):
            shown = mine[mine["subset"] == subset]

            def draw(axes, shown=shown):
                axes.axhline(CRITERION, color=MUTED, lw=0.8, ls=":")
                for method, curve in shown.groupby("method", sort=False):
                    how = look(method)
                    axes.plot(
                        curve["frequency"],
                        curve["fsc"],
                        color=how.colour,
                        lw=2.2 if method == "truth" else 1.2,
                        ls="--" if how.variant else "-",
                    )
                axes.set_xlim(left=0)
                axes.set_ylim(min(0, shown["fsc"].min()) - 0.05, 1.05)
                axes.set_xlabel("Spatial frequency (1/nm)")
                axes.set_ylabel("Correlation")

            panels.append(Panel(f"{LEVELS.format(level)}, {where}", draw))
    return Plot(
        "axial_shells",
        "Fourier shell correlation of two acquisitions",
        "How alike two independent acquisitions are at each spatial frequency, within 30° of the "
        f"milling direction and of the planes across it; the resolution is read at {CRITERION} "
        "(dotted). It says what is reproducible, not what is sharp: finer than the input's slices "
        "along z, the repeats that interpolation leaves correlate as well.",
        panels,
        _methods(curves),
    )


# Sections


@dataclass(frozen=True)
class Sections:
    """The same section along z of every volume, on the truth's raster.

    Parameters
    ----------
    planes : dict of (str, float or None) to array
        (z, x) by method and level, without interpolation.
    unit : str
    window : (float, float)
        Intensities that are black and white.
    limit : float
        Difference at which the colours of the difference maps end.
    where : str
    amounts : dict of (str, float) to array
        (z, x) by method and level: half of how far a method's two kinds of planes differ.
    ends : dict of str to float
        ``disagreement`` and ``error``, the size of the error beside it: where their colours end.
    volumes : dict of (str, float or None) to Volume
        What the planes were cut from.
    middle : list of array
        Places along z, y and x in the middle of the truth, which isosurfaces show.
    voxel : (float, float, float)
        How far they lie apart: the voxel size of the planes, too.
    threshold : float or None
        Grey value of 255 at which isosurfaces lie.
    level : float or None
        The intensity between it and the next one.
    below : bool
        Whether they bound what is darker: the rarer phase, which the other one does not hide.
    """

    planes: dict
    unit: str
    window: tuple[float, float]
    limit: float
    where: str
    amounts: dict
    ends: dict
    volumes: dict
    middle: list
    voxel: tuple[float, float, float]
    threshold: float | None
    level: float | None
    below: bool

    @property
    def spacing(self):
        """Voxel size of the planes, along z and x."""
        return self.voxel[0], self.voxel[2]


def sections(volumes, disagreements=None, *, position=0.5, threshold=None, data_range=None):
    """Cut the truth, where there is one, the input and every method along z, at one place.

    Parameters
    ----------
    volumes : mapping of (str, float or None) to path-like or Volume
        Image of each method and level; the truth's key is ``("truth", None)``.
    disagreements : mapping, optional
        As `volumes`, of the methods that restore planes x-z and y-z: half the absolute difference
        of the two.
    position : float
        Place of the section along y, as a fraction of the extent of the truth, or of the finest
        volume where there is none.
    threshold : float, optional
        Grey value of 255 at which to draw isosurfaces.
    data_range : float, optional
        Intensity that 255 stands for; by default 65535 for grey values of 16 bits, else 255.

    Returns
    -------
    Sections
        Over the extent that all of them share. A voxel of a coarser volume is repeated.

    Raises
    ------
    AcuityError
        If there is no volume, or nothing is shared.
    """
    opened = {
        (str(method), None if method == "truth" else float(level)): _open(volume)
        for (method, level), volume in volumes.items()
    }
    if not opened:
        raise AcuityError("report: sections along z need a volume, found none")
    finest = min(opened, key=lambda key: (key[0] != "truth", opened[key].grid.spacing[0]))
    grid = opened[finest].grid
    row = min(int(position * grid.shape[1]), grid.shape[1] - 1)
    spans = []
    for axis in range(3):
        ends = [_span(volume.grid, axis, grid.unit) for volume in opened.values()]
        low, high = max(low for low, _ in ends), min(high for _, high in ends)
        centres = grid.origin[axis] + np.arange(grid.shape[axis]) * grid.spacing[axis]
        slack = 1e-6 * grid.spacing[axis]
        spans.append(centres[(centres > low - slack) & (centres < high - slack)])
    if not all(len(span) for span in spans):
        raise AcuityError("report: the volumes share no section along z, allowed is one region")
    cut = spans[0], [grid.origin[1] + row * grid.spacing[1]], spans[2]
    planes = {key: _nearest(opened[key], cut)[:, 0] for key in _sorted(opened)}
    amounts = {
        (method, float(level)): _nearest(_open(volume), cut)[:, 0]
        for (method, level), volume in (disagreements or {}).items()
    }
    middle = [span[_middle(len(span), _CUBE)] for span in spans]
    full = data_range or opened[finest].grey_range or 255.0
    # Binary errors count what is above the threshold once it is rounded to a whole grey value.
    level = None if threshold is None else (math.floor(threshold) + 0.5) / 255 * full
    real = planes.get(("truth", None))
    window = grey_window(planes[finest])
    others = [plane for key, plane in planes.items() if key[0] != "truth"]
    errors = [] if real is None else [np.abs(plane - real) for plane in others]
    beside = [] if real is None else [np.abs(planes[key] - real) for key in amounts]
    return Sections(
        planes,
        grid.unit,
        window,
        _end(errors),
        f"row {row + 1} of {grid.shape[1]}",
        amounts,
        {"disagreement": _end(amounts.values()), "error": _end(beside)},
        {key: opened[key] for key in planes},
        middle,
        grid.spacing,
        threshold,
        level,
        level is not None and bool((_nearest(opened[finest], middle) > level).mean() > 0.5),
    )


def _open(source):
    return source if hasattr(source, "grid") else open_volume(source)


def _sorted(keys):
    rank = {method: n for n, method in enumerate(ordered(method for method, _ in keys))}
    return sorted(keys, key=lambda key: (key[1] is not None, key[1] or 0, rank[key[0]]))


def _span(grid, axis, unit):
    if grid.unit != unit:
        raise AcuityError(f"report: found volumes in {grid.unit} and {unit}, allowed is one unit")
    low = grid.origin[axis] - grid.spacing[axis] / 2
    return low, low + grid.shape[axis] * grid.spacing[axis]


def _middle(count, side):
    """The middle of an axis, no longer than a side."""
    side = min(count, side)
    return slice((count - side) // 2, (count + side) // 2)


def _nearest(volume, places):
    """Voxels nearest to places along z, y and x; between two, the later, as blocks are repeated."""
    grid = volume.grid
    index = []
    for axis, along in enumerate(places):
        steps = (np.asarray(along) - grid.origin[axis]) / grid.spacing[axis]
        index.append(np.clip(np.floor(steps + 0.5 + 1e-6), 0, grid.shape[axis] - 1).astype(int))
    box = [slice(int(n.min()), int(n.max()) + 1) for n in index]
    part = np.asarray(volume.read(*box))
    return part[np.ix_(*(n - span.start for n, span in zip(index, box, strict=True)))].astype(
        np.float32
    )


def _end(parts):
    """Where colours end: beyond 99 of 100 voxels, rounded up."""
    return _round_up(max((float(np.quantile(part, 0.99)) for part in parts), default=0) or 1.0)


def _round_up(value):
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        n * power for n in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if n * power >= value * (1 - 1e-9)
    )


def _crop(planes, side):
    """The middle of the sections."""
    return {
        key: plane[tuple(_middle(n, side) for n in plane.shape)] for key, plane in planes.items()
    }


def _patches(cut, side):
    """Choose patches by the error of the plainest interpolation at the largest interval."""
    real = cut.planes.get(("truth", None))
    others = [key for key in cut.planes if key[0] not in ("truth", "input")]
    if real is None or not others:
        return {}
    largest = max(key[1] for key in others)
    classical = ("cubic", "bicubic_planes", "linear", "bilinear_planes", "nearest")
    here = [key[0] for key in others if key[1] == largest]
    judge = next((name for name in classical if name in here), here[0])
    error = (cut.planes[judge, largest] - real) ** 2
    side = min(side, *real.shape)
    places = [
        (z, x)
        for z in range(0, real.shape[0] - side + 1, max(1, side // 2))
        for x in range(0, real.shape[1] - side + 1, max(1, side // 2))
    ]
    size = {place: _at(error, place, side).mean() for place in places}
    ranked = sorted(places, key=lambda place: (size[place], place))
    chosen = {}
    for quantile, letter in _QUANTILES:
        place = ranked[round(quantile * (len(ranked) - 1))]
        if place not in chosen.values():
            chosen[letter] = place
    return chosen


def _at(plane, place, side):
    side = min(side, *plane.shape)
    return plane[place[0] : place[0] + side, place[1] : place[1] + side]


def _shade(values, low, high, colours):
    """Index of a value's colour, and the palette with the scale bar's at its end."""
    index = np.round(np.clip((values - low) / (high - low), 0, 1) * 200).astype(np.uint8)
    colours = np.round(255 * matplotlib.colormaps[colours](np.linspace(0, 1, 201))[:, :3])
    palette = np.concatenate([colours, [[0] * 3], [[255] * 3]]).astype(np.uint8)
    image = Image.frombytes("P", index.shape[::-1], index.tobytes())
    image.putpalette(palette.tobytes())
    return image


def _drawn(cut, key, values, kind="slice"):
    """One picture in the sample's proportions, voxels repeated."""
    if kind == "slice":
        image = Image.fromarray(stretch(values, cut.window))
    elif kind == "difference":
        image = _shade(values, -cut.limit, cut.limit, DIFFERENCES)
    else:
        image = _shade(values, 0, cut.ends[kind], AMOUNTS)
    finest = min(cut.spacing)
    height, width = (n * size / finest for n, size in zip(values.shape, cut.spacing, strict=True))
    scale = max(1, round(_LARGEST / max(height, width)))
    size = round(width * scale), round(height * scale)
    image = image.resize(size, Image.Resampling.NEAREST)
    pixel = cut.spacing[1] * values.shape[1] / size[0]
    return make_picture(kind, key, image, pixel, cut.unit)


def axial_pictures(volumes, disagreements=None, *, side=_SIDE, patch=_PATCH, **options):
    """Make the pictures of the papers' figures: sections along z, differences, patches, surfaces.

    Parameters
    ----------
    volumes, disagreements
        As for `sections`.
    side, patch : int
        Voxels along a side of a section (in its middle) and of a patch.
    **options
        As for `sections`.

    Returns
    -------
    dict of str to (list of Picture)
        ``views`` (the truth first) and, where there is a truth, ``differences`` and, by a patch's
        letter, ``patch A`` with sections and differences; ``disagreement``, each with the size of
        its error; ``surface``, isosurfaces.
    Sections
        What they were made from.
    """
    cut = sections(volumes, disagreements, **options)
    middle = _crop(cut.planes, side)
    real = middle.get(("truth", None))
    shown = {"views": [_drawn(cut, key, plane) for key, plane in middle.items()]}
    shown["differences"] = [
        _drawn(cut, key, plane - real, "difference")
        for key, plane in middle.items()
        if real is not None and key[0] != "truth"
    ]
    shown["disagreement"] = []
    for key, amount in _crop(cut.amounts, side).items():
        shown["disagreement"].append(_drawn(cut, key, amount, "disagreement"))
        if real is not None:
            error = np.abs(middle[key] - real)
            shown["disagreement"].append(_drawn(cut, key, error, "error"))
    for letter, place in _patches(cut, patch).items():
        pictures = []
        true = _at(cut.planes["truth", None], place, patch)
        for key, plane in cut.planes.items():
            part = _at(plane, place, patch)
            pictures.append(_drawn(cut, key, part))
            if key[0] != "truth":
                pictures.append(_drawn(cut, key, part - true, "difference"))
        shown[f"patch {letter}"] = pictures
    shown["surface"] = _surfaces(cut)
    return shown, cut


def _surfaces(cut):
    from acuity.report.surface import isosurface  # loads SciPy, which the first page need not

    if cut.level is None or min(map(len, cut.middle)) < 2:
        return []
    pictures = []
    for key, volume in cut.volumes.items():
        cube = _nearest(volume, cut.middle)
        image, pixel = isosurface(cube, cut.level, cut.voxel, below=cut.below)
        pictures.append(make_picture("surface", key, Image.fromarray(image), pixel, cut.unit))
    return pictures


def _captions(cut):
    limit = f"{cut.limit:g}"
    return {
        "views": (
            "Sections x-z",
            f"The middle of section {cut.where}, z downwards, one grey window; a voxel of the "
            "input is repeated over the slices that were left out. As Hagita 2018, figure 3.",
        ),
        "differences": (
            "Differences from the truth",
            f"Result minus truth, in grey values; the colours end at ±{limit}, the same for all. "
            "White is alike.",
        ),
        "patches": (
            "Patches",
            "Patches of the same section with their differences, as Heinrich 2017, figure 3. They "
            "are those where plain interpolation at the largest n errs most (A), more than in nine "
            f"tenths of the places (B) and as in the median (C). Colours end at ±{limit}.",
        ),
        "surface": (
            "Isosurfaces",
            f"What is {'darker' if cut.below else 'brighter'} than {cut.threshold or 0:.3g} of 255, the "
            f"threshold of the binary errors, in the middle {_CUBE} voxels along each side, z downwards, "
            "without perspective. Where the box cuts through it, its face is light and even. As Hagita "
            "2018, figure 2a.",
        ),
        "disagreement": (
            "Where planes x-z and y-z disagree",
            "Half of how far the two differ that a method restores of each voxel, in grey values, in "
            f"the same section.{_foretold(cut)}",
        ),
    }


def _foretold(cut):
    """What the error is where the planes disagree most, and elsewhere."""
    real = cut.planes.get(("truth", None))
    if real is None:
        return " There is no truth here to compare it with."
    said = []
    for (method, level), amount in cut.amounts.items():
        error = (cut.planes[method, level] - real) ** 2
        high = amount > np.quantile(amount, 0.9)
        if high.any() and not high.all():
            most, rest = (math.sqrt(error[part].mean()) for part in (high, ~high))
            name = f"{look(method).name}, {LEVELS.format(level)}"
            said.append(f"{name}, {most:.3g} against {rest:.3g}")
    told = f": {'; '.join(said)}" if said else ""
    return (
        " Beside it the size of the error, whose colours end elsewhere. Root mean square error where the "
        f"tenth of the voxels lies that disagree most, against elsewhere{told}."
    )


def axial_views(volumes, kind="views", **options):
    """Lay out sections or differences: a row a method, a column an interval.

    Parameters
    ----------
    volumes : mapping
        As for `sections`.
    kind : str
        ``views``, ``differences``, ``patches`` (at the largest interval; a column a patch and
        its difference) or ``disagreement`` (a column an interval and its error).
    **options
        As for `axial_pictures`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown, cut = axial_pictures(volumes, **options)
    return _layout(shown, cut, kind)


def _layout(shown, cut, kind):
    cells, columns = _cells_of(shown, kind)
    methods = ordered(method for method, _ in cells)
    if not cells:
        figure = Figure((5, 2))
        figure.text(0.5, 0.5, "Not measured in this study", ha="center", color=MUTED)
        return figure
    width = 1.9
    across, down = next(iter(cells.values())).size
    height = width * down / across + 0.05
    scale = _scale(cut, kind)
    with matplotlib.rc_context({"font.size": 9, "text.parse_math": False}):
        figure = Figure(
            (
                width * max(len(columns), 1) + 0.9,
                height * len(methods) + 0.4 + 0.6 * (scale is not None),
            ),
            layout="constrained",
        )
        grid = figure.subplots(len(methods), max(len(columns), 1), squeeze=False)
        for place, method in enumerate(methods):
            for column, axes in enumerate(grid[place]):
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
                picture = cells.get((method, column))
                if picture is not None:
                    pixels = Image.open(io.BytesIO(picture.png)).convert("RGB")
                    axes.imshow(np.asarray(pixels), interpolation="nearest")
                elif method != "truth":
                    axes.add_patch(
                        Rectangle((0, 0), 1, 1, color="#eeeeee", transform=axes.transAxes)
                    )
                if column == 0:
                    axes.set_ylabel(look(method).short, fontsize=8.5)
                if place == 0 and columns:
                    axes.set_title(columns[column], fontsize=8.5, pad=3)
        if scale is not None:
            colours, low, high = scale
            figure.colorbar(
                matplotlib.cm.ScalarMappable(None, colours),
                ax=grid.ravel().tolist(),
                location="bottom",
                aspect=40,
                shrink=0.7,
                ticks=[],
                label=f"from {low} to {high}",
            )
        return figure


def _scale(cut, kind):
    """Colours of a kind of pictures, and what their two ends mean."""
    if kind in ("views", "surface"):
        return None
    if kind == "disagreement":
        ends = [f"{name} {cut.ends[name]:g}" for name in ("disagreement", "error")]
        if ("truth", None) not in cut.planes:
            del ends[1]
        return AMOUNTS, "0", f"{', '.join(ends)} grey values"
    return DIFFERENCES, f"−{cut.limit:g} too dark", f"+{cut.limit:g} too bright (grey values)"


def _cells_of(shown, kind):
    """Pictures of a kind by method and column, and the columns' names."""
    if kind == "patches":
        return _patch_cells(shown)
    pictures = shown[kind]
    levels = sorted({p.level for p in pictures if p.level is not None})
    columns = [LEVELS.format(level) for level in levels]
    if kind != "disagreement":
        return _level_cells(pictures, levels), columns
    kinds = [k for k in ("disagreement", "error") if any(p.kind == k for p in pictures)]
    places = [(level, k) for level in levels for k in kinds]
    cells = {(p.method, places.index((p.level, p.kind))): p for p in pictures}
    names = {"disagreement": "", "error": ", error"}
    return cells, [f"{LEVELS.format(level)}{names[k]}" for level, k in places]


def _level_cells(pictures, levels):
    """Pictures by method and column; the truth stands in each, to compare with."""
    cells = {}
    for picture in pictures:
        for column, level in enumerate(levels or [None]):
            if picture.level in (None, level):
                cells[picture.method, column] = picture
    return cells


def _patch_cells(shown):
    """Patches at the largest interval: a column a patch, and one its difference."""
    cells, columns = {}, []
    names = [name for name in shown if name.startswith("patch ")]
    for number, name in enumerate(names):
        levels = [p.level for p in shown[name] if p.level is not None]
        for picture in shown[name]:
            if picture.level in (None, max(levels)):
                offset = 0 if picture.kind == "slice" else 1
                cells[picture.method, 2 * number + offset] = picture
        letter = name.removeprefix("patch ")
        columns += [f"{letter}, {LEVELS.format(max(levels))}", f"{letter}, difference"]
    return cells, columns


# Files and pages


def axial_figures(
    metrics,
    volumes,
    curves=None,
    disagreements=None,
    shells=None,
    models=None,
    *,
    out_dir,
    samples=None,
    **options,
):
    """Write the papers' tables and figures.

    Parameters
    ----------
    metrics, samples
        As for `axial_table`.
    volumes, disagreements : mapping
        As for `sections`.
    curves, shells : pandas.DataFrame, optional
        As for `axial_scattering` and `axial_shells`.
    models : mapping, optional
        As for `network_table`.
    out_dir : path-like
        Folder.
    **options
        As for `axial_pictures`.

    Returns
    -------
    list of pathlib.Path
        ``NAME.tsv`` for each of `TABLES`, ``axial_networks.tsv``, `GRAPHS` as PNG and SVG, and
        ``NAME.png`` for the other ones of `FIGURES`, whatever was measured.
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for table in TABLES:
        files.append(folder / f"{table.name}.tsv")
        laid = axial_table(
            metrics, table.value, table.decibels, samples=samples, digits=table.digits
        )
        write_table(laid, files[-1], index=True)
    files.append(folder / "axial_networks.tsv")
    networks = network_table(metrics, models or {}, samples=samples)
    networks.index = pd.Index([look(method).name for method in networks.index], name="Method")
    write_table(networks, files[-1], index=True)
    for graph in _graphs(metrics, curves, shells, samples):
        files += save(graph, folder)
    shown, cut = _pictures(metrics, volumes, disagreements, samples, options)
    for kind in SHEETS:
        files.append(folder / f"axial_{kind}.png")
        _layout(shown, cut, kind).savefig(
            files[-1], dpi=150, facecolor="white", metadata={"Software": None}
        )
    return files


def _pictures(metrics, volumes, disagreements, samples, options):
    """The pictures, with isosurfaces at the threshold at which volumes were binarised."""
    rows = rows_of(metrics, samples)
    found = rows.loc[rows["metric"] == "threshold", "value"].dropna()
    threshold = float(found.iloc[0]) if len(found) else None
    return axial_pictures(volumes, disagreements, **{"threshold": threshold, **options})


def _graphs(metrics, curves, shells, samples):
    return [axial_error(metrics, samples=samples), axial_scattering(curves), axial_shells(shells)]


def axial_sentence(metrics, *, samples=None):
    """Say in one sentence which method was the nearest to the truth at each interval.

    Where its scattering function is further off than the input's, it is said with the figures.

    Parameters
    ----------
    metrics, samples
        As for `axial_table`.

    Returns
    -------
    str
    """
    for metric in ("psnr_8bit", "psnr"):
        cells = _cells(metrics, "", metric, samples)
        best = {}
        for (method, level), cell in cells.items():
            if method != "input" and cell["decibels"] > best.get(level, (-math.inf, ""))[0]:
                best[level] = (cell["decibels"], method)
        if best:
            named = {}
            for level, (value, method) in sorted(best.items()):
                named.setdefault(method, []).append(f"n = {level:g} ({value:.1f} dB)")
            parts = [f"{look(method).name} at {', '.join(at)}" for method, at in named.items()]
            best = {level: method for level, (_, method) in best.items()}
            return (
                f"Nearest to the truth by PSNR: {'; '.join(parts)}{_worse(metrics, samples, best)}."
            )
    return UNMEASURED


def _worse(metrics, samples, best):
    """At which intervals the spectrum of the best by PSNR is worse than the input's, in words."""
    cells = _cells(metrics, "scattering_log_rms", "", samples)
    found = []
    for level, method in sorted(best.items()):
        own, before = (cells.get((name, level), {}).get("value") for name in (method, "input"))
        if own is not None and before is not None and own > before:
            found.append(f"n = {level:g} ({own:.3f} against {before:.3f} decades)")
    what = "but its scattering function is further off than the input's at"
    return f"; {what} {', '.join(found)}" if found else ""


def axial_page(
    sample,
    metrics,
    volumes=None,
    curves=None,
    disagreements=None,
    shells=None,
    models=None,
    *,
    output,
    study,
    title="",
    index=None,
    seen="",
    ran="",
    samples=None,
    **options,
):
    """Write the page of the methods along one axis: tables by n, sections, graphs.

    Parameters
    ----------
    sample : str
        Heading: a sample's name, or that of the study.
    metrics, samples
        As for `axial_table`.
    volumes, disagreements : mapping, optional
        As for `sections`; without volumes the page has no pictures.
    curves, shells : pandas.DataFrame, optional
        As for `axial_scattering` and `axial_shells`.
    models : mapping, optional
        As for `network_table`.
    output : path-like
        The page.
    study, title : str
        Name of the study, and its title if it has one.
    index : str, optional
        Link to the study's first page.
    seen, ran : str
        As for `acuity.report.pages.sample_page`.
    **options
        As for `axial_pictures`.

    Raises
    ------
    AcuityError
        If a volume can't be read.
    """
    tables = []
    for table in TABLES:
        cells = _cells(metrics, table.value, table.decibels, samples)
        if not any("value" in cell for cell in cells.values()):
            continue
        levels = sorted({level for _, level in cells})
        rows = []
        for method in ordered(method for method, _ in cells):
            row = [Cell(look(method).name, key=marker(method), text_column=True)]
            for level in levels:
                cell = cells.get((method, level))
                text = _cell_text(cell, table.value, table.decibels, table.digits)
                row.append(Cell(text, f"{(cell or {}).get('value', math.nan):.6g}"))
            rows.append({"cells": row, "kind": "input" if method == "input" else "", "name": ""})
        columns = [Column("method", "Method", text=True)]
        columns += [Column(f"{level:g}", LEVELS.format(level)) for level in levels]
        tables.append(
            {"title": table.title, "caption": table.caption, "columns": columns, "rows": rows}
        )
    tables += _networks(network_table(metrics, models or {}, samples=samples))
    sheets = []
    if volumes:
        sheets = _sheets(*_pictures(metrics, volumes, disagreements, samples, options))
    write_page(
        output,
        "axial.html",
        {
            "page_title": f"{sample}, methods by n – {title or study}",
            "title": title or study,
            "sample": sample,
            "index": index,
            "seen": seen,
            "ran": ran,
            "linked": bool(index),
            "grade": "none",
            "sentence": axial_sentence(metrics, samples=samples),
            "tables": tables,
            "sheets": sheets,
            "drawings": page_drawings(_graphs(metrics, curves, shells, samples)),
            "noun": "pore",
            "level_title": "",
        },
    )


def _networks(table):
    """The table of networks for the page, where there are any."""
    if not len(table):
        return []
    rows = []
    for method, row in table.iterrows():
        cells = [Cell(look(method).name, key=marker(method), text_column=True)]
        for name, column in NETWORKS.items():
            value = row[name]
            if column.text:
                cells.append(Cell(value, text_column=True))
            else:
                text = f"{value:g}" if name == "n" else _significant(value, 4)
                cells.append(Cell(text, f"{value:.6g}"))
        rows.append({"cells": cells, "kind": "", "name": ""})
    return [
        {
            "title": "Networks and dictionaries",
            "caption": "Settings of each method, how many numbers it learned, and what it reaches; as "
            "Heinrich 2017, tables 1 to 3. The further settings of a training stand in its card.",
            "columns": [Column("method", "Method", text=True), *NETWORKS.values()],
            "rows": rows,
        }
    ]


def _sheets(shown, cut):
    captions = _captions(cut)
    sheets = []
    for kind in SHEETS:
        cells, columns = _cells_of(shown, kind)
        if not cells:  # no truth to differ from, no threshold, no method of planes
            continue
        rows = [
            {
                "name": look(method).name,
                "pictures": [
                    _image(cells[method, column], cut) if (method, column) in cells else None
                    for column in range(max(len(columns), 1))
                ],
            }
            for method in ordered(method for method, _ in cells)
        ]
        title, caption = captions[kind]
        key = _key(_scale(cut, kind))
        sheets.append(
            {"title": title, "caption": caption, "columns": columns, "rows": rows, "key": key}
        )
    return sheets


def _key(scale):
    """The colours of a sheet, with what their ends mean."""
    if scale is None:
        return ""
    name, low, high = scale
    colours = matplotlib.colormaps[name](np.linspace(0, 1, 9))
    stops = ", ".join(matplotlib.colors.to_hex(colour) for colour in colours)
    return Markup(
        f'<p class="note">{low} <span class="ramp" style="background: '
        f'linear-gradient(90deg, {stops})"></span> {high}</p>'
    )


def _image(picture, cut):
    level = "" if picture.level is None else f", {LEVELS.format(picture.level)}"
    what = {
        "slice": "Section",
        "difference": "Difference from the truth",
        "disagreement": "Disagreement of planes x-z and y-z",
        "error": "Size of the error",
        "surface": "Isosurface",
    }[picture.kind]
    where = "the middle of the volume" if picture.kind == "surface" else cut.where
    return {
        "src": data_uri(picture.png),
        "width": picture.size[0],
        "height": picture.size[1],
        "alt": f"{what}: {look(picture.method).name}{level}, {where}",
    }
