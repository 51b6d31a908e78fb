"""The sections of a page of methods along one axis."""

from markupsafe import Markup

from acuity.report.axial import GRAPHS, SHEETS, axial_sentence, page_tables
from acuity.report.further_page import graphs
from acuity.report.page import Section

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
<section aria-label="Tables">
<h2>Tables</h2>
{% for table in tables %}
<h3>{{ table.title }}</h3>
{{ parts.table(table.columns, table.rows, table.title) }}
<p class="note">{{ table.caption }}</p>
{% endfor %}
</section>
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
<section aria-label="Pictures">
<h2>Sections along the milling direction</h2>
{% for sheet, key in sheets %}{{ parts.sheet(sheet.title, sheet.caption, key, sheet.more.columns, sheet.more.rows, loop.first) }}{% endfor %}
</section>
""",
    lambda page: {"sheets": [(sheet, Markup(sheet.more["key"])) for sheet in _sheets(page)]},
    when=lambda page: bool(_sheets(page)),
)


# Graphs by slice interval: errors, scattering functions, shell correlations.

PLOTS = graphs("Graphs", *GRAPHS)

SECTIONS = (VERDICT, TABLES, PICTURES, PLOTS)
