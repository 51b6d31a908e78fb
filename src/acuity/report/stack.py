"""What was done to a stack of slices: path, quality of the matches, sections before and after."""

from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from acuity.errors import AcuityError
from acuity.report import images, sheets
from acuity.report.drawing import Drawing, image
from acuity.report.figures import Panel, Plot
from acuity.report.judged import write_judged
from acuity.report.style import BLUE, GREEN, INK, SKY, VERMILLION
from acuity.report.verdict import Line, unit_text

_FOUND, _REMOVED, _OTHER, _PALE = BLUE, VERMILLION, GREEN, SKY
_POINTS = 600  # drawn of one line at most; extremes are kept
_JUMP = 3.0  # pixels; a smaller step is no jump, however steady the rest
_DETAIL = 160  # voxels along a side of the section shown pixel by pixel
_WIDE = (4.4, 2.6)  # inches; a stack is longer than it is wide

# A stack is graded by the residuals of its pairs and by the share of faulty slices.
GOOD = {"residual": 0.2, "faulty": 0.05}
CARE = {"residual": 0.5, "faulty": 0.2}

GRAPHS = ("stack_path", "stack_ncc", "stack_residuals")
FIGURES = (*GRAPHS, "stack_views")

CLAIMS = {
    "jitter": "Mode jitter: only what changes from slice to slice was removed. Slow drift stays in "
    "the volume, whether it was the specimen's shape or the stage's.",
    "full": "Mode full: all motion between neighbours was removed. A true tilt or a curved "
    "structure was made straight with it; do not measure shape over many slices.",
    "detrend_linear": "Mode detrend_linear: all motion but a straight drift was removed. Curved "
    "structures were straightened; a straight drift of the stage stays in the volume as a tilt.",
    "template_roi": "Mode template_roi: a region that is straight in truth was held in place. The "
    "shape of the specimen is as true as that region is straight.",
}


def check_tables(slices, pairs=None):
    """Refuse tables of an alignment that can't be drawn.

    Parameters
    ----------
    slices : pandas.DataFrame
        ``slices.tsv``: ``z dy dx trend_dy trend_dx used_dy used_dx ncc flag``.
    pairs : pandas.DataFrame, optional
        ``pairs.tsv``: ``a b dy dx ncc weight residual counts``.

    Raises
    ------
    AcuityError
        If a column is missing or there is no slice.
    """
    need = {"z", "dy", "dx", "trend_dy", "trend_dx", "used_dy", "used_dx", "ncc", "flag"}
    sheets.check_table("slices", slices, need, "slice")
    if pairs is not None:
        sheets.check_table("pairs", pairs, {"residual", "counts"})


def flags(slices):
    """Give each slice's flag as text, empty where there is none.

    Parameters
    ----------
    slices : pandas.DataFrame

    Returns
    -------
    pandas.Series
    """
    return slices["flag"].astype(object).where(slices["flag"].notna(), "").astype(str)


def _residuals(pairs):
    """Residuals of the pairs that count, and the number of those that do not."""
    residual = np.abs(pairs["residual"].to_numpy(float))
    used = (pairs["counts"].to_numpy(float) > 0) & np.isfinite(residual)
    return residual[used], int((~used).sum())


def _steps(slices, axis):
    """Steps of the path from slice to slice, and which of them are jumps."""
    steps = np.diff(slices.sort_values("z")[f"d{axis}"].to_numpy(float))
    if not len(steps):
        return steps, np.zeros(0, bool)
    away = np.abs(steps - np.median(steps))
    return steps, away > np.maximum(8 * 1.4826 * np.median(away), _JUMP)


def _jitter(slices):
    """RMS of the steps along y and x, jumps left out."""
    rms = {}
    for axis in "yx":
        steps, jumps = _steps(slices, axis)
        rms[axis] = sheets.rms(steps[~jumps]) if not jumps.all() else 0.0
    return rms


