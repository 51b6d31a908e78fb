"""Figures of a report, drawn from tidy tables.

A figure is a `Plot`: panels that are drawn one by one for the pages (so that they flow on a narrow
screen) or together for a picture file.
"""

import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    NullLocator,
    PercentFormatter,
)

from acuity.errors import AcuityError
from acuity.report.drawing import drawing_of
from acuity.report.style import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MUTED,
    PLAIN,
    PURPLE,
    SHADE,
    SKY,
    VERMILLION,
    YELLOW,
    look,
    ordered,
)
from acuity.report.verdict import (
    FEWEST,
    POOLED,
    TRUSTED_RECALL,
    by_size,
    length_unit,
    percent,
    tidy,
    unit_text,
)

_PANEL = (3.9, 2.9)  # inches; about the width of a phone at 9 points
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.handlelength": 1.6,
    "svg.fonttype": "none",
    "path.simplify": False,
    # Names that users type may hold a dollar sign.
    "text.parse_math": False,
}
_POINTS = 80  # drawn over a box at most
_BIN = 5.0
_LABELS = 24  # size classes or bins at most in one panel


@dataclass(frozen=True)
class Panel:
    """One pair of axes: its title and the function that draws on them.

    Parameters
    ----------
    title : str
    draw : callable
        Takes the matplotlib Axes.
    """

    title: str
    draw: Callable


@dataclass
class Plot:
    """One figure of the report.

    Parameters
    ----------
    name : str
        File name without ending.
    title : str
    caption : str
        One or two sentences: what is shown, what is good, what to distrust.
    panels : list of Panel
        Empty where the tables hold nothing to draw.
    legend : list of str
        Methods; an empty list where the panels say it themselves.
    panel_size : (float, float)
        Width and height of a panel in inches.
    extra : list of (str, dict)
        Further legend entries: label and properties of a matplotlib line.
    patches : list of (str, str)
        Further legend entries: label and colour of an area.
    margins : (float, float)
        Room in inches at the left of a panel's axes and below them.
    """

    name: str
    title: str
    caption: str
    panels: list = field(default_factory=list)
    legend: list = field(default_factory=list)
    panel_size: tuple = _PANEL
    extra: list = field(default_factory=list)
    patches: list = field(default_factory=list)
    margins: tuple = (0.68, 0.5)

    def figure(self, *, columns=3):
        """Draw all panels into one figure.

        Parameters
        ----------
        columns : int
            Panels beside one another at most.

        Returns
        -------
        matplotlib.figure.Figure
            Where there is nothing to draw, a figure that says so.
        """
        with matplotlib.rc_context(_STYLE):
            count = max(len(self.panels), 1)
            across = 2 if count == 4 and columns == 3 else min(columns, count)
            down = math.ceil(count / across)
            width, height = self.panel_size
            handles = [_handle(m) for m in self.legend]
            handles += [Line2D([], [], label=label, **how) for label, how in self.extra]
            handles += [Patch(color=colour, label=label) for label, colour in self.patches]
            # As many entries beside one another as find room: about 0.06 inches a letter.
            widest = max((0.65 + 0.06 * len(handle.get_label()) for handle in handles), default=1)
            ncols = max(1, min(len(handles), 3 * across, int(width * across / widest)))
            foot = 0.25 + 0.2 * math.ceil(len(handles) / ncols) if handles else 0.0
            figure = Figure((width * across, height * down + foot), layout="constrained")
            if not self.panels:
                figure.text(0.5, 0.5, "Not measured in this study", ha="center", color=MUTED)
                return figure
            grid = figure.subplots(down, across, squeeze=False).ravel()
            for axes, panel in zip(grid, self.panels, strict=False):
                axes.set_title(panel.title, loc="left")
                panel.draw(axes)
            for axes in grid[len(self.panels) :]:
                axes.set_axis_off()
            if handles:
                figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
            return figure

    def svgs(self):
        """Draw each panel as an SVG of its own, for a page.

        Text keeps the page's font and the ink its colour scheme (``var(--ink)`` and its like).

        Returns
        -------
        list of str
            ``<svg>`` elements with identifiers that are unique in a page.
        """
        drawings = []
        for number, panel in enumerate(self.panels):
            with matplotlib.rc_context(_STYLE | {"svg.hashsalt": f"{self.name}{number}"}):
                figure = Figure(self.panel_size)
                # Fixed margins, so that the axes of panels above one another line up.
                width, height = self.panel_size
                left, below = self.margins
                inside = ((width - left - 0.1) / width, (height - below - 0.3) / height)
                axes = figure.add_axes((left / width, below / height, *inside))
                axes.set_title(panel.title, loc="left")
                panel.draw(axes)
                label = f"{self.title}: {panel.title}"
                drawings.append(_svg(figure, f"{self.name}-{number}", label))
        return drawings

    def save(self, folder):
        """Write it; see `save`."""
        return save(self, folder)


