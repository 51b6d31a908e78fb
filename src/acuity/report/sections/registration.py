"""How a pair of images was registered: overlays, displacement, patches."""

from acuity.report.page import Section
from acuity.report.pages import Cell, Column
from acuity.report.sem import CARE, GOOD
from acuity.report.sheets import number_cell

_COLUMNS = (
    Column("place", "Patch (y, x)", text=True),
    Column("before", "Before", "px"),
    Column("after", "After", "px"),
    Column("ncc", "NCC"),
    Column("accepted", "Accepted", text=True),
)


def _row(place, values, accepted):
    y, x = place
    cells = [
        Cell(f"{y:.0f}, {x:.0f}", f"{y * 1e6 + x:.0f}", text_column=True),
        *map(number_cell, values, (2, 2, 3)),
        Cell("yes" if accepted else "no", text_column=True),
    ]
    return {"cells": cells, "kind": "" if accepted else "input", "name": ""}


def _build(page):
    pair = page.drawings["sem_overlay"]
    return {
        "pair": pair,
        "drawings": page.drawn("sem_displacement", "sem_patches"),
        "limits": (
            f"Good: residuals of the accepted patches of at most {GOOD['residual']:g} px RMS and "
            f"at most {100 * GOOD['rejected']:.0f} % of the patches rejected; with care: "
            f"{CARE['residual']:g} px and {100 * CARE['rejected']:.0f} %. The high-resolution "
            "image was resampled onto the low-resolution one's grid, refined; the latter was "
            "only cropped. Both are shown after that, on one scale of grey values."
        ),
        "columns": _COLUMNS,
        "rows": [_row(**patch) for patch in pair.more["patches"]],
    }


REGISTRATION = Section(
    "registration",
    """
<section aria-label="Registration" id="registration">
<h2>{{ pair.title }}</h2>
<p>{{ pair.more.registered }}</p>
<p class="note">{{ pair.more.found }}</p>
<div class="side" style="max-width: 50rem">{% for picture in pair.more.pictures %}<div><img src="{{ picture.src }}" width="{{ picture.width }}" height="{{ picture.height }}" alt="{{ picture.alt }}" style="display: block; max-width: 100%; height: auto"><p class="note">{{ picture.label }}</p></div>{% endfor %}</div>
{{ parts.figures(drawings) }}
<p class="note">{{ limits }}</p>
<details><summary>All patches</summary>
{{ parts.table(columns, rows, "Patches") }}
</details>
</section>
""",
    _build,
    when=lambda page: bool(page.drawings["sem_overlay"].more.get("registered")),
)
