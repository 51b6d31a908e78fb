"""What the columns of the verdicts' tables mean."""

from acuity.report.page import Section
from acuity.report.pages import glossary

GLOSSARY = Section(
    "glossary",
    "{{ parts.words(glossary) }}",
    lambda page: {"glossary": glossary([*page.together[0], *page.table.columns(page.verdicts)])},
    when=lambda page: bool(len(page.verdicts) or page.together[1]),
)
