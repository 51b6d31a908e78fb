"""Graphs by slice interval: errors, scattering functions, shell correlations."""

from acuity.report.axial import GRAPHS
from acuity.report.page import Section

AXIAL_GRAPHS = Section(
    "graphs",
    """
<section aria-label="Graphs">
<h2>Graphs</h2>
{{ parts.figures(drawings) }}
</section>
""",
    lambda page: {"drawings": page.drawn(*GRAPHS)},
    when=lambda page: bool(page.drawn(*GRAPHS)),
)
