"""Make a volume coarser along z alone: volume -> volume with fewer slices, a slab, or all joined."""

from acuity.degrade.axial import axial
from acuity.job import job
from acuity.slabs import joined, sees_all
from acuity.volume import open_volume

with job(snakemake):
    if not joined(snakemake.input, snakemake.output):
        cfg = snakemake.params.cfg
        volume = open_volume(snakemake.input.volume, complete=sees_all(cfg.get("part")))
        axial(volume, snakemake.output[0], **cfg)
