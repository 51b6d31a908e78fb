"""The report's first page: verdict, then figures, then provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from acuity.keys import by_kind
from acuity.model_card import read_model_card
from acuity.report import sources
from acuity.report.drawing import address, read_drawings
from acuity.report.figures import NAMES
from acuity.report.graded import GradedPage
from acuity.report.judged import read_judged
from acuity.report.page import NOTHING, count, link
from acuity.report.pages import Column, glossary
from acuity.report.sections.base import PROVENANCE, Section
from acuity.report.style import Words, look, ordered
from acuity.report.trainings import training_note, training_table
from acuity.report.verdict import GRADES, POOLED, Line, summary, unjudged
from acuity.tables import read_table

# What the whole study says: a line a level or stage, of how many samples and trainings, what jobs warned of,
# and how results are graded.


_NAMED = 6  # samples that are named, at most


def _verdict(page):
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
        "training_note": training_note(page, "below"),
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
        worst = min(grades, key=("poor", "care", "good", "measured", "none").index)
        found.append(Line(label, worst, f"of {len(grades)} samples {', '.join(parts)}."))
    return found


VERDICT = Section(
    """
<section aria-label="Verdict">
{{ parts.verdict(lines) }}
{% if head_note %}<p class="note">{{ head_note }}</p>{% endif %}
{% if training_note %}<p class="note">{{ training_note }}</p>{% endif %}
</section>
{% if page.warnings %}
<section aria-label="Warnings"><h2>Warnings</h2><ul>{% for warning in page.warnings %}<li>{{ warning }}</li>{% endfor %}</ul></section>
{% endif %}
{% if page.graded %}{{ parts.limits() }}{% endif %}
""",
    _verdict,
)


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
        several = len(page.judged_samples) > 1
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
{% call parts.part("All judged samples together" if seen else "Test samples, pooled", "All samples together") %}
<p>{% if seen %}{{ figures_note }}{% else %}Pooled over samples that no model has seen in training.{% endif %} {% if best %}Bold: the best method of a level. {% endif %}Press a heading to sort.</p>
{{ parts.table(columns, rows, "Results pooled over the " ~ ("judged" if seen else "test") ~ " samples") }}
{% endcall %}
""",
    _pooled,
    when=lambda page: bool(page.together[1]),
)


# How far figures swing from one training to the next.

TRAININGS = Section(
    """
{% call parts.part("From one training to the next", "Trainings") %}
<p>Mean over the trainings of each method, which differ in their seed alone; in brackets the least and the greatest. {{ "All judged samples together" if seen else "Test samples, pooled" }}.</p>
{{ parts.plain_table(rows, "Mean and range over trainings") }}
{% endcall %}
""",
    lambda page: {"rows": training_table(page.training_table, page.words.level_format)},
    when=lambda page: page.training_table is not None,
)


# The list of samples, with links to their pages.

_MANY = 12  # samples from which on their list scrolls and can be searched

