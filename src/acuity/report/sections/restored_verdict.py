"""That nothing of a restored sample is judged, and what its user accepted."""

from acuity.report.sections.base import Section
from acuity.report.style import look
from acuity.report.verdict import unjudged


def _build(page):
    line = unjudged(page.methods, where=f" at {page.words.level_format.format(page.level)}")
    if page.models:
        its = "the model" if len(page.models) == 1 else "the models"
        learned = f"How far {its} can be trusted is known from other specimens alone: see below."
        line = line._replace(sentence=f"{line.sentence} {learned}")
    return {
        "lines": [line, *page.lines],
        "accepted": [
            (look(model.method).name, said) for model in page.models for said in model.accepted
        ],
    }


RESTORED_VERDICT = Section(
    """
{{ parts.verdict(lines) }}
{% for name, said in accepted %}<div class="verdict care"><p>{{ name }} was used outside of what its model was made for, as the study accepts: {{ said }}.</p></div>
{% endfor %}
{% if page.further %}<p>More of it: {% for text, path in page.further %}<a href="{{ path }}">{{ text }}</a>{% if not loop.last %}, {% endif %}{% endfor %}.</p>{% endif %}
""",
    _build,
)
