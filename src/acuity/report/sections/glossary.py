"""What the columns of the verdicts' tables mean."""

from acuity.report.page import Section
from acuity.report.pages import VerdictTable, glossary
from acuity.report.sections.pooled import pooled_rows


def _build(page):
    writer = VerdictTable(page.words.level_format, page.length_unit, page.words.noun)
    return {"glossary": glossary([*pooled_rows(page)[0], *writer.columns(page.verdicts)])}


GLOSSARY = Section(
    "glossary",
    "{{ parts.words(glossary) }}",
    _build,
    when=lambda page: bool(len(page.verdicts) or (page.pooled and page.pooled[1])),
)
