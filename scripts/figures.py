"""Draw the figures of a page, by the name of its module in acuity.report.drawn: files -> PNG, SVG, JSON."""

from importlib import import_module

from acuity.job import job

with job(snakemake):
    draw = import_module(f"acuity.report.{snakemake.params.page}").draw
    draw(dict(snakemake.input.items()), dict(snakemake.params.cfg))
