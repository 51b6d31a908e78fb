"""The table of methods, with what its columns mean."""

from acuity.report.page import Section
from acuity.report.pages import glossary
from acuity.report.sem import page_table


def _build(page):
    columns, rows = page_table(page.metrics, page.samples)
    return {"columns": columns, "rows": rows, "glossary": glossary(columns)}


SEM_METHODS = Section(
    "methods",
    """
{% if rows %}
<section aria-label="Table">
<h2>Methods</h2>
{{ parts.table(columns, rows, "Methods") }}
<details><summary>What the columns mean</summary>
<dl class="words">
{{ parts.meanings(glossary) }}
</dl>
</details>
</section>
{% endif %}
""",
    _build,
)
