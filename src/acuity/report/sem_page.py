"""The page of an image: table of methods, places close up, spectra, registration of its pair."""

from acuity.report.further_page import MeasuredPage, head, read_measured
from acuity.report.pages import Cell, Column, glossary
from acuity.report.sections.base import Section, graphs
from acuity.report.sem import CARE, GOOD, page_table, sem_sentence
from acuity.report.sheets import number_cell

# What became resolvable, what was invented, and how well a pair was registered.

VERDICT = Section(
    """
<div class="verdict none"><p>{{ sentence }}</p></div>
{% if pair.registered %}
<div class="verdict {{ pair.grade }}"><p>{{ parts.badge(pair.grade) }} <a href="#registration">pair</a>. {{ pair.registered }}</p></div>
{% endif %}
""",
    lambda page: {
        "sentence": sem_sentence(page.metrics, samples=page.samples),
        "pair": {"registered": "", **page.drawings["sem_overlay"].more},
    },
)


# The table of methods, with what its columns mean.


def _methods(page):
    columns, rows = page_table(page.metrics, page.samples)
    return {"columns": columns, "rows": rows, "glossary": glossary(columns)}


METHODS = Section(
    """
{% if rows %}
{% call parts.part("Methods", "Table") %}
{{ parts.table(columns, rows, "Methods") }}
{{ parts.meanings(glossary) }}
{% endcall %}
{% endif %}
""",
    _methods,
)


# Places of an image close up, among them where a method fails.

CLOSE_UP = Section(
    """
{% call parts.part(crops.title, "Close up") %}
{% for row in crops.more.rows %}
<h3 style="margin-top: 1.4rem">{{ row.title }}</h3>
<div class="sheet" tabindex="0" role="region" aria-label="{{ row.title }}"><table>
<tbody><tr>{% for picture in row.pictures %}<td>{{ parts.picture(picture) }}<span class="note">{{ picture.label }}{% if picture.more %}<br>{{ picture.more }}{% endif %}</span></td>{% endfor %}</tr></tbody>
</table></div>
{% endfor %}
<p class="note">{{ crops.caption }}</p>
{{ parts.figures(profiles) }}
{% endcall %}
""",
    lambda page: {"crops": page.drawings["sem_crops"], "profiles": page.drawn("sem_profiles")},
    when=lambda page: bool(page.drawings["sem_crops"].more["rows"]),
)


# What became of the gaps and of the spectrum over the whole image.

GRAPHS = graphs(lambda page: page.drawn("sem_gaps", "sem_spectra"), "Over the whole image")


# How a pair of images was registered: overlays, displacement, patches.

_COLUMNS = (
    Column("place", "Patch (y, x)", text=True),
    Column("before", "Before", "px"),
    Column("after", "After", "px"),
    Column("ncc", "NCC"),
    Column("accepted", "Accepted", text=True),
)


def _patch(place, values, accepted):
    y, x = place
    cells = [
        Cell(f"{y:.0f}, {x:.0f}", f"{y * 1e6 + x:.0f}", text_column=True),
        *map(number_cell, values, (2, 2, 3)),
        Cell("yes" if accepted else "no", text_column=True),
    ]
    return {"cells": cells, "kind": "" if accepted else "input", "name": ""}


def _registration(page):
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
        "rows": [_patch(**patch) for patch in pair.more["patches"]],
    }


REGISTRATION = Section(
    """
{% call parts.part(pair.title, "Registration", "registration") %}
<p>{{ pair.more.registered }}</p>
<p class="note">{{ pair.more.found }}</p>
<div class="side" style="max-width: 50rem">{% for picture in pair.more.pictures %}<div><img src="{{ picture.src }}" width="{{ picture.width }}" height="{{ picture.height }}" alt="{{ picture.alt }}" style="display: block; max-width: 100%; height: auto"><p class="note">{{ picture.label }}</p></div>{% endfor %}</div>
{{ parts.figures(drawings) }}
<p class="note">{{ limits }}</p>
<details><summary>All patches</summary>
{{ parts.table(columns, rows, "Patches") }}
</details>
{% endcall %}
""",
    _registration,
    when=lambda page: bool(page.drawings["sem_overlay"].more.get("registered")),
)


# The page


class SemPage(MeasuredPage):
    """What the page of an image shows."""

    about = "SEM"
    header = head("scanning electron microscopy", "what became resolvable", "sem_crops")
    sections = (VERDICT, METHODS, CLOSE_UP, GRAPHS, REGISTRATION)


def read(files, cfg):
    """Read what the page shows: ``metrics`` and ``drawings``."""
    return SemPage(**read_measured(files, cfg))
