"""The sections of the first page."""

from pathlib import Path

from acuity.report.drawing import address
from acuity.report.figures import NAMES
from acuity.report.page import Section, count, link
from acuity.report.pages import glossary
from acuity.report.sections.provenance import PROVENANCE
from acuity.report.trainings import training_note, training_table
from acuity.report.verdict import GRADES, POOLED, Line

# What the whole study says: a line a level or stage, and of how many samples and trainings.


def _verdict(page):
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


VERDICT = Section(
    """
<section aria-label="Verdict">
{{ parts.verdict(lines) }}
{% if head_note %}<p class="note">{{ head_note }}</p>{% endif %}
{% if training_note %}<p class="note">{{ training_note }}</p>{% endif %}
</section>
""",
    _verdict,
)


# What jobs warned of.

WARNINGS = Section(
    """
<section aria-label="Warnings"><h2>Warnings</h2><ul>{% for warning in page.warnings %}<li>{{ warning }}</li>{% endfor %}</ul></section>
""",
    when=lambda page: bool(page.warnings),
)


# How results are graded.

LIMITS = Section("{{ parts.limits() }}", when=lambda page: page.graded)


# One picture of the study below its verdict.


def _picture(page):
    path, words = page.picture
    return {"src": address(Path(path).read_bytes()), "words": words}


PICTURE = Section(
    """
<figure class="first"><img src="{{ src }}" alt="{{ words }}"><figcaption>{{ words }}</figcaption></figure>
""",
    _picture,
    when=lambda page: page.picture is not None,
)


# All samples that no model has seen, together, in one table.


def figures_note(page):
    """Say of which samples the study's figures are."""
    if POOLED not in page.judged:
        several = len(page.unseen) > 1
        return "Mean over the samples that no model was trained on." if several else ""
    if page.seen_samples:
        return f"Pooled over the {count(page.judged_samples, 'sample')}{page.of_which}."
    return "Test samples, pooled."


def _pooled(page):
    columns, rows = page.together
    best, note = page.pooled is None, figures_note(page)
    return {"columns": columns, "rows": rows, "best": best, "figures_note": note}


POOLED_TABLE = Section(
    """
<section aria-label="All samples together">
<h2>{{ "All judged samples together" if seen else "Test samples, pooled" }}</h2>
<p>{% if seen %}{{ figures_note }}{% else %}Pooled over samples that no model has seen in training.{% endif %} {% if best %}Bold: the best method of a level. {% endif %}Press a heading to sort.</p>
{{ parts.table(columns, rows, "Results pooled over the " ~ ("judged" if seen else "test") ~ " samples") }}
</section>
""",
    _pooled,
    when=lambda page: bool(page.together[1]),
)


# How far figures swing from one training to the next.

TRAININGS = Section(
    """
<section aria-label="Trainings">
<h2>From one training to the next</h2>
<p>Mean over the trainings of each method, which differ in their seed alone; in brackets the least and the greatest. {{ "All judged samples together" if seen else "Test samples, pooled" }}.</p>
{{ parts.plain_table(rows, "Mean and range over trainings") }}
</section>
""",
    lambda page: {"rows": training_table(page.training_table, page.words.level_format)},
    when=lambda page: page.training_table is not None,
)


# The list of samples, with links to their pages.

_MANY = 12  # samples from which on their list scrolls and can be searched

SAMPLES = Section(
    """
<section aria-label="Samples">
<h2>Sample by sample</h2>
{% if many %}<div class="tools" hidden><label>Find a sample <input type="search" id="filter" autocomplete="off"></label></div>{% endif %}
<ul class="samples{% if many %} long{% endif %}"{% if many %} tabindex="0"{% endif %}>
{% for sample in page.listed %}<li data-name="{{ sample.name }}">{% if sample.link %}<a href="{{ sample.link }}">{{ sample.name }}</a>{% else %}<b>{{ sample.name }}</b>{% endif %} {% if sample.lines | length == 1 %}{{ parts.badge(sample.lines[0].grade) }}{% else %}{{ parts.badges(sample.lines) }}{% endif %}<br>{{ sample.sentence }}{% for text, path in sample.further %} <a href="{{ path }}">{{ text }}</a>{% endfor %}{% if sample.training %} <span class="muted">Models were trained on this sample, so its figures flatter.</span>{% endif %}{% if sample.seen %} <span class="muted">Seen in training.</span>{% endif %}</li>
{% endfor %}</ul>
</section>
""",
    lambda page: {"many": len(page.names) > _MANY},
)


# Every sample in one table.

_ROWS = 150  # more rows than this, and the table keeps the best method of a level only


def _every_sample(page):
    pooled = page.verdicts["sample"] == POOLED
    table = page.verdicts[~pooled]
    best_only = len(table) > _ROWS
    links = {name: link(name) for name in page.samples or ()}
    columns, rows = page.table.write(table[table["best"]] if best_only else table, links=links)
    opened = not pooled.any()
    return {"columns": columns, "rows": rows, "best_only": best_only, "opened": opened}


EVERY_SAMPLE = Section(
    """
<details{% if opened %} open{% endif %}><summary><b>Every sample in one table</b></summary>
<p>{% if best_only %}The best method of each sample and level; all methods stand on the sample's page.{% else %}Every method; bold: the best of a sample and level.{% endif %} Press a heading to sort.</p>
{{ parts.table(columns, rows, "Results of each sample") }}
</details>
""",
    _every_sample,
    when=lambda page: bool(page.names) and bool((page.verdicts["sample"] != POOLED).any()),
)


# What the columns of the verdicts' tables mean.

GLOSSARY = Section(
    "{{ parts.words(glossary) }}",
    lambda page: {"glossary": glossary([*page.together[0], *page.table.columns(page.verdicts)])},
    when=lambda page: bool(len(page.verdicts) or page.together[1]),
)


# The study's figures, as their rule has drawn them.


def _names(page):
    return [*NAMES, *(name for name in page.drawings if name not in NAMES)]


def _figures(page):
    absent = [drawing.title for drawing in page.figures(*_names(page)) if not drawing.svgs]
    return {
        "drawings": page.drawn(*_names(page)),
        "absent": "" if page.said else ", ".join(t[:1].lower() + t[1:] for t in absent),
        "figures_note": figures_note(page),
    }


STUDY_FIGURES = Section(
    """
<section aria-label="Figures">
<h2>Figures</h2>
<p class="muted">{{ figures_note }}</p>
{{ parts.figures(drawings) }}
{% if absent %}<p class="note">Not measured in this study: {{ absent }}.</p>{% endif %}
</section>
""",
    _figures,
    when=lambda page: bool(page.drawn(*_names(page)) if page.said else page.figures(*_names(page))),
)

SECTIONS = (
    VERDICT,
    WARNINGS,
    LIMITS,
    PICTURE,
    POOLED_TABLE,
    TRAININGS,
    SAMPLES,
    EVERY_SAMPLE,
    GLOSSARY,
    STUDY_FIGURES,
    PROVENANCE,
)
