"""Tables of methods by slice interval, and of their networks."""

from acuity.report.axial import page_tables
from acuity.report.page import Section

AXIAL_TABLES = Section(
    "tables",
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
