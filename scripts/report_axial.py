"""Write the page of what was restored along z: figures, metrics -> self-contained HTML."""

from acuity.job import job
from acuity.report.axial_page import axial_page, read_axial

with job(snakemake):
    page = read_axial(dict(snakemake.input.items()), snakemake.params.cfg)
    axial_page(page, snakemake.output[0])
