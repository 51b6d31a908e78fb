"""Figures of a report, drawn from tidy tables.

A figure is a `Plot`: panels that are drawn one by one for the pages (so that they flow on a narrow
screen) or together for a picture file.
"""

import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle

from acuity.report import style, verdict
from acuity.report.drawing import drawing_of
from acuity.report.style import GRID, INK, MUTED, SHADE, look, ordered
from acuity.report.verdict import FEWEST, POOLED, TRUSTED_RECALL, percent, tidy

_PANEL = (3.9, 2.9)  # inches; about the width of a phone at 9 points
_STYLE = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), INK),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), MUTED),
    **dict.fromkeys(("axes.grid", "axes.axisbelow", "axes.unicode_minus"), True),
    # Names that users type may hold a dollar sign.
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "text.parse_math"), False),
    **dict.fromkeys(("legend.frameon", "path.simplify"), False),
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "legend.fontsize": 8,
    "legend.handlelength": 1.6,
    "svg.fonttype": "none",
}
_DASHES = (0, (4, 3))
_SHAPES = ("sphericity_mesh", "sphericity_lindblad")
_STEPS = 200  # of a training, drawn at most
_ABREAST = 3  # panels beside one another at most
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
        Room in inches at the left of a panel's axes, more where what is written there is wider, and
        below them.
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

    def figure(self):
        """Draw all panels into one figure.

        Returns
        -------
        matplotlib.figure.Figure
            Where there is nothing to draw, a figure that says so.
        """
        with matplotlib.rc_context(_STYLE):
            count = max(len(self.panels), 1)
            across = 2 if count == 4 else min(_ABREAST, count)
            down = math.ceil(count / across)
            width, height = self.panel_size
            looks = map(look, self.legend)
            handles = [
                Line2D([], [], **how.line, marker=how.marker, label=how.name) for how in looks
            ]
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
        with matplotlib.rc_context(_STYLE):
            drawn = [Figure(self.panel_size).add_axes(self._inside(0)) for _ in self.panels]
            for axes, panel in zip(drawn, self.panels, strict=True):
                axes.set_title(panel.title, loc="left")
                panel.draw(axes)
            # The same margin for all, so that the axes of panels above one another line up.
            inside = self._inside(max(map(_room, drawn), default=0))
            for number, (axes, panel) in enumerate(zip(drawn, self.panels, strict=True)):
                axes.set_position(inside)
                matplotlib.rcParams["svg.hashsalt"] = f"{self.name}{number}"
                label = f"{self.title}: {panel.title}"
                drawings.append(_svg(axes.figure, f"{self.name}-{number}", label))
        return drawings

    def _inside(self, room):
        """Place axes in a panel of their own, with some inches at their left at least."""
        (width, height), (left, below) = self.panel_size, self.margins
        left = max(left, room)
        size = ((width - left - 0.1) / width, (height - below - 0.3) / height)
        return (left / width, below / height, *size)

    def save(self, folder):
        """Write it as PNG and as SVG, and beside it what pages show of it.

        Parameters
        ----------
        folder : path-like
            Made if need be.

        Returns
        -------
        list of pathlib.Path
            ``name.png``, ``name.svg`` and ``name.json`` (`acuity.report.drawing.Drawing`).
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        figure = self.figure()
        files = [folder / f"{self.name}.png", folder / f"{self.name}.svg"]
        with matplotlib.rc_context(_STYLE | {"svg.hashsalt": self.name}):
            # Not by savefig, which draws everything once more before.
            figure.set(facecolor="white", dpi=130)
            FigureCanvasAgg(figure).print_png(files[0], metadata={"Software": None})
            figure.set_layout_engine("none")  # it is laid out
            figure.set_dpi(72)
            FigureCanvasSVG(figure).print_svg(files[1], metadata={"Date": None, "Creator": None})
        return [*files, drawing_of(self).write(folder)]


def _room(axes):
    """Inches that what is written beside the y axis takes up."""
    box = axes.yaxis.get_tightbbox(FigureCanvasAgg(axes.figure).get_renderer())
    return (axes.bbox.x0 - box.x0) / axes.figure.dpi + 0.02 if box else 0.0


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

# Of each table, the columns of text and of numbers that figures read.
_PORES = ("sample", "method", "variant", "edge"), ("level", "diameter", *_SHAPES)
_CURVES = ("sample", "method", "variant"), ("level", "sigma", "mse")
_SPACES = ("sample", "method", "variant"), ("level", "distance", "two_point")
_HISTORIES = (
    ("method", "variant", "split"),
    ("level", "step", "loss", "psnr", "adversarial", "discriminator", "real", "fake", "alpha"),
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the figures of some samples are drawn from, tidied.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Pooled over the samples, or means over them.
    beside : pandas.DataFrame
        The same of the training samples; empty where they are not shown.
    porosities : dict of (str, float or None) to float
        Mean porosity of each method and level; the truth's level is None.
    pores, curves, spaces : pandas.DataFrame
        Rows of the samples; of pores those that the field of view does not cut.
    histories : pandas.DataFrame
        Of all trainings.
    words : acuity.report.style.Words
        How levels, lengths and objects are written; its unit as it is printed.
    """

    metrics: pd.DataFrame
    beside: pd.DataFrame
    porosities: dict
    pores: pd.DataFrame
    curves: pd.DataFrame
    spaces: pd.DataFrame
    histories: pd.DataFrame
    words: style.Words


