"""What the columns of the verdicts' tables mean."""

from acuity.report.page import Section

GLOSSARY = Section(
    "glossary",
    "{{ parts.words() }}",
    when=lambda page: bool(len(page.verdicts) or (page.pooled and page.pooled[1])),
)
