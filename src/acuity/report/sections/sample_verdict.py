"""What a sample's results say: a line a level or stage."""

from acuity.report.page import NOTHING, Section
from acuity.report.trainings import training_note
from acuity.report.verdict import lines


def _build(page):
    words = {
        "level_format": page.words.level_format,
        "unit": page.length_unit,
        "noun": page.words.noun,
    }
    judged = lines(page.verdicts, **words)
    return {
        "lines": page.said or judged.get(page.sample, NOTHING),
        "training": page.sample in set(page.training_samples),
        "training_note": training_note(
            page.learned, page.trainings, "on the first page", page.figures_of
        ),
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
