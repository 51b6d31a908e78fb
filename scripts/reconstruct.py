"""Reconstruct a scan: raw file of projections -> volume, one slab of it, or all joined."""

from acuity.job import job
from acuity.reconstruct.reconstruct import reconstruct
from acuity.slabs import join

with job(snakemake):
    if snakemake.input.get("slabs"):
        join(snakemake.output[0])
    else:
        reconstruct(snakemake.input.scan, snakemake.output[0], **snakemake.params.cfg)
