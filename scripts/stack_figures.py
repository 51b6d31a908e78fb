"""Draw what was done to a stack: tables, volumes before and after -> PNG and SVG."""

from acuity.job import job
from acuity.report.sources import read_slices
from acuity.report.stack import stack_figures

with job(snakemake):
    files = snakemake.input
    tables = read_slices(files.slices), read_slices(files.pairs)
    stack_figures(*tables, files.before, files.after, out_dir=snakemake.params.cfg["folder"])
