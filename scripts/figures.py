"""Draw the figures of a page, by the name of its module in acuity.report.drawn: files -> PNG, SVG, JSON."""

from acuity.job import job
from acuity.plugins import load

with job(snakemake):
    module = load(f"acuity.report.{snakemake.params.page}", "the figures of a page")
    module.draw(dict(snakemake.input.items()), dict(snakemake.params.cfg))
