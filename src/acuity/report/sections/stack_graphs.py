"""Graphs of what was found in a stack, and removed."""

from acuity.report.page import Section
from acuity.report.stack import GRAPHS

STACK_GRAPHS = Section(
    "graphs",
    """
<section aria-label="Graphs">
<h2>What was found and removed</h2>
{{ parts.figures(drawings) }}
</section>
""",
    lambda page: {"drawings": page.drawn(*GRAPHS)},
)
