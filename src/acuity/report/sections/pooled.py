"""All samples that no model has seen, together, in one table."""

from acuity.report.page import Section
from acuity.report.pages import VerdictTable
from acuity.report.verdict import POOLED


def pooled_rows(page):
    """Return columns and rows of all unseen samples together."""
    if page.pooled is not None:
        return page.pooled
    writer = VerdictTable(page.words.level_format, page.length_unit, page.words.noun)
    table = page.verdicts[page.verdicts["sample"] == POOLED]
    return writer.columns(table, sample=False), writer.rows(table, sample=False)


def figures_note(page):
    """Say of which samples the study's figures are."""
    if POOLED not in page.judged:
        several = len(page.unseen) > 1
        return "Mean over the samples that no model was trained on." if several else ""
    if page.seen_samples:
        number = len(page.judged_samples)
        return f"Pooled over the {number} sample{'s' if number != 1 else ''}{page.of_which}."
    return "Test samples, pooled."


def _build(page):
    columns, rows = pooled_rows(page)
    return {
        "columns": columns,
        "rows": rows,
        "best": page.pooled is None,
        "figures_note": figures_note(page),
    }


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
    when=lambda page: bool(pooled_rows(page)[1]),
)