def save(plot, folder):
    """Write a figure as PNG and as SVG, and beside it what pages show of it.

    Parameters
    ----------
    plot : Plot
    folder : path-like
        Made if need be.

    Returns
    -------
    list of pathlib.Path
        ``name.png``, ``name.svg`` and ``name.json`` (`acuity.report.drawing.Drawing`).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure = plot.figure()
    files = [folder / f"{plot.name}.png", folder / f"{plot.name}.svg"]
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": plot.name}):
        # Not by savefig, which draws everything once more before.
        figure.set(facecolor="white", dpi=130)
        FigureCanvasAgg(figure).print_png(files[0], metadata={"Software": None})
        figure.set_layout_engine("none")  # it is laid out
        figure.set_dpi(72)
        FigureCanvasSVG(figure).print_svg(files[1], metadata={"Date": None, "Creator": None})
    return [*files, drawing_of(plot).write(folder)]


def _handle(method):
    how = look(method)
    line = "--" if how.variant else "-"
    return Line2D(
        [], [], color=how.colour, marker=how.marker, ls=line, label=how.name, markersize=5.5
    )


def _svg(figure, prefix, label):
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    for colour, name in ((INK, "ink"), (MUTED, "muted"), (GRID, "grid"), (SHADE, "shade")):
        text = text.replace(colour, f"var(--{name})")
    text = re.sub(r"font: ([^;\"]*?)'DejaVu Sans'[^;\"]*", r"font: \1var(--font)", text)
    # The page sets the width; the height follows from the view box.
    head, rest = text.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    label = label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    # A tenth of a point is finer than a pixel; small numbers are markers and scales.
    # Coordinates need no more digits; words and numbers that are read keep theirs.
    parts = re.split(r"(<text.*?</text>)", rest, flags=re.DOTALL)
    parts[::2] = [re.sub(r"(\d\d\.\d)\d+|(\d\.\d\d)\d+", r"\1\2", part) for part in parts[::2]]
    rest = "".join(parts)
    rest = re.sub(r">\s+<", "><", rest)
    rest = re.sub(r"\s*\n\s*", " ", rest)
    return f'{head} role="img" aria-label="{label}">{rest.rstrip()}'


# Figures of a study or of one sample


def plots(
    metrics,
    pores=None,
    curves=None,
    histories=None,
    spaces=None,
    *,
    samples=None,
    training_samples=(),
    words=PLAIN,
):
    """Make the figures of a study, or of some samples.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``: ``sample method variant level metric subset value unit low high n``.
    pores : pandas.DataFrame, optional
        ``pores.tsv``: ``sample method level diameter sphericity_mesh edge`` among others.
    curves : pandas.DataFrame, optional
        Gaussian fits: ``sample method level sigma mse``.
    histories : pandas.DataFrame, optional
        Training: ``method level step split loss psnr seconds``.
    spaces : pandas.DataFrame, optional
        Two-point correlations of the pore space: ``sample method level distance two_point``.
    samples : str or list of str, optional
        Samples to show. By default the rows pooled over the unseen samples, where the table has
        them, and all pores and curves but those of the training samples.
    training_samples : iterable of str
        Samples that models were trained on; in a study's figures they are drawn hollow and dashed
        beside the unseen ones.
    words : acuity.report.style.Words
        How levels, lengths and objects are written.

    Returns
    -------
    list of Plot
        Always those of `NAMES`, in reading order; without panels where nothing was measured.
    """
    metrics = tidy(metrics)
    few = {"text": ("sample", "method", "variant"), "numbers": ("level",)}
    pores, curves, histories, spaces = (
        tidy(table, **few) for table in (pores, curves, histories, spaces)
    )
    training = set(training_samples)
    if samples is None:
        pooled = POOLED in set(metrics["sample"])
        names = set(metrics["sample"]) - training - {POOLED}
        shown = metrics[metrics["sample"] == POOLED] if pooled else _mean(metrics, names)
        beside = _mean(metrics, training) if training else None
    else:
        names = {samples} if isinstance(samples, str) else set(samples)
        shown, beside = _mean(metrics, names), None
    pores = pores[pores["sample"].isin(names)] if len(pores) else pores
    curves = curves[curves["sample"].isin(names)] if len(curves) else curves
    spaces = spaces[spaces["sample"].isin(names)] if len(spaces) else spaces
    unit = unit_text(words.unit or length_unit(metrics))
    axis = LevelAxis(words.level_format, words.level_title, unit, words.noun)
    return [
        _quality(shown, beside, axis),
        _found(shown, beside, axis),
        _fates(shown, axis),
        _size_classes(shown, "pore_recall", axis),
        _size_classes(shown, "pore_precision", axis),
        _histograms(pores, metrics[metrics["sample"].isin(names)], axis),
        _sphericity(pores, axis),
        _pore_space(shown, spaces, axis),
        _resolution(curves, axis),
        _similarity(shown, axis),
        _training(histories, axis, "psnr"),
        _training(histories, axis, "loss"),
        _adversaries(histories, axis),
    ]


def study_figures(
    metrics,
    pores=None,
    curves=None,
    histories=None,
    spaces=None,
    *,
    out_dir,
    names=None,
    **options,
):
    """Write the study's figures for other programs and for Snakemake's report.

    Parameters
    ----------
    metrics, pores, curves, histories, spaces : pandas.DataFrame
        As for `plots`.
    out_dir : path-like
        Folder.
    names : sequence of str, optional
        Those of `NAMES` to draw; all by default.
    **options
        As for `plots`.

    Returns
    -------
    list of pathlib.Path
        ``NAME.png`` and ``NAME.svg`` for each name, whatever was measured; a figure without
        data says so. ``NAME.json`` for all of `NAMES`: pages tell what was not measured.
    """
    files = []
    for plot in plots(metrics, pores, curves, histories, spaces, **options):
        if names is None or plot.name in names:
            files += save(plot, out_dir)
        else:
            files.append(drawing_of(plot).write(out_dir))
    return files


# Names of the files that `study_figures` writes.
NAMES = (
    "quality",
    "pores_found",
    "pore_fates",
    "recall_by_size",
    "precision_by_size",
    "pore_sizes",
    "sphericity",
    "pore_space",
    "resolution",
    "ms_ssim",
    "training_psnr",
    "training_loss",
    "training_adversaries",
)


@dataclass(frozen=True)
class LevelAxis:
    """How levels, lengths and objects are written."""

    form: str
    title: str
    unit: str
    noun: str

    def text(self, level):
        """Write a level."""
        return self.form.format(level)

    def set(self, axes, levels, beside=0.0):
        """Bring the levels to the axis of some axes, with what is drawn as far beside them."""
        levels = sorted(levels)
        span = (levels[-1] - levels[0]) or 1.0
        margin = max(0.08 * span, beside + 0.03 * span)
        axes.set_xlim(levels[0] - margin, levels[-1] + margin)
        axes.xaxis.set_major_locator(FixedLocator(levels))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: self.text(v)))
        axes.set_xlabel(self.title)


def _mean(metrics, names):
    """Mean of each figure over samples; one sample keeps its own interval."""
    rows = metrics[metrics["sample"].isin(names)]
    if rows["sample"].nunique() <= 1:
        return rows
    keys = ["method", "level", "metric", "subset"]
    groups = rows.groupby(keys, dropna=False, sort=False)
    mean = groups.agg(value=("value", "mean"), total=("value", "sum"), n=("n", "sum"))
    mean = mean.reset_index().assign(sample="", unit="", low=np.nan, high=np.nan, variant="")
    # Counts add up as their n does.
    counts = mean["metric"].isin(["pores_missed", "pores_false", "pores_split", "pores_merged"])
    mean.loc[counts, "value"] = mean.loc[counts, "total"]
    return mean


def whole_rows(metrics, metric):
    """Pick one metric's rows of whole volumes, by level, the truth's left out."""
    rows = metrics[(metrics["metric"] == metric) & metrics["subset"].isin(["all", ""])]
    rows = rows[rows["value"].notna() & rows["level"].notna() & (rows["method"] != "truth")]
    return rows.drop_duplicates(["method", "level"]).sort_values("level")


def method_lines(axes, rows, axis, *, hollow=None):
    """Draw one line a method against level, with its interval where there is one."""
    levels = set(rows["level"])
    methods = ordered(rows["method"])
    apart = 0.025 * min(np.diff(sorted(levels)), default=1.0)
    for rank, method in enumerate(methods):
        line = rows[rows["method"] == method]
        how = look(method)
        # A little apart, so that whiskers do not hide one another.
        x = line["level"] + apart * (rank - (len(methods) - 1) / 2)
        axes.plot(
            x,
            line["value"],
            color=how.colour,
            marker=how.marker,
            ls="--" if how.variant else "-",
            markeredgewidth=0.8,
            zorder=3,
        )
        has = (line["low"].notna() & line["high"].notna()).to_numpy()
        if has.any():
            line, x = line[has], x[has]
            below = (line["value"] - line["low"]).clip(lower=0)
            above = (line["high"] - line["value"]).clip(lower=0)
            axes.errorbar(
                x,
                line["value"],
                yerr=[below, above],
                fmt="none",
                ecolor=how.colour,
                elinewidth=1.1,
                capsize=2.5,
                zorder=2,
            )
    if hollow is not None and len(hollow):
        for method in ordered(hollow["method"]):
            line = hollow[hollow["method"] == method]
            how = look(method)
            axes.plot(
                line["level"],
                line["value"],
                color=how.colour,
                marker=how.marker,
                markerfacecolor="none",
                ls=":",
                lw=1.2,
                zorder=2.5,
            )
        levels |= set(hollow["level"])
    axis.set(axes, levels, apart * (len(methods) - 1) / 2)


_HOLLOW = ("on training samples", {"color": MUTED, "ls": ":", "marker": "o", "mfc": "none"})


def _beside(beside, rows, metric):
    """Rows of the training samples for learned methods that were judged on them as well."""
    if beside is None:
        return None
    found = whole_rows(beside, metric)
    return found[found["method"].isin(set(rows["method"])) & (found["method"] != "input")]


def _quality(metrics, beside, axis):
    panels, methods, trained = [], set(), False
    for metric, title, label in (
        ("mse", "Mean squared error (lower is better)", "MSE (squared data range)"),
        ("psnr", "Signal to error (higher is better)", "PSNR (dB)"),
        ("ssim", "Structural similarity (1 is best)", "SSIM"),
    ):
        rows = whole_rows(metrics, metric)
        if not len(rows):
            continue
        hollow = _beside(beside, rows, metric)
        trained |= hollow is not None and len(hollow) > 0
        methods |= set(rows["method"])

        def draw(axes, rows=rows, metric=metric, label=label, hollow=hollow):
            method_lines(axes, rows, axis, hollow=hollow)
            axes.set_ylabel(label)
            if metric == "mse":
                positive = rows["value"][rows["value"] > 0]
                if len(positive) and positive.max() > 8 * positive.min():
                    axes.set_yscale("log")
                    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
                    axes.yaxis.set_major_formatter(FuncFormatter(_power))
                    low, high = axes.get_ylim()
                    if high < 30 * low:  # hardly a power of ten in it
                        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
                else:
                    axes.set_ylim(bottom=0)
            if metric == "ssim":
                axes.set_ylim(top=1.0 + 0.02 * (1 - axes.get_ylim()[0]))

        panels.append(Panel(title, draw))
    return Plot(
        "quality",
        "Image quality against level",
        "Each restored image compared with the truth, voxel by voxel. A line above the grey input "
        "(below it for the error) is a gain. These figures reward smooth images and say little "
        f"about small {axis.noun}s: a high value alone is no reason for trust.",
        panels,
        ordered(methods),
        extra=[_HOLLOW] if trained else [],
    )


def _power(value, _):
    """Write 0.001 as 10⁻³: superscripts that every font has."""
    exponent = math.log10(value) if value > 0 else math.nan
    if not math.isclose(exponent, round(exponent), abs_tol=1e-6):
        return ""
    return "10" + f"{round(exponent)}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _found(metrics, beside, axis):
    noun = axis.noun
    panels, methods, trained = [], set(), False
    shown = [
        (metric, whole_rows(metrics, metric), title, label)
        for metric, title, label in (
            ("pore_recall", f"{noun.title()}s found (recall)", f"Share of the true {noun}s"),
            ("pore_precision", f"Shown {noun}s that are real", f"Share of the {noun}s shown"),
            ("pores_found_ratio", "Ratio of counts", f"{noun.title()}s shown / true {noun}s"),
        )
    ]
    shown = [entry for entry in shown if len(entry[1])]
    # One range for all panels, so that they compare; from 0 unless all values are high.
    worst = min((rows["value"].min() for _, rows, _, _ in shown), default=0.0)
    bottom = math.floor(10 * (worst - 0.1)) / 10 if worst > 0.5 else 0.0
    for metric, rows, title, label in shown:
        hollow = _beside(beside, rows, metric)
        trained |= hollow is not None and len(hollow) > 0
        methods |= set(rows["method"])

        def draw(axes, rows=rows, metric=metric, label=label, hollow=hollow):
            method_lines(axes, rows, axis, hollow=hollow)
            top = np.nanmax([1.0, rows["value"].max(), rows["high"].max()])
            if metric == "pores_found_ratio":
                axes.axhline(1, color=INK, lw=1, zorder=1)
            elif metric == "pore_recall":
                axes.axhline(TRUSTED_RECALL, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
            axes.set_ylim(bottom, top + 0.03 * (top - bottom))
            axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
            axes.set_ylabel(label)

        panels.append(Panel(title, draw))
    return Plot(
        "pores_found",
        f"{noun.title()}s found against level",
        f"Each {noun} shown is matched with at most one true {noun} that it overlaps by more than "
        "half. Both shares should be near 100 %; whiskers are 95 % intervals, the dashed line is "
        f"{percent(TRUSTED_RECALL)}. Distrust the ratio of counts taken alone: in it invented "
        f"{noun}s make up for missed ones.",
        panels,
        ordered(methods),
        extra=[_HOLLOW] if trained else [],
    )


# What became of the true objects, in the colours of the pictures' overlays.
FATES = {
    "found": ("found", SKY),
    "split": ("split", GREEN),
    "merged": ("merged", PURPLE),
    "missed": ("missed", VERMILLION),
    "false": ("invented", YELLOW),
}


def _fates(metrics, axis):
    tables = {
        name: whole_rows(metrics, f"pores_{name}")
        for name in ("split", "merged", "missed", "false")
    }
    recall = whole_rows(metrics, "pore_recall")
    recall = recall[recall["n"] > 0]
    counted = set(zip(tables["missed"]["method"], tables["missed"]["level"], strict=True))
    panels = []
    counts = {
        (name, row.method, row.level): row.value
        for name, table in tables.items()
        for row in table.itertuples()
    }
    for level in sorted(set(recall["level"])):
        rows = [
            row
            for row in recall[recall["level"] == level].itertuples()
            if (row.method, level) in counted
        ]
        rank = {method: n for n, method in enumerate(ordered(row.method for row in rows))}
        rows.sort(key=lambda row: -rank[row.method])
        if not rows:
            continue

        def draw(axes, rows=rows, level=level):
            for y, row in enumerate(rows):
                left = 0.0
                for name, (_, colour) in FATES.items():
                    count = counts.get((name, row.method, level), 0.0)
                    share = row.value if name == "found" else count / row.n
                    # The invented ones stand beyond the line: they are no part of the truth.
                    left = max(left, 1.0) if name == "false" else left
                    axes.barh(y, share, 0.66, left, color=colour, zorder=2, ec=MUTED, lw=0.4)
                    left += share
            axes.axvline(1, color=INK, lw=1, zorder=3)
            axes.set_xlim(0, max(1.1, axes.get_xlim()[1]))
            axes.set_yticks(range(len(rows)), [look(row.method).short for row in rows])
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="y", visible=False)
            axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5))
            axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
            axes.set_xlabel(f"Share of the true {axis.noun}s")

        panels.append(Panel(axis.text(level), draw))
    most = max(
        (recall[recall["level"] == v]["method"].nunique() for v in recall["level"]), default=3
    )
    return Plot(
        "pore_fates",
        f"What became of the {axis.noun}s",
        f"Each bar up to the line is the true {axis.noun}s; what stands beyond it was invented. A "
        f"good restoration fills the bar with found and leaves nothing beyond. A merged "
        f"{axis.noun} (fused with a neighbour) or a split one (in pieces) is seen, but neither its "
        "size nor its shape is to be trusted.",
        panels,
        panel_size=(_PANEL[0], 1.0 + 0.27 * max(most, 3)),
        patches=[(label, colour) for label, colour in FATES.values()],
        margins=(0.85, 0.5),
    )


def _class_label(lower, upper):
    if math.isinf(upper):
        return f"≥ {lower:g}"
    return f"< {upper:g}" if lower == 0 else f"{lower:g}–{upper:g}"


def _size_classes(metrics, metric, axis):
    rows = by_size(metrics, metric)
    rows = rows[rows["level"].notna() & rows["value"].notna() & (rows["method"] != "truth")]
    recall = metric == "pore_recall"
    noun = axis.noun
    panels = []
    classes = sorted(set(zip(rows["lower"], rows["upper"], strict=True)))[:_LABELS]
    levels = sorted(set(rows["level"]))
    for method in ordered(rows["method"]):
        cells = rows[rows["method"] == method]
        cells = cells.drop_duplicates(["level", "lower", "upper"])

        def draw(axes, cells=cells):
            table = {(r.level, r.lower, r.upper): r for r in cells.itertuples()}
            axes.grid(False)
            for x, level in enumerate(levels):
                for y, (lower, upper) in enumerate(classes):
                    cell = table.get((level, lower, upper))
                    if cell is not None:
                        _cell(axes, x, y, cell)
            axes.set_xlim(-0.5, len(levels) - 0.5)
            axes.set_ylim(-0.5, len(classes) - 0.5)
            axes.set_xticks(range(len(levels)), [axis.text(level) for level in levels])
            axes.set_yticks(range(len(classes)), [_class_label(*c) for c in classes])
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
            axes.set_xlabel(axis.title)
            axes.set_ylabel(f"{axis.noun.title()} diameter ({axis.unit})")

        panels.append(Panel(look(method).name, draw))
    size = (_PANEL[0], 1.05 + 0.27 * max(len(classes), 3))
    if recall:
        return Plot(
            "recall_by_size",
            "Which sizes are found",
            f"Share of the true {noun}s of each size that were found, rounded down, with their "
            f"number in brackets. Framed cells reach {percent(TRUSTED_RECALL)}; what lies below the lowest "
            f"frame of a column is beyond this method: there a missing {noun} proves nothing. Classes "
            f"of fewer than {FEWEST} are not coloured.",
            panels,
            panel_size=size,
        )
    return Plot(
        "precision_by_size",
        "Which sizes are real",
        f"Share of the {noun}s shown that are real, by size, rounded down, their number in "
        f"brackets. Low values mark sizes at which {noun}s are invented, merged or split.",
        panels,
        panel_size=size,
    )


def _cell(axes, x, y, cell):
    few = cell.n < FEWEST
    share = "100 %" if cell.value >= 1 else f"{math.floor(100 * cell.value + 1e-9)} %"
    colour = "none" if few else matplotlib.colormaps["cividis"](0.08 + 0.88 * cell.value)
    framed = not few and cell.value >= TRUSTED_RECALL
    axes.add_patch(
        matplotlib.patches.FancyBboxPatch(
            (x - 0.43, y - 0.41),
            0.86,
            0.82,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=colour,
            edgecolor=INK if framed else SHADE if few else "none",
            lw=1.6 if framed else 0.8,
        )
    )
    number = "" if math.isnan(cell.n) else f" ({cell.n:.0f})"
    text = MUTED if few else "#ffffff" if cell.value < 0.55 else "#000000"
    axes.text(x, y, share + number, ha="center", va="center", color=text, fontsize=7.5)


def _inner(pores):
    """Pores that the field of view does not cut, with a size."""
    if not len(pores) or "diameter" not in pores:
        return pores.iloc[:0]
    pores = pores.assign(diameter=pd.to_numeric(pores["diameter"], errors="coerce"))
    if "edge" in pores:
        edge = pores["edge"].map(lambda v: str(v).strip().lower() in ("true", "1", "1.0"))
        pores = pores[~edge]
    return pores[pores["diameter"].notna()]


def _porosities(metrics):
    """Mean porosity of each method and level; the truth's under the level NaN."""
    rows = metrics[(metrics["metric"] == "porosity") & metrics["subset"].isin(["all", ""])]
    found = rows.dropna(subset="value").groupby(["method", "level"], dropna=False)["value"].mean()
    table = {}
    for (method, level), value in found.items():
        table[(method, None if method == "truth" or math.isnan(level) else level)] = value
    return table


