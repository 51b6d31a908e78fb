"""Pages as the rules make them: figures are drawn into files, and pages lay out what lies there."""

from pathlib import Path

from acuity.report import axial, figures, images, restored, sem, stack
from acuity.report.axial_page import AxialPage
from acuity.report.drawing import drawing_of, read_drawings
from acuity.report.index import IndexPage
from acuity.report.judged import read_judged
from acuity.report.restored_page import RestoredPage
from acuity.report.sample import SamplePage
from acuity.report.sem_page import SemPage
from acuity.report.stack_page import StackPage
from acuity.report.style import Words

WORDS = ("level_format", "level_title", "unit", "noun")


def words_of(told):
    """Take how things are written out of what a page is told."""
    return Words(**{key: told.pop(key) for key in WORDS if key in told})


def beside(output):
    folder = Path(output).parent / f"{Path(output).stem}.figures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def read(files):
    return read_drawings(file for file in files if file.suffix == ".json")


def index_page(
    metrics,
    pores=None,
    curves=None,
    histories=None,
    spaces=None,
    *,
    output,
    pooled_table=None,
    **told,
):
    words, training = words_of(told), told.get("training_samples", ())
    tables = metrics, pores, curves, histories, spaces
    drawn = figures.plots(*tables, training_samples=training, words=words)
    drawings = read([drawing_of(plot).write(beside(output)) for plot in drawn])
    page = IndexPage(metrics=metrics, drawings=drawings, pooled=pooled_table, words=words, **told)
    page.write(output)


def sample_page(
    sample, metrics, pores=None, curves=None, spaces=None, *, output, volumes=None, maps=None,
    labels=None, statuses=None, **told,
):  # fmt: skip
    words, pictures = words_of(told), {}
    if volumes:
        sources = {"volumes": volumes, "maps": maps, "labels": labels, "statuses": statuses}
        pictures = read(images.sample_figures(**sources, out_dir=beside(output), words=words))
    tables = {"pores": pores, "curves": curves, "spaces": spaces}
    if "said" in told:
        told["said"] = {sample: told["said"]}
    page = SamplePage(
        sample=sample, metrics=metrics, tables=tables, drawings=pictures, words=words, **told
    )
    page.write(output)


def stack_page(sample, slices, pairs, before, after, *, output, **told):
    folder = beside(output)
    files = stack.stack_figures(sample, slices, pairs, before, after, out_dir=folder)
    (verdict,) = read_judged([folder / "stack.json"])[0][sample]
    page = StackPage(sample=sample, drawings=read(files), verdict=verdict, **told)
    page.write(output)


def axial_page(
    sample, metrics, volumes=None, curves=None, disagreements=None, shells=None, models=None, *,
    output, study, title="", index=None, samples=None, **options,
):  # fmt: skip
    if volumes:
        files = axial.axial_figures(
            metrics, volumes, curves, disagreements, shells, models,
            out_dir=beside(output), samples=samples, **options,
        )  # fmt: skip
    else:
        plots = axial.graphs(metrics, curves, shells, samples)
        files = [drawing_of(plot).write(beside(output)) for plot in plots]
    page = AxialPage(
        sample=sample, metrics=metrics, drawings=read(files), models=models or {},
        samples=samples, study=study, title=title, index=index,
    )  # fmt: skip
    page.write(output)


def sem_page(
    sample,
    metrics,
    volumes=None,
    *,
    pair=None,
    gaps=None,
    spectra=None,
    output,
    samples=None,
    **told,
):
    how = {"pair": pair, "gaps": gaps, "spectra": spectra, "samples": samples}
    files = sem.sem_figures(metrics, volumes, **how, out_dir=beside(output))
    page = SemPage(sample=sample, metrics=metrics, drawings=read(files), samples=samples, **told)
    page.write(output)


def restored_page(sample, volumes, low, *, output, **told):
    drawn = restored.restored_figures(
        volumes, low, out_dir=beside(output), words=words_of(dict(told))
    )
    RestoredPage(sample=sample, drawings=read(drawn), **told).write(output)