def plots(
    metrics,
    pores=None,
    curves=None,
    histories=None,
    spaces=None,
    *,
    samples=None,
    training_samples=(),
    words=style.PLAIN,
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
    training = set(training_samples) if samples is None else set()
    if samples is None:
        names = set(metrics["sample"]) - training - {POOLED}
    else:
        names = {samples} if isinstance(samples, str) else set(samples)
    own = metrics[metrics["sample"].isin(names)]
    pooled = metrics[metrics["sample"] == POOLED] if samples is None else own.iloc[:0]
    pores, curves, spaces = (
        _columns(table, columns, names)
        for table, columns in ((pores, _PORES), (curves, _CURVES), (spaces, _SPACES))
    )
    cut = pores["edge"].str.strip().str.lower().isin(["true", "1", "1.0"])
    shown = Shown(
        metrics=pooled if len(pooled) else _mean(own),
        beside=_mean(metrics[metrics["sample"].isin(training)]),
        porosities=_porosities(own),
        pores=pores[~cut & pores["diameter"].notna()],
        curves=curves.dropna(subset=["sigma", "mse"]),
        spaces=spaces.dropna(subset=["distance", "two_point"]),
        histories=_columns(histories, _HISTORIES).dropna(subset=["step", "level"]),
        words=replace(words, unit=verdict.unit_text(words.unit or verdict.length_unit(metrics))),
    )
    return [draw(shown) for draw in _FIGURES]


def study_figures(metrics, *, out_dir, names=None, **options):
    """Write the study's figures for other programs and for Snakemake's report.

    Parameters
    ----------
    metrics : pandas.DataFrame
    out_dir : path-like
        Folder.
    names : sequence of str, optional
        Those of `NAMES` to draw; all by default.
    **options
        Further tables and the rest, as for `plots`.

    Returns
    -------
    list of pathlib.Path
        ``NAME.png`` and ``NAME.svg`` for each name, whatever was measured; a figure without
        data says so. ``NAME.json`` for all of `NAMES`: pages tell what was not measured.
    """
    files = []
    for plot in plots(metrics, **options):
        if names is None or plot.name in names:
            files += plot.save(out_dir)
        else:
            files.append(drawing_of(plot).write(out_dir))
    return files


def _columns(table, columns, names=None):
    """The columns of a table that figures read, of the rows of some samples."""
    if names is not None and table is not None and "sample" in table:
        table = table[table["sample"].astype(str).isin(names)]
    return tidy(table, text=columns[0], numbers=columns[1])


def _mean(rows):
    """Mean of each figure over samples; one sample keeps its own interval."""
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


def _porosities(metrics):
    """Mean porosity of each method and level; the truth's under the level None."""
    rows = metrics[(metrics["metric"] == "porosity") & metrics["subset"].isin(["all", ""])]
    means = rows.dropna(subset="value").groupby(["method", "level"], dropna=False)["value"].mean()
    return {
        (method, None if method == "truth" or math.isnan(level) else level): value
        for (method, level), value in means.items()
    }


def whole_rows(metrics, metric):
    """Pick one metric's rows of whole volumes, by level, the truth's left out."""
    rows = metrics[(metrics["metric"] == metric) & metrics["subset"].isin(["all", ""])]
    rows = _restored(rows[rows["value"].notna()])
    return rows.drop_duplicates(["method", "level"]).sort_values("level")


def _restored(rows):
    """Rows of what has a level and is no truth."""
    return rows[rows["level"].notna() & (rows["method"] != "truth")]


def _by_method(rows):
    """Yield each method and its rows, in the order of legends."""
    for method in ordered(rows["method"]):
        yield method, rows[rows["method"] == method]


def _by_level(rows, words, draw, title=""):
    """Return a panel a level; `draw` takes axes and, as ``rows``, the level's."""
    return [
        Panel(title + words.level(level), partial(draw, rows=here))
        for level, here in rows.groupby("level")
    ]


def method_lines(axes, rows, words, *, hollow=None):
    """Draw one line a method against level, with its interval where there is one."""
    levels = set(rows["level"])
    lines = list(_by_method(rows))
    apart = 0.025 * min(np.diff(sorted(levels)), default=1.0)
    for rank, (method, line) in enumerate(lines):
        how = look(method)
        # A little apart, so that whiskers do not hide one another.
        x = line["level"] + apart * (rank - (len(lines) - 1) / 2)
        axes.plot(x, line["value"], **how.line, marker=how.marker, markeredgewidth=0.8, zorder=3)
        has = (line["low"].notna() & line["high"].notna()).to_numpy()
        if has.any():
            line, x = line[has], x[has]
            below = (line["value"] - line["low"]).clip(lower=0)
            above = (line["high"] - line["value"]).clip(lower=0)
            whiskers = {"ecolor": how.colour, "elinewidth": 1.1, "capsize": 2.5, "zorder": 2}
            axes.errorbar(x, line["value"], yerr=[below, above], fmt="none", **whiskers)
    for method, line in () if hollow is None else _by_method(hollow):
        how = look(method).line | {"marker": look(method).marker, **_HOLLOW}
        axes.plot(line["level"], line["value"], **how, lw=1.2, zorder=2.5)
        levels |= set(line["level"])
    level_axis(axes, words, levels, apart * (len(lines) - 1) / 2)


def level_axis(axes, words, levels, beside=0.0):
    """Bring the levels to the axis of some axes, with what is drawn as far beside them."""
    levels = sorted(levels)
    span = (levels[-1] - levels[0]) or 1.0
    margin = max(0.08 * span, beside + 0.03 * span)
    axes.set(xlim=(levels[0] - margin, levels[-1] + margin), xlabel=words.level_title)
    axes.xaxis.set_major_locator(ticker.FixedLocator(levels))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(lambda v, _: words.level(v))


_HOLLOW = {"ls": ":", "mfc": "none"}
_ON_TRAINING_SAMPLES = ("on training samples", {"color": MUTED, "marker": "o", **_HOLLOW})


def _against_level(shown, metrics, finish, *, pick=whole_rows, beside=None):
    """Return what a plot shows of metrics against level, those that were measured.

    Parameters
    ----------
    shown : Shown
    metrics : iterable of (str, str, str)
        Metric, title of its panel and of its axis.
    finish : callable
        Takes axes, metric and rows, and draws what only this figure has.
    pick : callable
        Takes a table and a metric and returns the rows to draw.
    beside : pandas.DataFrame, optional
        Metrics of the training samples, drawn hollow.

    Returns
    -------
    dict
        ``panels``, ``legend`` and ``extra`` of a `Plot`.
    """
    panels, methods, extra = [], set(), []
    for metric, title, label in metrics:
        rows = pick(shown.metrics, metric)
        if not len(rows):
            continue
        hollow = rows.iloc[:0] if beside is None else pick(beside, metric)
        # Learned methods that were judged on others as well.
        hollow = hollow[hollow["method"].isin(set(rows["method"]) - {"input"})]
        extra = [_ON_TRAINING_SAMPLES] if len(hollow) else extra
        methods |= set(rows["method"])

        def draw(axes, metric=metric, rows=rows, label=label, hollow=hollow):
            method_lines(axes, rows, shown.words, hollow=hollow)
            axes.set_ylabel(label)
            finish(axes, metric, rows)

        panels.append(Panel(title, draw))
    return {"panels": panels, "legend": ordered(methods), "extra": extra}


def _up_to_one(axes):
    """End an axis of likeness at 1, the best, with a little room."""
    axes.set_ylim(top=1.0 + 0.02 * (1 - axes.get_ylim()[0]))


def quality(shown):
    """Draw errors and likeness against level."""

    def finish(axes, metric, rows):
        positive = rows["value"][rows["value"] > 0]
        if metric == "ssim":
            _up_to_one(axes)
        elif metric == "mse" and len(positive) and positive.max() > 8 * positive.min():
            axes.set_yscale("log")
            write_powers(axes.yaxis)
            low, high = axes.get_ylim()
            if high < 30 * low:  # hardly a power of ten in it
                axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
                axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
        elif metric == "mse":
            axes.set_ylim(bottom=0)

    metrics = (
        ("mse", "Mean squared error (lower is better)", "MSE (squared data range)"),
        ("psnr", "Signal to error (higher is better)", "PSNR (dB)"),
        ("ssim", "Structural similarity (1 is best)", "SSIM"),
    )
    return Plot(
        "quality",
        "Image quality against level",
        "Each restored image compared with the truth, voxel by voxel. A line above the grey input "
        "(below it for the error) is a gain. These figures reward smooth images and say little "
        f"about small {shown.words.noun}s: a high value alone is no reason for trust.",
        **_against_level(shown, metrics, finish, beside=shown.beside),
    )


def write_powers(axis):
    """Write the powers of ten of a logarithmic axis, and nothing between them."""
    axis.set_major_formatter(_power)
    axis.set_minor_formatter(ticker.NullFormatter())


def _power(value, _):
    """Write 0.001 as 10⁻³: superscripts that every font has."""
    exponent = math.log10(value) if value > 0 else math.nan
    if not math.isclose(exponent, round(exponent), abs_tol=1e-6):
        return ""
    return "10" + f"{round(exponent)}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def pores_found(shown):
    """Draw how many objects were found, and how many are real."""
    noun = shown.words.noun
    metrics = (
        ("pore_recall", f"{noun.title()}s found (recall)", f"Share of the true {noun}s"),
        ("pore_precision", f"Shown {noun}s that are real", f"Share of the {noun}s shown"),
        ("pores_found_ratio", "Ratio of counts", f"{noun.title()}s shown / true {noun}s"),
    )
    # One range for all panels, so that they compare; from 0 unless all values are high.
    drawn = pd.concat([whole_rows(shown.metrics, metric) for metric, *_ in metrics])
    worst = drawn["value"].min()
    bottom = math.floor(10 * (worst - 0.1)) / 10 if worst > 0.5 else 0.0

    def finish(axes, metric, rows):
        top = np.nanmax([1.0, rows["value"].max(), rows["high"].max()])
        if metric == "pores_found_ratio":
            axes.axhline(1, color=INK, lw=1, zorder=1)
        elif metric == "pore_recall":
            axes.axhline(TRUSTED_RECALL, color=MUTED, lw=0.9, ls=_DASHES, zorder=1)
        axes.set_ylim(bottom, top + 0.03 * (top - bottom))
        axes.yaxis.set_major_formatter(ticker.PercentFormatter(1, symbol=" %"))

    return Plot(
        "pores_found",
        f"{noun.title()}s found against level",
        f"Each {noun} shown is matched with at most one true {noun} that it overlaps by more than "
        "half. Both shares should be near 100 %; whiskers are 95 % intervals, the dashed line is "
        f"{percent(TRUSTED_RECALL)}. Distrust the ratio of counts taken alone: in it invented "
        f"{noun}s make up for missed ones.",
        **_against_level(shown, metrics, finish, beside=shown.beside),
    )


def pore_fates(shown):
    """Draw what became of the true objects."""
    key, noun = ["method", "level"], shown.words.noun
    recall = whole_rows(shown.metrics, "pore_recall")
    recall = recall[recall["n"] > 0].set_index(key)
    shares = pd.DataFrame(index=recall.index)
    for fate in style.FATES:
        counts = whole_rows(shown.metrics, f"pores_{fate}").set_index(key)["value"]
        shares[fate] = counts.reindex(recall.index) / recall["n"]
    shares["found"] = recall["value"]
    shares = shares[shares["missed"].notna()].fillna(0.0).reset_index()

    def draw(axes, rows):
        lines = list(_by_method(rows))[::-1]
        for y, (_, row) in enumerate(lines):
            left = 0.0
            for fate, (_, colour) in style.FATES.items():
                # The invented ones stand beyond the line: they are no part of the truth.
                left = max(left, 1.0) if fate == "false" else left
                share = row[fate].item()
                axes.barh(y, share, 0.66, left, color=colour, zorder=2, ec=MUTED, lw=0.4)
                left += share
        axes.axvline(1, color=INK, lw=1, zorder=3)
        axes.set(xlim=(0, max(1.1, axes.get_xlim()[1])), xlabel=f"Share of the true {noun}s")
        axes.set_yticks(range(len(lines)), [look(method).short for method, _ in lines])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(5))
        axes.xaxis.set_major_formatter(ticker.PercentFormatter(1, symbol=" %"))

    most = max([3, *recall.groupby("level").size()])
    return Plot(
        "pore_fates",
        f"What became of the {noun}s",
        f"Each bar up to the line is the true {noun}s; what stands beyond it was invented. A "
        f"good restoration fills the bar with found and leaves nothing beyond. A merged {noun} "
        "(fused with a neighbour) or a split one (in pieces) is seen, but neither its size nor its "
        "shape is to be trusted.",
        _by_level(shares, shown.words, draw),
        panel_size=(_PANEL[0], 1.0 + 0.27 * most),
        patches=list(style.FATES.values()),
        margins=(0.85, 0.5),
    )