def _histograms(pores, metrics, axis):
    inner = _inner(pores)
    panels = []
    truth = inner[inner["method"] == "truth"] if len(inner) else inner
    restored = inner[(inner["method"] != "truth") & inner["level"].notna()] if len(inner) else inner
    porosity = _porosities(metrics)
    noun = axis.noun
    if len(restored):
        top = inner["diameter"].max()
        width = _BIN
        # Wider bins where the sizes span very many of them (own data in another unit).
        while top / width > 40:
            width *= 2 if f"{width:g}"[0] in "15" else 2.5
        while top / width < 4:
            width /= 2
        edges = np.arange(0, top + width, width)
        groups = [
            truth["diameter"],
            *(g["diameter"] for _, g in restored.groupby(["level", "method"])),
        ]
        highest = max(np.histogram(sizes, edges)[0].max() for sizes in groups)
        for level in sorted(set(restored["level"])):
            here = restored[restored["level"] == level]

            def draw(axes, here=here, level=level, edges=edges):
                middle = (edges[:-1] + edges[1:]) / 2
                if len(truth):
                    counts = np.histogram(truth["diameter"], edges)[0]
                    axes.bar(middle, counts, width=0.92 * np.diff(edges), color=SHADE, zorder=1)
                handles = []
                if len(truth):
                    value = porosity.get(("truth", None))
                    handles.append(Patch(color=SHADE, label=_phi("Truth", value)))
                for method in ordered(here["method"]):
                    how = look(method)
                    sizes = here.loc[here["method"] == method, "diameter"]
                    counts = np.histogram(sizes, edges)[0].astype(float)
                    shown = np.flatnonzero(counts)
                    # Lines reach one empty bin beyond the first and last pores, no further.
                    first, last = max(shown[0] - 1, 0), min(shown[-1] + 2, len(counts))
                    (line,) = axes.plot(
                        middle[first:last],
                        counts[first:last],
                        color=how.colour,
                        marker=how.marker,
                        ms=3.6,
                        lw=1.2,
                        ls="--" if how.variant else "-",
                        label=_phi(how.short, porosity.get((method, level))),
                    )
                    handles.append(line)
                axes.set_xlim(0, edges[-1])
                # Room for the legend above the highest bar of any panel.
                axes.set_ylim(0, highest * (1.1 + 0.11 * math.ceil(len(handles) / 2)))
                axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5, integer=True))
                axes.set_xlabel(f"Equivalent diameter ({axis.unit})")
                axes.set_ylabel(f"{axis.noun.title()}s per {edges[1]:g} {axis.unit}")
                axes.legend(
                    handles=handles,
                    loc="upper center",
                    ncols=2,
                    fontsize=7.5,
                    borderaxespad=0,
                    columnspacing=1.2,
                    handlelength=1.4,
                )

            panels.append(Panel(axis.text(level), draw))
    return Plot(
        "pore_sizes",
        f"{noun.title()} sizes against the truth",
        f"Number of {noun}s by equivalent diameter; the grey bars are the truth, φ is the "
        f"porosity. A good restoration follows the tops of the bars. Distrust a "
        f"line above the bars at small sizes (noise taken for {noun}s) or below them ({noun}s lost "
        "or merged).",
        panels,
        panel_size=(_PANEL[0], 3.1),
    )


