"""Reconstruct the reference from noiseless views: spheres -> volume, a slab, or all joined."""

from acuity.job import job
from acuity.reconstruct.reconstruct import reconstruct_truth
from acuity.settings import call
from acuity.slabs import joined
from acuity.tables import read_table

with job(snakemake):
    if not joined(snakemake.input, snakemake.output):
        spheres = read_table(snakemake.input.spheres)
        call(reconstruct_truth, spheres, snakemake.output[0], **snakemake.params.cfg)