def recall_by_size(shown):
    """Draw the share of objects that were found, by size."""
    noun = shown.words.noun
    return Plot(
        "recall_by_size",
        "Which sizes are found",
        f"Share of the true {noun}s of each size that were found, rounded down, with their "
        f"number in brackets. Framed cells reach {percent(TRUSTED_RECALL)}; what lies below the lowest "
        f"frame of a column is beyond this method: there a missing {noun} proves nothing. Classes "
        f"of fewer than {FEWEST} are not coloured.",
        **_size_classes(shown, "pore_recall"),
    )


def precision_by_size(shown):
    """Draw the share of objects that are real, by size."""
    noun = shown.words.noun
    return Plot(
        "precision_by_size",
        "Which sizes are real",
        f"Share of the {noun}s shown that are real, by size, rounded down, their number in "
        f"brackets. Low values mark sizes at which {noun}s are invented, merged or split.",
        **_size_classes(shown, "pore_precision"),
    )


def _size_classes(shown, metric):
    """Return what a plot shows of a metric by size class: a panel a method, a cell a level and class."""
    words, rows = shown.words, verdict.by_size(shown.metrics, metric)
    rows = _restored(rows[rows["value"].notna()])
    rows = rows.drop_duplicates(["method", "level", "lower", "upper"])
    classes = sorted(set(zip(rows["lower"], rows["upper"], strict=True)))[:_LABELS]
    levels = sorted(set(rows["level"]))

    def draw(axes, cells):
        axes.grid(False)
        cells = {(cell.level, cell.lower, cell.upper): cell for cell in cells.itertuples()}
        for (x, level), (y, bounds) in product(enumerate(levels), enumerate(classes)):
            if (level, *bounds) in cells:
                _cell(axes, x, y, cells[(level, *bounds)])
        axes.set(xlim=(-0.5, len(levels) - 0.5), ylim=(-0.5, len(classes) - 0.5))
        axes.set(xlabel=words.level_title, ylabel=f"{words.noun.title()} diameter ({words.unit})")
        axes.set_xticks(range(len(levels)), [words.level(level) for level in levels])
        axes.set_yticks(range(len(classes)), [_class_label(*bounds) for bounds in classes])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    return {
        "panels": [Panel(look(m).name, partial(draw, cells=own)) for m, own in _by_method(rows)],
        "panel_size": (_PANEL[0], 1.05 + 0.27 * max(len(classes), 3)),
    }