def _phi(name, value):
    return name if value is None else f"{name}, φ {100 * value:.1f} %"


def _sphericity(pores, axis):
    inner = _inner(pores)
    panels, drawn = [], []
    column = next((c for c in ("sphericity_mesh", "sphericity_lindblad") if c in inner), None)
    if column is not None and len(inner):
        inner = inner.assign(shape=pd.to_numeric(inner[column], errors="coerce"))
        inner = inner[inner["shape"].notna()]
        truth = inner[inner["method"] == "truth"]
        restored = inner[(inner["method"] != "truth") & inner["level"].notna()]
        low = inner["shape"].quantile(0.003) if len(inner) else 0.5
        low = max(0.0, math.floor(10 * min(low, 0.85)) / 10)
        for level in sorted(set(restored["level"])):
            here = restored[restored["level"] == level]
            groups = [("truth", truth["shape"])] if len(truth) else []
            groups += [(m, here.loc[here["method"] == m, "shape"]) for m in ordered(here["method"])]
            drawn += [method for method, _ in groups]

            def draw(axes, groups=groups):
                for x, (method, values) in enumerate(groups):
                    _box(axes, x, values.to_numpy(), look(method).colour)
                if groups[0][0] == "truth":
                    axes.axhline(groups[0][1].mean(), color=INK, lw=0.8, ls=(0, (4, 3)), zorder=0)
                axes.set_xticks(
                    range(len(groups)),
                    [look(method).short for method, _ in groups],
                    rotation=35 if len(groups) > 4 else 0,
                    ha="right" if len(groups) > 4 else "center",
                    rotation_mode="anchor",
                )
                axes.set_xlim(-0.6, len(groups) - 0.4)
                axes.set_ylim(low, 1.03)
                axes.grid(axis="x", visible=False)
                axes.set_ylabel("Sphericity (1 is a sphere)")
                hidden = sum(int((values < low).sum()) for _, values in groups)
                if hidden:
                    axes.text(
                        0.01,
                        0.01,
                        f"{hidden} below the axis",
                        transform=axes.transAxes,
                        color=MUTED,
                        fontsize=7.5,
                    )

            panels.append(Panel(axis.text(level), draw))
    return Plot(
        "sphericity",
        f"{axis.noun.title()} shape",
        f"How round the {axis.noun}s are. Box: the middle half of them; thick line: mean; whiskers: "
        f"one standard deviation; points: up to {_POINTS} single {axis.noun}s. Means should meet "
        f"the dashed line, the truth's mean. Low points are ragged or merged {axis.noun}s, often "
        "invented.",
        panels,
        margins=(0.68, 0.75),
    )


