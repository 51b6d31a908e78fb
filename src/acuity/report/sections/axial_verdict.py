"""Which method is nearest to the truth at each slice interval."""

from acuity.report.axial import axial_sentence
from acuity.report.page import Section

AXIAL_VERDICT = Section(
    "verdict",
    """
<div class="verdict none"><p>{{ sentence }}</p></div>
""",
    lambda page: {"sentence": axial_sentence(page.metrics, samples=page.samples)},
)