def _class_label(lower, upper):
    if math.isinf(upper):
        return f"≥ {lower:g}"
    return f"< {upper:g}" if lower == 0 else f"{lower:g}–{upper:g}"


def _cell(axes, x, y, cell):
    few = cell.n < FEWEST
    share = "100 %" if cell.value >= 1 else f"{math.floor(100 * cell.value + 1e-9)} %"
    framed = not few and cell.value >= TRUSTED_RECALL
    fill = "none" if few else matplotlib.colormaps["cividis"](0.08 + 0.88 * cell.value)
    edge = {"ec": INK if framed else SHADE if few else "none", "lw": 1.6 if framed else 0.8}
    how = {"boxstyle": "round,pad=0,rounding_size=0.06", "fc": fill, **edge}
    axes.add_patch(FancyBboxPatch((x - 0.43, y - 0.41), 0.86, 0.82, **how))
    number = "" if math.isnan(cell.n) else f" ({cell.n:.0f})"
    text = MUTED if few else "#ffffff" if cell.value < 0.55 else "#000000"
    axes.text(x, y, share + number, ha="center", va="center", color=text, fontsize=7.5)


def _bins(largest):
    """Edges of size bins from 0: some of five to forty, of a round width."""
    width = _BIN
    # Wider bins where the sizes span very many of them (own data in another unit).
    while largest / width > 40:
        width *= 2 if f"{width:g}"[0] in "15" else 2.5
    while largest / width < 4:
        width /= 2
    return np.arange(0, largest + width, width)