def _box(axes, x, values, colour):
    quarter, median, three = np.quantile(values, [0.25, 0.5, 0.75])
    mean, sd = values.mean(), values.std(ddof=1) if len(values) > 1 else 0.0
    rng = np.random.default_rng(1)
    some = values if len(values) <= _POINTS else rng.choice(values, _POINTS, replace=False)
    spread = x + rng.uniform(-0.36, 0.36, len(some))
    # One path of short strokes with round ends: points that keep a page small.
    path = np.full((3 * len(some), 2), np.nan)
    path[0::3] = np.column_stack([spread, some])
    path[1::3] = np.column_stack([spread + 1e-3, some])
    axes.plot(
        path[:, 0],
        path[:, 1],
        color=colour,
        alpha=0.45,
        lw=2.4,
        solid_capstyle="round",
        snap=False,  # a raster would draw most of the strokes without length
        zorder=1,
    )
    axes.add_patch(
        matplotlib.patches.Rectangle(
            (x - 0.27, quarter),
            0.54,
            max(three - quarter, 1e-4),
            facecolor="none",
            edgecolor=colour,
            lw=1.4,
            zorder=3,
        )
    )
    axes.plot([x - 0.27, x + 0.27], [median, median], color=colour, lw=1, zorder=3)
    axes.plot([x - 0.34, x + 0.34], [mean, mean], color=INK, lw=2.2, zorder=4)
    axes.errorbar(x, mean, yerr=sd, color=INK, fmt="none", lw=1, capsize=4, zorder=4)