def stack_verdict(slices, pairs):
    """Say in one line what was found in a stack and how well its slices agree.

    Parameters
    ----------
    slices, pairs : pandas.DataFrame
        As for `check_tables`.

    Returns
    -------
    grade : str
        One of `acuity.report.verdict.GRADES`.
    sentence : str
    """
    check_tables(slices, pairs)
    named = flags(slices)
    residual, _ = _residuals(pairs)
    faulty = (named != "").mean()
    spread = sheets.rms(residual)
    grade = sheets.graded({"residual": spread, "faulty": faulty}, GOOD, CARE)
    stays = np.hypot(*(np.ptp(slices[f"trend_d{axis}"].to_numpy(float)) for axis in "yx"))
    agree = f"{spread:.2f} px RMS" if np.isfinite(spread) else "nothing: no pair could be used"
    parts = [
        f"{len(slices)} slices whose pairs agree to {agree}",
        f"steps of {np.hypot(*_jitter(slices).values()):.2f} px RMS from slice to slice",
    ]
    steps, jumps = zip(*(_steps(slices, axis) for axis in "yx"), strict=True)
    jumped = jumps[0] | jumps[1]
    if jumped.any():
        size = np.hypot(*steps)
        at = int(np.argmax(np.where(jumped, size, 0)))
        after = int(np.sort(slices["z"].to_numpy())[at + 1])
        count = int(jumped.sum())
        parts.append(
            f"{count} jump{'s' if count != 1 else ''}, the largest {size[at]:.1f} px at slice {after}"
        )
    parts.append(f"drift of {stays:.1f} px left in" if stays >= 0.05 else "no drift left in")
    kinds = named[named != ""].value_counts(sort=False)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    count = int(kinds.sum())
    fault = f"{count} faulty slice{'s' if count != 1 else ''} ({listed})"
    parts.append(f"{fault}, bridged" if count else "no faulty slice")
    return grade, "; ".join(parts) + "."


# Figures