def pore_sizes(shown):
    """Draw histograms of the objects' sizes."""
    words, pores = shown.words, shown.pores
    truth, restored = pores.loc[pores["method"] == "truth", "diameter"], _restored(pores)
    panels = []
    if len(restored):
        edges = _bins(pores["diameter"].max())
        groups = [truth, *(sizes for _, sizes in restored.groupby(["level", "method"])["diameter"])]
        highest = max(np.histogram(sizes, edges)[0].max() for sizes in groups)

        def label(name, method, level):
            value = shown.porosities.get((method, level))
            return name if value is None else f"{name}, φ {100 * value:.1f} %"

        def draw(axes, rows):
            middle, handles = (edges[:-1] + edges[1:]) / 2, []
            if len(truth):
                counts = np.histogram(truth, edges)[0]
                axes.bar(middle, counts, width=0.92 * np.diff(edges), color=SHADE, zorder=1)
                handles.append(Patch(color=SHADE, label=label("Truth", "truth", None)))
            for method, own in _by_method(rows):
                how = look(method)
                counts = np.histogram(own["diameter"], edges)[0].astype(float)
                some = np.flatnonzero(counts)
                # Lines reach one empty bin beyond the first and last pores, no further.
                part = slice(max(some[0] - 1, 0), some[-1] + 2)
                name = label(how.short, method, own["level"].iloc[0])
                how = {**how.line, "marker": how.marker, "ms": 3.6, "lw": 1.2, "label": name}
                handles += axes.plot(middle[part], counts[part], **how)
            # Room for the legend above the highest bar of any panel.
            top = highest * (1.1 + 0.11 * math.ceil(len(handles) / 2))
            axes.set(xlim=(0, edges[-1]), ylim=(0, top))
            axes.set_xlabel(f"Equivalent diameter ({words.unit})")
            axes.set_ylabel(f"{words.noun.title()}s per {edges[1]:g} {words.unit}")
            axes.yaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
            close = {"borderaxespad": 0, "columnspacing": 1.2, "handlelength": 1.4}
            axes.legend(handles=handles, loc="upper center", ncols=2, fontsize=7.5, **close)

        panels = _by_level(restored, words, draw)
    return Plot(
        "pore_sizes",
        f"{words.noun.title()} sizes against the truth",
        f"Number of {words.noun}s by equivalent diameter; the grey bars are the truth, φ is the "
        "porosity. A good restoration follows the tops of the bars. Distrust a "
        f"line above the bars at small sizes (noise taken for {words.noun}s) or below them "
        f"({words.noun}s lost or merged).",
        panels,
        panel_size=(_PANEL[0], 3.1),
    )