def _pore_space(metrics, spaces, axis):
    panels, methods = [], set()
    for metric, title, label in (
        ("local_thickness_mean", "Local thickness", f"Mean ({axis.unit})"),
        ("chord_length_mean", "Chord length", f"Mean over axes ({axis.unit})"),
        ("correlation_length", "Correlation length", f"Length ({axis.unit})"),
    ):
        rows = metrics[(metrics["metric"] == metric) & metrics["value"].notna()]
        mean = rows.groupby(["method", "level"], dropna=False)["value"].mean().reset_index()
        mean = mean.assign(low=np.nan, high=np.nan)
        truth = mean.loc[mean["method"] == "truth", "value"]
        mean = mean[(mean["method"] != "truth") & mean["level"].notna()].sort_values("level")
        if not len(mean):
            continue
        methods |= set(mean["method"])

        def draw(axes, mean=mean, truth=truth, label=label):
            if len(truth):
                axes.axhline(truth.iloc[0], color=INK, lw=1, ls=(0, (4, 3)))
            method_lines(axes, mean, axis)
            axes.set_ylim(bottom=0)
            axes.set_ylabel(label)

        panels.append(Panel(title, draw))
    if len(spaces) and {"distance", "two_point"} <= set(spaces):
        spaces = spaces.assign(
            distance=pd.to_numeric(spaces["distance"], errors="coerce").round(9),
            two_point=pd.to_numeric(spaces["two_point"], errors="coerce"),
        ).dropna(subset=["distance", "two_point"])
        mean = spaces.groupby(["level", "method", "distance"], dropna=False)["two_point"].mean()
        mean = mean.reset_index()
        truth = mean[mean["method"] == "truth"]
        for level in sorted(set(mean["level"].dropna())):
            here = mean[(mean["level"] == level) & (mean["method"] != "truth")]
            methods |= set(here["method"])

            def draw(axes, here=here, truth=truth):
                axes.plot(truth["distance"], truth["two_point"], color=INK, lw=1, ls=(0, (4, 3)))
                for method in ordered(here["method"]):
                    line, how = here[here["method"] == method], look(method)
                    dash = "--" if how.variant else "-"
                    axes.plot(line["distance"], line["two_point"], color=how.colour, ls=dash)
                axes.set_xlim(left=0)
                axes.set_ylim(bottom=0)
                axes.set_xlabel(f"Distance ({axis.unit})")
                axes.set_ylabel("Two-point probability")

            panels.append(Panel(f"Two-point correlation, {axis.text(level)}", draw))
    return Plot(
        "pore_space",
        "The pore space as a whole",
        "Measures that need no separation into single objects; the dashed line is the truth. Local "
        "thickness is the largest sphere that fits around a point, a chord a straight way through, "
        "the two-point correlation the chance that two points at a distance both lie in the pore "
        "space. Distrust a curve that meets the truth only far out: the fine structure is lost.",
        panels,
        ordered(methods),
        extra=[("Truth", {"color": INK, "ls": (0, (4, 3)), "lw": 1})] if panels else [],
    )


