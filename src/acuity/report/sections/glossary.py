"""What the columns of the verdicts' tables mean."""

from acuity.report.page import Section
from acuity.report.pages import glossary
from acuity.report.sections.pooled import pooled_rows

GLOSSARY = Section(
    "glossary",
    "{{ parts.words(glossary) }}",
    lambda page: {
        "glossary": glossary([*pooled_rows(page)[0], *page.table.columns(page.verdicts)])
    },
    when=lambda page: bool(len(page.verdicts) or (page.pooled and page.pooled[1])),
)
