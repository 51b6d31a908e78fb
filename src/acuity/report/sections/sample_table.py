"""All results of a sample in a table, with how they are graded and what the columns mean."""

from acuity.report.page import Section
from acuity.report.pages import glossary


def _build(page):
    columns, rows = page.table.write(page.verdicts, sample=False)
    return {"columns": columns, "rows": rows, "glossary": glossary(columns)}


SAMPLE_TABLE = Section(
    "table",
    """
<section aria-label="Table">
<h2>All results in a table</h2>
{{ parts.table(columns, rows, "Results of this sample") }}
{% if page.graded %}{{ parts.limits() }}{% endif %}
{{ parts.words(glossary) }}
</section>
""",
    _build,
    when=lambda page: bool(len(page.verdicts)),
)
