"""Methods that refine one axis: their tables by slice interval and sections along that axis."""

import math
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from acuity.errors import AcuityError
from acuity.report import images, sheets
from acuity.report.drawing import Drawing, image, ramp
from acuity.report.figures import Panel, Plot, method_lines, write_powers
from acuity.report.pages import Cell, Column
from acuity.report.style import MUTED, NOTHING, Words, in_order, look, ordered
from acuity.report.verdict import UNMEASURED, rows_of
from acuity.tables import write_table

DIFFERENCES = "PuOr_r"  # safe for any colour vision, white where alike
AMOUNTS = "cividis"
LEVELS = "n = {:g}"
_INTERVALS = Words(level_format="{:g}", level_title="Slice interval n (input : target)")
_SIDE = 128  # voxels along a side of a section, as Hagita's figure 3
_PATCH = 64  # voxels along a side of a patch
_CUBE = 96  # voxels along a side of what an isosurface shows
_LARGEST = 256  # pixels along a picture's side
# Patches are those where the plain interpolation's error is the largest, at the 90th percentile
# and at the median: chosen by a rule, so that no method is flattered.
_QUANTILES = {"A": 1.0, "B": 0.9, "C": 0.5}
_CLASSICAL = ("cubic", "bicubic_planes", "linear", "bilinear_planes", "nearest")


@dataclass(frozen=True)
class Table:
    """One of the tables by slice interval.

    Parameters
    ----------
    name : str
        File name without ending.
    title, caption : str
    value, decibels : str
        The two metrics of a cell; the second stands in brackets.
    unit : str
        That of the first, with the space before it.
    digits : int
        Significant digits.
    """

    name: str
    title: str
    caption: str
    value: str
    decibels: str
    unit: str = ""
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
        " dB",
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


# Tables


def axial_table(metrics, table=TABLES[0], *, samples=None):
    """Lay out two measures in a table of methods by slice interval.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``.
    table : Table
    samples : str or list of str, optional
        By default the rows pooled over the unseen samples where there are any, or else the mean.

    Returns
    -------
    pandas.DataFrame
        Index: the methods' names in the papers' order. Columns: ``n = 2`` and so on. Texts such as
        ``"11.2 ± 0.3 (27.1 dB)"``; the ± is half the interval, or else the standard deviation
        over eight equal parts of the volume (``rms_sd``, or from their own rows).
    """
    return sheets.text_table(*_laid(rows_of(metrics, samples), table))


def _laid(rows, table):
    """Columns and rows of a table by slice interval, as a page shows them."""
    value, decibels = (_measured(rows, metric) for metric in (table.value, table.decibels))
    found = value.index.union(decibels.index)
    levels = sorted(found.unique("level"))
    columns = [Column("method", "Method", text=True)]
    columns += [Column(f"{level:g}", LEVELS.format(level)) for level in levels]
    cells = value.join(decibels["value"].rename("decibels"), how="outer")
    cells = cells.reindex(pd.MultiIndex.from_product([ordered(found.unique("method")), levels]))
    return columns, [
        sheets.method_row(method, [_cell(table, *cell) for cell in own.to_numpy()])
        for method, own in cells.groupby(level=0, sort=False)
    ]


def _measured(rows, metric):
    """One measure by method and level: its ``value`` and that one's ``error``, NaN where unknown."""
    own = rows[(rows["metric"] == metric) & (rows["method"] != "truth")]
    parts = own[own["subset"].str.startswith("octant")]
    own = own[own["subset"].isin(["all", ""])].assign(half=lambda t: (t["high"] - t["low"]) / 2)
    spreads = rows[rows["metric"] == f"{metric}_sd"]
    by = ["method", "level"]
    found = own.groupby(by)[["value", "half"]].mean().dropna(subset="value")
    error = found.pop("half").combine_first(spreads.groupby(by)["value"].mean())
    return found.assign(error=error.combine_first(parts.groupby(by)["value"].std(ddof=1)))


