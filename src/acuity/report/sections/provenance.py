"""How what a page shows was made."""

from acuity.report.page import Section

PROVENANCE = Section(
    "provenance",
    """
<section aria-label="Provenance"><h2>How this was made</h2>
{% for name, value in page.provenance.items() %}
<details><summary>{{ name }}</summary>{% if value is mapping %}{{ parts.tree(value) }}{% else %}<p>{{ parts.tree(value, 1) }}</p>{% endif %}</details>
{% endfor %}
</section>
""",
    when=lambda page: bool(page.provenance),
)
