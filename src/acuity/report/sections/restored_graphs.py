"""Grey values and power spectra of input and results."""

from acuity.report.sections.base import Section

RESTORED_GRAPHS = Section(
    """
<section aria-label="Graphs">
<h2>Graphs</h2>
{{ parts.figures(drawings) }}
</section>
""",
    lambda page: {"drawings": page.drawn("restored_graphs")},
    when=lambda page: bool(page.drawn("restored_graphs")),
)
