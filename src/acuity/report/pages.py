"""Pages of a report: self-contained HTML for people who never open a terminal.

Everything that comes from a table or a study is escaped; style, script and pictures are inside the
page, and its content policy forbids any request and any script but its own.
"""

import base64
import hashlib
import importlib.metadata
import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import matplotlib
import numpy as np
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.markers import MarkerStyle

from acuity.measures.base import LENGTH, declared
from acuity.report.figures import check_tables, plots
from acuity.report.images import MAP_COLOURS, TINTS, data_uri, gallery
from acuity.report.style import INK, MUTED, look, ordered
from acuity.report.trainings import training_note
from acuity.report.trainings import training_table as trainings_of
from acuity.report.verdict import (
    CARE,
    GOOD,
    GRADES,
    POOLED,
    TRUSTED_RECALL,
    Line,
    figure_text,
    length_unit,
    lines,
    percent,
    summary,
    tidy,
    unit_text,
    verdicts,
)
from acuity.writing import write_text

_NOTHING = [Line("", "none", "Nothing was measured.")]
_MANY = 12  # samples from which on their list scrolls and can be searched
_ROWS = 150  # more rows than this, and the index keeps the best method of a level only

_KINDS = {
    "slice": (
        "Slices",
        "All slices side by side",
        "The same slice of every volume in the same grey window, taken from {window}.",
    ),
    "map": (
        "Similarity maps (MS-SSIM)",
        "Similarity maps side by side",
        "Where each result is like the truth (dark) and where not (bright), from fine to coarse "
        "detail together; one colour scale for all. Bright spots in solid material or in place of "
        "small {noun}s are where detail may be invented or lost.",
    ),
    "pores": (
        "{Noun}s found and missed",
        "{Noun}s found and missed, side by side",
        "{how} Look for missed ones (their size tells what the method can't recover) and for "
        "invented ones (they would enter your statistics unseen).",
    ),
}
_ALT = {"slice": "Slice", "map": "Similarity map", "pores": "Objects found and missed"}
_WHOLE = (
    "What became of each {noun} in three dimensions, on the result: found and invented ones as the "
    "result has them, the others as the truth has them."
)
_VOXELS = (
    "Where the automatic segmentation of the result agrees with the truth's, voxel by voxel; thin "
    "rims are differences of a voxel."
)


