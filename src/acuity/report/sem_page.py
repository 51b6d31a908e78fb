"""The page of an image: table of methods, places close up, spectra, registration of its pair."""

from dataclasses import dataclass

import pandas as pd

from acuity.report.drawing import read_drawings
from acuity.report.page import FurtherPage, Section, seen_of, write_page
from acuity.report.sections.close_up import CLOSE_UP
from acuity.report.sections.registration import REGISTRATION
from acuity.report.sections.sem_graphs import SEM_GRAPHS
from acuity.report.sections.sem_methods import SEM_METHODS
from acuity.report.sections.sem_verdict import SEM_VERDICT
from acuity.report.sources import TEXT, run_date
from acuity.tables import read_table

SECTIONS = (SEM_VERDICT, SEM_METHODS, CLOSE_UP, SEM_GRAPHS, REGISTRATION)


@dataclass(frozen=True, kw_only=True)
class SemPage(FurtherPage):
    """What the page of an image shows.

    Parameters
    ----------
    metrics : pandas.DataFrame
        As for `acuity.report.sem.sem_table`.
    samples : str or list of str, optional
        As for `acuity.report.sem.sem_table`.
    """

    about = "SEM"

    metrics: pd.DataFrame
    samples: str | list[str] | None = None


HEADER = Section(
    "head",
    """
<header>
<p class="muted">{% if page.index %}<a href="{{ page.index }}">{{ page.name }}</a>{% else %}{{ page.name }}{% endif %} › scanning electron microscopy</p>
<h1>{{ page.sample }}: what became resolvable</h1>
{% if page.drawings.sem_crops.more.summary %}<p class="muted">{{ page.drawings.sem_crops.more.summary }}</p>{% endif %}
</header>
""",
)


def read_sem(files, cfg):
    """Read what the page shows: ``metrics`` and ``drawings``."""
    drawings = read_drawings(files["drawings"])
    return SemPage(
        metrics=read_table(files["metrics"], dtype=TEXT),
        drawings=drawings,
        samples=[cfg["sample"]],
        seen=seen_of(drawings),
        ran=run_date(files["metrics"]),
        **cfg,
    )


def sem_page(page, output):
    """Write the page of an image.

    Parameters
    ----------
    page : SemPage
    output : path-like
    """
    write_page(page, HEADER, SECTIONS, output)