def _cell(table, value, error, decibels):
    texts = []
    if not math.isnan(value):
        text = _significant(value, table.digits)
        places = len(text.partition(".")[2])
        if error >= 0.5 * 10**-places:
            text += f" ± {error:.{places}f}"
        texts.append(text + table.unit)
    if not math.isnan(decibels):
        level = f"{_significant(decibels, table.digits)} dB"
        texts.append(f"({level})" if texts else level)
    return Cell(" ".join(texts) or "–", f"{value:.6g}")


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
    models : mapping of (str, float) to ModelCard
        By method and level.

    Returns
    -------
    pandas.DataFrame
        Index: the methods' names. Columns: ``n``, ``parameters`` (10^6), ``psnr`` and ``wpsnr`` (dB;
        NaN where they were not measured), ``settings`` (text: its own, and the steps of its training).
    """
    rows = rows_of(metrics, samples)
    reached = [_measured(rows, metric)["value"] for metric in ("psnr", "wpsnr")]
    rank = ordered(method for method, _ in models).index
    found = []
    for method, level in sorted(models, key=lambda image: (rank(image[0]), image[1])):
        card = models[method, level]
        own = {k: v for k, v in card.settings.items() if not isinstance(v, dict | None)}
        if "steps" in card.settings.get("train", {}):
            own["steps"] = card.settings["train"]["steps"]
        scores = [known.get((method, level), math.nan) for known in reached]
        settings = ", ".join(f"{name} {value}" for name, value in own.items())
        found.append((method, level, card.parameters / 1e6, *scores, settings))
    return pd.DataFrame(found, columns=["method", *NETWORKS]).set_index("method")


def page_tables(metrics, models, samples=None):
    """Lay out the tables by slice interval, and that of networks, for a page.

    Parameters
    ----------
    metrics, samples
        As for `axial_table`.
    models : mapping
        As for `network_table`.

    Returns
    -------
    list of (str, str, list of Column, list of dict)
        Title, caption, columns and rows of each that holds something.
    """
    rows = rows_of(metrics, samples)
    tables = [
        (table.title, table.caption, *_laid(rows, table))
        for table in TABLES
        if len(_measured(rows, table.value))
    ]
    if models:
        caption = (
            "Settings of each method, how many numbers it learned, and what it reaches; as "
            "Heinrich 2017, tables 1 to 3. The further settings of a training stand in its card."
        )
        columns = [Column("method", "Method", text=True), *NETWORKS.values()]
        networks = [
            sheets.method_row(method, [_network_cell(name, row[name]) for name in NETWORKS])
            for method, row in network_table(metrics, models, samples=samples).iterrows()
        ]
        tables.append(("Networks and dictionaries", caption, columns, networks))
    return tables


def _network_cell(name, value):
    if NETWORKS[name].text:
        return Cell(value, text_column=True)
    return Cell(f"{value:g}" if name == "n" else _significant(value, 4), f"{value:.6g}")


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
    rows = rows_of(metrics, samples)
    for metric in ("psnr_8bit", "psnr"):
        known = _measured(rows, metric)["value"].drop("input", errors="ignore")
        if len(known):
            best = known.groupby("level").idxmax()
            named = {}
            for method, level in best:
                said = f"n = {level:g} ({known[method, level]:.1f} dB)"
                named.setdefault(method, []).append(said)
            parts = [f"{look(method).name} at {', '.join(at)}" for method, at in named.items()]
            return f"Nearest to the truth by PSNR: {'; '.join(parts)}{_worse(rows, best)}."
    return UNMEASURED


def _worse(rows, best):
    """At which intervals the spectrum of the best by PSNR is worse than the input's, in words."""
    known = _measured(rows, "scattering_log_rms")["value"]
    found = []
    for method, level in best:
        own, before = (known.get((name, level), math.nan) for name in (method, "input"))
        if own > before:
            found.append(f"n = {level:g} ({own:.3f} against {before:.3f} decades)")
    what = "but its scattering function is further off than the input's at"
    return f"; {what} {', '.join(found)}" if found else ""


# Graphs


