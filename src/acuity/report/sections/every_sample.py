"""Every sample in one table."""

from acuity.report.page import Section, link
from acuity.report.verdict import POOLED

_ROWS = 150  # more rows than this, and the table keeps the best method of a level only


def _build(page):
    pooled = page.verdicts["sample"] == POOLED
    table = page.verdicts[~pooled]
    best_only = len(table) > _ROWS
    links = {name: link(name) for name in page.samples or ()}
    columns, rows = page.table.write(table[table["best"]] if best_only else table, links=links)
    opened = not pooled.any()
    return {"columns": columns, "rows": rows, "best_only": best_only, "opened": opened}


EVERY_SAMPLE = Section(
    "every_sample",
    """
<details{% if opened %} open{% endif %}><summary><b>Every sample in one table</b></summary>
<p>{% if best_only %}The best method of each sample and level; all methods stand on the sample's page.{% else %}Every method; bold: the best of a sample and level.{% endif %} Press a heading to sort.</p>
{{ parts.table(columns, rows, "Results of each sample") }}
</details>
""",
    _build,
    when=lambda page: bool(page.names) and bool((page.verdicts["sample"] != POOLED).any()),
)
