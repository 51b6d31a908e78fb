"""Pairs of SEM images: their registration, what became of the gaps between particles, spectra."""

import math
import textwrap
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image, ImageDraw
from scipy import ndimage

from acuity.errors import AcuityError
from acuity.keys import by_image
from acuity.measure.gaps import histogram
from acuity.measure.spectrum import TOP
from acuity.measure.subsets import BELOW
from acuity.measures.base import declared
from acuity.report import images, sheets
from acuity.report.drawing import Drawing, image
from acuity.report.figures import Panel, Plot
from acuity.report.pages import Cell, Column, metric_columns
from acuity.report.style import INK, MUTED, SHADE, SKY, VERMILLION, in_order, look, ordered
from acuity.report.verdict import UNMEASURED, figure_text, percent, rows_of, unit_text
from acuity.seals import again
from acuity.tables import read_keyed, read_table, write_table
from acuity.units import convert
from acuity.volume import read_sealed_json

_WRONG, _PALE = VERMILLION, SKY
_RAMP = "cividis"  # safe for any colour vision
_FIELDS = 8  # of a checkerboard along the shorter side
_DETAIL = 96  # pixels of the fine grid along a side of a detail
_SIDE = 64  # pixels of the fine grid along a side of a crop, more where a gap needs it
_CROP = 256  # pixels along a side of a crop's picture
_BESIDE = 20.0  # nm; a profile goes on so far behind the outlines of its gap
_STEPS = 15  # shades of each of an overlay's two colours
_TOP_RATIO = 2.5  # of a panel of ratios; what is above is cut and said
_LIMIT = 0.2  # of a ratio: the band that is shaded
_RATIO = "spectrum_ratio_error"
_PER_UM = 1000.0  # drawn in 1/um: of 1/nm, labels would need three decimals
_EVEN = [1, 2, 5, 10]  # steps of ticks, with two decimals at most

# Places without gaps to choose by: what share of all is poorer in detail.
_TEXTURED = {
    "A": (1.0, "the richest in detail"),
    "B": (0.5, "the median in detail"),
    "C": (0.1, "the poorest in detail but for a tenth"),
}

# A pair is graded by the residuals of its accepted patches and by the share of those rejected.
GOOD = {"residual": 0.3, "rejected": 0.2}
CARE = {"residual": 0.5, "rejected": 0.5}

_KINDS = ("overlay", "displacement", "patches", "crops", "profiles", "gaps", "spectra")
FIGURES = tuple(f"sem_{kind}" for kind in _KINDS)
TABLE = "sem_methods"


@dataclass(frozen=True)
class Pair:
    """How a pair was registered, and its images.

    Parameters
    ----------
    transform : dict
        ``transform.json``: ``verdict``, ``nodes``, ``jacobian``, ``patch``, ``found_scale``,
        ``stated_scale``, ``rotation_degrees``; what is missing is not shown.
    patches : pandas.DataFrame
        ``patches.tsv``: ``y x dy_before dx_before dy dx ncc accepted``.
    low, high : Volume
        The pair on its two grids.
    limits : dict
        Largest ``residual`` (pixels) and least ``ncc`` of an accepted patch, where they are known.
    """

    transform: dict
    patches: pd.DataFrame
    low: object
    high: object
    limits: dict

    def __post_init__(self):
        columns = {"y", "x", "dy_before", "dx_before", "dy", "dx", "ncc", "accepted"}
        sheets.check_table("patches", self.patches, columns, "patch")

    @cached_property
    def accepted(self):
        """Which patches were accepted."""
        return (self.patches["accepted"] > 0).to_numpy()

    @cached_property
    def residual(self):
        """Size of the displacement that is left of each patch, in pixels."""
        return np.hypot(self.patches["dy"], self.patches["dx"]).to_numpy(float)

    @cached_property
    def before(self):
        """The same before the elastic part."""
        return np.hypot(self.patches["dy_before"], self.patches["dx_before"]).to_numpy(float)


@dataclass(frozen=True)
class Case:
    """A place that is shown close up.

    Parameters
    ----------
    letter, title : str
    box : tuple of slice
        Rows and columns of the truth.
    line : numpy.ndarray or None
        Ends of a profile, ((y, x), (y, x)) in pixels of the truth; they may be one place.
    along : numpy.ndarray or None
        Direction (y, x) of the profile, of length 1.
    said : dict of (str, float or None) to str
        What stands below each image.
    """

    letter: str
    title: str
    box: tuple
    line: object = None
    along: object = None
    said: dict = field(default_factory=dict)


# What is read


def sem_sources(files, kinds, *, limits=None):
    """Read what the figures of a sample are made from.

    Parameters
    ----------
    files : mapping
        Where there is a pair: its ``transform``, ``patches``, ``low`` and ``high``.
    kinds : mapping of str to dict of Key to path
        Files of its images by key (`acuity.keys.by_kind`): ``volumes`` and, where they were measured,
        ``gaps`` and ``spectra``.
    limits : dict, optional
        As in `Pair`.

    Returns
    -------
    dict
        ``volumes``, ``gaps``, ``spectra`` and ``pair``, as `sem_figures` takes them.
    """
    gaps = by_image(kinds.get("gaps", {}))
    pair = None
    if path := files.get("transform"):
        transform = read_sealed_json(Path(path), "the pair cannot be shown", again(path))
        volumes = images.opened(files["low"]), images.opened(files["high"])
        pair = Pair(transform, read_table(files["patches"]), *volumes, dict(limits or {}))
    return {
        "volumes": by_image(kinds.get("volumes", {})),
        "gaps": {image: read_table(path, dtype={"kind": str}) for image, path in gaps.items()},
        "spectra": read_keyed(kinds.get("spectra", {})),
        "pair": pair,
    }


def _plane(volume):
    return np.asarray(volume.read(slice(0, 1)))[0].astype(np.float32)


