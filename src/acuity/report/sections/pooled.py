"""All samples that no model has seen, together, in one table."""

from acuity.report.page import Section, count
from acuity.report.verdict import POOLED


def figures_note(page):
    """Say of which samples the study's figures are."""
    if POOLED not in page.judged:
        several = len(page.judged_samples) > 1
        return "Mean over the samples that no model was trained on." if several else ""
    if page.seen_samples:
        return f"Pooled over the {count(page.judged_samples, 'sample')}{page.of_which}."
    return "Test samples, pooled."


def _build(page):
    columns, rows = page.together
    best, note = page.pooled is None, figures_note(page)
    return {"columns": columns, "rows": rows, "best": best, "figures_note": note}


POOLED_TABLE = Section(
    "pooled",
    """
<section aria-label="All samples together">
<h2>{{ "All judged samples together" if seen else "Test samples, pooled" }}</h2>
<p>{% if seen %}{{ figures_note }}{% else %}Pooled over samples that no model has seen in training.{% endif %} {% if best %}Bold: the best method of a level. {% endif %}Press a heading to sort.</p>
{{ parts.table(columns, rows, "Results pooled over the " ~ ("judged" if seen else "test") ~ " samples") }}
</section>
""",
    _build,
    when=lambda page: bool(page.together[1]),
)
