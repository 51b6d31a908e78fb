"""Tables on pages: columns, cells, and the rows of `acuity.report.verdict.verdicts`."""

import math
from dataclasses import dataclass

from markupsafe import Markup

from acuity.measures.base import LENGTH, declared
from acuity.report.drawing import marker
from acuity.report.style import look
from acuity.report.verdict import GRADES, figure_text, percent, unit_text


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


class VerdictTable:
    """Rows of `verdicts` as cells of a page; columns that hold nothing are left out."""

    def __init__(self, words):
        self.words = words
        noun, unit = words.noun.title(), words.unit or ""
        self.metrics = {metric.name: metric for metric in declared("volumes")}
        self.all = [
            Column("sample", "Sample", text=True),
            Column("level", "Level"),
            Column("method", "Method", text=True),
            Column("grade", "Verdict", text=True),
            Column("recall", f"{noun}s found"),
            Column("precision", f"{noun}s real"),
            Column("precision_off_rim", "Real, wall left out"),
            Column("porosity_error", "Porosity error"),
            Column("sphericity_error", "Shape error"),
            Column("floor", "Trusted from", unit_text(unit)),
            *metric_columns(self.metrics.values(), unit),
        ]

    def columns(self, table, *, sample=True, left_out=()):
        """Return the columns that hold something, but those of some keys."""
        off_rim = table["precision_off_rim"] > table["precision"] + 0.005
        shown = {
            "sample": sample,
            "grade": (table["grade"] != "none").any(),
            # Only where it says something else than the column before it.
            "precision_off_rim": off_rim.any(),
            **dict.fromkeys(("level", "method"), True),
            **dict.fromkeys(left_out, False),
        }
        return [c for c in self.all if shown.get(c.key, table[c.key].notna().any())]

    def write(self, table, *, sample=True, links=None, left_out=()):
        """Return the columns that hold something, but those of some keys, and a row for each of the table's."""
        columns = self.columns(table, sample=sample, left_out=left_out)
        keys = {m: marker(m) for m in set(table["method"])}
        rows = []
        for record in table.to_dict("records"):
            cells = [self._cell(column.key, record, links or {}, keys) for column in columns]
            kind = "best" if record["best"] else "input" if record["method"] == "input" else ""
            rows.append({"cells": cells, "kind": kind, "name": record["sample"] if sample else ""})
        return columns, rows

    def _cell(self, key, record, links, keys):
        value = record[key]
        if key == "sample":
            return Cell(value, link=links.get(value), text_column=True)
        if key == "method":
            return Cell(look(value).name, key=keys[value], text_column=True)
        if key == "grade":
            rank = list(GRADES).index(value)
            return Cell(GRADES[value], str(rank), grade=value, text_column=True)
        if key == "level":
            return Cell(self.words.level(value), f"{value:g}")
        if math.isnan(value):
            return Cell("–", "NaN")
        if key.endswith("_error"):
            return Cell(f"{100 * value:+.1f} %".replace("-", "−"), f"{abs(value):.5g}")
        if key == "floor" and math.isinf(value):
            return Cell("none", "1e9")
        if key == "floor":
            text = "all sizes" if value == 0 else f"{value:g}"
        elif key == "recall":
            text = percent(value, 1) + _of(record["true"])
            low, high = record["recall_low"], record["recall_high"]
            if math.isfinite(low) and math.isfinite(high):
                text += f" ({100 * low:.0f}–{100 * high:.0f})"
        elif key == "precision":
            text = percent(value, 1) + _of(record["shown"])
        elif key == "precision_off_rim":
            text = percent(value, 1)
        else:
            text = figure_text(self.metrics[key], value)
        return Cell(text, f"{value:.4g}")


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
    length = unit_text(unit)
    return [Column(m.name, m.title, length if m.unit == LENGTH else m.unit) for m in metrics]


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
