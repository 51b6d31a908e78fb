"""The page of what was restored along z: tables by slice interval, sections, graphs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from acuity.keys import by_kind
from acuity.model_card import ModelCard, read_model_card
from acuity.report.axial import GRAPHS, SHEETS, axial_sentence, page_tables
from acuity.report.further_page import MeasuredPage, head, read_measured
from acuity.report.sections.base import Section, graphs

# Which method is nearest to the truth at each slice interval.

VERDICT = Section(
    """
<div class="verdict none"><p>{{ sentence }}</p></div>
""",
    lambda page: {"sentence": axial_sentence(page.metrics, samples=page.samples)},
)


# Tables of methods by slice interval, and of their networks.

TABLES = Section(
    """
{% if tables %}
{% call parts.part("Tables") %}
{% for title, caption, columns, rows in tables %}
<h3>{{ title }}</h3>
{{ parts.table(columns, rows, title) }}
<p class="note">{{ caption }}</p>
{% endfor %}
{% endcall %}
{% endif %}
""",
    lambda page: {"tables": page_tables(page.metrics, page.models, page.samples)},
)


# Sections along the milling direction, differences, patches, surfaces: a sheet each.


def _sheets(page):
    drawn = page.figures(*(f"axial_{kind}" for kind in SHEETS))
    return [drawing for drawing in drawn if drawing.more["rows"]]


PICTURES = Section(
    """
{% call parts.part("Sections along the milling direction", "Pictures") %}
{% for sheet, key in sheets %}{{ parts.sheet(sheet.title, sheet.caption, key, sheet.more.columns, sheet.more.rows, loop.first) }}{% endfor %}
{% endcall %}
""",
    lambda page: {"sheets": [(sheet, Markup(sheet.more["key"])) for sheet in _sheets(page)]},
    when=lambda page: bool(_sheets(page)),
)


# Graphs by slice interval: errors, scattering functions, shell correlations.

PLOTS = graphs(lambda page: page.drawn(*GRAPHS))


# The page


@dataclass(frozen=True, kw_only=True)
class AxialPage(MeasuredPage):
    """What the page of methods along one axis shows.

    Parameters
    ----------
    models : mapping of (str, float) to ModelCard
        By method and level.
    """

    about = "methods by n"
    header = head("along the milling direction", "methods by slice interval")
    sections = (VERDICT, TABLES, PICTURES, PLOTS)

    models: Mapping[tuple[str, float], ModelCard] = field(default_factory=dict)


def read(files, cfg):
    """Read what the page shows: ``metrics``, ``drawings`` and, named by key, ``cards`` of models."""
    cards = map(read_model_card, by_kind(files.items()).get("cards", {}).values())
    return AxialPage(models={card.image: card for card in cards}, **read_measured(files, cfg))
