"""One sample's page: verdict, pictures to compare, table, graphs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
from markupsafe import Markup

from acuity.report.drawing import drawing_of, read_drawings
from acuity.report.figures import plots
from acuity.report.graded import GradedPage
from acuity.report.judged import read_judged
from acuity.report.page import NOTHING, seen_of
from acuity.report.pages import glossary
from acuity.report.sections.base import PROVENANCE, Section, further_figures, graphs
from acuity.report.sections.sample_head import SAMPLE_HEAD
from acuity.report.sources import run_date, study_tables, without_folders
from acuity.report.style import Words, look, ordered
from acuity.report.trainings import training_note

# What a sample's results say: a line a level or stage.


def _verdict(page):
    return {
        "lines": page.judged.get(page.sample, NOTHING),
        "training": page.sample in page.training_samples,
        "training_note": training_note(page, "on the first page"),
    }


VERDICT = Section(
    """
{{ parts.verdict(lines) }}
{% if training %}<p class="note">Models were trained on this sample. Its figures flatter: judge by the unseen samples.</p>{% endif %}
{% if training_note %}<p class="note">{{ training_note }}</p>{% endif %}
""",
    _verdict,
)


# Pictures of a sample: two to compare by a boundary that is drawn across, and all side by side.

PICTURES = ("slices", "maps", "pores")  # in reading order


def _there(page):
    return [drawing for drawing in page.figures(*PICTURES) if drawing.more["pictures"]]


def _compare(page):
    shown = _there(page)
    pictures = [picture for drawing in shown for picture in drawing.more["pictures"]]
    levels = sorted({p["level"] for p in pictures if p["level"] is not None})
    methods = ordered(p["method"] for p in pictures)
    reference, sheets = None, []
    for drawing in shown:
        cells = {(p["method"], p["level"]): p for p in drawing.more["pictures"]}
        reference = cells.pop(("truth", None), reference)
        rows = [
            {"name": look(m).name, "pictures": [cells.get((m, level)) for level in levels]}
            for m in ordered(m for m, _ in cells)
        ]
        if rows:
            sheets.append((drawing, Markup(drawing.more["key"]), rows))
    columns = list(map(page.words.level, levels))
    best = page.verdicts[page.verdicts["best"] & page.verdicts["method"].isin(methods)]
    names = [method for method in methods if method not in ("truth", "input")]
    chosen = str(best.iloc[-1]["method"]) if len(best) else (names or methods)[-1]
    return {
        "where": shown[0].more["where"],
        "reference": reference,
        "kinds": [(d.more["kind"], d.title, Markup(d.more["key"])) for d in shown],
        "levels": [(f"{v:g}", text) for v, text in zip(levels, columns, strict=True)]
        or [("", "–")],
        "level_choice": f"{levels[-1]:g}" if levels else "",
        "methods": [(method, look(method).name) for method in methods],
        "before_choice": "input" if "input" in methods else methods[0],
        "after_choice": chosen,
        "columns": columns,
        "sheets": sheets,
    }


COMPARE = Section(
    """
{% call parts.part("Look and compare", "Pictures") %}
{{ parts.chooser(kinds, levels, level_choice, methods, before_choice, after_choice, where) }}
<div class="side">
{{ parts.boundary() }}
{% if reference %}
<div class="reference">
{{ parts.picture(reference) }}
<span class="name before">Truth, for reference</span>
</div>
{% endif %}
</div>
{% for kind, name, key in kinds %}<div data-for="{{ kind }}" hidden>{{ key }}</div>{% endfor %}
{% for drawing, key, rows in sheets %}{{ parts.sheet(drawing.more.heading, drawing.caption, key, columns, rows, loop.first) }}{% endfor %}
{% endcall %}
""",
    _compare,
    when=lambda page: bool(_there(page)),
)


# All results of a sample in a table, with how they are graded and what the columns mean.


def _table(page):
    columns, rows = page.table.write(page.verdicts, sample=False)
    return {"columns": columns, "rows": rows, "glossary": glossary(columns)}


TABLE = Section(
    """
{% call parts.part("All results in a table", "Table") %}
{{ parts.table(columns, rows, "Results of this sample") }}
{% if page.graded %}{{ parts.limits() }}{% endif %}
{{ parts.words(glossary) }}
{% endcall %}
""",
    _table,
    when=lambda page: bool(len(page.verdicts)),
)


# Graphs of one sample; its page alone has them, and draws them.


def _graphs(page):
    drawn = plots(page.figures_of, **page.tables, samples=page.sample, words=page.written)
    return [drawing_of(plot) for plot in drawn if plot.panels]


GRAPHS = graphs(_graphs)


# Further figures of a sample (acuity.report.plots), as their rule has drawn them.


FURTHER_FIGURES = further_figures(PICTURES)


# The page


@dataclass(frozen=True, kw_only=True)
class SamplePage(GradedPage):
    """What a sample's page shows.

    Rows of other samples are passed over; of `samples` those before and after it are linked.

    Parameters
    ----------
    sample : str
        Its name.
    tables : mapping of str to pandas.DataFrame
        ``pores``, ``curves`` and ``spaces``, as for `acuity.report.figures.plots`.
    """

    header = SAMPLE_HEAD
    sections = (VERDICT, COMPARE, TABLE, GRAPHS, FURTHER_FIGURES, PROVENANCE)

    sample: str
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def page_title(self):
        """What stands in the browser's title."""
        return f"{self.sample} – {self.name}"

    @cached_property
    def figures_of(self):
        """The sample's metrics, tidied."""
        return self.tidied[self.tidied["sample"] == self.sample]


def read(files, cfg):
    """Read what a sample's page shows.

    Parameters
    ----------
    files : dict of str to path or list of path
        ``metrics``, ``pores``, ``curves``, ``spaces``, and lists ``drawings`` and ``judged``.
    cfg : mapping
        ``row`` of the sample sheet, and parameters of `SamplePage`.

    Returns
    -------
    SamplePage
    """
    told, tables = dict(cfg), study_tables(files)
    pictures = read_drawings(files["drawings"])
    row = without_folders(told.pop("row"))
    return SamplePage(
        metrics=tables.pop("metrics"),
        tables=tables,
        drawings=pictures,
        said=read_judged(files["judged"])[0],
        seen=seen_of(pictures),
        ran=run_date(files["metrics"]),
        provenance={"sample": row, **pictures["slices"].more["about"]},
        words=Words(**told.pop("words")),
        **told,
    )
