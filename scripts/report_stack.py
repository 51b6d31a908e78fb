"""Write the page of a stack: figures and verdict -> self-contained HTML."""

from acuity.job import job
from acuity.report.stack_page import read_stack, stack_page

with job(snakemake):
    page = read_stack(dict(snakemake.input.items()), snakemake.params.cfg)
    stack_page(page, snakemake.output[0])
