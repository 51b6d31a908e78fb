"""Degrade an imported volume: volume -> its low-resolution version."""

from acuity.degrade.degrade import degrade
from acuity.job import job
from acuity.volume import open_volume

with job(snakemake):
    degrade(open_volume(snakemake.input[0]), snakemake.output[0], **snakemake.params.cfg)