def _envelope(z, values):
    """Thin a long line so that its extremes stay."""
    z, values = np.asarray(z, float), np.asarray(values, float)
    if len(z) <= _POINTS:
        return z, values
    edges = np.linspace(0, len(z), _POINTS // 2 + 1).round().astype(int)
    kept = []
    for start, stop in pairwise(edges):
        part = np.nan_to_num(values[start:stop])
        kept += sorted({start + int(part.argmin()), start + int(part.argmax())})
    return z[kept], values[kept]


def _draw(axes, z, values, **how):
    axes.plot(*_envelope(z, values), **how)


def _along(axes, z, grid, **more):
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    pitch = f" ({_length(grid.spacing[0], grid.unit)} apart)" if grid is not None else ""
    axes.set(xlim=(z.min() - 0.5, z.max() + 0.5), xlabel=f"Slice{pitch}", **more)


def _length(size, unit):
    return f"{size:.4g} {unit_text(unit)}"


def _checked(slices):
    """The slices in order: their table, z, flags as text, and which of them are faulty."""
    check_tables(slices)
    slices = slices.sort_values("z")
    named = flags(slices).to_numpy()
    return slices, slices["z"].to_numpy(float), named, named != ""


def _ticks(axes, z, height, size, width):
    axes.plot(z, np.full(len(z), height), "|", color=_REMOVED, ms=size, mew=width)


def stack_path(slices, *, grid=None):
    """Draw the path of the slices: found, what of it was removed, and what stays.

    Parameters
    ----------
    slices : pandas.DataFrame
        As for `check_tables`.
    grid : acuity.volume.Grid, optional
        Of the stack, for the units.

    Returns
    -------
    Plot
    """
    slices, z, _, faulty = _checked(slices)
    panels = []
    for number, axis in ((1, "y"), (2, "x")):
        pixel = f"px of {_length(grid.spacing[number], grid.unit)}" if grid is not None else "px"

        def draw(axes, axis=axis, pixel=pixel):
            # the wide line shows at both sides of the narrow one where both run together
            _draw(axes, z, slices[f"d{axis}"], color=_PALE, lw=3, zorder=2)
            _draw(axes, z, slices[f"used_d{axis}"], color=_REMOVED, lw=1, zorder=3)
            _draw(axes, z, slices[f"trend_d{axis}"], color=INK, lw=1.3, ls=(0, (4, 3)), zorder=4)
            _along(axes, z, grid, ylabel=f"Displacement ({pixel})")

        panels.append(Panel(f"Path along {axis}", draw))
    rms = _jitter(slices)

    def steps(axes):
        for axis, colour in (("y", _OTHER), ("x", _FOUND)):
            _draw(axes, z[1:], np.diff(slices[f"d{axis}"].to_numpy(float)), color=colour, lw=1)
        low, high = axes.get_ylim()
        if faulty.any():
            _ticks(axes, z[faulty], low, 9, 1.6)
        _along(axes, z, grid, ylim=(low, high), ylabel="Step from the slice before (px)")

    if len(z) > 1:
        title = f"Steps: {rms['y']:.2f} px in y, {rms['x']:.2f} px in x (RMS)"
        panels.append(Panel(title, steps))
    colours = {"path found": _PALE, "removed": _REMOVED, "step in y": _OTHER, "step in x": _FOUND}
    return Plot(
        "stack_path",
        "Path of the slices",
        "How far the contents of each slice lie from those of the others, what of it was removed, "
        "and what stays in the volume. What stays may be drift of the stage or the specimen's own "
        "shape: the images alone cannot tell. The RMS of the steps leaves out jumps; ticks at the "
        "foot mark faulty slices.",
        panels,
        extra=[("stays in the volume", {"color": INK, "ls": (0, (4, 3)), "lw": 1.3})],
        patches=list(colours.items()),
        panel_size=_WIDE,
    )


def stack_ncc(slices, *, grid=None):
    """Draw how alike neighbouring slices are, and which were found faulty.

    Parameters
    ----------
    slices, grid
        As for `stack_path`.

    Returns
    -------
    Plot
    """
    slices, z, named, faulty = _checked(slices)
    ncc = slices["ncc"].to_numpy(float)
    lowest = min(ncc[np.isfinite(ncc)], default=0.0)
    # from zero unless all is well; below it for inverted slices
    bottom = np.floor(10 * lowest - 0.3) / 10 if not 0 <= lowest < 0.5 else 0.0
    kinds = sorted(set(named) - {""})

    def draw(axes):
        _draw(axes, z, ncc, color=_FOUND, lw=1)
        axes.plot(z[faulty], ncc[faulty], "o", color=_REMOVED, ms=5, mfc="none", mew=1.5, zorder=4)
        top = 1 + 0.06 * (1 - bottom)
        _along(axes, z, grid, ylim=(bottom, top), ylabel="NCC with neighbours")

    def rows(axes):
        for row, kind in enumerate(kinds):
            _ticks(axes, z[named == kind], row, 13, 2)
        counts = [f"{kind} ({(named == kind).sum()})" for kind in kinds]
        axes.set_yticks(range(len(kinds)), counts)
        _along(axes, z, grid, ylim=(len(kinds) - 0.4, -0.6))

    panels = [Panel("Likeness to the neighbours", draw)]
    panels += [Panel("Slices found faulty", rows)] if kinds else []
    return Plot(
        "stack_ncc",
        "Likeness of neighbouring slices",
        "Normalised cross-correlation of the band-passed slices; 1 is alike. A slow fall is focus "
        "or contrast that changes, a single dip a faulty slice."
        + (f" The axis begins at {bottom:.1f}, not at 0." if bottom > 0 else ""),
        panels,
        patches=[("NCC", _FOUND), *([("faulty slice", _REMOVED)] if kinds else [])],
        panel_size=_WIDE,
        margins=(1.05, 0.5),
    )


def stack_residuals(slices, pairs):
    """Draw how well the measured shifts agree with one path.

    Parameters
    ----------
    slices, pairs : pandas.DataFrame
        As for `check_tables`.

    Returns
    -------
    Plot
    """
    check_tables(slices, pairs)
    residual, left_out = _residuals(pairs)
    panels = []
    if len(residual):
        median, most = np.quantile(residual, [0.5, 0.95])
        top = max(float(np.quantile(residual, 0.99)) * 1.15, 0.02)
        step = 10 ** np.floor(np.log10(top / 20))
        step *= next(n for n in (1, 2, 5, 10) if n * step * 25 >= top)
        edges = np.arange(0, top + step, step)
        beyond = int((residual > edges[-1]).sum())

        def draw(axes):
            counts, _ = np.histogram(residual, edges)
            axes.bar(edges[:-1], counts, step, align="edge", color=_PALE, edgecolor="white", lw=0.4)
            how = {"xycoords": ("data", "axes fraction"), "va": "top", "fontsize": 8}
            for value, name, style, top in ((median, "median", "-", 1), (most, "95 %", "--", 0.86)):
                axes.axvline(value, color=INK, lw=1.2, ls=style)
                axes.annotate(f" {name}: {value:.2g} px", (value, top), **how)
            axes.set(xlim=(0, edges[-1]), xlabel="Residual (px)", ylabel="Pairs of slices")
            axes.xaxis.set_major_locator(MaxNLocator(6))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))

        right = f", {beyond} further right" if beyond else ""
        panels.append(Panel(f"{len(residual)} pairs{right}", draw))
    return Plot(
        "stack_residuals",
        "Residuals of the pairs",
        "Distance between the shift measured for a pair of slices and that of the common path. "
        "Small residuals say that the measurements agree with one another, not that the shape is "
        f"true. {left_out} pairs do not count (faulty slices, no match, or a contradiction to the others).",
        panels,
    )


