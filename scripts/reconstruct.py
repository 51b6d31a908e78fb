"""Reconstruct a scan: raw file of projections -> volume, one slab of it, or all joined."""

from acuity.job import job
from acuity.reconstruct.reconstruct import reconstruct
from acuity.slabs import joined

with job(snakemake):
    if not joined(snakemake.input, snakemake.output):
        reconstruct(snakemake.input.scan, snakemake.output[0], **snakemake.params.cfg)
