"""What the whole study says: a line a level or stage, and of how many samples and trainings."""

from acuity.report.page import Section, count
from acuity.report.trainings import training_note
from acuity.report.verdict import GRADES, POOLED, Line, unjudged

_NAMED = 6  # samples that are named, at most


def _build(page):
    restored = [name for name in page.names if name in page.restored_samples]
    notes = []
    if POOLED in page.judged and page.judged_samples:
        notes.append(f"Judged on {count(page.judged_samples, 'sample')}{page.of_which}.")
    if restored and len(restored) < len(page.names):
        have = "was restored and has" if len(restored) == 1 else "were restored and have"
        named = ", ".join(restored) if len(restored) <= _NAMED else count(restored, "sample")
        notes.append(f"{named} {have} no truth: shown, and not judged.")
    training = set(page.training_samples)
    return {
        "lines": headline(page.judged, page.listed, training, page.restored_samples, page.methods),
        "head_note": " ".join(notes),
        "training_note": training_note(page.learned, page.trainings, "below", page.figures_of),
    }


def headline(judged, listed, training, restored=(), methods=()):
    """Return the lines of the whole study.

    Parameters
    ----------
    judged : dict of str to list of Line
    listed : list of dict
        As `acuity.report.index.IndexPage.listed`.
    training : set of str
        Samples that models were trained on.
    restored : collection of str
        Samples without a truth: of others they say nothing but how they were aligned.
    methods : sequence of str
        By which they were restored.

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
    found, lines = [], [line for entry in entries for line in entry["lines"]]
    if restored:
        alone = all(entry["name"] in restored for entry in entries)
        found = [unjudged(methods, f"{len(entries)} samples were restored")] if alone else []
        lines = [
            line
            for entry in entries
            for line in entry["lines"]
            if line.label or entry["name"] not in restored
        ]
    for label in dict.fromkeys(line.label for line in lines):
        grades = [line.grade for line in lines if line.label == label]
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