def _planes(volumes):
    """The first slice of each image in the order in which methods are shown, and the truth's grid."""
    # the truth comes first, so that it never lies beyond the edge of a screen
    found = {key: images.opened(volumes[key]) for key in in_order(volumes or {})}
    grid = next((volume.grid for volume in found.values()), None)
    return {key: _plane(volume) for key, volume in found.items()}, grid


def _names(keys):
    """Names of images, with their level where there is more than one."""
    several = len({level for _, level in keys} - {None}) > 1
    return {
        (method, level): look(method).name + (f", {level:g}:1" if level and several else "")
        for method, level in keys
    }


# Registration


def pair_verdict(pair):
    """Grade a pair, and give the sentence of its registration.

    Parameters
    ----------
    pair : Pair

    Returns
    -------
    grade : str
        One of `acuity.report.verdict.GRADES`.
    sentence : str
    """
    spread = sheets.rms(pair.residual[pair.accepted])
    grade = sheets.graded({"residual": spread, "rejected": (~pair.accepted).mean()}, GOOD, CARE)
    found = f"{pair.accepted.sum()} of {len(pair.patches)} patches accepted"
    said = str(pair.transform.get("verdict") or "").strip()
    return grade, said or f"{found}, their residuals {spread:.2f} px RMS."


def interpolated(low, grid):
    """The low-resolution image on the grid of the high-resolution one, by cubic splines.

    Parameters
    ----------
    low : Volume
    grid : acuity.volume.Grid

    Returns
    -------
    numpy.ndarray
        (y, x), float32.
    """
    places = [
        (grid.origin[axis] - low.grid.origin[axis] + np.arange(grid.shape[axis]) * size)
        / low.grid.spacing[axis]
        for axis, size in ((1, grid.spacing[1]), (2, grid.spacing[2]))
    ]
    plane = _plane(low).astype(np.float64)
    found = ndimage.map_coordinates(plane, np.meshgrid(*places, indexing="ij"), mode="mirror")
    return found.astype(np.float32)


def mixed(first, second, window):
    """Two images over each other: the first magenta, the second green, grey where alike."""
    steps = [np.rint(images.stretch(part, window) / 255 * (_STEPS - 1)) for part in (first, second)]
    shade = np.round(np.arange(_STEPS) * 255 / (_STEPS - 1))
    magenta, green = (part.ravel() for part in np.meshgrid(shade, shade, indexing="ij"))
    colours = np.stack([magenta, green, magenta], axis=1)
    return images.painted((steps[0] * _STEPS + steps[1]).astype(np.uint8), colours)