def _resolution(curves, axis):
    panels, methods = [], set()
    if len(curves) and {"sigma", "mse"} <= set(curves):
        curves = curves.assign(
            sigma=pd.to_numeric(curves["sigma"], errors="coerce"),
            mse=pd.to_numeric(curves["mse"], errors="coerce"),
        ).dropna(subset=["sigma", "mse", "level"])
        curves = curves[(curves["method"] != "truth") & (curves["mse"] > 0)]
        mean = curves.groupby(["level", "method", "sigma"])["mse"].mean().reset_index()
        bottom, top = mean["mse"].min() / 2.2, mean["mse"].max() * 1.5
        for level in sorted(set(mean["level"])):
            here = mean[mean["level"] == level]
            methods |= set(here["method"])

            def draw(axes, here=here):
                axes.set_yscale("log")
                for method in ordered(here["method"]):
                    line = here[here["method"] == method].sort_values("sigma")
                    how = look(method)
                    best = line.loc[line["mse"].idxmin()]
                    axes.plot(
                        line["sigma"],
                        line["mse"],
                        color=how.colour,
                        ls="--" if how.variant else "-",
                    )
                    if best["sigma"] == line["sigma"].max():
                        continue  # the curve still falls: its minimum lies further right
                    axes.plot(
                        [best["sigma"]] * 2,
                        [bottom, best["mse"]],
                        color=how.colour,
                        lw=1,
                        ls=(0, (2, 2)),
                    )
                    axes.plot(best["sigma"], best["mse"], color=how.colour, marker=how.marker)
                axes.set_ylim(bottom, top)
                axes.yaxis.set_major_formatter(FuncFormatter(_power))
                axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
                axes.set_xlim(left=0, right=here["sigma"].max())
                axes.set_xlabel(f"Blur given to the truth, sigma ({axis.unit})")
                axes.set_ylabel("Mean squared error")

            panels.append(Panel(axis.text(level), draw))
    return Plot(
        "resolution",
        "Effective resolution",
        "The truth is blurred more and more until it looks like the restored image; the lowest "
        "point of a curve, dropped to the axis, is the blur that is left. The further left, the "
        "sharper; a curve that still falls at the right has its minimum further out. This measure does "
        "not see invented detail: sharp is not the same as right.",
        panels,
        ordered(methods),
    )


