"""Reconstruct a scan: raw file of projections -> volume."""

from acuity.job import job
from acuity.reconstruct.reconstruct import reconstruct

with job(snakemake):
    reconstruct(snakemake.input[0], snakemake.output[0], **snakemake.params.cfg)