# Sections


def _section(volume, axis):
    """The plane along z in the middle of an axis: y is 1, x is 2."""
    box = [slice(None)] * 3
    at = volume.grid.shape[axis] // 2
    box[axis] = slice(at, at + 1)
    return np.asarray(volume.read(*box)).squeeze(axis)


def stack_pictures(before, after):
    """Cut a stack along z before and after the alignment.

    Parameters
    ----------
    before, after : path-like or Volume
        On one grid; the one after may be a part of it, which alone is shown then.

    Returns
    -------
    list of Picture
        Kinds ``xz``, ``yz`` (whole, or five times as wide as high) and ``xz detail``, ``yz detail`` (the middle, no voxel left
        out), methods ``before`` and ``after``; z runs downwards and all share one grey window.

    Raises
    ------
    AcuityError
        If the two are not on one grid.
    """
    volumes = {"before": images.opened(before), "after": images.opened(after)}
    whole, grid = volumes["before"].grid, volumes["after"].grid
    try:
        volumes["before"] = volumes["before"].within(grid)
    except AcuityError:
        raise AcuityError(
            f"stack views: the volume after alignment has {grid.shape} voxels from "
            f"{grid.origin} {grid.unit} on where the one before has {whole.shape} from "
            f"{whole.origin}; both must be on one grid, of which the second may be a part."
        ) from None
    planes = {
        (kind, name): _section(volume, axis)
        for kind, axis in (("xz", 1), ("yz", 2))
        for name, volume in volumes.items()
    }
    window = images.grey_window(planes["xz", "before"])
    pictures = []
    for detail in ("", " detail"):
        for (kind, name), plane in planes.items():
            spacing = (grid.spacing[0], grid.spacing[2 if kind == "xz" else 1])
            part = list(plane.shape)
            if detail:
                part = [max(1, round(_DETAIL * min(spacing) / size)) for size in spacing]
            # a flat stack is cut to its middle, or its section would be a line
            height = min(part[0], plane.shape[0]) * spacing[0]
            part[1] = min(part[1], max(1, round((3 if detail else 5) * height / spacing[1])))
            values = plane[tuple(map(sheets.middle, plane.shape, part))]
            how = _enlarged if detail else images.picture_size
            size = how(values.shape, spacing)
            image = Image.fromarray(images.stretch(_resize(values, size), window))
            pixel = spacing[1] * values.shape[1] / size[0]
            key = name, None
            pictures.append(images.make_picture(kind + detail, key, image, pixel, grid.unit))
    return pictures


