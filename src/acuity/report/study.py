"""The report's first page, whatever the study is made of: objects, slices, stacks, images."""

import pandas as pd

from acuity.report.axial import axial_sentence
from acuity.report.pages import index_page
from acuity.report.sem import page_table, sem_sentence
from acuity.report.stack import stack_verdict
from acuity.report.verdict import POOLED, UNMEASURED, Line, tidy


def study_page(tables, *, axial=False, flat=False, stacks=None, **options):
    """Write the report's first page.

    Parameters
    ----------
    tables : dict
        As `acuity.report.sources.study_tables` gives them.
    axial : bool
        Whether volumes were made finer along z: said are then the errors, and not the objects.
    flat : bool
        Whether images were made finer: said is then what became resolvable.
    stacks : mapping of str to (pandas.DataFrame, pandas.DataFrame), optional
        Tables of slices and pairs of the samples that were aligned.
    **options
        Passed to `acuity.report.pages.index_page`.
    """
    said = judged(tables["metrics"], axial=axial, flat=flat, stacks=stacks)
    pooled = page_table(tables["metrics"]) if flat else None
    index_page(**tables, said=said, pooled_table=pooled, **options)


def judged(metrics, *, axial=False, flat=False, stacks=None):
    """Say of each sample what is judged beside its objects, for the first page and its own.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``.
    axial, flat, stacks
        As for `study_page`.

    Returns
    -------
    dict of str to list of Line
        What is judged of a sample; none where that is its objects alone.
    """
    said = {}
    if axial or flat:
        say = axial_sentence if axial else sem_sentence
        # A sentence needs a sample's own rows and the pooled ones: not the whole table each time.
        rows = dict(iter(tidy(metrics).groupby("sample")))
        pooled = rows.pop(POOLED, None)
        if pooled is not None:
            said[POOLED] = [_restored(say(pooled))]
        for sample, own in rows.items():
            said[sample] = [_restored(say(pd.concat([own, pooled]), samples=[sample]))]
    for sample, found in (stacks or {}).items():
        said[sample] = [Line("Alignment", *stack_verdict(*found)), *said.get(sample, [])]
    return said


def _restored(sentence):
    """What is restored along z, or of images, has figures and no grade."""
    grade = "none" if sentence == UNMEASURED else "measured"
    return Line("Restoration", grade, sentence)
