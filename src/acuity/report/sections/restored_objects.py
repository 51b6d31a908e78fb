"""The objects of the input and of every result, which no truth confirms."""

import math

from acuity.measures.base import LENGTH
from acuity.measures.objects import MEASURE
from acuity.report.pages import Cell, Column, glossary, metric_columns
from acuity.report.sections.base import Section
from acuity.report.sheets import method_row
from acuity.report.style import ordered
from acuity.report.verdict import figure_text


def _rows(page):
    keys = [metric.key for metric in MEASURE.metrics]
    return page.figures_of[page.figures_of["metric"].isin(keys)]


def _build(page):
    rows = _rows(page)
    values = {(row.method, row.metric): row.value for row in rows.itertuples()}
    units = rows.loc[
        rows["metric"].isin([m.key for m in MEASURE.metrics if m.unit == LENGTH]), "unit"
    ]
    columns = metric_columns(MEASURE.metrics, units.iloc[0] if len(units) else "")
    return {
        "columns": [Column("method", "Method", text=True), *columns],
        "rows": [
            method_row(
                method,
                [_cell(metric, values.get((method, metric.key))) for metric in MEASURE.metrics],
            )
            for method in ordered(rows["method"])
        ],
        "words": glossary(columns),
        "surroundings": page.surroundings,
    }


def _cell(metric, value):
    if value is None or math.isnan(value):
        return Cell("–", "NaN")
    return Cell(figure_text(metric, value), f"{value:.5g}")


RESTORED_OBJECTS = Section(
    """
<section aria-label="{{ noun | capitalize }}s">
<h2>{{ noun | capitalize }}s – no truth: not judged</h2>
<p>What the automatic segmentation counts in the input and in every result. Which of these {{ noun }}s are real, and which were missed, cannot be told here; that two rows differ says that one of them is wrong, not which.{% if surroundings %} All that is dark counts, in all of the volume: air around the specimen too.{% endif %}</p>
{{ parts.table(columns, rows, noun ~ "s, not judged") }}
<details><summary>What the columns mean</summary>
<dl class="words">
{{ parts.meanings(words) }}
</dl>
</details>
</section>
""",
    _build,
    when=lambda page: bool(len(_rows(page))),
)
