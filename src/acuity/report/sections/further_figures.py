"""Further figures of a sample (acuity.report.plots), as their rule has drawn them."""

from acuity.report.page import Section
from acuity.report.sections.compare import PICTURES


def _drawn(page):
    return page.drawn(*(name for name in page.drawings if name not in PICTURES))


FURTHER_FIGURES = Section(
    "further",
    """
<section aria-label="Further figures">
<h2>Further figures</h2>
{{ parts.figures(drawings) }}
</section>
""",
    lambda page: {"drawings": _drawn(page)},
    when=lambda page: bool(_drawn(page)),
)
