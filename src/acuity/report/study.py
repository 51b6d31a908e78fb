"""The report's first page, whatever the study is made of: objects, slices, stacks, images."""

from acuity.report.axial import axial_sentence
from acuity.report.pages import index_page
from acuity.report.sem import sem_sentence
from acuity.report.stack import stack_verdict
from acuity.report.verdict import POOLED


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
    metrics, said = tables["metrics"], {}
    if axial or flat:
        say = axial_sentence if axial else sem_sentence
        for sample in set(metrics["sample"]):
            chosen = None if sample == POOLED else [sample]
            said[sample] = ("none", say(metrics, samples=chosen))
    for sample, found in (stacks or {}).items():
        grade, sentence = stack_verdict(*found)
        further = [said[sample][1]] if sample in said else []
        said[sample] = (grade, " ".join([f"Alignment: {sentence}", *further]))
    index_page(**tables, said=said, **options)