def index_page(
    metrics,
    pores=None,
    curves=None,
    histories=None,
    spaces=None,
    *,
    output,
    study,
    title="",
    samples=None,
    further=None,
    said=None,
    pooled_table=None,
    training_samples=(),
    learned=(),
    trainings=1,
    training_table=None,
    restored_samples=(),
    seen_samples=(),
    seen="",
    ran="",
    warnings=(),
    picture=None,
    provenance=None,
    command="",
    level_format="{:g}:1",
    level_title="Resolution ratio (input : target)",
    unit=None,
    noun="pore",
):
    """Write the report's first page: verdict, then figures, then provenance.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``: ``sample method variant level metric subset value unit`` and, where known,
        ``low high n``; rows pooled over the unseen samples have the sample ``unseen``.
    pores, curves, histories, spaces : pandas.DataFrame, optional
        As for `acuity.report.figures.plots`.
    output : path-like
        The page, ``report/index.html``.
    study, title : str
        Name of the study, and its title if it has one.
    samples : sequence of str, optional
        Samples in the order in which they are listed, each with a page ``{sample}.html`` beside
        this one. By default all samples of `metrics`, without links.
    further : mapping of str to list of (str, str), optional
        Further pages of a sample: title and path from this page.
    said : mapping of str to list of Line, optional
        What is judged of a sample, in the place of what its objects say; ``unseen`` for all unseen
        samples together.
    pooled_table : (list of Column, list of dict), optional
        Columns and rows that take the place of the table of all unseen samples together.
    training_samples : iterable of str
        Samples that models were trained on.
    learned : sequence of str
        Methods that learn.
    trainings : int
        How often each of them was trained.
    training_table : pandas.DataFrame, optional
        Figures of all trainings, as `acuity.measure.trainings.trainings` gives them.
    restored_samples : iterable of str
        Samples without a truth, which are shown and not judged.
    seen_samples : iterable of str
        Samples that are judged although models learned from their voxels.
    seen : str
        What is said of them, on top and below each figure.
    ran : str
        The day on which the study was run.
    warnings : sequence of str
        What jobs warned of, a sentence each.
    picture : (path-like, str), optional
        A PNG that is shown below the verdict, and what it shows.
    provenance : mapping, optional
        Headings to what stands under them: nested mappings, lists, texts and numbers.
    command : str
        What to type to repeat the study.
    level_format, level_title, unit, noun : str
        As for `acuity.report.figures.plots`.

    Raises
    ------
    AcuityError
        If a column of `metrics` is missing.
    """
    check_tables(metrics)
    metrics = tidy(metrics)
    unit = unit or length_unit(metrics)
    table = verdicts(metrics)
    said = dict(said or {})
    judged = lines(table, level_format=level_format, unit=unit, noun=noun) | said
    linked, further = samples is not None, dict(further or {})
    with_page = list(samples or [])
    names = with_page if linked else sorted(set(metrics["sample"]) - {POOLED})
    names = list(dict.fromkeys([*names, *further]))
    training, known = set(training_samples), set(seen_samples)
    listed = []
    for name in names:
        own = judged.get(name, _NOTHING)
        listed.append(
            {
                "name": name,
                "link": _link(name) if name in with_page else None,
                "further": [(text, quote(path)) for text, path in further.get(name, [])],
                "lines": own,
                # of levels one sentence, of stages one each
                "sentence": _told(own) if name in said else summary(own),
                "training": name in training,
                "seen": name in known,
            }
        )
    single = table[table["sample"] != POOLED]
    best_only = len(single) > _ROWS
    if best_only:
        single = single[single["best"]]
    links = {name: _link(name) for name in with_page}
    writer = _Table(level_format, unit, noun)
    pooled = table[table["sample"] == POOLED]
    pooled_columns, pooled_rows = pooled_table or (
        writer.columns(pooled, sample=False),
        writer.rows(pooled, sample=False),
    )
    head = _headline(judged, listed, training)
    drawn = plots(
        metrics,
        pores,
        curves,
        histories,
        spaces,
        training_samples=training,
        level_format=level_format,
        level_title=level_title,
        unit=unit,
        noun=noun,
    )
    unseen = [name for name in names if name not in training]
    true = [name for name in unseen if name not in set(restored_samples)]
    levels = sorted(set(table["level"]))
    methods = [look(m).name for m in ordered(table["method"]) if m != "input"]
    about = [
        f"Study {study}",
        f"{len(names)} sample{'s' if len(names) != 1 else ''}",
        "levels " + ", ".join(level_format.format(v) for v in levels) if levels else "",
        ", ".join(methods),
    ]
    context = {
        "page_title": f"{title or study} – Acuity report",
        "title": title or study,
        "summary": " · ".join(part for part in about if part),
        "graded": bool((table["grade"] != "none").any()),
        "head": head,
        "training_note": training_note(_measured(learned, metrics), trainings, "below"),
        "training_rows": []
        if training_table is None
        else trainings_of(training_table, level_format),
        "warnings": list(warnings),
        "picture": None
        if picture is None
        else (data_uri(Path(picture[0]).read_bytes()), picture[1]),
        "head_note": (
            f"Judged on {_count(true, 'sample')}{_of_which(true, known)}."
            if POOLED in judged and true
            else ""
        )
        + (f" {_without_truth(len(unseen) - len(true))}" if len(true) < len(unseen) else ""),
        "many": len(names) > _MANY,
        "samples": listed,
        "best_only": best_only,
        "pooled_columns": pooled_columns,
        "glossary": glossary([*pooled_columns, *writer.columns(single)]),
        "pooled_rows": pooled_rows,
        "pooled_best": pooled_table is None,
        "sample_columns": writer.columns(single),
        "sample_rows": writer.rows(single, links=links) if names else [],
        "sample_rows_open": not len(pooled),
        "drawings": page_drawings(drawn),
        "absent": "" if said else _absent(drawn),
        "figures_note": (
            f"Pooled over the {_count(true, 'sample')}{_of_which(true, known)}."
            if POOLED in judged and known
            else "Pooled over the unseen samples."
            if POOLED in judged
            else "Mean over the samples that no model was trained on."
            if len(unseen) > 1
            else ""
        ),
        "command": command,
        "provenance": dict(provenance or {}),
        "level_title": level_title,
        "noun": noun,
        "linked": linked,
        "seen": seen,
        "ran": ran,
    }
    write_page(output, "index.html", context)


