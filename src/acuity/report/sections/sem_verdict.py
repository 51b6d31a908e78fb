"""What became resolvable, what was invented, and how well a pair was registered."""

from acuity.report.page import Section
from acuity.report.sem import sem_sentence

SEM_VERDICT = Section(
    "verdict",
    """
<div class="verdict none"><p>{{ sentence }}</p></div>
{% if pair.registered %}
<div class="verdict {{ pair.grade }}"><p>{{ parts.badge(pair.grade) }} <a href="#registration">pair</a>. {{ pair.registered }}</p></div>
{% endif %}
""",
    lambda page: {
        "sentence": sem_sentence(page.metrics, samples=page.samples),
        "pair": {"registered": "", **page.drawings["sem_overlay"].more},
    },
)
