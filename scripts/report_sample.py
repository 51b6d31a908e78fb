"""Write one sample's page: pictures and tables -> self-contained HTML."""

from acuity.job import job
from acuity.report.sample import read_sample, sample_page

with job(snakemake):
    page = read_sample(dict(snakemake.input.items()), snakemake.params.cfg)
    sample_page(page, snakemake.output[0])
