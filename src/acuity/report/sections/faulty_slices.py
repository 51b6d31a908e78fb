"""Slices of a stack that were found faulty."""

from acuity.report.page import Section
from acuity.report.pages import Cell, Column


def _build(page):
    rows = []
    for row in page.drawings["stack_views"].more["faulty"]:
        z, ncc = str(row["z"]), row["ncc"]
        known = Cell("–", "nan") if ncc is None else Cell(f"{ncc:.3f}", f"{ncc:.5g}")
        cells = [Cell(z, z), Cell(row["flag"], text_column=True), known]
        rows.append({"cells": cells, "kind": "", "name": ""})
    columns = [Column("z", "Slice"), Column("flag", "Found", text=True), Column("n", "NCC")]
    return {"columns": columns, "rows": rows}


FAULTY_SLICES = Section(
    "faulty",
    """
<section aria-label="Faulty slices">
<h2>Faulty slices</h2>
<p>None of them was dropped or put elsewhere. They took no part in the alignment; each was moved to where the path runs between its neighbours.</p>
{{ parts.table(columns, rows, "Faulty slices") }}
</section>
""",
    _build,
    when=lambda page: bool(page.drawings["stack_views"].more["faulty"]),
)