def graphs(metrics, curves, shells, samples):
    """Draw `GRAPHS`; parameters as for `axial_figures`."""
    return [axial_error(metrics, samples=samples), axial_scattering(curves), axial_shells(shells)]


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
    panels, methods = [], []
    for metric, title, label in (
        ("rms", "RMS difference, 8 bits", "RMS (grey values of 255)"),
        ("psnr_8bit", "PSNR, 8 bits", "PSNR (dB)"),
        ("rms_binary", "RMS difference, binary", "RMS (share of 1)"),
        ("psnr_binary", "PSNR, binary", "PSNR (dB)"),
        ("wpsnr", "Weighted PSNR", "wPSNR (dB)"),
    ):
        drawn = _measured(rows, metric).reset_index()
        if len(drawn):
            drawn["low"], drawn["high"] = (drawn["value"] + s * drawn["error"] for s in (-1, 1))
            methods += drawn["method"].tolist()
            panels.append(Panel(title, partial(_draw_error, drawn, label)))
    return Plot(
        "axial_error",
        "Error by slice interval",
        "The larger n, the more slices were left out. Whiskers: spread over eight equal parts of "
        "the volume, where it was measured. Axes in dB do not begin at 0.",
        panels,
        ordered(methods),
    )


def _draw_error(drawn, label, axes):
    method_lines(axes, drawn, _INTERVALS)
    if label.startswith("RMS"):
        axes.set_ylim(bottom=0)
    axes.set_ylabel(label)


def _curve_plot(name, title, caption, curves, directions, draw, **how):
    """The plot of curves: a panel for each slice interval and direction, with the truth's in each."""
    panels = []
    levels = () if curves is None else sorted(set(curves["level"].dropna()))
    for level in levels:
        mine = curves[curves["level"].isna() | (curves["level"] == level)]
        for subset, where in directions.items():
            shown = mine[mine["subset"] == subset]
            panels.append(Panel(f"{LEVELS.format(level)}, {where}", partial(draw, shown)))
    methods = ordered(() if curves is None else curves["method"])
    return Plot(name, title, caption, panels, methods, **how)


def _draw_scattering(curves, axes):
    sheets.curve_lines(axes, curves, "q", "intensity", 1.2)
    axes.set(xscale="log", yscale="log")
    write_powers(axes.xaxis)
    write_powers(axes.yaxis)
    axes.set(xlabel="q = 2π / d (1/nm)", ylabel="I(q) (grey value² nm³)")


