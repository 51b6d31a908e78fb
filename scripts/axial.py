"""Make a volume coarser along z alone: volume -> volume with fewer slices."""

from acuity.degrade.axial import axial
from acuity.job import job
from acuity.volume import open_volume

with job(snakemake):
    axial(open_volume(snakemake.input[0]), snakemake.output[0], **snakemake.params.cfg)
