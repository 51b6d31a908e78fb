"""What the first page and those of samples share: results of volumes, graded by their objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from acuity.report.page import Page
from acuity.report.pages import VerdictTable
from acuity.report.verdict import Line, check_tables, length_unit, lines, tidy, verdicts


@dataclass(frozen=True, kw_only=True)
class GradedPage(Page):
    """A page of results that are graded by their objects.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``: ``sample method variant level metric subset value unit`` and, where known,
        ``low high n``; rows pooled over the unseen samples have the sample ``unseen``.
    samples : sequence of str, optional
        Samples with a page ``{sample}.html`` beside this one, in the order in which they are listed.
    said : mapping of str to list of Line
        What is judged of a sample, in the place of what its objects say; ``unseen`` for all unseen
        samples together.
    training_samples : sequence of str
        Samples that models were trained on.
    learned : sequence of str
        Methods that learn.
    trainings : int
        How often each of them was trained.
    """

    metrics: pd.DataFrame
    samples: Sequence[str] | None = None
    said: Mapping[str, list[Line]] = field(default_factory=dict)
    training_samples: Sequence[str] = ()
    learned: Sequence[str] = ()
    trainings: int = 1

    @property
    def linked(self):
        """Whether the page has links to others."""
        return bool(self.samples)

    @cached_property
    def tidied(self):
        """The metrics of the whole study, tidied."""
        check_tables(self.metrics)
        return tidy(self.metrics)

    @property
    def figures_of(self):
        """The metrics that the page is about, tidied."""
        return self.tidied

    @cached_property
    def written(self):
        """How levels, lengths and objects are written, with the unit of the whole study."""
        return replace(self.words, unit=self.words.unit or length_unit(self.tidied))

    @cached_property
    def table(self):
        """What writes rows of verdicts."""
        return VerdictTable(self.written)

    @cached_property
    def verdicts(self):
        """A row a sample, level and method."""
        return verdicts(self.figures_of)

    @cached_property
    def judged(self):
        """What is judged of each sample: lines."""
        return lines(self.verdicts, self.written) | dict(self.said)

    @property
    def graded(self):
        """Whether anything was graded by its objects."""
        return bool((self.verdicts["grade"] != "none").any())
