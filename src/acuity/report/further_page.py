"""What the further pages of a sample share: what they are told and read, and their heads."""

from dataclasses import dataclass

import pandas as pd

from acuity.report.drawing import read_drawings
from acuity.report.page import FurtherPage, seen_of
from acuity.report.sections.base import Section
from acuity.report.sources import TEXT, run_date
from acuity.tables import read_table


@dataclass(frozen=True, kw_only=True)
class MeasuredPage(FurtherPage):
    """A further page that shows figures of methods.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``.
    samples : str or list of str, optional
        Those that are shown; by default the rows pooled over the unseen samples where there are any, or
        else the mean.
    """

    metrics: pd.DataFrame
    samples: str | list[str] | None = None


def read_further(files, cfg, table):
    """Read what every further page shows.

    Parameters
    ----------
    files : dict of str to path or list of path
        ``drawings`` and a table.
    cfg : dict
        Parameters of the page.
    table : str
        Name of the table that says on which day the study was run.

    Returns
    -------
    dict
        Parameters of the page.
    """
    drawings = read_drawings(files["drawings"])
    return {"drawings": drawings, "seen": seen_of(drawings), "ran": run_date(files[table]), **cfg}


def read_measured(files, cfg):
    """Read what a `MeasuredPage` shows: ``metrics`` and ``drawings``; see `read_further`."""
    told = {"metrics": read_table(files["metrics"], dtype=TEXT), "samples": [cfg["sample"]]}
    return told | read_further(files, cfg, "metrics")


def head(about, heading, drawing=""):
    """Return the head of a further page.

    Parameters
    ----------
    about : str
        What the page is about, behind the study's name.
    heading : str
        What stands behind the sample's name.
    drawing : str
        A figure whose ``summary`` is shown.

    Returns
    -------
    Section
    """
    return Section(
        """
{% call parts.head(page.index, about, page.sample ~ ": " ~ heading) %}
{% if summary %}<p class="muted">{{ summary }}</p>{% endif %}
{% endcall %}
""",
        lambda page: {
            "about": about,
            "heading": heading,
            "summary": page.drawings[drawing].more["summary"] if drawing else "",
        },
    )
