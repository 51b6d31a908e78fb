"""Slices of a stack that were found faulty."""

from acuity.report.page import Section
from acuity.report.pages import Cell, Column
from acuity.report.sheets import number_cell

_COLUMNS = (Column("z", "Slice"), Column("flag", "Found", text=True), Column("n", "NCC"))


def _row(z, flag, ncc):
    cells = [Cell(str(z), str(z)), Cell(flag, text_column=True), number_cell(ncc, 3)]
    return {"cells": cells, "kind": "", "name": ""}


def _faulty(page):
    return page.drawings["stack_views"].more["faulty"]


FAULTY_SLICES = Section(
    "faulty",
    """
<section aria-label="Faulty slices">
<h2>Faulty slices</h2>
<p>None of them was dropped or put elsewhere. They took no part in the alignment; each was moved to where the path runs between its neighbours.</p>
{{ parts.table(columns, rows, "Faulty slices") }}
</section>
""",
    lambda page: {"columns": _COLUMNS, "rows": [_row(**faulty) for faulty in _faulty(page)]},
    when=lambda page: bool(_faulty(page)),
)