def sample_page(
    sample,
    metrics,
    pores=None,
    curves=None,
    spaces=None,
    *,
    output,
    volumes=None,
    maps=None,
    labels=None,
    statuses=None,
    study,
    title="",
    samples=None,
    said=None,
    training_samples=(),
    learned=(),
    trainings=1,
    seen="",
    ran="",
    framed=(),
    provenance=None,
    position=0.5,
    level_format="{:g}:1",
    level_title="Resolution ratio (input : target)",
    unit=None,
    noun="pore",
):
    """Write one sample's page: verdict, pictures to compare, table, graphs.

    Parameters
    ----------
    sample : str
        Its name.
    metrics, pores, curves, spaces : pandas.DataFrame
        As for `index_page`; rows of other samples are passed over.
    output : path-like
        The page, ``report/{sample}.html``.
    volumes, maps, labels : mapping of (str, float or None) to path-like or Volume, optional
        Image, MS-SSIM map and label volume of each method and level, the truth under
        ``("truth", None)``; see `acuity.report.images.gallery`.
    statuses : mapping of (str, float) to pandas.DataFrame, optional
        What became of each object, as `acuity.measure.recovery.recover` gives.
    study, title : str
        Name of the study, and its title if it has one.
    samples : sequence of str, optional
        All samples with a page, in order: for the links to the index and to the neighbours.
    said : list of Line, optional
        Where other things than objects were judged, as on the first page.
    training_samples : iterable of str
        Samples that models were trained on.
    learned, trainings
        As for `index_page`.
    seen : str
        What is said where the sample is judged although models learned from its voxels.
    ran : str
        The day on which the study was run.
    framed : sequence
        Parts that models learned from, as for `acuity.report.images.gallery`.
    provenance : mapping, optional
        As for `index_page`.
    position : float
        Height of the slice shown, as a fraction of the volume's extent in z.
    level_format, level_title, unit, noun : str
        As for `acuity.report.figures.plots`.

    Raises
    ------
    AcuityError
        If a column of `metrics` is missing or a volume can't be read.
    """
    check_tables(metrics)
    metrics = tidy(metrics)
    unit = unit or length_unit(metrics)
    metrics = metrics[metrics["sample"] == sample]
    table = verdicts(metrics)
    judged = lines(table, level_format=level_format, unit=unit, noun=noun)
    shown = (
        gallery(volumes, maps, labels, statuses, position=position, framed=framed)
        if volumes
        else None
    )
    drawn = plots(
        metrics,
        pores,
        curves,
        spaces=spaces,
        samples=sample,
        level_format=level_format,
        level_title=level_title,
        unit=unit,
        noun=noun,
    )
    writer = _Table(level_format, unit, noun)
    names = list(samples or [])
    here = names.index(sample) if sample in names else None
    neighbours = {"before": None, "after": None}
    if here is not None:
        for key, other in (("before", here - 1), ("after", here + 1)):
            if 0 <= other < len(names):
                neighbours[key] = {"name": names[other], "link": _link(names[other])}
    context = {
        "page_title": f"{sample} – {title or study}",
        "title": title or study,
        "sample": sample,
        "index": "index.html" if names else None,
        "head": said or judged.get(sample, _NOTHING),
        "graded": bool((table["grade"] != "none").any()),
        "training": sample in set(training_samples),
        "training_note": training_note(_measured(learned, metrics), trainings, "on the first page"),
        "columns": writer.columns(table, sample=False),
        "glossary": glossary(writer.columns(table, sample=False)),
        "rows": writer.rows(table, sample=False),
        "drawings": page_drawings(drawn),
        "provenance": dict(provenance or {}),
        "level_title": level_title,
        "noun": noun,
        "linked": bool(names),
        "seen": seen,
        "ran": ran,
        **neighbours,
        **_viewer(shown, table, level_format, noun),
    }
    write_page(output, "sample.html", context)


def _measured(methods, metrics):
    """Those of some methods that have figures."""
    there = set(metrics["method"])
    return [method for method in methods if method in there]


def _count(things, word):
    return f"{len(things)} {word}{'s' if len(things) != 1 else ''}"


def _of_which(judged, seen):
    """How many of the judged samples were seen in training."""
    if not seen:
        return " that no model has seen"
    number = sum(name in seen for name in judged)
    return f", of which {number} {'was' if number == 1 else 'were'} seen in training"


