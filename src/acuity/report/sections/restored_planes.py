"""Planes of the input beside those of every result, and two of them to compare by a boundary."""

from acuity.report.sections.base import Section
from acuity.report.style import look, ordered


def _build(page):
    planes = page.drawings["restored_planes"]
    rows = planes.more["rows"]
    # The first plane and its close-up, which tells of the same place.
    first = [row for row in rows if row["kind"] in (rows[0]["kind"], f"{rows[0]['kind']}_close")]
    pictures = [picture for row in rows for picture in row["pictures"]]
    methods = ordered(picture["method"] for picture in pictures)
    levels = [
        (f"{level:g}", page.words.level_format.format(level))
        for level in {p["level"] for p in pictures}
    ]
    return {
        "planes": planes,
        "first": first,
        "others": [row for row in rows if row not in first],
        "choice": {
            "kinds": [(row["kind"], row["title"], "") for row in rows],
            "levels": levels,
            "level_choice": levels[0][0],
            "methods": [(method, look(method).name) for method in methods],
            "before_choice": methods[0],
            "after_choice": methods[-1],
            "where": "",
        },
    }


RESTORED_PLANES = Section(
    """
{% macro beside(row) %}
<div class="side">{% for shown in row.pictures %}<div class="reference">{{ parts.picture(shown) }}<span class="name before">{{ shown.label }}</span></div>{% endfor %}</div>
{% endmacro %}
<section aria-label="Pictures">
<h2>{{ planes.title }}</h2>
<p class="note">{{ planes.caption }}{% if seen %} {{ seen }}{% endif %}</p>
{% for row in first %}
<h3>{{ row.title }}</h3>
{% if row.where != "the image" %}<p class="note">{{ row.where[:1] | upper }}{{ row.where[1:] }}.</p>{% endif %}
{{ beside(row) }}
{% endfor %}
{% for row in others %}
<details><summary><b>{{ row.title }}</b></summary>
<p class="note">{{ row.where[:1] | upper }}{{ row.where[1:] }}.</p>
{{ beside(row) }}
</details>
{% endfor %}
<h3>Compare two of them</h3>
{{ parts.chooser(**choice) }}
<div class="side">{{ parts.boundary() }}</div>
</section>
""",
    _build,
)
