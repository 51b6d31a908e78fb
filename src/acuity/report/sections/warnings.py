"""What jobs warned of."""

from acuity.report.page import Section

WARNINGS = Section(
    "warnings",
    """
<section aria-label="Warnings"><h2>Warnings</h2><ul>{% for warning in page.warnings %}<li>{{ warning }}</li>{% endfor %}</ul></section>
""",
    when=lambda page: bool(page.warnings),
)
