"""The sections of a page of a stack."""

from acuity.report.further_page import graphs
from acuity.report.page import Section
from acuity.report.pages import Cell, Column
from acuity.report.sheets import number_cell
from acuity.report.stack import CARE, CLAIMS, GOOD, GRAPHS

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
<section aria-label="Sections through the stack">
<h2>{{ views.title }}</h2>
{% for row in views.more.rows %}
<h3>{{ row.title }}</h3>
<div class="side">{% for picture in row.pictures %}<div class="reference">{{ parts.picture(picture) }}<span class="name {{ "after" if loop.index > 1 else "before" }}">{{ picture.label }}</span></div>{% endfor %}</div>
{% endfor %}
<p class="note">{{ views.caption }}</p>
</section>
""",
    lambda page: {"views": page.drawings["stack_views"]},
    when=lambda page: bool(page.drawings["stack_views"].more["rows"]),
)


# Graphs of what was found in a stack, and removed.

PLOTS = graphs("What was found and removed", *GRAPHS)


# Slices of a stack that were found faulty.

_COLUMNS = (Column("z", "Slice"), Column("flag", "Found", text=True), Column("n", "NCC"))


def _slice(z, flag, ncc):
    cells = [Cell(str(z), str(z)), Cell(flag, text_column=True), number_cell(ncc, 3)]
    return {"cells": cells, "kind": "", "name": ""}


def _faulty(page):
    return page.drawings["stack_views"].more["faulty"]


FAULTY_SLICES = Section(
    """
<section aria-label="Faulty slices">
<h2>Faulty slices</h2>
<p>None of them was dropped or put elsewhere. They took no part in the alignment; each was moved to where the path runs between its neighbours.</p>
{{ parts.table(columns, rows, "Faulty slices") }}
</section>
""",
    lambda page: {"columns": _COLUMNS, "rows": [_slice(**faulty) for faulty in _faulty(page)]},
    when=lambda page: bool(_faulty(page)),
)

SECTIONS = (VERDICT, VIEWS, PLOTS, FAULTY_SLICES)
