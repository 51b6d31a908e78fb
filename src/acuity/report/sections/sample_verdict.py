"""What a sample's results say: a line a level or stage."""

from acuity.report.page import NOTHING, Section
from acuity.report.trainings import training_note


def _build(page):
    told = page.learned, page.trainings, "on the first page", page.figures_of
    return {
        "lines": page.judged.get(page.sample, NOTHING),
        "training": page.sample in page.training_samples,
        "training_note": training_note(*told),
    }


SAMPLE_VERDICT = Section(
    "verdict",
    """
{{ parts.verdict(lines) }}
{% if training %}<p class="note">Models were trained on this sample. Its figures flatter: judge by the unseen samples.</p>{% endif %}
{% if training_note %}<p class="note">{{ training_note }}</p>{% endif %}
""",
    _build,
)