def pair_pictures(pair, *, side=_DETAIL):
    """Lay the images of a pair over each other.

    Parameters
    ----------
    pair : Pair
    side : int
        Pixels of the high-resolution image along a side of a detail.

    Returns
    -------
    list of (Picture, str)
        Checkerboard and overlay of the whole field, and overlays of two details pixel by pixel:
        about the accepted patch of the median residual, and about that of the largest; with what
        each is.
    """
    grid = pair.high.grid
    low, high = interpolated(pair.low, grid), _plane(pair.high)
    window = images.grey_window(high)
    scale = min(1.0, images.LARGEST / max(high.shape))
    size = tuple(max(1, round(n * scale)) for n in high.shape[::-1])
    small = [images.resize(part, size) for part in (low, high)]
    pixel = grid.spacing[2] * high.shape[1] / size[0]
    found = []

    def add(kind, image, pixel, words):
        found.append((images.make_picture(kind, ("pair", None), image, pixel, grid.unit), words))

    words = "Checkerboard: low resolution (interpolated) at the top left, then by turns; crosses mark the corners"
    add("board", Image.fromarray(images.stretch(checkerboard(*small), window)), pixel, words)
    words = "Overlay: low resolution magenta, high resolution green, grey where alike"
    add("overlay", mixed(*small, window), pixel, words)
    accepted = pair.patches.assign(size=pair.residual)[pair.accepted]
    accepted = accepted.sort_values(["size", "y", "x"])
    half = int(pair.transform.get("patch", side)) // 2
    times = max(1, images.LARGEST // side)
    for share, which in ((0.5, "median"), (1.0, "largest")) if len(accepted) else ():
        patch = accepted.iloc[int(share * (len(accepted) - 1))]
        box = _box((patch["y"] + half, patch["x"] + half), side, high.shape)
        shown = sheets.enlarged(mixed(low[box], high[box], window), times)
        words = f"Accepted patch of the {which} residual, {patch['size']:.2f} px"
        add("detail", shown, grid.spacing[2] / times, words)
    return found


def checkerboard(first, second, fields=_FIELDS):
    """Fields of two images by turns, with small crosses where four meet: nobody would find them in a good pair."""
    field = max(8, min(first.shape) // fields)
    y, x = np.ogrid[: first.shape[0], : first.shape[1]]
    board = np.where((y // field + x // field) % 2 == 0, first, second)
    for y in range(field, board.shape[0], field):
        for x in range(field, board.shape[1], field):
            board[y - 3 : y + 4, x] = board[y, x - 3 : x + 4] = board.max()
    return board


def _box(middle, side, shape):
    """A square about a place, moved so that it lies inside."""
    slices = []
    for place, count in zip(middle, shape, strict=True):
        start = int(np.clip(round(place - side / 2), 0, max(0, count - side)))
        slices.append(slice(start, min(count, start + side)))
    return tuple(slices)


def _lengths(grid):
    """Length of a pixel of an axis, and the unit it is drawn in."""
    longest = max(n * s for n, s in zip(grid.shape[1:], grid.spacing[1:], strict=True))
    unit = "um" if convert(longest, grid.unit, "nm") >= 2000 else "nm"
    return convert(grid.spacing[1], grid.unit, unit), unit


def _map_axes(axes, grid, size, unit, margin=0.0):
    height, width = (n * size for n in grid.shape[1:])
    beside = margin * max(height, width)
    axes.set(aspect="equal", xlim=(-beside, width + beside), ylim=(height + beside, -beside))
    if beside:
        axes.add_patch(Rectangle((0, 0), width, height, fill=False, ec=MUTED, lw=0.8))
    axes.grid(visible=False)
    axes.set(xlabel=f"x ({unit_text(unit)})", ylabel=f"y ({unit_text(unit)})")


def sem_displacement(pair):
    """Draw the elastic displacement of the high-resolution image.

    Parameters
    ----------
    pair : Pair or None

    Returns
    -------
    Plot
    """
    panels, caption = [], ""
    nodes = pair.transform.get("nodes") if pair is not None else None
    if nodes:
        grid = pair.high.grid
        size, unit = _lengths(grid)
        y, x, dy, dx = (np.asarray(nodes[name], float) for name in ("y", "x", "dy", "dx"))
        if dy.ndim == 2 and y.ndim == 1:
            y, x = np.meshgrid(y, x, indexing="ij")
        inside = (y >= 0) & (x >= 0) & (y < grid.shape[1]) & (x < grid.shape[2])
        y, x, dy, dx = (part[inside] for part in (y, x, dy, dx))
        length = np.hypot(dy, dx)
        largest = float(length.max(initial=0.0))
        # The longest arrow spans about a tenth of the field.
        times = _round(0.1 * max(grid.shape[1:]) / largest) if largest > 0 else 1.0

        def draw(axes):
            how = {"angles": "xy", "scale_units": "xy", "scale": 1 / times, "width": 0.005}
            arrows = axes.quiver(x * size, y * size, dx * size, dy * size, color=INK, **how)
            key = _round(largest) if largest > 0 else 1.0
            axes.quiverkey(arrows, 0.8, 1.05, key * size, f"{key:g} px", labelpos="E", color=INK)
            _map_axes(axes, grid, size, unit, margin=0.06)

        panels = [Panel("Displacement", draw)]
        rms = sheets.rms(length) if len(length) else 0.0
        caption = (
            f"What was left for the elastic part after shift, rotation and scale: {rms:.2f} px RMS, "
            f"{largest:.2f} px at most (pixels of the high-resolution image); arrows are enlarged "
            f"{times:g} times. "
        )
        if jacobian := pair.transform.get("jacobian"):
            caption += (
                f"Areas change by factors from {jacobian[0]:.3f} to {jacobian[1]:.3f} (Jacobian): "
                "near 1 is a smooth warp as of a scan's distortion, 0 or below would be a fold."
            )
    return Plot("sem_displacement", "Elastic displacement", caption, panels, panel_size=(4.4, 3.9))


def _round(value):
    """The round number at or below a positive value."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(n * power for n in (1, 2, 5) if n * power <= value * (1 + 1e-9))


def sem_patches(pair):
    """Draw the patches of a pair: where they were accepted, residuals and correlations.

    Parameters
    ----------
    pair : Pair or None

    Returns
    -------
    Plot
    """
    panels, caption = [], ""
    if pair is not None:
        limits, before = pair.limits, pair.before[np.isfinite(pair.before)]
        title = f"{pair.accepted.sum()} of {len(pair.accepted)} accepted"
        ncc = pair.patches["ncc"].to_numpy(float)
        residuals = pair.residual, pair.accepted, limits.get("residual"), "Residual (px)", 0.0
        likeness = ncc, pair.accepted, limits.get("ncc"), "NCC, band-passed", None
        panels = [
            Panel(title, partial(_draw_patches, pair)),
            Panel("Residuals", partial(_draw_counts, *residuals)),
            Panel("Correlation", partial(_draw_counts, *likeness)),
        ]
        caption = (
            "Patches were measured once more after the images were resampled: residual is the "
            "displacement of high against low resolution that is left, in pixels of the high-"
            "resolution image. It says that the images agree, as far as one patch can tell. "
            f"Before the elastic part it was {sheets.rms(before):.2f} px RMS. Rejected "
            "patches (crossed) are used neither for training nor for measures."
        )
        if limits:
            caption += " Dashed: limits of the study."
    legend = [("accepted", _PALE), ("rejected", _WRONG)] if panels else []
    return Plot("sem_patches", "Patches", caption, panels, patches=legend, panel_size=(4.2, 3.3))


def _draw_patches(pair, axes):
    grid, accepted = pair.high.grid, pair.accepted
    size, unit = _lengths(grid)
    side = int(pair.transform.get("patch", 64)) * size
    corners = pair.patches[["y", "x"]].to_numpy(float)
    squares = [Rectangle((x * size, y * size), side, side) for y, x in corners[accepted]]
    shown = PatchCollection(squares, cmap=_RAMP, edgecolor="white", lw=0.5)
    residual = pair.residual[accepted]
    shown.set_array(residual)
    shown.set_clim(0, pair.limits.get("residual") or float(np.nanmax(residual, initial=0.1)))
    axes.add_collection(shown)
    for y, x in corners[~accepted] * size:
        for ends in ((y, y + side), (y + side, y)):
            axes.plot((x, x + side), ends, color=_WRONG, lw=1)
        axes.add_patch(Rectangle((x, y), side, side, fill=False, ec=_WRONG, lw=1))
    _map_axes(axes, grid, size, unit)
    how = {"fraction": 0.22, "aspect": 22, "pad": 0.04, "ticks": MaxNLocator(5, steps=_EVEN)}
    axes.figure.colorbar(shown, ax=axes, label="Residual (px)", **how)


def _draw_counts(values, accepted, limit, label, low, axes):
    """Draw a histogram of accepted and rejected patches."""
    known = np.isfinite(values)
    shown = values[known]
    if not len(shown):
        return
    top = max(float(np.quantile(shown, 0.98)), 1.3 * (limit or 0)) if low == 0 else 1.0
    bottom = low if low is not None else min(float(shown.min()), limit or 1.0)
    edges = np.linspace(bottom, max(top, bottom + 1e-3), 26)
    below = np.zeros(len(edges) - 1)
    for group, colour in ((accepted, _PALE), (~accepted, _WRONG)):
        counts, _ = np.histogram(np.clip(values[known & group], edges[0], edges[-1]), edges)
        how = {"align": "edge", "color": colour, "edgecolor": "white", "lw": 0.4}
        axes.bar(edges[:-1], counts, edges[1] - edges[0], below, **how)
        below = below + counts
    if limit is not None:
        axes.axvline(limit, color=INK, lw=1.2, ls="--")
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=_EVEN))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    beyond, without = int((shown > edges[-1] + 1e-9).sum()), int((~known).sum())
    more = [f"{beyond} beyond, in the last bar"] if beyond else []
    more += [f"{without} not measured"] if without else []
    axes.set(xlim=(edges[0], edges[-1]), xlabel="; ".join([label, *more]), ylabel="Patches")


# Gaps


def _true_gaps(table):
    return table[table["kind"] == "gap"]


def _share(table):
    """Share of the gaps that an image does not resolve, and of the touching pairs it parts."""
    resolved = (table.loc[table["kind"] == kind, "resolved"] for kind in ("gap", "touching"))
    gaps, touching = (own.mean() for own in resolved)
    return 1 - gaps, touching


def sem_gaps(gaps):
    """Draw histograms of gap widths of the truth and of every image, with the fitted Gaussians.

    Parameters
    ----------
    gaps : mapping of (str, float) to pandas.DataFrame
        ``gaps.tsv`` of each image.

    Returns
    -------
    Plot
        As figure 3 of de Haan et al. 2019.
    """
    gaps = {key: gaps[key] for key in in_order(gaps or {}) if len(_true_gaps(gaps[key]))}
    panels, true = [], ()
    if gaps:
        true = _true_gaps(next(iter(gaps.values())))["width_truth"].to_numpy(float)
        last = max(20.0, 10 * math.ceil(float(np.nanquantile(true, 0.995)) / 10))
        parts = [("Truth", look("truth").colour, 0, *histogram(true, last=last))]
        for key, name in _names(gaps).items():
            table = _true_gaps(gaps[key])
            lost = int((table["resolved"] == 0).sum())
            title = f"{name}: {percent(lost / len(true), 1)} unresolved"
            bars = histogram(table["width"].to_numpy(float), last=last)
            parts.append((title, look(key[0]).colour, lost, *bars))
        top = 1.3 * max(max(table["count"].max(), lost) for _, _, lost, table, _ in parts)
        panels = [Panel(title, partial(_draw_gaps, *part, top, last)) for title, *part in parts]
    return Plot(
        "sem_gaps",
        "Gaps between particles",
        f"Widths of the {len(true)} gaps of the truth, as each image shows them, and the Gaussian that "
        "fits the counts best. A gap that an image does not resolve has no width in it: it is "
        "counted apart, at the left, and is in no mean. Gaps wider than the last bin are in it.",
        panels,
        patches=[("not resolved", _WRONG)] if panels else [],
        panel_size=(3.9, 2.7),
    )


def _draw_gaps(colour, lost, table, fit, top, last, axes):
    width = table["width"].iloc[1] - table["width"].iloc[0]
    axes.bar(table["width"], table["count"], width, color=colour, alpha=0.55, lw=0)
    words = "no Gaussian fits"
    if math.isfinite(fit["mean"]):
        x = np.linspace(0, last, 200)
        bell = fit["height"] * np.exp(-0.5 * ((x - fit["mean"]) / fit["sd"]) ** 2)
        axes.plot(x, bell, color=INK, lw=1.4)
        if 0 <= fit["mean"] <= last:
            axes.axvline(fit["mean"], 0, 0.8, color=INK, lw=0.9, ls="--")
        words = f"Gaussian: mean {fit['mean']:.1f} nm\nsd {fit['sd']:.1f} nm"
    at = -0.06 * last
    axes.bar(at, lost, 0.07 * last, color=_WRONG, lw=0)
    if lost:
        how = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 7.5}
        axes.annotate(f"{lost}", (at, min(lost, top)), (0, 1), **how)
    axes.annotate(words, (0.98, 0.97), xycoords="axes fraction", ha="right", va="top", fontsize=8)
    axes.set(xlim=(-0.11 * last, last), ylim=(0, top), xlabel="Gap width (nm)", ylabel="Gaps")
    axes.set_xticks(range(0, int(last) + 1, 20 if last > 50 else 10))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))


# Spectra


def sem_spectra(curves, *, low_nyquist=None, nyquist=None, signal=None):
    """Draw the radially averaged spectra of the truth and of every image, and their ratios.

    Parameters
    ----------
    curves : pandas.DataFrame or None
        ``method level frequency power power_truth ratio`` of the images of one sample, and, where
        they are there, ``magnitude magnitude_truth``.
    low_nyquist : dict of float to float, optional
        Nyquist frequency of the low-resolution image of each level, 1/nm.
    nyquist : float, optional
        That of the truth.
    signal : float, optional
        Frequency from which on the truth is noise, 1/nm.

    Returns
    -------
    Plot
        As figure 4 of de Haan et al. 2019.
    """
    panels, methods, cut = [], [], False
    if curves is not None and len(curves):
        curves = curves[curves["method"] != "truth"]
        curves = curves.assign(frequency=_PER_UM * curves["frequency"])
        levels = sorted(set(curves["level"].dropna()))
        methods = ["truth", *ordered(curves["method"])]
        for level in levels:
            mine = curves[curves["level"] == level]
            marks = (low_nyquist or {}).get(level), nyquist, signal
            marks = [None if mark is None else _PER_UM * mark for mark in marks]
            more = f", {level:g}:1" if len(levels) > 1 else ""
            cut |= bool((mine["ratio"] > _TOP_RATIO).any())
            panels.append(Panel(f"Magnitude{more}", partial(_draw_magnitudes, mine, marks)))
            panels.append(Panel(f"Ratio to the truth{more}", partial(_draw_ratios, mine, marks)))
    caption = (
        "Magnitudes of the spatial frequencies, averaged over rings (Hann window, mean removed). "
        "The dashed line is the Nyquist frequency of the low-resolution image: what an image shows "
        "beyond it, its pixels did not record at that place, and power there is no proof of "
        "likeness. The shaded band is a ratio within 20 % of 1. An "
        "interpolation of the input leaves copies of its spectrum beyond the dashed line."
    )
    if signal is not None:
        caption += " Beyond the dotted line the truth itself is more noise than signal."
    if cut:
        caption += f" Ratios above {_TOP_RATIO:g} are cut."
    nyquist_line = ("low-resolution Nyquist", {"color": MUTED, "ls": "--", "lw": 1.2})
    return Plot(
        "sem_spectra",
        "Spatial frequencies",
        caption,
        panels,
        methods,
        panel_size=(4.4, 3.1),
        extra=[nyquist_line] if panels and low_nyquist else [],
        margins=(0.75, 0.5),
    )


def _marked(axes, marks):
    low, nyquist, signal = marks
    for place, style in ((low, "--"), (signal, ":")):
        if place is not None:
            axes.axvline(place, color=MUTED, lw=1.2, ls=style, zorder=1)
    axes.set(xlim=(0, nyquist), xlabel="Spatial frequency (1/µm)")
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=_EVEN))


def _draw_magnitudes(curves, marks, axes):
    column, power = ("magnitude", 1) if "magnitude" in curves else ("power", 0.5)
    truth = curves[f"{column}_truth"] ** power
    shown = curves.assign(image=curves[column] ** power, truth=truth)
    one = next(iter(shown.groupby("method", sort=False)))[1]
    sheets.method_line(axes, "truth", one["frequency"], one["truth"], 1.4)
    sheets.curve_lines(axes, shown, "frequency", "image", 1.3)
    axes.set_yscale("log")
    # What an interpolation leaves far below the truth's least is nothing.
    low, high = axes.get_ylim()
    low = max(low, 0.1 * float(one["truth"].min()))
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1,) if high / low > 50 else (1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("Magnitude (grey value · nm)")
    _marked(axes, marks)


def _draw_ratios(curves, marks, axes):
    axes.axhspan(1 - _LIMIT, 1 + _LIMIT, color=SHADE, alpha=0.45, lw=0, zorder=0)
    axes.axhline(1, color=INK, lw=1.6, zorder=2)
    sheets.curve_lines(axes, curves, "frequency", "ratio", 1.3)
    top = float(curves["ratio"].max())
    axes.set(ylim=(0, min(_TOP_RATIO, max(1.4, 1.05 * top))), ylabel="Image / truth")
    _marked(axes, marks)
    low, nyquist, _ = marks
    if nyquist is not None and low is not None:
        how = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        axes.annotate("aliased", (low, 0.02), (3, 0), fontsize=8, color=MUTED, **how)
        how = {"lw": 4, "solid_capstyle": "butt", "clip_on": False}
        axes.plot((low, TOP * nyquist), [0, 0], color=MUTED, **how)


# Close up


def _judged(gaps, planes):
    """The method that is shown close up: that which leaves the fewest gaps unresolved."""
    shown = [key for key in gaps if key[0] not in ("truth", "input") and key in planes]
    hardest = max((level for _, level in shown), default=None)
    shown = [key for key in in_order(shown) if key[1] == hardest]
    return min(shown, key=lambda key: _share(gaps[key]), default=None)


def cases(planes, gaps, grid):
    """Choose the places that are shown close up, by rules that flatter no method.

    Parameters
    ----------
    planes : dict of (str, float or None) to numpy.ndarray
        (y, x) of each image, on the truth's grid.
    gaps : mapping of (str, float) to pandas.DataFrame
        ``gaps.tsv`` of each image; may be empty.
    grid : acuity.volume.Grid

    Returns
    -------
    list of Case
        With gaps, of the method that leaves the fewest unresolved: of the gaps that the input
        fails to resolve and the method resolves that of the median width; of those that the method
        fails to resolve the widest; of the pairs of particles that touch in the truth and that the
        method parts the one that it parts the widest. Without: where the image is the richest in
        detail, in the median, and least so in a tenth of the places.
    """
    pixel = convert(grid.spacing[1], grid.unit, "nm")
    key = _judged(gaps, planes)
    before = gaps.get(("input", key[1])) if key is not None else None
    if before is None:
        return _textured(planes)
    name = look(key[0]).name
    mine = gaps[key].merge(before[["gap", "resolved"]], on="gap", suffixes=("", "_input"))
    open_, touching = _true_gaps(mine), mine[mine["kind"] == "touching"]
    won = open_[(open_["resolved"] == 1) & (open_["resolved_input"] == 0)]
    lost = open_[open_["resolved"] == 0]
    invented = touching[touching["resolved"] == 1]
    found = []
    for letter, rows, column, share, title in (
        ("A", won, "width_truth", 0.5, f"Resolved by {name}, not in the input ({len(won)} such gaps; that of the median width)"),
        ("B", lost, "width_truth", 1.0, f"Not resolved by {name} ({len(lost)} such gaps; the widest)"),
        ("C", invented, "width", 1.0, f"Invented by {name}: the particles touch in the truth ({len(invented)} such; the widest)"),
    ):  # fmt: skip
        if not len(rows):
            continue
        rows = rows.assign(_v=rows[column].fillna(0)).sort_values(["_v", "gap"])
        row = rows.iloc[int(share * (len(rows) - 1))]
        ends = np.array([[row["y1"], row["x1"]], [row["y2"], row["x2"]]], float) / pixel
        side = max(_SIDE, math.ceil(3 * np.abs(np.diff(ends, axis=0)).max()))
        box = _box(ends.mean(axis=0), side, grid.shape[1:])
        said = {("truth", None): _told(row["width_truth"], letter != "C")}
        for other, table in gaps.items():
            for own in table[table["gap"] == row["gap"]].head(1).itertuples():
                said[other] = _told(own.width, own.resolved == 1)
        along = np.array([row["uy"], row["ux"]], float)
        found.append(Case(letter, title, box, ends, along, said))
    return found


def _told(width, resolved):
    if not resolved:
        return "no gap"
    return f"gap of {width:.1f} nm" if np.isfinite(width) else "gap"


def _textured(planes):
    """Places without gaps to choose by."""
    plane = next(iter(planes.values()))
    side = min(_SIDE, *plane.shape)
    gy, gx = np.gradient(plane.astype(np.float64))
    shares = {letter: share for letter, (share, _) in _TEXTURED.items()}
    chosen = sheets.chosen_places(gy * gy + gx * gx, side, shares, int)
    return [
        Case(letter, f"Place that is {_TEXTURED[letter][1]}", np.s_[y : y + side, x : x + side])
        for letter, (y, x) in chosen.items()
    ]


def crop_pictures(planes, shown, grid):
    """Make the pictures of the places close up, all in one grey window.

    Parameters
    ----------
    planes : dict
        As for `cases`.
    shown : list of Case
    grid : acuity.volume.Grid

    Returns
    -------
    dict of (str, (str, float or None)) to Picture
        By letter and image. Pixels are repeated, not interpolated; the ends of a profile are
        marked.
    """
    window = images.grey_window(next(iter(planes.values())))
    pictures = {}
    for case in shown:
        for key, plane in planes.items():
            part = plane[case.box]
            times = max(1, _CROP // max(part.shape))
            image = sheets.enlarged(Image.fromarray(images.stretch(part, window)), times)
            if case.line is not None:
                _mark_line(image, case, times)
            pixel = grid.spacing[2] / times
            pictures[case.letter, key] = images.make_picture("crop", key, image, pixel, grid.unit)
    return pictures


def _mark_line(image, case, times):
    """Bars across the line of a profile, outside of its gap."""
    draw = ImageDraw.Draw(image)
    first = np.array([part.start for part in case.box], float)
    ends = (case.line - first + 0.5) * times
    along = case.along
    across = np.array([-along[1], along[0]])
    for end, side in zip(ends, (-1, 1), strict=True):
        near, far = end + side * along * 4, end + side * along * 16
        for colour, width in ((0, 4), (255, 2)):
            draw.line([*near[::-1], *far[::-1]], fill=colour, width=width)
            bar = [*(near - across * 5)[::-1], *(near + across * 5)[::-1]]
            draw.line(bar, fill=colour, width=width)


def sem_profiles(planes, shown, grid):
    """Draw grey values along the lines that are marked in the pictures.

    Parameters
    ----------
    planes, shown, grid
        As for `crop_pictures`.

    Returns
    -------
    Plot
    """
    lines = [case for case in shown if case.line is not None]
    return Plot(
        "sem_profiles",
        "Profiles across the gaps",
        "Grey values along the marked lines of the pictures, one pixel wide, by cubic splines "
        "as the gaps are measured (through repeated pixels a spline waves). "
        "The shaded part lies between the outlines that the two particles have in the truth.",
        [
            Panel(f"Profile {case.letter}", partial(_draw_profile, planes, case, grid))
            for case in lines
        ],
        ordered(method for method, _ in planes) if lines else [],
        panel_size=(3.9, 2.8),
    )


def _draw_profile(planes, case, grid, axes):
    pixel = convert(grid.spacing[1], grid.unit, "nm")
    length = float(np.hypot(*(case.line[1] - case.line[0])))
    beside = _BESIDE / pixel
    t = np.linspace(-beside, length + beside, 161)
    places = case.line[0][:, None] + case.along[:, None] * t
    for (method, _), plane in planes.items():
        values = ndimage.map_coordinates(plane.astype(np.float64), places, mode="mirror")
        sheets.method_line(axes, method, t * pixel, values, 1.4)
    axes.axvspan(0, length * pixel, color=SHADE, alpha=0.35, lw=0, zorder=0)
    axes.set_xlim(t[0] * pixel, t[-1] * pixel)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set(xlabel="Distance from the first outline (nm)", ylabel="Grey value")


# Table


def _records(metrics, samples):
    """Rows of the table: (method, level) to what was measured, each value, low, high and n."""
    rows = rows_of(metrics, samples)
    rows = rows[rows["method"] != "align"]
    found = {}
    for metric in declared("images"):
        for key, values in _measured(rows, metric.key, metric.subset).items():
            # The truth is compared with itself but for the spread of its edges.
            if key[0] != "truth" or metric.key == "edge_spread":
                found.setdefault(key, {})[metric.key, metric.subset] = values
    return {key: found[key] for key in in_order(found)}


def _measured(rows, metric, subset="all"):
    """One measure: (method, level) to its value, low, high and n."""
    rows = rows[rows["subset"] == subset]
    own = rows[rows["metric"] == f"{metric}_bootstrap"]
    if own.empty:  # else with the interval over images and the gaps in them
        own = rows[rows["metric"] == metric]
    means = own.groupby(["method", "level"], dropna=False)[["value", "low", "high", "n"]].mean()
    return {
        (method, None if method == "truth" or np.isnan(level) else float(level)): values
        for (method, level), values in means.dropna(subset="value").iterrows()
    }


def _text(metric, found):
    return figure_text(metric, *(float(found[name]) for name in ("value", "low", "high")))


def page_table(metrics, samples=None):
    """Lay out what was measured, a row an image.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``.
    samples : str or list of str, optional
        By default the rows pooled over the unseen samples where there are any, or else the mean.

    Returns
    -------
    columns : list of acuity.report.pages.Column
        The image and what was measured: gaps unresolved (share, 95 % interval), gaps invented, gaps
        unresolved if as many were invented as in the input, gap error, greatest departure of the
        spectrum's ratio from 1 below the low-resolution Nyquist frequency and in the aliased part, edge
        spread, PSNR, SSIM.
    rows : list of dict
        None where nothing of it was measured.
    """
    records = _records(metrics, samples)
    there = set().union(*records.values())
    shown = [metric for metric in declared("images") if (metric.key, metric.subset) in there]
    names = _names(records)
    return [Column("image", "Image", text=True), *metric_columns(shown)], [
        sheets.method_row(key[0], [_cell(metric, record) for metric in shown], names[key])
        for key, record in records.items()
    ]


def _cell(metric, record):
    found = record.get((metric.key, metric.subset))
    if found is None:
        return Cell("–", "NaN")
    return Cell(_text(metric, found), f"{found['value']:.6g}")


def sem_table(metrics, *, samples=None):
    """Lay out what was measured, a row an image, for other programs.

    Parameters
    ----------
    metrics, samples
        As for `page_table`.

    Returns
    -------
    pandas.DataFrame
        Index: names of the images. Columns, those of `page_table`. Texts.
    """
    return sheets.text_table(*page_table(metrics, samples))


def sem_sentence(metrics, *, samples=None):
    """Say in one sentence what became resolvable, and what was invented.

    It is of the method that leaves the fewest gaps unresolved at the input's share of invented ones,
    which no contrast moves (else the fewest unresolved, else the highest PSNR). That share is taken
    over all images, where it is known, so that one method stands on all pages. Where the highest
    PSNR goes with a spectrum further off than the input's, or with wider edges, it is said.

    Parameters
    ----------
    metrics, samples
        As for `page_table`.

    Returns
    -------
    str
    """
    records = _records(metrics, samples)
    alone, over_all = rows_of(metrics, samples), rows_of(metrics)
    for rows, rank, metric, best in (
        (over_all, "gaps_unresolved_matched", "gaps_unresolved", min),
        (alone, "gaps_unresolved", "gaps_unresolved", min),
        (alone, "psnr", "psnr", max),
    ):
        ranked = _measured(rows, rank)
        measured = [
            key
            for key in records
            if key[0] not in ("truth", "input")
            and key in ranked
            and (metric, "all") in records[key]
        ]
        if measured:
            hardest = max(level for _, level in measured)
            measured = [key for key in measured if key[1] == hardest]
            method, _ = key = best(measured, key=lambda k: ranked[k]["value"])
            say = _said_of_psnr if metric == "psnr" else _said_of_gaps
            return say(look(method).name, records[key], records.get(("input", hardest), {}))
    return UNMEASURED


def _said_of_psnr(name, own, before):
    psnr = next(metric for metric in declared("images") if metric.key == "psnr")
    own_text, known = _text(psnr, own["psnr", "all"]), before.get(("psnr", "all"))
    beside = f"; the input {_text(psnr, known)} dB" if known is not None else ""
    return f"Nearest to the truth by PSNR: {name} ({own_text} dB{beside}){_worse(own, before)}."


def _said_of_gaps(name, own, before):
    own, before = (
        {metric: found["value"] for (metric, subset), found in record.items() if subset == "all"}
        for record in (own, before)
    )
    parts = [f"{name} leaves {percent(own['gaps_unresolved'], 1)} of the gaps unresolved"]
    if "gaps_unresolved" in before:
        parts[0] += f", the input {percent(before['gaps_unresolved'], 1)}"
    if "gap_error" in own:
        beside = f" (input: {before['gap_error']:.1f} nm)" if "gap_error" in before else ""
        parts.append(f"widths are off by {own['gap_error']:.1f} nm{beside}")
    if "gaps_invented" in own:
        share = percent(own["gaps_invented"], 1)
        parts.append(f"it shows a gap in {share} of the pairs of particles that touch")
    if "gaps_unresolved_matched" in own and "gaps_unresolved" in before:
        share = percent(own["gaps_unresolved_matched"], 1)
        parts.append(
            "were its contrast such that it invented as many as the input, "
            f"{share} would be unresolved"
        )
    return "; ".join(parts) + "."


def _worse(own, before):
    """What of an image's spectrum and edges is worse than the input's; empty where nothing is."""
    found = []
    for key, words, unit in (
        ((_RATIO, BELOW), "its spectrum below the low Nyquist frequency is further off", ""),
        (("edge_spread", "all"), "its edges are wider", " nm"),
    ):
        if key in own and key in before and own[key]["value"] > before[key]["value"]:
            metric = next(m for m in declared("images") if (m.key, m.subset) == key)
            texts = [_text(metric, values) for values in (own[key], before[key])]
            found.append(f"{words} than the input's ({texts[0]} against {texts[1]}{unit})")
    return f"; but {' and '.join(found)}" if found else ""


# Files, and what pages show


def _spectra(curves, planes, grid, rows):
    """The plot of the spectra, with the frequencies that the images and the truth have."""
    nyquist = low = None
    if grid is not None:
        nyquist = 0.5 / convert(max(grid.spacing[1:]), grid.unit, "nm")
        low = {level: nyquist / level for _, level in planes if level is not None and level > 1}
    limits = rows.loc[rows["metric"] == "spectrum_signal_limit", "value"].dropna()
    signal = float(limits.median()) if len(limits) else None
    return sem_spectra(curves, low_nyquist=low, nyquist=nyquist, signal=signal)


def sem_figures(
    metrics, volumes=None, *, pair=None, gaps=None, spectra=None, out_dir, samples=None
):
    """Write the figures and the table of one sample.

    Parameters
    ----------
    metrics, samples
        As for `page_table`.
    volumes : mapping of (str, float or None) to path-like or Volume, optional
        Image of each method and level, on one grid; the truth's key is ``("truth", None)``.
    pair : Pair, optional
    gaps : mapping of (str, float) to pandas.DataFrame, optional
        As for `sem_gaps`.
    spectra : pandas.DataFrame, optional
        As for `sem_spectra`.
    out_dir : path-like
        Folder.

    Returns
    -------
    list of pathlib.Path
        ``NAME.png`` for each of `FIGURES`, ``NAME.svg`` for all but the pictures, and
        ``sem_methods.tsv``; ``NAME.json`` for each of `FIGURES`. A figure of what was not measured
        says so.
    """
    folder = Path(out_dir)
    planes, grid = _planes(volumes)
    shapes = {plane.shape for plane in planes.values()}
    if len(shapes) > 1:
        raise AcuityError(
            f"report: the images have the shapes {sorted(shapes)}; all must be on the truth's grid"
        )
    shown = cases(planes, gaps or {}, grid) if planes else []
    files = [folder / f"{TABLE}.tsv"]
    write_table(sem_table(metrics, samples=samples), files[0], index=True)
    for plot in (
        sem_displacement(pair),
        sem_patches(pair),
        sem_profiles(planes, shown, grid),
        sem_gaps(gaps),
        _spectra(spectra, planes, grid, rows_of(metrics, samples)),
    ):
        files += plot.save(folder)
    laid = pair_pictures(pair) if pair is not None else []
    halves = {"The whole field": laid[:2], "Details, pixel by pixel": laid[2:]}
    rows = {
        title: [(picture, textwrap.fill(words, 39)) for picture, words in half]
        for title, half in halves.items()
        if half
    }
    files += images.save_sheet(sheet(rows, 2.9, 0.65), folder, _overlay_drawing(pair, laid))
    rows, names = {}, _names(planes)
    pictures = crop_pictures(planes, shown, grid) if shown else {}
    for case in shown:
        rows[f"{case.letter}: {case.title}"] = [
            (pictures[case.letter, key], name, case.said.get(key, ""))
            for key, name in names.items()
        ]
    return files + images.save_sheet(sheet(rows, 1.9, 0.45), folder, _crops_drawing(rows, grid))


def sheet(rows, width, foot):
    """Pictures with words above them in rows: a row a place, a column an image."""
    if not rows:
        return images.nothing_measured()
    heights = [max(p.size[1] / p.size[0] for p, *_ in row) * width + foot for row in rows.values()]
    most = max(map(len, rows.values()))
    with matplotlib.rc_context(images.TEXT):
        figure = Figure((width * most + 0.1, sum(heights) + 0.1), layout="constrained")
        parts = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights).ravel()
        for part, (title, row) in zip(parts, rows.items(), strict=True):
            part.suptitle(title, fontsize=8.5, x=0.01, ha="left", wrap=True)
            cells = part.subplots(1, most, squeeze=False)[0]
            for axes, (picture, *words) in zip(cells, row, strict=False):
                sheets.show(axes, picture, "\n".join(filter(None, words)), size=7.5, pad=2)
        return figure


def _crops_drawing(rows, grid):
    """What the page shows of the places close up, and of the images."""
    shown = [
        {
            "title": title,
            "pictures": [
                image(picture, f"Place {title.partition(':')[0]}, {name}", label=name, more=said)
                for picture, name, said in row
            ],
        }
        for title, row in rows.items()
    ]
    summary = ""
    if grid is not None:
        size = f"{grid.spacing[1]:.4g} {unit_text(grid.unit)}"
        summary = f"{grid.shape[1]} x {grid.shape[2]} pixels (y, x) of {size}"
    caption = (
        "One grey window for all, pixels repeated and not interpolated. Places were chosen "
        "by the rules that stand above them, among them where the method fails."
    )
    return Drawing("sem_crops", "Close up", caption, more={"rows": shown, "summary": summary})


def _overlay_drawing(pair, laid):
    """What the page shows of a pair: its pictures, its grade, what was found, its patches."""
    more = {"pictures": [image(picture, words, label=words) for picture, words in laid]}
    if pair is not None:
        grade, registered = pair_verdict(pair)
        more |= {"grade": grade, "registered": registered, "found": _found(pair)}
        more["patches"] = _patch_rows(pair)
    return Drawing("sem_overlay", "Registration of the pair", more=more)


def _found(pair):
    """What the registration found, in a line."""
    said, parts = pair.transform, []
    if "found_scale" in said:
        stated = said.get("stated_scale")
        beside = f" (stated {stated:.4f})" if stated else ""
        parts.append(f"scale {said['found_scale']:.4f}{beside}")
    if "rotation_degrees" in said:
        parts.append(f"rotation {said['rotation_degrees']:.3f}°")
    if said.get("jacobian"):
        parts.append("Jacobian {:.3f} to {:.3f}".format(*said["jacobian"]))
    low, high = (part.grid.spacing[1] for part in (pair.low, pair.high))
    unit = unit_text(pair.low.grid.unit)
    parts.append(f"pixels of {low:.4g} {unit} (low) and {high:.4g} {unit} (high)")
    return "Found: " + ", ".join(parts) + "."


def _patch_rows(pair):
    """Place, displacements before and after, correlation and acceptance of each patch; None if unknown."""
    table, found = pair.patches, []
    values = zip(pair.before, pair.residual, table["ncc"], strict=True)
    for y, x, accepted, own in zip(table["y"], table["x"], pair.accepted, values, strict=True):
        known = [float(value) if math.isfinite(value) else None for value in own]
        found.append({"place": [float(y), float(x)], "values": known, "accepted": bool(accepted)})
    return found
