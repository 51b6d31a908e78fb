"""Write the page of an image: figures, metrics -> self-contained HTML."""

from acuity.job import job
from acuity.report.sem_page import read_sem, sem_page

with job(snakemake):
    page = read_sem(dict(snakemake.input.items()), snakemake.params.cfg)
    sem_page(page, snakemake.output[0])