def _link(sample):
    # A leading ./ keeps a name with a colon from being read as a scheme.
    return f"./{quote(sample, safe='')}.html"


def _headline(judged, listed, training):
    """Lines of the whole study."""
    if POOLED in judged:
        return judged[POOLED]
    entries = [entry for entry in listed if entry["name"] not in training] or listed
    if len(entries) == 1:
        return entries[0]["lines"]
    if not entries:
        return [Line("", "none", "This study has no results yet.")]
    found = []
    for label in dict.fromkeys(line.label for entry in entries for line in entry["lines"]):
        grades = [line.grade for entry in entries for line in entry["lines"] if line.label == label]
        counts = {grade: grades.count(grade) for grade in GRADES}
        parts = [f"{n} {GRADES[grade].lower()}" for grade, n in counts.items() if n]
        worst = next(
            grade for grade in ("poor", "care", "good", "measured", "none") if counts[grade]
        )
        found.append(Line(label, worst, f"of {len(grades)} samples {', '.join(parts)}."))
    return found


def _without_truth(number):
    more = "sample has" if number == 1 else "samples have"
    return f"{number} {more} no truth: shown, and not judged."


def _told(judged):
    return " ".join(
        f"{line.label}: {line.sentence}" if line.label else line.sentence for line in judged
    )


def _absent(drawn):
    return ", ".join(plot.title[:1].lower() + plot.title[1:] for plot in drawn if not plot.panels)


@dataclass(frozen=True)
class Column:
    """Heading of a table's column."""

    key: str
    title: str
    unit: str = ""
    text: bool = False


@dataclass(frozen=True)
class Cell:
    """One cell: its text, what it is sorted by, and what stands with it."""

    text: str
    sort: str | None = None
    link: str | None = None
    grade: str | None = None
    key: Markup | None = None
    text_column: bool = False


class _Table:
    """Rows of `verdicts` as cells of a page; columns that hold nothing are left out."""

    def __init__(self, level_format, unit, noun):
        self.level_format = level_format
        self.all = [
            Column("sample", "Sample", text=True),
            Column("level", "Level"),
            Column("method", "Method", text=True),
            Column("grade", "Verdict", text=True),
            Column("recall", f"{noun.title()}s found"),
            Column("precision", f"{noun.title()}s real"),
            Column("precision_off_rim", "Real, wall left out"),
            Column("porosity_error", "Porosity error"),
            Column("sphericity_error", "Shape error"),
            Column("floor", "Trusted from", unit_text(unit)),
            *metric_columns(declared("volumes"), unit),
        ]
        self.metrics = {metric.name: metric for metric in declared("volumes")}

    def columns(self, table, *, sample=True):
        kept = []
        for column in self.all:
            if column.key in ("level", "method"):
                kept.append(column)
            elif column.key == "sample":
                kept += [column] if sample else []
            elif column.key == "grade":
                kept += [column] if len(table) and (table["grade"] != "none").any() else []
            elif column.key == "precision_off_rim":
                # Only where it says something else than the column before it.
                kept += [column] if (table[column.key] > table["precision"] + 0.005).any() else []
            elif len(table) and table[column.key].notna().any():
                kept.append(column)
        return kept

    def rows(self, table, *, sample=True, links=None):
        columns = self.columns(table, sample=sample)
        links = links or {}
        keys = {m: marker(m) for m in set(table["method"])}
        rows = []
        for record in table.to_dict("records"):
            cells = [self._cell(column, record, links, keys) for column in columns]
            kind = "best" if record["best"] else "input" if record["method"] == "input" else ""
            rows.append({"cells": cells, "kind": kind, "name": record["sample"] if sample else ""})
        return rows

    def _cell(self, column, record, links, keys):
        value = record[column.key]
        if column.key == "sample":
            return Cell(value, link=links.get(value), text_column=True)
        if column.key == "method":
            return Cell(look(value).name, key=keys[value], text_column=True)
        if column.key == "grade":
            rank = list(GRADES).index(value)
            return Cell(GRADES[value], str(rank), grade=value, text_column=True)
        if column.key == "level":
            return Cell(self.level_format.format(value), f"{value:g}")
        sort = f"{value:.4g}" if not math.isnan(value) else "NaN"
        if column.key == "floor":
            if math.isnan(value):
                return Cell("–", sort)
            text = "all sizes" if value == 0 else "none" if math.isinf(value) else f"{value:g}"
            return Cell(text, "1e9" if math.isinf(value) else sort)
        if math.isnan(value):
            return Cell("–", sort)
        if column.key.endswith("_error"):
            return Cell(f"{100 * value:+.1f} %".replace("-", "−"), f"{abs(value):.5g}")
        if column.key == "recall":
            text = percent(value, 1) + _of(record["true"])
            low, high = record["recall_low"], record["recall_high"]
            if not math.isnan(low) and not math.isnan(high):
                text += f" ({100 * low:.0f}–{100 * high:.0f})"
            return Cell(text, sort)
        if column.key == "precision":
            return Cell(percent(value, 1) + _of(record["shown"]), sort)
        if column.key == "precision_off_rim":
            return Cell(percent(value, 1), sort)
        return Cell(figure_text(self.metrics[column.key], value), sort)


