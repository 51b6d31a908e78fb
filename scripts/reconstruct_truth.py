"""Reconstruct the reference from many noiseless views: spheres -> volume."""

from acuity.job import job
from acuity.reconstruct.reconstruct import reconstruct_truth
from acuity.tables import read_table

with job(snakemake):
    spheres = read_table(snakemake.input.spheres)
    reconstruct_truth(spheres, snakemake.output[0], **snakemake.params.cfg)
