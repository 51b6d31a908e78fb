"""Scan a foam at one level of blur: spheres -> raw file of projections."""

from acuity.job import job
from acuity.simulate.acquire import acquire
from acuity.tables import read_table

with job(snakemake):
    acquire(read_table(snakemake.input.spheres), snakemake.output[0], **snakemake.params.cfg)
