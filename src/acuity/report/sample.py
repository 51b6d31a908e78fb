"""One sample's page: verdict, pictures to compare, table, graphs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from acuity.report.drawing import Drawing, read_drawings
from acuity.report.figures import check_tables
from acuity.report.judged import read_judged
from acuity.report.page import Page, Section, link, seen_of, write_page
from acuity.report.sections.compare import COMPARE
from acuity.report.sections.further_figures import FURTHER_FIGURES
from acuity.report.sections.provenance import PROVENANCE
from acuity.report.sections.sample_graphs import SAMPLE_GRAPHS
from acuity.report.sections.sample_table import SAMPLE_TABLE
from acuity.report.sections.sample_verdict import SAMPLE_VERDICT
from acuity.report.sources import run_date, study_tables, without_folders
from acuity.report.style import Words
from acuity.report.verdict import Line, length_unit, tidy, verdicts

SECTIONS = (SAMPLE_VERDICT, COMPARE, SAMPLE_TABLE, SAMPLE_GRAPHS, FURTHER_FIGURES, PROVENANCE)


@dataclass(frozen=True, kw_only=True)
class SamplePage(Page):
    """What a sample's page shows.

    Parameters
    ----------
    sample : str
        Its name.
    metrics : pandas.DataFrame
        As for `acuity.report.index.IndexPage`; rows of other samples are passed over.
    tables : mapping of str to pandas.DataFrame
        ``pores``, ``curves`` and ``spaces``, as for `acuity.report.figures.plots`.
    pictures : mapping of str to Drawing
        The sample's pictures (`acuity.report.images.sample_figures`).
    samples : sequence of str
        All samples with a page, in order: for the links to the index and to the neighbours.
    said : list of Line, optional
        Where other things than objects were judged, as on the first page.
    training_samples, learned, trainings
        As for `acuity.report.index.IndexPage`.
    """

    sample: str
    metrics: pd.DataFrame
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    pictures: Mapping[str, Drawing] = field(default_factory=dict)
    samples: Sequence[str] = ()
    said: list[Line] | None = None
    training_samples: Sequence[str] = ()
    learned: Sequence[str] = ()
    trainings: int = 1

    @property
    def page_title(self):
        """What stands in the browser's title."""
        return f"{self.sample} – {self.name}"

    @property
    def linked(self):
        """Whether the page has links to others."""
        return bool(self.samples)

    @cached_property
    def length_unit(self):
        """Unit of sizes: that of the whole study."""
        return self.words.unit or length_unit(tidy(self.metrics))

    @cached_property
    def figures_of(self):
        """The sample's metrics, tidied."""
        check_tables(self.metrics)
        metrics = tidy(self.metrics)
        return metrics[metrics["sample"] == self.sample]

    @cached_property
    def verdicts(self):
        """A row a level and method."""
        return verdicts(self.figures_of)

    @property
    def graded(self):
        """Whether anything was graded by its objects."""
        return bool((self.verdicts["grade"] != "none").any())


def _neighbours(page):
    found, names = {"before": None, "after": None}, list(page.samples)
    here = names.index(page.sample) if page.sample in names else None
    for key, other in () if here is None else (("before", here - 1), ("after", here + 1)):
        if 0 <= other < len(names):
            found[key] = {"name": names[other], "link": link(names[other])}
    return found


HEADER = Section(
    "head",
    """
<header>
<p class="muted">{% if page.linked %}<a href="index.html">{{ page.name }}</a>{% else %}{{ page.name }}{% endif %} › sample</p>
<h1>{{ page.sample }}</h1>
{% if before or after %}<p class="muted">{% if before %}<a href="{{ before.link }}" rel="prev">← {{ before.name }}</a>{% endif %}{% if before and after %} · {% endif %}{% if after %}<a href="{{ after.link }}" rel="next">{{ after.name }} →</a>{% endif %}</p>{% endif %}
</header>
""",
    _neighbours,
)


def read_sample(files, cfg):
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
        pictures=pictures,
        said=read_judged(files["judged"])[0].get(told["sample"]),
        seen=seen_of(pictures),
        ran=run_date(files["metrics"]),
        provenance={"sample": row, **pictures["slices"].more["about"]},
        words=Words(**told.pop("words")),
        **told,
    )


def sample_page(page, output):
    """Write one sample's page.

    Parameters
    ----------
    page : SamplePage
    output : path-like
        The page, ``report/{sample}.html``.

    Raises
    ------
    AcuityError
        If a column of the metrics is missing.
    """
    write_page(page, HEADER, SECTIONS, output)