def _similarity(metrics, axis):
    panels, methods = [], set()
    for metric, title in (
        ("ms_ssim_matlab", "Multi-scale similarity (MATLAB's weights)"),
        ("ms_ssim_wang", "Multi-scale similarity (Wang's weights)"),
    ):
        rows = whole_rows(metrics, metric)
        if not len(rows):
            continue
        methods |= set(rows["method"])

        def draw(axes, rows=rows):
            method_lines(axes, rows, axis)
            axes.set_ylim(top=1.0 + 0.02 * (1 - axes.get_ylim()[0]))
            axes.set_ylabel("MS-SSIM")

        panels.append(Panel(title, draw))
    return Plot(
        "ms_ssim",
        "Multi-scale structural similarity",
        "Likeness to the truth from fine to coarse detail together; 1 is best. The maps on the "
        "sample pages show where it is lost.",
        panels,
        ordered(methods),
    )


def _training(histories, axis, column):
    panels, methods = [], set()
    split_name = "split" if "split" in histories else None
    if len(histories) and column in histories and "step" in histories:
        table = histories.assign(
            step=pd.to_numeric(histories["step"], errors="coerce"),
            y=pd.to_numeric(histories[column], errors="coerce"),
            validation=(
                histories[split_name].astype(str).str.startswith("val") if split_name else False
            ),
        ).dropna(subset=["step", "y", "level"])
        if column == "loss":
            table = table[table["y"] > 0]
        for level in sorted(set(table["level"])):
            here = table[table["level"] == level]
            methods |= set(here["method"])

            def draw(axes, here=here):
                for (method, validation), line in here.groupby(["method", "validation"]):
                    how = look(method)
                    line = _thin(line.sort_values("step"), 200)
                    axes.plot(
                        line["step"],
                        line["y"],
                        color=how.colour,
                        lw=1.8 if validation else 0.9,
                        alpha=1 if validation else 0.6,
                        marker=how.marker if validation and len(line) <= 40 else "",
                        ms=4,
                    )
                axes.set_xlim(left=0)
                axes.set_xlabel("Training step")
                axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5))
                # All digits that a tick needs, however narrow the range.
                axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.5g}"))
                if column == "loss":
                    axes.set_yscale("log")
                    low, high = axes.get_ylim()
                    if high < 30 * low:  # hardly a power of ten in it
                        axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5))
                        axes.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
                    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.5g}"))
                    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
                    axes.set_ylabel("Loss (own to each method)")
                else:
                    axes.set_ylabel("PSNR to the target (dB)")

            panels.append(Panel(axis.text(level), draw))
    title = "Training: likeness to the target" if column == "psnr" else "Training: loss"
    caption = (
        "A curve that still climbs was stopped early; a thick curve (validation, data kept from "
        "training) that falls while the thin one rises has learned its examples by heart. The "
        "target has noise of its own, which sets a ceiling."
        if column == "psnr"
        else "The quantity that training lowers; thick: validation, thin: training. Compare the "
        "shape of curves, not the losses of different methods."
    )
    return Plot(f"training_{column}", title, caption, panels, ordered(methods))


# Columns of a GAN's history, label and look: its losses, and what its discriminator says.
_ADVERSARIES = {
    "Loss": (
        ("adversarial", "generator, adversarial part", BLUE, "-"),
        ("discriminator", "discriminator", VERMILLION, "--"),
    ),
    "Discriminator's output": (
        ("real", "for the target", VERMILLION, "--"),
        ("fake", "for what was restored", BLUE, "-"),
    ),
}


def _adversaries(histories, axis):
    panels = []
    if {"adversarial", "discriminator", "level"} <= set(histories):
        names = [name for lines in _ADVERSARIES.values() for name, *_ in lines]
        table = histories.assign(
            **{name: pd.to_numeric(histories[name], errors="coerce") for name in ("step", *names)}
        ).dropna(subset=["step", "level", "discriminator"])
        if "alpha" in table:  # the SEM GAN records a share of the generator's loss
            share = pd.to_numeric(table["alpha"], errors="coerce").notna()
            loss = pd.to_numeric(table["loss"], errors="coerce").where(share, 1.0)
            table = table.assign(adversarial=table["adversarial"] * loss)
        for (method, level), here in table.groupby(["method", "level"]):
            for what, lines in _ADVERSARIES.items():

                def draw(axes, here=here, what=what, lines=lines):
                    for name, label, colour, style in lines:
                        line = _thin(here.dropna(subset=[name]).sort_values("step"), 200)
                        axes.plot(
                            line["step"], line[name], style, color=colour, lw=1.4, label=label
                        )
                    axes.set_xlim(left=0)
                    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
                    axes.set_xlabel("Training step")
                    axes.set_ylabel(what)
                    axes.legend(fontsize=8, frameon=False)

                panels.append(Panel(f"{look(method).short}, {axis.text(level)}", draw))
    return Plot(
        "training_adversaries",
        "Training: generator against discriminator",
        "Neither of the two losses is to fall to zero: each side lives by the other's mistakes. Where "
        "the outputs for the target (wanted: 1) and for what was restored (wanted: 0) part for good, "
        "the discriminator has won and teaches nothing more; where they meet, it can't tell them apart.",
        panels,
    )


def _thin(line, most):
    if len(line) <= most:
        return line
    return line.iloc[np.linspace(0, len(line) - 1, most).round().astype(int)]


def check_tables(metrics):
    """Refuse a metrics table that the report can't read.

    Parameters
    ----------
    metrics : pandas.DataFrame

    Raises
    ------
    AcuityError
        If a needed column is missing.
    """
    missing = {"sample", "method", "level", "metric", "value"} - set(metrics)
    if missing:
        raise AcuityError(
            f"metrics table: column {sorted(missing)[0]!r} is missing; found "
            f"{', '.join(map(str, metrics.columns)) or 'none'}"
        )
