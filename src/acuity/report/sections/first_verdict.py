"""What the whole study says: a line a level or stage, and of how many samples and trainings."""

from acuity.report.page import Section, count
from acuity.report.trainings import training_note
from acuity.report.verdict import GRADES, POOLED, Line


def _build(page):
    without = len(page.unseen) - len(page.judged_samples)
    notes = []
    if POOLED in page.judged and page.judged_samples:
        notes.append(f"Judged on {count(page.judged_samples, 'sample')}{page.of_which}.")
    if without:
        have = "sample has" if without == 1 else "samples have"
        notes.append(f"{without} {have} no truth: shown, and not judged.")
    return {
        "lines": headline(page.judged, page.listed, set(page.training_samples)),
        "head_note": " ".join(notes),
        "training_note": training_note(page.learned, page.trainings, "below", page.figures_of),
    }


def headline(judged, listed, training):
    """Return the lines of the whole study.

    Parameters
    ----------
    judged : dict of str to list of Line
    listed : list of dict
        As `acuity.report.index.IndexPage.listed`.
    training : set of str
        Samples that models were trained on.

    Returns
    -------
    list of Line
    """
    if POOLED in judged:
        return judged[POOLED]
    entries = [entry for entry in listed if entry["name"] not in training] or listed
    if len(entries) == 1:
        return entries[0]["lines"]
    if not entries:
        return [Line("", "none", "This study has no results yet.")]
    found = []
    for label in dict.fromkeys(line.label for entry in entries for line in entry["lines"]):
        grades = [line.grade for entry in entries for line in entry["lines"] if line.label == label]
        counts = {grade: grades.count(grade) for grade in GRADES}
        parts = [f"{n} {GRADES[grade].lower()}" for grade, n in counts.items() if n]
        worst = next(
            grade for grade in ("poor", "care", "good", "measured", "none") if counts[grade]
        )
        found.append(Line(label, worst, f"of {len(grades)} samples {', '.join(parts)}."))
    return found


FIRST_VERDICT = Section(
    "verdict",
    """
<section aria-label="Verdict">
{{ parts.verdict(lines) }}
{% if head_note %}<p class="note">{{ head_note }}</p>{% endif %}
{% if training_note %}<p class="note">{{ training_note }}</p>{% endif %}
</section>
""",
    _build,
)
