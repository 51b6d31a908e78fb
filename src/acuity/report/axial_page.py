"""The page of what was restored along z: tables by slice interval, sections, graphs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from acuity.keys import by_kind
from acuity.model_card import ModelCard, read_model_card
from acuity.report.drawing import read_drawings
from acuity.report.page import FurtherPage, Section, seen_of, write_page
from acuity.report.sections.axial_graphs import AXIAL_GRAPHS
from acuity.report.sections.axial_sheets import AXIAL_SHEETS
from acuity.report.sections.axial_tables import AXIAL_TABLES
from acuity.report.sections.axial_verdict import AXIAL_VERDICT
from acuity.report.sources import TEXT, run_date
from acuity.tables import read_table

SECTIONS = (AXIAL_VERDICT, AXIAL_TABLES, AXIAL_SHEETS, AXIAL_GRAPHS)


@dataclass(frozen=True, kw_only=True)
class AxialPage(FurtherPage):
    """What the page of methods along one axis shows.

    Parameters
    ----------
    metrics : pandas.DataFrame
        As for `acuity.report.axial.axial_table`.
    models : mapping of (str, float) to ModelCard
        By method and level.
    samples : str or list of str, optional
        As for `acuity.report.axial.axial_table`.
    """

    about = "methods by n"

    metrics: pd.DataFrame
    models: Mapping[tuple[str, float], ModelCard] = field(default_factory=dict)
    samples: str | list[str] | None = None


HEADER = Section(
    "head",
    """
<header>
<p class="muted">{% if page.index %}<a href="{{ page.index }}">{{ page.name }}</a>{% else %}{{ page.name }}{% endif %} › along the milling direction</p>
<h1>{{ page.sample }}: methods by slice interval</h1>
</header>
""",
)


def read_axial(files, cfg):
    """Read what the page shows: ``metrics``, ``drawings`` and, named by key, ``cards`` of models."""
    drawings = read_drawings(files["drawings"])
    cards = map(read_model_card, by_kind(files.items()).get("cards", {}).values())
    return AxialPage(
        metrics=read_table(files["metrics"], dtype=TEXT),
        drawings=drawings,
        models={card.image: card for card in cards},
        samples=[cfg["sample"]],
        seen=seen_of(drawings),
        ran=run_date(files["metrics"]),
        **cfg,
    )


def axial_page(page, output):
    """Write the page of what was restored along z.

    Parameters
    ----------
    page : AxialPage
    output : path-like
    """
    write_page(page, HEADER, SECTIONS, output)
