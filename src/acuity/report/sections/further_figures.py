"""Further figures of a sample (acuity.report.plots), as their rule has drawn them."""

from collections.abc import Collection

from acuity.report.page import Section
from acuity.report.sections.compare import PICTURES


def further_figures(own: Collection[str]) -> Section:
    """Return the section of the figures that are none of a page's own."""

    def drawn(page):
        return page.drawn(*(name for name in page.drawings if name not in own))

    return Section(
        "further",
        """
<section aria-label="Further figures">
<h2>Further figures</h2>
{{ parts.figures(drawings) }}
</section>
""",
        lambda page: {"drawings": drawn(page)},
        when=lambda page: bool(drawn(page)),
    )


FURTHER_FIGURES = further_figures(PICTURES)