def _enlarged(shape, spacing):
    """Width and height with every voxel at least a pixel high and wide."""
    finest = min(spacing)
    extent = [count * size / finest for count, size in zip(shape, spacing, strict=True)]
    scale = max(1, int(images.LARGEST / max(extent)))
    return round(extent[1] * scale), round(extent[0] * scale)


def _resize(values, size):
    """Shrink by averages and enlarge by repetition, each axis on its own."""
    between = (min(size[0], values.shape[1]), min(size[1], values.shape[0]))
    return images.resize(images.resize(values, between), size)


def stack_views(pictures):
    """Lay out the sections of a stack before and after its alignment.

    Parameters
    ----------
    pictures : list of Picture
        Of `stack_pictures`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    sizes = [picture.size for picture in pictures[::2]]  # that of each row: before beside after
    width = 2.9
    heights = [min(width * down / across, 2 * width) + 0.25 for across, down in sizes]
    with matplotlib.rc_context(images.TEXT):
        figure = Figure((2 * width + 0.1, sum(heights) + 0.1), layout="constrained")
        grid = figure.subplots(len(heights), 2, squeeze=False, height_ratios=heights)
        for axes, picture in zip(grid.ravel(), pictures, strict=True):
            sheets.show(axes, picture, f"{_title(picture.kind)}, {picture.method}")
    return figure


def _title(kind):
    plane, _, detail = kind.partition(" ")
    return f"{plane.upper()}, the middle enlarged" if detail else plane.upper()


# Files


def stack_figures(sample, slices, pairs, before, after, *, out_dir):
    """Write the figures of a stack for other programs, for Snakemake's report and for pages.

    Parameters
    ----------
    sample : str
        Its name.
    slices, pairs : pandas.DataFrame
        As for `check_tables`.
    before, after : path-like or Volume
        The stack before and after its alignment.
    out_dir : path-like
        Folder.

    Returns
    -------
    list of pathlib.Path
        ``NAME.png`` and ``NAME.json`` for each of `FIGURES`, and ``NAME.svg`` for all but the sections.
        ``stack.json`` beside them holds the verdict.
    """
    before, after = images.opened(before), images.opened(after)
    folder = Path(out_dir)
    plots = [draw(slices, grid=before.grid) for draw in (stack_path, stack_ncc)]
    plots.append(stack_residuals(slices, pairs))
    files = [file for plot in plots for file in plot.save(folder)]
    pictures = stack_pictures(before, after)
    drawing = _views(pictures, before.grid, after.grid, slices)
    files += images.save_sheet(stack_views(pictures), folder, drawing)
    line = Line("Alignment", *stack_verdict(slices, pairs))
    write_judged(folder / "stack.json", {sample: [line]})
    return files


def _views(pictures, grid, after, slices):
    """What the page shows of the sections, and of the stack."""
    shape, left = (" x ".join(map(str, part.shape)) for part in (grid, after))
    size = " x ".join(f"{part:.4g}" for part in grid.spacing)
    rims = "black at the rims is what no slice covers."
    if left != shape:
        rims = f"rims that not every slice reaches were cut off, {left} voxels are left."
    rows = {}
    for picture in pictures:
        title = _title(picture.kind)
        alt = f"Section {title}, {picture.method} alignment"
        rows.setdefault(title, []).append(image(picture, alt, label=picture.method))
    faulty = slices[flags(slices) != ""].sort_values("z")
    caption = (
        "Sections through the middle of the stack, z downwards, in the proportions of the "
        "sample and one grey window; those of a flat stack are cut at both sides. Edges of structures that are ragged before should be "
        f"smooth after. Faulty slices stay as they are and show as lines; {rims}"
    )
    more = {
        "summary": f"{shape} voxels (z, y, x) of {size} {unit_text(grid.unit)}",
        "rows": [{"title": title, "pictures": shown} for title, shown in rows.items()],
        "faulty": [
            {"z": int(z), "flag": flag, "ncc": None if np.isnan(ncc) else float(ncc)}
            for z, flag, ncc in zip(faulty["z"], faulty["flag"], faulty["ncc"], strict=True)
        ],
    }
    return Drawing("stack_views", "Sections before and after", caption, more=more)
