"""The report's first page: verdict, then figures, then provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote

import pandas as pd

from acuity.keys import by_kind
from acuity.model_card import read_model_card
from acuity.report import sources
from acuity.report.drawing import read_drawings
from acuity.report.graded import GradedPage
from acuity.report.judged import read_judged
from acuity.report.page import NOTHING, Section, count, link, write_page
from acuity.report.pages import Column
from acuity.report.sections.every_sample import EVERY_SAMPLE
from acuity.report.sections.first_picture import FIRST_PICTURE
from acuity.report.sections.first_verdict import FIRST_VERDICT
from acuity.report.sections.glossary import GLOSSARY
from acuity.report.sections.limits import LIMITS
from acuity.report.sections.pooled import POOLED_TABLE
from acuity.report.sections.provenance import PROVENANCE
from acuity.report.sections.samples import SAMPLES
from acuity.report.sections.study_figures import STUDY_FIGURES
from acuity.report.sections.trainings import TRAININGS
from acuity.report.sections.warnings import WARNINGS
from acuity.report.style import Words, look, ordered
from acuity.report.verdict import POOLED, summary, unjudged
from acuity.tables import read_table

SECTIONS = (
    FIRST_VERDICT,
    WARNINGS,
    LIMITS,
    FIRST_PICTURE,
    POOLED_TABLE,
    TRAININGS,
    SAMPLES,
    EVERY_SAMPLE,
    GLOSSARY,
    STUDY_FIGURES,
    PROVENANCE,
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


def _about(page):
    table = page.verdicts
    levels = sorted({*table["level"], *map(float, page.restored_samples.values())})
    methods = ordered([*table["method"], *(page.methods if page.restored_samples else ())])
    methods = [look(method).name for method in methods if method != "input"]
    about = [
        f"Study {page.study}",
        count(page.names, "sample"),
        "levels " + ", ".join(map(page.words.level_format.format, levels)) if levels else "",
        ", ".join(methods),
    ]
    return {"summary": " · ".join(part for part in about if part)}


HEADER = Section(
    "head",
    """
<header>
<p class="muted">Acuity report</p>
<h1>{{ page.name }}</h1>
<p class="muted">{{ summary }}</p>
</header>
""",
    _about,
)


def read_index(files, cfg):
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


def index_page(page, output):
    """Write the report's first page.

    Parameters
    ----------
    page : IndexPage
    output : path-like
        The page, ``report/index.html``.

    Raises
    ------
    AcuityError
        If a column of the metrics is missing.
    """
    write_page(page, HEADER, SECTIONS, output)