def _draw_shells(curves, axes):
    axes.axhline(CRITERION, color=MUTED, lw=0.8, ls=":")
    sheets.curve_lines(axes, curves, "frequency", "fsc", 1.2)
    axes.set(xlim=(0, None), ylim=(min(0, curves["fsc"].min()) - 0.05, 1.05))
    axes.set(xlabel="Spatial frequency (1/nm)", ylabel="Correlation")


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
    return _curve_plot(
        "axial_scattering",
        "Scattering functions",
        "Power of the volume at each scattering vector: averaged over all directions, as small-angle "
        "X-ray scattering would see it, and within 30° of the milling direction, where a restoration "
        "along it shows. Below the truth's line, where there is one, detail is missing, above it noise "
        "or invented detail was added.",
        curves,
        {"all": "all directions", "z": "along z"},
        _draw_scattering,
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
    return _curve_plot(
        "axial_shells",
        "Fourier shell correlation of two acquisitions",
        "How alike two independent acquisitions are at each spatial frequency, within 30° of the "
        f"milling direction and of the planes across it; the resolution is read at {CRITERION} "
        "(dotted). It says what is reproducible, not what is sharp: finer than the input's slices "
        "along z, the repeats that interpolation leaves correlate as well.",
        curves,
        {"z": "along z", "xy": "across"},
        _draw_shells,
    )


# Sections


@dataclass(frozen=True)
class Sections:
    """The same section along z of every volume, on the truth's raster.

    Parameters
    ----------
    planes : dict of (str, float or None) to array
        (z, x) by method and level, without interpolation.
    differences : dict of (str, float) to array
        Those of the others minus the truth's; empty where there is none.
    grid : acuity.volume.Grid
        Of the truth, or else of the finest volume.
    window : (float, float)
        Intensities that are black and white.
    where : str
    amounts : dict of (str, float) to array
        (z, x) by method and level: half of how far a method's two kinds of planes differ.
    volumes : dict of (str, float or None) to Volume
        What the planes were cut from.
    middle : list of array
        Places along z, y and x in the middle of the truth, which isosurfaces show.
    threshold : float or None
        Grey value of 255 at which isosurfaces lie.
    level : float or None
        The intensity between it and the next one.
    below : bool
        Whether they bound what is darker: the rarer phase, which the other one does not hide.
    """

    planes: dict
    differences: dict
    grid: object
    window: tuple[float, float]
    where: str
    amounts: dict
    volumes: dict
    middle: list
    threshold: float | None
    level: float | None
    below: bool

    @cached_property
    def limit(self):
        """Difference at which the colours of the difference maps end."""
        return _end(self.differences.values())

    @cached_property
    def ends(self):
        """Where the colours of ``disagreement`` end, and of ``error``, the size of the error beside it."""
        errors = (self.differences[key] for key in self.amounts if key in self.differences)
        return {"disagreement": _end(self.amounts.values()), "error": _end(errors)}


def sections(volumes, disagreements=None, *, threshold=None, data_range=None):
    """Cut the truth, where there is one, the input and every method along z, in the middle of y.

    Parameters
    ----------
    volumes : mapping of (str, float or None) to path-like or Volume
        Image of each method and level; the truth's key is ``("truth", None)``.
    disagreements : mapping, optional
        As `volumes`, of the methods that restore planes x-z and y-z: half the absolute difference
        of the two.
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
    if not volumes:
        raise AcuityError("report: sections along z need a volume, found none")
    found = {key: images.opened(volumes[key]) for key in in_order(volumes)}
    finest = min(volumes, key=lambda key: (key[0] != "truth", found[key].grid.spacing[0]))
    grid = found[finest].grid
    row = grid.shape[1] // 2
    spans = [_shared(found.values(), grid, axis) for axis in range(3)]
    cut = spans[0], [grid.origin[1] + row * grid.spacing[1]], spans[2]
    planes = {key: _nearest(volume, cut)[:, 0] for key, volume in found.items()}
    amounts = {
        key: _nearest(images.opened(volume), cut)[:, 0]
        for key, volume in (disagreements or {}).items()
    }
    inner = [span[sheets.middle(len(span), _CUBE)] for span in spans]
    full = data_range or found[finest].grey_range or 255.0
    # Binary errors count what is above the threshold once it is rounded to a whole grey value.
    level = None if threshold is None else (math.floor(threshold) + 0.5) / 255 * full
    truth = planes.get(("truth", None))
    others = {} if truth is None else {key: planes[key] for key in planes if key[0] != "truth"}
    differences = {key: plane - truth for key, plane in others.items()}
    window, where = images.grey_window(planes[finest]), f"row {row + 1} of {grid.shape[1]}"
    below = level is not None and bool((_nearest(found[finest], inner) > level).mean() > 0.5)
    return Sections(
        planes, differences, grid, window, where, amounts, found, inner, threshold, level, below
    )


def _shared(volumes, grid, axis):
    """Places along an axis of a grid that lie in all volumes."""
    size = grid.spacing[axis]
    places = grid.origin[axis] + np.arange(grid.shape[axis]) * size
    for other in (volume.grid for volume in volumes):
        if other.unit != grid.unit:
            units = f"{other.unit} and {grid.unit}"
            raise AcuityError(f"report: found volumes in {units}, allowed is one unit")
        low = other.origin[axis] - other.spacing[axis] / 2
        high = low + other.shape[axis] * other.spacing[axis]
        places = places[(places > low - 1e-6 * size) & (places < high - 1e-6 * size)]
    if not len(places):
        raise AcuityError("report: the volumes share no section along z, allowed is one region")
    return places


def _nearest(volume, places):
    """Voxels nearest to places along z, y and x; between two, the later, as blocks are repeated."""
    grid = volume.grid
    index = []
    for axis, along in enumerate(places):
        steps = (np.asarray(along) - grid.origin[axis]) / grid.spacing[axis]
        index.append(np.clip(np.floor(steps + 0.5 + 1e-6), 0, grid.shape[axis] - 1).astype(int))
    part = np.asarray(volume.read(*(slice(int(n.min()), int(n.max()) + 1) for n in index)))
    return part[np.ix_(*(n - n.min() for n in index))].astype(np.float32)


def _end(parts):
    """Where colours end: beyond the size of 99 of 100 voxels, rounded up."""
    value = max((float(np.quantile(np.abs(part), 0.99)) for part in parts), default=0) or 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (n * power for n in (1, 1.5, 2, 3, 4, 5, 6, 8, 10))
    return next(step for step in steps if step >= value * (1 - 1e-9))


def _patches(cut, side):
    """Choose patches by the error of the plainest interpolation at the largest interval."""
    others = [key for key in cut.differences if key[0] != "input"]
    if not others:
        return {}
    largest = max(level for _, level in others)
    here = [method for method, level in others if level == largest]
    judge = next((name for name in _CLASSICAL if name in here), here[0])
    error = cut.differences[judge, largest] ** 2
    return sheets.chosen_places(error, min(side, *error.shape), _QUANTILES, round)


def _drawn(cut, key, values, kind="slice"):
    """One picture in the sample's proportions, voxels repeated."""
    if kind == "slice":
        image = Image.fromarray(images.stretch(values, cut.window))
    else:
        signed = kind == "difference"
        low, high = (-cut.limit, cut.limit) if signed else (0, cut.ends[kind])
        index = np.round(np.clip((values - low) / (high - low), 0, 1) * 200).astype(np.uint8)
        colours = matplotlib.colormaps[DIFFERENCES if signed else AMOUNTS](np.linspace(0, 1, 201))
        image = images.painted(index, 255 * colours[:, :3])
    spacing = cut.grid.spacing[0], cut.grid.spacing[2]
    height, width = (n * size / min(spacing) for n, size in zip(values.shape, spacing, strict=True))
    scale = max(1, round(_LARGEST / max(height, width)))
    size = round(width * scale), round(height * scale)
    image = image.resize(size, Image.Resampling.NEAREST)
    pixel = spacing[1] * values.shape[1] / size[0]
    return images.make_picture(kind, key, image, pixel, cut.grid.unit)


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

    def inner(plane):
        return plane[tuple(sheets.middle(n, side) for n in plane.shape)]

    shown = {
        "views": [_drawn(cut, key, inner(plane)) for key, plane in cut.planes.items()],
        "differences": [
            _drawn(cut, key, inner(difference), "difference")
            for key, difference in cut.differences.items()
        ],
        "disagreement": [],
    }
    for key, amount in cut.amounts.items():
        shown["disagreement"].append(_drawn(cut, key, inner(amount), "disagreement"))
        if key in cut.differences:
            error = np.abs(inner(cut.differences[key]))
            shown["disagreement"].append(_drawn(cut, key, error, "error"))
    for letter, (z, x) in _patches(cut, patch).items():
        pictures = shown[f"patch {letter}"] = []
        for key, plane in cut.planes.items():
            size = min(patch, *plane.shape)
            place = np.s_[z : z + size, x : x + size]
            pictures.append(_drawn(cut, key, plane[place]))
            if key in cut.differences:
                pictures.append(_drawn(cut, key, cut.differences[key][place], "difference"))
    shown["surface"] = _surfaces(cut)
    return shown, cut


def _surfaces(cut):
    from acuity.report.surface import isosurface  # loads SciPy, which the first page need not

    if cut.level is None or min(map(len, cut.middle)) < 2:
        return []
    pictures = []
    for key, volume in cut.volumes.items():
        cube = _nearest(volume, cut.middle)
        grey, pixel = isosurface(cube, cut.level, cut.grid.spacing, below=cut.below)
        image = Image.fromarray(grey)
        pictures.append(images.make_picture("surface", key, image, pixel, cut.grid.unit))
    return pictures


# Sheets


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
    if not cut.differences:
        return " There is no truth here to compare it with."
    said = []
    for (method, level), amount in cut.amounts.items():
        error = cut.differences[method, level] ** 2
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


def _scale(cut, kind):
    """Colours of a kind of pictures, and what their two ends mean."""
    if kind in ("views", "surface"):
        return None
    if kind != "disagreement":
        return DIFFERENCES, f"−{cut.limit:g} too dark", f"+{cut.limit:g} too bright (grey values)"
    ends = [f"{name} {end:g}" for name, end in cut.ends.items()]
    return AMOUNTS, "0", f"{', '.join(ends if cut.differences else ends[:1])} grey values"


def _columns(shown, kind):
    """Heading and pictures of each column of a sheet; the truth's stand in each, to compare with."""
    found = {}
    for name, pictures in shown.items():
        own, _, letter = name.partition(" ")
        if own != ("patch" if kind == "patches" else kind):
            continue
        levels = sorted({p.level for p in pictures} - {None})
        for level in levels[-1:] if letter else levels:
            interval = LEVELS.format(level)
            for p in (p for p in pictures if p.level in (None, level)):
                if letter:
                    heading = f"{letter}, {'difference' if p.kind == 'difference' else interval}"
                else:
                    heading = f"{interval}, error" if p.kind == "error" else interval
                found.setdefault(heading, []).append(p)
    return list(found.items())


def _layout(columns, scale):
    """Lay out a sheet as a picture file: a row a method."""
    cells = {(p.method, n): p for n, (_, pictures) in enumerate(columns) for p in pictures}
    if not cells:
        return images.nothing_measured()
    methods = ordered(method for method, _ in cells)
    width = 1.9
    across, down = next(iter(cells.values())).size
    height = (width * down / across + 0.05) * len(methods) + 0.4
    size = width * len(columns) + 0.9, height + (0.6 if scale else 0)
    with matplotlib.rc_context(images.TEXT):
        figure = Figure(size, layout="constrained")
        grid = figure.subplots(len(methods), len(columns), squeeze=False)
        for (row, column), axes in np.ndenumerate(grid):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            picture = cells.get((methods[row], column))
            if picture is not None:
                axes.imshow(picture.pixels(), interpolation="nearest")
            elif methods[row] != "truth":
                axes.add_patch(Rectangle((0, 0), 1, 1, color=NOTHING, transform=axes.transAxes))
            if column == 0:
                axes.set_ylabel(look(methods[row]).short, fontsize=8.5)
            if row == 0:
                axes.set_title(columns[column][0], fontsize=8.5, pad=3)
        if scale:
            colours, low, high = scale
            shades = matplotlib.cm.ScalarMappable(None, colours)
            images.colour_bar(figure, grid, shades, f"from {low} to {high}", ticks=[])
        return figure


_ALT = {
    "slice": "Section",
    "difference": "Difference from the truth",
    "disagreement": "Disagreement of planes x-z and y-z",
    "error": "Size of the error",
    "surface": "Isosurface",
}


def _placed(picture, cut):
    level = "" if picture.level is None else f", {LEVELS.format(picture.level)}"
    where = "the middle of the volume" if picture.kind == "surface" else cut.where
    return image(picture, f"{_ALT[picture.kind]}: {look(picture.method).name}{level}, {where}")


def _sheet(columns, scale, cut, kind):
    """What the page shows of one kind of pictures; no rows where there is none of it."""
    by_method = [{p.method: _placed(p, cut) for p in pictures} for _, pictures in columns]
    more = {
        "columns": [heading for heading, _ in columns],
        "rows": [
            {"name": look(method).name, "pictures": [column.get(method) for column in by_method]}
            for method in ordered(method for column in by_method for method in column)
        ],
        "key": ramp(*scale) if scale else "",
    }
    return Drawing(f"axial_{kind}", *_captions(cut)[kind], more=more)


# Files


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
        ``NAME.png`` for the other ones of `FIGURES`, whatever was measured; ``NAME.json`` for all of
        them.
    """
    folder = Path(out_dir)
    tables = {table.name: axial_table(metrics, table, samples=samples) for table in TABLES}
    networks = network_table(metrics, models or {}, samples=samples)
    names = [look(method).name for method in networks.index]
    tables["axial_networks"] = networks.set_index(pd.Index(names, name="Method"))
    files = [folder / f"{name}.tsv" for name in tables]
    for file, table in zip(files, tables.values(), strict=True):
        write_table(table, file, index=True)
    for graph in graphs(metrics, curves, shells, samples):
        files += graph.save(folder)
    # Isosurfaces lie at the threshold at which volumes were binarised.
    rows = rows_of(metrics, samples)
    known = rows.loc[rows["metric"] == "threshold", "value"].dropna()
    options = {"threshold": float(known.iloc[0]) if len(known) else None, **options}
    shown, cut = axial_pictures(volumes, disagreements, **options)
    for kind in SHEETS:
        columns, scale = _columns(shown, kind), _scale(cut, kind)
        drawing = _sheet(columns, scale, cut, kind)
        files += images.save_sheet(_layout(columns, scale), folder, drawing)
    return files