SAMPLES = Section(
    """
{% call parts.part("Sample by sample", "Samples") %}
{% if many %}<div class="tools" hidden><label>Find a sample <input type="search" id="filter" autocomplete="off"></label></div>{% endif %}
<ul class="samples{% if many %} long{% endif %}"{% if many %} tabindex="0"{% endif %}>
{% for sample in page.listed %}<li data-name="{{ sample.name }}">{% if sample.link %}<a href="{{ sample.link }}">{{ sample.name }}</a>{% else %}<b>{{ sample.name }}</b>{% endif %} {% if sample.lines | length == 1 %}{{ parts.badge(sample.lines[0].grade) }}{% else %}{{ parts.badges(sample.lines) }}{% endif %}<br>{{ sample.sentence }}{% for text, path in sample.further %} <a href="{{ path }}">{{ text }}</a>{% endfor %}{% if sample.training %} <span class="muted">Models were trained on this sample, so its figures flatter.</span>{% endif %}{% if sample.seen %} <span class="muted">Seen in training.</span>{% endif %}</li>
{% endfor %}</ul>
{% endcall %}
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


def _tells(page):
    """Whether it is worth telling what was not measured: where there was something to measure."""
    return not page.said and (page.judged_samples or not page.restored_samples)


def _figures(page):
    absent = [drawing.title for drawing in page.figures(*_names(page)) if not drawing.svgs]
    return {
        "drawings": page.drawn(*_names(page)),
        "absent": "" if not _tells(page) else ", ".join(t[:1].lower() + t[1:] for t in absent),
        "figures_note": figures_note(page),
    }


STUDY_FIGURES = Section(
    """
{% call parts.part("Figures") %}
<p class="muted">{{ figures_note }}</p>
{{ parts.figures(drawings) }}
{% if absent %}<p class="note">Not measured in this study: {{ absent }}.</p>{% endif %}
{% endcall %}
""",
    _figures,
    when=lambda page: bool((page.figures if _tells(page) else page.drawn)(*_names(page))),
)


# The page


def _about(page):
    table = page.verdicts
    levels = sorted({*table["level"], *map(float, page.restored_samples.values())})
    methods = ordered([*table["method"], *(page.methods if page.restored_samples else ())])
    methods = [look(method).name for method in methods if method != "input"]
    about = [
        f"Study {page.study}",
        count(page.names, "sample"),
        "levels " + ", ".join(map(page.words.level, levels)) if levels else "",
        ", ".join(methods),
    ]
    return {"summary": " · ".join(part for part in about if part)}


HEADER = Section(
    """
<header>
<p class="muted">Acuity report</p>
<h1>{{ page.name }}</h1>
<p class="muted">{{ summary }}</p>
</header>
""",
    _about,
)


@dataclass(frozen=True, kw_only=True)
class IndexPage(GradedPage):
    """What the first page shows.

    Without `samples`, all samples of `metrics` are listed, without links.

    Parameters
    ----------
    further : mapping of str to list of (str, str)
        Further pages of a sample: title and path from this page.
    pooled : (list of Column, list of dict), optional
        Columns and rows that take the place of the table of all unseen samples together.
    training_table : pandas.DataFrame, optional
        Figures of all trainings, as `acuity.measure.trainings.trainings` gives them.
    restored_samples : mapping of str to str
        Samples without a truth, which are shown and not judged, and the level that each was restored at.
    methods : sequence of str
        By which they were restored.
    seen_samples : sequence of str
        Samples that are judged although models learned from their voxels.
    warnings : sequence of str
        What jobs warned of, a sentence each.
    picture : (path-like, str), optional
        A PNG that is shown below the verdict, and what it shows.
    """

    header = HEADER
    sections = (
        VERDICT,
        PICTURE,
        POOLED_TABLE,
        TRAININGS,
        SAMPLES,
        EVERY_SAMPLE,
        GLOSSARY,
        STUDY_FIGURES,
        PROVENANCE,
    )

    further: Mapping[str, list] = field(default_factory=dict)
    pooled: tuple[list[Column], list[dict[str, Any]]] | None = None
    training_table: pd.DataFrame | None = None
    restored_samples: Mapping[str, str] = field(default_factory=dict)
    methods: Sequence[str] = ()
    seen_samples: Sequence[str] = ()
    warnings: Sequence[str] = ()
    picture: tuple | None = None

    @property
    def page_title(self):
        """What stands in the browser's title."""
        return f"{self.name} – Acuity report"

    @cached_property
    def figures_of(self):
        """The metrics of what has a truth, tidied."""
        return self.tidied[~self.tidied["sample"].isin(list(self.restored_samples))]

    @cached_property
    def names(self):
        """The samples that are listed."""
        listed = self.samples
        if listed is None:
            listed = sorted(set(self.figures_of["sample"]) - {POOLED})
        return list(dict.fromkeys([*listed, *self.further]))

    @cached_property
    def together(self):
        """Columns and rows of all unseen samples together."""
        pooled = self.verdicts["sample"] == POOLED
        return self.pooled or self.table.write(self.verdicts[pooled], sample=False)

    @cached_property
    def unseen(self):
        """The listed samples that no model was trained on."""
        return [name for name in self.names if name not in set(self.training_samples)]

    @cached_property
    def judged_samples(self):
        """Those of them that have a truth."""
        return [name for name in self.unseen if name not in self.restored_samples]

    @property
    def of_which(self):
        """How many of the judged samples were seen in training, in words."""
        if not self.seen_samples:
            return " that no model has seen"
        number = sum(name in set(self.seen_samples) for name in self.judged_samples)
        return f", of which {number} {'was' if number == 1 else 'were'} seen in training"

    @cached_property
    def listed(self):
        """What the list of samples says of each."""
        linked, told = set(self.samples or ()), {*self.said, *self.restored_samples}
        return [
            {
                "name": name,
                "link": link(name) if name in linked else None,
                "further": [(text, quote(path)) for text, path in self.further.get(name, [])],
                "lines": (own := self.lines_of(name)),
                # of levels one sentence, of stages one each
                "sentence": _told(own) if name in told else summary(own),
                "training": name in self.training_samples,
                "seen": name in self.seen_samples,
            }
            for name in self.names
        ]

    def lines_of(self, name):
        """Return what is said of a sample; of one without a truth that it was restored, and its alignment."""
        if name not in self.restored_samples:
            return self.judged.get(name, NOTHING)
        level = self.words.level_format.format(float(self.restored_samples[name]))
        own = [line for line in self.said.get(name, []) if line.grade != "none"]
        return [unjudged(self.methods, where=f" at {level}"), *own]


def _told(judged):
    return " ".join(": ".join(filter(None, (line.label, line.sentence))) for line in judged)


def read(files, cfg):
    """Read what the first page shows.

    Parameters
    ----------
    files : dict of str to path or list of path
        ``metrics``, ``warnings``, ``picture`` and lists: ``drawings``, ``judged``, ``seen``,
        ``trainings``; named by key ``cards`` of models and ``volumes``.
    cfg : mapping
        ``settings`` and ``sheet`` of the study, ``shown``: words below the picture; and parameters of
        `IndexPage`.

    Returns
    -------
    IndexPage
    """
    told, kinds = dict(cfg), by_kind(files.items())
    cards = {key: read_model_card(path) for key, path in kinds.get("cards", {}).items()}
    own = [card for key, card in cards.items() if "+" not in key.method]
    further = [card for key, card in cards.items() if "+" in key.method]
    said, pooled = read_judged(files["judged"])
    tables = [read_table(path, dtype=sources.TEXT) for path in files["trainings"]]
    return IndexPage(
        metrics=read_table(files["metrics"], dtype=sources.TEXT),
        drawings=read_drawings(files["drawings"]),
        said=said,
        pooled=pooled,
        training_table=tables[0] if tables else None,
        warnings=[
            *sources.warnings(own),
            *sources.warnings(further, "a further training of "),
            *sources.image_warnings(files["warnings"], kinds.get("volumes", {})),
        ],
        picture=(files["picture"], told.pop("shown")),
        provenance=sources.provenance(told.pop("settings"), told.pop("sheet"), own),
        seen=sources.seen_note(files["seen"]),
        seen_samples=sources.seen_samples(files["seen"]),
        ran=sources.run_date(files["metrics"]),
        words=Words(**told.pop("words")),
        **told,
    )
