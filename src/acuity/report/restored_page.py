"""The page of a sample that was restored and has no truth: it shows, and judges nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from acuity.keys import by_image, by_kind
from acuity.made_for import Comparison, compare_all, read_input
from acuity.model_card import ModelCard, read_model_card
from acuity.report.drawing import read_drawings
from acuity.report.judged import read_judged
from acuity.report.page import Page, seen_of
from acuity.report.sections.base import PROVENANCE, further_figures
from acuity.report.sections.restored_graphs import RESTORED_GRAPHS
from acuity.report.sections.restored_models import RESTORED_MODELS
from acuity.report.sections.restored_objects import RESTORED_OBJECTS
from acuity.report.sections.restored_planes import RESTORED_PLANES
from acuity.report.sections.restored_verdict import RESTORED_VERDICT
from acuity.report.sections.sample_head import SAMPLE_HEAD
from acuity.report.sources import TEXT, run_date, without_folders
from acuity.report.style import Words
from acuity.report.verdict import POOLED, Line, tidy
from acuity.seen import meet, origin
from acuity.tables import read_table
from acuity.volume import open_volume

# Those of acuity.report.restored, which a page need not load.
FIGURES = ("restored_graphs", "restored_planes")


@dataclass(frozen=True, kw_only=True)
class UsedModel:
    """A model by which a sample was restored.

    Parameters
    ----------
    method : str
        NAME or NAME@VARIANT.
    card : ModelCard
    given : str
        Where it lies, of a model that was trained elsewhere.
    comparison : list of acuity.made_for.Comparison
        The input beside those that it was made for.
    accepted : list of str
        In what the input differs and was accepted, a sentence each.
    seen : bool
        Whether it learned from voxels of this sample.
    figures : sequence of (str, pandas.DataFrame)
        A study that judged it on other specimens, empty for this one, and its pooled rows, tidied: of the
        model, the unrestored input and the truth.
    """

    method: str
    card: ModelCard
    given: str = ""
    comparison: Sequence[Comparison] = ()
    accepted: Sequence[str] = ()
    seen: bool = False
    figures: Sequence[tuple[str, pd.DataFrame]] = ()


@dataclass(frozen=True, kw_only=True)
class RestoredPage(Page):
    """What the page of a restored sample shows.

    Parameters
    ----------
    sample : str
        Its name.
    level : float
        At which it was restored.
    methods : sequence of str
        By which it was restored.
    metrics : pandas.DataFrame
        ``metrics.tsv``.
    models : sequence of UsedModel
        One of each method that learns.
    samples : sequence of str
        Samples with a page ``{sample}.html`` beside this one, in the order in which they are listed.
    further : sequence of (str, str)
        Title and path of its further pages.
    lines : sequence of Line
        What is judged of it without a truth: its alignment.
    surroundings : bool
        Whether what lies around the specimen may count as pores.
    """

    header = SAMPLE_HEAD
    sections = (
        RESTORED_VERDICT,
        RESTORED_PLANES,
        RESTORED_GRAPHS,
        RESTORED_OBJECTS,
        RESTORED_MODELS,
        further_figures(FIGURES),
        PROVENANCE,
    )

    sample: str
    level: float
    methods: Sequence[str]
    metrics: pd.DataFrame
    models: Sequence[UsedModel] = ()
    samples: Sequence[str] = ()
    further: Sequence[tuple[str, str]] = ()
    lines: Sequence[Line] = ()
    surroundings: bool = False

    @property
    def page_title(self) -> str:
        """What stands in the browser's title."""
        return f"{self.sample} – {self.name}"

    @property
    def linked(self) -> bool:
        """Whether the page has links to others."""
        return bool(self.samples)

    @cached_property
    def figures_of(self) -> pd.DataFrame:
        """The sample's own figures, tidied."""
        metrics = tidy(self.metrics)
        return metrics[metrics["sample"] == self.sample]


def read(files: Mapping[str, Any], cfg: Mapping[str, Any]) -> RestoredPage:
    """Read what the page of a restored sample shows.

    Parameters
    ----------
    files : dict of str to path or list of path
        ``metrics``, ``low`` and lists ``drawings`` and ``judged``; where a method learns ``described``;
        named by key ``volumes`` of the results, ``cards`` of models and ``figures`` of those that were
        trained elsewhere.
    cfg : mapping
        ``row`` of the sample sheet; ``given``, where models of other trainings lie, by method; and parameters
        of `RestoredPage`.

    Returns
    -------
    RestoredPage
    """
    told, kinds = dict(cfg), by_kind(files.items())
    pictures = read_drawings(files["drawings"])
    metrics = read_table(files["metrics"], dtype=TEXT)
    steps = {
        method: open_volume(path, complete=False).provenance[-1]
        for (method, _), path in by_image(kinds.get("volumes", {})).items()
    }
    given = told.pop("given")
    lines = read_judged(files["judged"])[0].get(told["sample"], [])
    restored = {
        name: {k: v for k, v in step.items() if k != "step"} for name, step in steps.items()
    }
    about = pictures["restored_planes"].more["about"]
    return RestoredPage(
        metrics=metrics,
        models=_models(files, kinds, metrics, given, steps),
        drawings=pictures,
        lines=lines,
        seen=seen_of(pictures),
        ran=run_date(files["metrics"]),
        provenance={"sample": without_folders(told.pop("row")), **about, "restored by": restored},
        words=Words(**told.pop("words")),
        **told,
    )


def _models(files, kinds, metrics, given, steps):
    """The models of the methods that learn, each with what is known of it."""
    cards = {
        image: read_model_card(path) for image, path in by_image(kinds.get("cards", {})).items()
    }
    if not cards:
        return []
    found, began = read_input(files["described"]), origin(open_volume(files["low"], complete=False))
    elsewhere, pooled = by_image(kinds.get("figures", {})), tidy(metrics)
    pooled = pooled[pooled["sample"] == POOLED]
    models = []
    for (method, level), card in cards.items():
        here = pooled["level"].isna() | (pooled["level"] == level)
        own = pooled[here & pooled["method"].isin([method, "input", "truth"])]
        figures = [("", own)] if method in set(own["method"]) else []
        if (method, level) in elsewhere:
            table = tidy(read_table(elsewhere[method, level], dtype=TEXT))
            figures += [(card.study, table)] if len(table) else []
        kept = {"made_for": card.made_for, "normalisation": card.normalisation}
        models.append(
            UsedModel(
                method=method,
                card=card,
                given=given.get(method, ""),
                comparison=compare_all(found, level, taught_level=card.level, **kept),
                accepted=steps.get(method, {}).get("accepted", []),
                seen=any(meet(began, one) for one in card.origins),
                figures=figures,
            )
        )
    return models
