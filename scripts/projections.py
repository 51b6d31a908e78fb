"""Scan a foam at one level of blur: spheres -> raw file of projections."""

from acuity.job import job
from acuity.settings import call
from acuity.simulate.acquire import acquire
from acuity.tables import read_table

with job(snakemake):
    spheres = read_table(snakemake.input.spheres)
    call(acquire, spheres, snakemake.output[0], **snakemake.params.cfg)
