"""One sample's page: verdict, pictures to compare, table, graphs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from acuity.report.drawing import read_drawings
from acuity.report.graded import GradedPage
from acuity.report.judged import read_judged
from acuity.report.page import seen_of, write_page
from acuity.report.sections.compare import COMPARE
from acuity.report.sections.further_figures import FURTHER_FIGURES
from acuity.report.sections.provenance import PROVENANCE
from acuity.report.sections.sample_graphs import SAMPLE_GRAPHS
from acuity.report.sections.sample_head import SAMPLE_HEAD
from acuity.report.sections.sample_table import SAMPLE_TABLE
from acuity.report.sections.sample_verdict import SAMPLE_VERDICT
from acuity.report.sources import run_date, study_tables, without_folders
from acuity.report.style import Words

SECTIONS = (SAMPLE_VERDICT, COMPARE, SAMPLE_TABLE, SAMPLE_GRAPHS, FURTHER_FIGURES, PROVENANCE)


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
        drawings=pictures,
        said=read_judged(files["judged"])[0],
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
    write_page(page, SAMPLE_HEAD, SECTIONS, output)