def sphericity(shown):
    """Draw how round objects are."""
    noun, pores = shown.words.noun, shown.pores
    column = next((name for name in _SHAPES if pores[name].notna().any()), _SHAPES[0])
    pores = pores.assign(shape=pores[column]).dropna(subset="shape")
    truth, restored = pores[pores["method"] == "truth"], _restored(pores)
    low = pores["shape"].quantile(0.003)
    low = max(0.0, math.floor(10 * min(low, 0.85)) / 10) if len(pores) else 0.0

    def draw(axes, rows):
        groups = [(m, own["shape"].to_numpy()) for m, own in _by_method(pd.concat([truth, rows]))]
        for x, (method, values) in enumerate(groups):
            _box(axes, x, values, look(method).colour)
        if len(truth):
            axes.axhline(truth["shape"].mean(), color=INK, lw=0.8, ls=_DASHES, zorder=0)
        turned = {"rotation": 35, "ha": "right"} if len(groups) > 4 else {}
        names = [look(method).short for method, _ in groups]
        axes.set_xticks(range(len(groups)), names, rotation_mode="anchor", **turned)
        axes.set(xlim=(-0.6, len(groups) - 0.4), ylim=(low, 1.03))
        axes.set_ylabel("Sphericity (1 is a sphere)")
        axes.grid(axis="x", visible=False)
        hidden = sum(int((values < low).sum()) for _, values in groups)
        if hidden:
            place = {"transform": axes.transAxes, "color": MUTED, "fontsize": 7.5}
            axes.text(0.01, 0.01, f"{hidden} below the axis", **place)

    return Plot(
        "sphericity",
        f"{noun.title()} shape",
        f"How round the {noun}s are. Box: the middle half of them; thick line: mean; whiskers: "
        f"one standard deviation; points: up to {_POINTS} single {noun}s. Means should meet "
        f"the dashed line, the truth's mean. Low points are ragged or merged {noun}s, often "
        "invented.",
        _by_level(restored, shown.words, draw),
        margins=(0.68, 0.75),
    )


def _box(axes, x, values, colour):
    quarter, median, three = np.quantile(values, [0.25, 0.5, 0.75])
    mean, sd = values.mean(), values.std(ddof=1) if len(values) > 1 else 0.0
    rng = np.random.default_rng(1)
    some = values if len(values) <= _POINTS else rng.choice(values, _POINTS, replace=False)
    spread = x + rng.uniform(-0.36, 0.36, len(some))
    # One path of short strokes with round ends: points that keep a page small. They do not snap to
    # pixels: a raster would draw most of the strokes without length.
    nothing = np.full(len(some), np.nan)
    along = np.column_stack([spread, spread + 1e-3, nothing]).ravel()
    up = np.column_stack([some, some, nothing]).ravel()
    round_ends = {"lw": 2.4, "solid_capstyle": "round", "snap": False}
    axes.plot(along, up, color=colour, alpha=0.45, zorder=1, **round_ends)
    size = 0.54, max(three - quarter, 1e-4)
    axes.add_patch(Rectangle((x - 0.27, quarter), *size, fc="none", ec=colour, lw=1.4, zorder=3))
    axes.plot([x - 0.27, x + 0.27], [median, median], color=colour, lw=1, zorder=3)
    axes.plot([x - 0.34, x + 0.34], [mean, mean], color=INK, lw=2.2, zorder=4)
    axes.errorbar(x, mean, yerr=sd, color=INK, fmt="none", lw=1, capsize=4, zorder=4)


