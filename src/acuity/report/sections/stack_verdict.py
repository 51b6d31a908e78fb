"""How well the slices of a stack agree, and what the alignment claims."""

from acuity.report.page import Section
from acuity.report.stack import CARE, CLAIMS, GOOD

STACK_VERDICT = Section(
    "verdict",
    """
<div class="verdict {{ page.verdict.grade }}"><p>{{ parts.badge(page.verdict.grade) }}</p><p>{{ page.verdict.sentence }}</p></div>
<p class="note">{{ claim }}</p>
<p class="note">{{ limits }}</p>
""",
    lambda page: {
        "claim": CLAIMS.get(page.mode, ""),
        "limits": (
            f"Good: pairs agree to {GOOD['residual']:g} px RMS and at most "
            f"{100 * GOOD['faulty']:.0f} % of the slices are faulty; with care: "
            f"{CARE['residual']:g} px and {100 * CARE['faulty']:.0f} %."
        ),
    },
)
