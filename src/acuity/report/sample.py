"""One sample's page: verdict, pictures to compare, table, graphs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from acuity.report.drawing import read_drawings
from acuity.report.graded import GradedPage
from acuity.report.judged import read_judged
from acuity.report.page import Section, link, seen_of
from acuity.report.sections.sample import SECTIONS
from acuity.report.sources import run_date, study_tables, without_folders
from acuity.report.style import Words


def _neighbours(page):
    names = [None, *(page.samples or ()), None]
    here = names.index(page.sample) if page.sample in names else 0
    beside = (names[here - 1], names[here + 1]) if here else (None, None)
    found = [name and {"name": name, "link": link(name)} for name in beside]
    return dict(zip(("before", "after"), found, strict=True))


HEADER = Section(
    """
<header>
<p class="muted">{% if page.linked %}<a href="index.html">{{ page.name }}</a>{% else %}{{ page.name }}{% endif %} › sample</p>
<h1>{{ page.sample }}</h1>
{% if before or after %}<p class="muted">{% if before %}<a href="{{ before.link }}" rel="prev">← {{ before.name }}</a>{% endif %}{% if before and after %} · {% endif %}{% if after %}<a href="{{ after.link }}" rel="next">{{ after.name }} →</a>{% endif %}</p>{% endif %}
</header>
""",
    _neighbours,
)


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

    header = HEADER
    sections = SECTIONS

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
