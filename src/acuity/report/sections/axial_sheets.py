"""Sections along the milling direction, differences, patches, surfaces: a sheet each."""

from markupsafe import Markup

from acuity.report.axial import SHEETS
from acuity.report.page import Section


def _sheets(page):
    names = [f"axial_{kind}" for kind in SHEETS]
    found = [page.drawings[name] for name in names if name in page.drawings]
    return [drawing for drawing in found if drawing.more["rows"]]


AXIAL_SHEETS = Section(
    "pictures",
    """
<section aria-label="Pictures">
<h2>Sections along the milling direction</h2>
{% for sheet, key in sheets %}
<details{% if loop.first %} open{% endif %}><summary><b>{{ sheet.title }}</b></summary>
<p class="note">{{ sheet.caption }}</p>
{% if key %}{{ key }}{% endif %}
<div class="sheet" tabindex="0" role="region" aria-label="{{ sheet.title }}"><table>
<thead><tr><td></td>{% for column in sheet.more.columns %}<th scope="col">{{ column }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in sheet.more.rows %}<tr><th scope="row">{{ row.name }}</th>{% for picture in row.pictures %}<td>{% if picture %}<img src="{{ picture.src }}" width="{{ picture.width }}" height="{{ picture.height }}" alt="{{ picture.alt }}">{% endif %}</td>{% endfor %}</tr>{% endfor %}</tbody>
</table></div>
</details>
{% endfor %}
</section>
""",
    lambda page: {"sheets": [(sheet, Markup(sheet.more["key"])) for sheet in _sheets(page)]},
    when=lambda page: bool(_sheets(page)),
)
