"""The page of a stack: verdict, sections, path, faulty slices."""

from dataclasses import dataclass

from acuity.report.further_page import head, read_further
from acuity.report.judged import read_judged
from acuity.report.page import FurtherPage
from acuity.report.pages import Cell, Column
from acuity.report.sections.base import Section, graphs
from acuity.report.sheets import number_cell
from acuity.report.stack import CARE, CLAIMS, GOOD, GRAPHS
from acuity.report.verdict import Line

# How well the slices of a stack agree, and what the alignment claims.

VERDICT = Section(
    """
<div class="verdict {{ page.verdict.grade }}"><p>{{ parts.badge(page.verdict.grade) }}</p><p>{{ page.verdict.sentence }}</p></div>
<p class="note">{{ claim }}</p>
<p class="note">{{ limits }}</p>
""",
    lambda page: {
        "claim": CLAIMS.get(page.mode, ""),
        "limits": (
            f"Good: pairs agree to {GOOD['residual']:g} px RMS and at most "
            f"{100 * GOOD['faulty']:.0f} % of the slices are faulty; with care: "
            f"{CARE['residual']:g} px and {100 * CARE['faulty']:.0f} %."
        ),
    },
)


# Sections through a stack before and after its alignment.

VIEWS = Section(
    """
{% call parts.part(views.title, "Sections through the stack") %}
{% for row in views.more.rows %}
<h3>{{ row.title }}</h3>
<div class="side">{% for picture in row.pictures %}<div class="reference">{{ parts.picture(picture) }}<span class="name {{ "after" if loop.index > 1 else "before" }}">{{ picture.label }}</span></div>{% endfor %}</div>
{% endfor %}
<p class="note">{{ views.caption }}</p>
{% endcall %}
""",
    lambda page: {"views": page.drawings["stack_views"]},
)


# Graphs of what was found in a stack, and removed.

PLOTS = graphs(lambda page: page.drawn(*GRAPHS), "What was found and removed")


# Slices of a stack that were found faulty.

_COLUMNS = (Column("z", "Slice"), Column("flag", "Found", text=True), Column("n", "NCC"))


def _slice(z, flag, ncc):
    cells = [Cell(str(z), str(z)), Cell(flag, text_column=True), number_cell(ncc, 3)]
    return {"cells": cells, "kind": "", "name": ""}


def _faulty(page):
    return page.drawings["stack_views"].more["faulty"]


FAULTY_SLICES = Section(
    """
{% call parts.part("Faulty slices") %}
<p>None of them was dropped or put elsewhere. They took no part in the alignment; each was moved to where the path runs between its neighbours.</p>
{{ parts.table(columns, rows, "Faulty slices") }}
{% endcall %}
""",
    lambda page: {"columns": _COLUMNS, "rows": [_slice(**faulty) for faulty in _faulty(page)]},
    when=lambda page: bool(_faulty(page)),
)


# The page


@dataclass(frozen=True, kw_only=True)
class StackPage(FurtherPage):
    """What the page of a stack shows.

    Parameters
    ----------
    verdict : Line
    mode : str
        Mode of the alignment, for what it claims about true shape.
    """

    about = "alignment"
    header = head(about, "the stack of slices", "stack_views")
    sections = (VERDICT, VIEWS, PLOTS, FAULTY_SLICES)

    verdict: Line
    mode: str = ""


def read(files, cfg):
    """Read what the page of a stack shows: ``drawings``, ``judged`` and, for its day, ``slices``."""
    said, _ = read_judged([files["judged"]])
    return StackPage(verdict=said[cfg["sample"]][0], **read_further(files, cfg, "slices"))