def pore_space(shown):
    """Draw what is measured of the pore space as a whole."""
    words = shown.words

    def means(metrics, metric):
        rows = metrics[(metrics["metric"] == metric) & metrics["value"].notna()]
        rows = _restored(rows).groupby(["method", "level"], as_index=False)["value"].mean()
        return rows.assign(low=np.nan, high=np.nan).sort_values("level")

    def finish(axes, metric, rows):
        truth = (shown.metrics["metric"] == metric) & (shown.metrics["method"] == "truth")
        if shown.metrics.loc[truth, "value"].notna().any():
            axes.axhline(shown.metrics.loc[truth, "value"].mean(), color=INK, lw=1, ls=_DASHES)
        axes.set_ylim(bottom=0)

    def draw(axes, rows):
        axes.plot(truth["distance"], truth["two_point"], color=INK, lw=1, ls=_DASHES)
        for method, line in _by_method(rows):
            axes.plot(line["distance"], line["two_point"], **look(method).line)
        axes.set(xlim=(0, None), ylim=(0, None))
        axes.set(xlabel=f"Distance ({words.unit})", ylabel="Two-point probability")

    metrics = (
        ("local_thickness_mean", "Local thickness", f"Mean ({words.unit})"),
        ("chord_length_mean", "Chord length", f"Mean over axes ({words.unit})"),
        ("correlation_length", "Correlation length", f"Length ({words.unit})"),
    )
    drawn = _against_level(shown, metrics, finish, pick=means)
    keys = ["level", "method", shown.spaces["distance"].round(9)]
    curves = shown.spaces.groupby(keys, dropna=False)["two_point"].mean().reset_index()
    truth, restored = curves[curves["method"] == "truth"], _restored(curves)
    panels = drawn["panels"] + _by_level(restored, words, draw, "Two-point correlation, ")
    return Plot(
        "pore_space",
        "The pore space as a whole",
        "Measures that need no separation into single objects; the dashed line is the truth. Local "
        "thickness is the largest sphere that fits around a point, a chord a straight way through, "
        "the two-point correlation the chance that two points at a distance both lie in the pore "
        "space. Distrust a curve that meets the truth only far out: the fine structure is lost.",
        panels,
        ordered([*drawn["legend"], *restored["method"]]),
        extra=[("Truth", {"color": INK, "ls": _DASHES, "lw": 1})] if panels else [],
    )


def resolution(shown):
    """Draw the blur that is left."""
    curves = shown.curves[shown.curves["mse"] > 0]
    curves = _restored(curves).groupby(["level", "method", "sigma"], as_index=False)["mse"].mean()
    bottom, top = curves["mse"].min() / 2.2, curves["mse"].max() * 1.5

    def draw(axes, rows):
        axes.set_yscale("log")
        for method, line in _by_method(rows):
            how, best = look(method), line.loc[line["mse"].idxmin()]
            axes.plot(line["sigma"], line["mse"], **how.line)
            if best["sigma"] == line["sigma"].max():
                continue  # the curve still falls: its minimum lies further right
            drop = [best["sigma"]] * 2, [bottom, best["mse"]]
            axes.plot(*drop, color=how.colour, lw=1, ls=(0, (2, 2)))
            axes.plot(best["sigma"], best["mse"], color=how.colour, marker=how.marker)
        axes.set(xlim=(0, rows["sigma"].max()), ylim=(bottom, top), ylabel="Mean squared error")
        axes.set_xlabel(f"Blur given to the truth, sigma ({shown.words.unit})")
        write_powers(axes.yaxis)

    return Plot(
        "resolution",
        "Effective resolution",
        "The truth is blurred more and more until it looks like the restored image; the lowest "
        "point of a curve, dropped to the axis, is the blur that is left. The further left, the "
        "sharper; a curve that still falls at the right has its minimum further out. This measure does "
        "not see invented detail: sharp is not the same as right.",
        _by_level(curves, shown.words, draw),
        ordered(curves["method"]),
    )


def ms_ssim(shown):
    """Draw multi-scale similarity against level."""
    metrics = (
        ("ms_ssim_matlab", "Multi-scale similarity (MATLAB's weights)", "MS-SSIM"),
        ("ms_ssim_wang", "Multi-scale similarity (Wang's weights)", "MS-SSIM"),
    )
    return Plot(
        "ms_ssim",
        "Multi-scale structural similarity",
        "Likeness to the truth from fine to coarse detail together; 1 is best. The maps on the "
        "sample pages show where it is lost.",
        **_against_level(shown, metrics, lambda axes, metric, rows: _up_to_one(axes)),
    )


