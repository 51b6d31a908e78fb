"""Write a page, by the name of its module in acuity.report: figures, tables, cards -> self-contained HTML."""

from acuity.job import job
from acuity.plugins import load

with job(snakemake):
    module = load(f"acuity.report.{snakemake.params.page}", "a page")
    page = module.read(dict(snakemake.input.items()), snakemake.params.cfg)
    page.write(snakemake.output[0])
