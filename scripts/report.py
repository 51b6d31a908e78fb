"""Write the report's first page: figures, tables, model cards -> self-contained HTML."""

from acuity.job import job
from acuity.report.index import index_page, read_index

with job(snakemake):
    page = read_index(dict(snakemake.input.items()), snakemake.params.cfg)
    index_page(page, snakemake.output[0])