def training_psnr(shown):
    """Draw how the likeness to the target rose in training."""
    return Plot(
        "training_psnr",
        "Training: likeness to the target",
        "A curve that still climbs was stopped early; a thick curve (validation, data kept from "
        "training) that falls while the thin one rises has learned its examples by heart. The "
        "target has noise of its own, which sets a ceiling.",
        **_courses(shown, "psnr", "PSNR to the target (dB)"),
    )


def training_loss(shown):
    """Draw how losses fell in training."""
    return Plot(
        "training_loss",
        "Training: loss",
        "The quantity that training lowers; thick: validation, thin: training. Compare the "
        "shape of curves, not the losses of different methods.",
        **_courses(shown, "loss", "Loss (own to each method)"),
    )


def _courses(shown, column, label):
    """Return what a plot shows of a column of the histories: a panel a level, a line a method."""
    table = shown.histories[shown.histories[column].notna()]
    if column == "loss":
        table = table[table["loss"] > 0]

    def draw(axes, rows):
        for (method, validation), line in rows.groupby(["method", rows["split"].str[:3] == "val"]):
            how, line = look(method), _thin(line.sort_values("step"))
            thick = {"lw": 1.8} if validation else {"lw": 0.9, "alpha": 0.6}
            marker = how.marker if validation and len(line) <= 40 else ""
            axes.plot(line["step"], line[column], color=how.colour, marker=marker, ms=4, **thick)
        axes.set(xlim=(0, None), xlabel="Training step", ylabel=label)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(5))
        if column == "loss":
            axes.set_yscale("log")
            low, high = axes.get_ylim()
            if high < 30 * low:  # hardly a power of ten in it
                axes.yaxis.set_major_locator(ticker.MaxNLocator(5))
                axes.yaxis.set_minor_locator(ticker.NullLocator())
            axes.yaxis.set_minor_formatter(ticker.NullFormatter())
        # All digits that a tick needs, however narrow the range.
        axes.yaxis.set_major_formatter(lambda v, _: f"{v:.5g}")

    return {"panels": _by_level(table, shown.words, draw), "legend": ordered(table["method"])}


# Columns of a GAN's history, label and look: its losses, and what its discriminator says.
_ADVERSARIES = {
    "Loss": (
        ("adversarial", "generator, adversarial part", style.BLUE, "-"),
        ("discriminator", "discriminator", style.VERMILLION, "--"),
    ),
    "Discriminator's output": (
        ("real", "for the target", style.VERMILLION, "--"),
        ("fake", "for what was restored", style.BLUE, "-"),
    ),
}


def training_adversaries(shown):
    """Draw a generator's training against that of its discriminator."""
    table = shown.histories.dropna(subset="discriminator")
    # The SEM GAN records a share of the generator's loss, as its alpha tells.
    share = table["loss"].where(table["alpha"].notna(), 1.0)
    table = table.assign(adversarial=table["adversarial"] * share)

    def draw(axes, rows, what):
        for name, label, colour, dashes in _ADVERSARIES[what]:
            line = _thin(rows.dropna(subset=name).sort_values("step"))
            axes.plot(line["step"], line[name], dashes, color=colour, lw=1.4, label=label)
        axes.set(xlim=(0, None), ylim=(min(0, axes.get_ylim()[0]), None))
        axes.set(xlabel="Training step", ylabel=what)
        axes.legend(fontsize=8, frameon=False)

    return Plot(
        "training_adversaries",
        "Training: generator against discriminator",
        "Neither of the two losses is to fall to zero: each side lives by the other's mistakes. Where "
        "the outputs for the target (wanted: 1) and for what was restored (wanted: 0) part for good, "
        "the discriminator has won and teaches nothing more; where they meet, it can't tell them apart.",
        [
            Panel(
                f"{look(method).short}, {shown.words.level(level)}",
                partial(draw, rows=own, what=what),
            )
            for (method, level), own in table.groupby(["method", "level"])
            for what in _ADVERSARIES
        ],
    )


def _thin(line):
    """Some points of a line, where there are more than a panel can show."""
    if len(line) <= _STEPS:
        return line
    return line.iloc[np.linspace(0, len(line) - 1, _STEPS).round().astype(int)]


# In reading order. A further figure is a function of its name, which takes what is `Shown` and returns a
# `Plot` of this name; it is listed here.
_FIGURES = (
    quality,
    pores_found,
    pore_fates,
    recall_by_size,
    precision_by_size,
    pore_sizes,
    sphericity,
    pore_space,
    resolution,
    ms_ssim,
    training_psnr,
    training_loss,
    training_adversaries,
)
NAMES = tuple(draw.__name__ for draw in _FIGURES)