def metric_columns(metrics, unit=""):
    """Return the columns of metrics that measures declare.

    Parameters
    ----------
    metrics : iterable of acuity.measures.base.Metric
    unit : str
        The volumes' unit of length.

    Returns
    -------
    list of Column
    """
    units = [unit_text(unit) if metric.unit == LENGTH else metric.unit for metric in metrics]
    return [Column(m.name, m.title, u) for m, u in zip(metrics, units, strict=True)]


def glossary(columns):
    """Return what the columns of a page mean that measures declare.

    Parameters
    ----------
    columns : list of Column
        Those of the page.

    Returns
    -------
    list of (str, str)
        Titles and words.
    """
    there = {column.key for column in columns}
    return [(m.title, m.words) for m in declared() if m.help and m.name in there]


def _of(number):
    return "" if math.isnan(number) else f" of {number:.0f}"


def marker(method):
    """Draw a method's line and marker as a small inline SVG, for legends and tables.

    Parameters
    ----------
    method : str

    Returns
    -------
    markupsafe.Markup
    """
    how = look(method)
    style = MarkerStyle(how.marker)
    path = style.get_path().transformed(style.get_transform())
    shape = []
    for points, code in path.iter_segments(simplify=False):
        pairs = [f"{v:.3g}" for v in np.asarray(points) * np.tile((4.6, -4.6), len(points) // 2)]
        shape.append({1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}[code])
        if code != 79:
            shape.append(" ".join(pairs))
    colour = {INK: "var(--ink)", MUTED: "var(--muted)"}.get(how.colour, how.colour)
    dash = ' stroke-dasharray="3 2"' if how.variant else ""
    return Markup(
        f'<svg class="key" viewBox="-12 -6 24 12" aria-hidden="true"><path d="M-12 0H12" '
        f'stroke="{colour}" stroke-width="1.8"{dash}/><path d="{"".join(shape)}" fill="{colour}"/>'
        "</svg>"
    )


def _line_key(how):
    """Key to a line that is no method's, from its matplotlib properties."""
    ink = "ink" if how["color"] == INK else "muted"
    ring = (
        f'<circle r="4" fill="var(--paper)" stroke="var(--{ink})" stroke-width="1.3"/>'
        if "marker" in how
        else ""
    )
    return Markup(
        '<svg class="key" viewBox="-12 -6 24 12" aria-hidden="true"><path d="M-12 0H12" '
        f'stroke="var(--{ink})" stroke-width="1.4" stroke-dasharray="3 2"/>{ring}</svg>'
    )


def page_drawings(drawn):
    """Give the figures that hold something as a template shows them."""
    drawings = []
    for plot in drawn:
        if not plot.panels:
            continue
        legend = [(marker(method), look(method).name) for method in plot.legend]
        legend += [
            (Markup(f'<span class="swatch" style="background: {colour}"></span>'), label)
            for label, colour in plot.patches
        ]
        legend += [(_line_key(how), label) for label, how in plot.extra]
        drawings.append(
            {
                "name": plot.name,
                "title": plot.title,
                "caption": plot.caption,
                "legend": legend,
                "svgs": [Markup(svg) for svg in plot.svgs()],
            }
        )
    return drawings


def _viewer(shown, table, level_format, noun):
    """What the viewer and the sheets of pictures need."""
    if shown is None:
        return {"pictures": False}
    pictures = shown.pictures
    levels = sorted({p.level for p in pictures if p.level is not None})
    methods = ordered(p.method for p in pictures)
    how = (_WHOLE if shown.whole_objects else _VOXELS).format(noun=noun)
    window = "the truth" if "truth" in methods else "the first of them, since there is no truth"
    words = {"noun": noun, "Noun": noun.title(), "how": how, "window": window}
    kinds = {
        kind: tuple(text.format(**words) for text in texts)
        for kind, texts in _KINDS.items()
        if any(p.kind == kind for p in pictures)
    }
    reference, sheets = None, []
    for kind, (_, heading, caption) in kinds.items():
        cells = {
            (p.method, p.level): _image(p, shown.where, level_format)
            for p in pictures
            if p.kind == kind
        }
        if ("truth", None) in cells:
            reference = cells.pop(("truth", None))
        rows = [
            {"name": look(m).name, "pictures": [cells.get((m, level)) for level in levels]}
            for m in ordered(m for m, _ in cells)
        ]
        if rows:
            columns = [level_format.format(level) for level in levels]
            sheets.append(
                {
                    "kind": kind,
                    "title": heading,
                    "caption": caption,
                    "columns": columns,
                    "rows": rows,
                }
            )
    best = table[table["best"] & table["method"].isin(methods)]
    names = [m for m in methods if m not in ("truth", "input")]
    chosen = str(best.iloc[-1]["method"]) if len(best) else (names or methods)[-1]
    return {
        "pictures": True,
        "where": shown.where,
        "reference": reference,
        "kinds": [(kind, texts[0]) for kind, texts in kinds.items()],
        "kind_keys": _keys(shown),
        "levels": [(f"{level:g}", level_format.format(level)) for level in levels] or [("", "–")],
        "level_choice": f"{levels[-1]:g}" if levels else "",
        "methods": [(m, look(m).name) for m in methods],
        "before_choice": "input" if "input" in methods else methods[0],
        "after_choice": chosen,
        "sheets": sheets,
    }


def _image(picture, where, level_format):
    label = look(picture.method).name
    if picture.level is not None:
        label += f", {level_format.format(picture.level)}"
    return {
        "kind": picture.kind,
        "src": data_uri(picture.png),
        "width": picture.size[0],
        "height": picture.size[1],
        "alt": f"{_ALT[picture.kind]}: {label}, {where}",
        "method": picture.method,
        "level": "" if picture.level is None else f"{picture.level:g}",
        "label": label,
    }


def _keys(shown):
    """Keys to the colours of each kind of picture."""
    keys = {kind: Markup("") for kind in _KINDS}
    if shown.map_range is not None:
        colours = matplotlib.colormaps[MAP_COLOURS](np.linspace(0, 1, 9))
        stops = ", ".join(matplotlib.colors.to_hex(colour) for colour in colours)
        low, high = shown.map_range
        keys["map"] = Markup(
            f'<p class="note">{low:.1f} or less: unlike the truth <span class="ramp" style='
            f'"background: linear-gradient(90deg, {stops})"></span> {high:.0f}: alike</p>'
        )
    entries = "".join(
        f'<li><span class="swatch" style="background: rgb{colour}"></span>{words}</li>'
        for name, (colour, _, words) in TINTS.items()
        if shown.whole_objects or name != "other"
    )
    keys["pores"] = Markup(f'<ul class="legend">{entries}</ul>')
    return keys


def _environment():
    folder = files("acuity.report") / "templates"
    sources = {
        file.name: file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".html")
    }
    environment = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (folder / "script.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    try:
        version = importlib.metadata.version("acuity")
    except importlib.metadata.PackageNotFoundError:
        version = ""
    environment.globals.update(
        style=Markup((folder / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        version=version,
        grades=GRADES,
        good={key: percent(value) for key, value in GOOD.items()},
        care={key: percent(value) for key, value in CARE.items()},
        trusted=percent(TRUSTED_RECALL),
    )
    return environment


def write_page(output, template, context):
    """Write a page from its template in one step.

    Parameters
    ----------
    output : path-like
        The page; its folder is made.
    template : str
        File name of the template.
    context : mapping
        What it shows; ``seen``, if there, stands on top and below each figure.
    """
    text = _environment().get_template(template).render({"seen": "", "ran": "", **context})
    write_text(output, text)
