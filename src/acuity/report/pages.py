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
        """Return the columns that hold something."""
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
        """Return a row for each of the table's."""
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
