"""Write a page, by the name of its module in acuity.report: figures, tables, cards -> self-contained HTML."""

from acuity.job import job
from acuity.plugins import load

with job(snakemake):
    page, cfg = snakemake.params.page, snakemake.params.cfg
    module, name = load(f"acuity.report.{page}", "a page"), page.removesuffix("_page")
    read, write = getattr(module, f"read_{name}"), getattr(module, f"{name}_page")
    write(read(dict(snakemake.input.items()), cfg), snakemake.output[0])
