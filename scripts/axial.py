"""Make a volume coarser along z alone: volume -> volume with fewer slices, a slab, or all joined."""

from acuity.degrade.axial import axial
from acuity.job import job
from acuity.slabs import join
from acuity.volume import open_volume

with job(snakemake):
    if snakemake.input.get("slabs"):
        join(snakemake.output[0])
    else:
        axial(open_volume(snakemake.input.volume), snakemake.output[0], **snakemake.params.cfg)
