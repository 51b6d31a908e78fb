"""Degrade an imported volume: volume -> its low-resolution version, one slab of it, or all joined."""

from acuity.degrade.degrade import degrade
from acuity.job import job
from acuity.settings import call
from acuity.slabs import joined, sees_all
from acuity.volume import open_volume

with job(snakemake):
    if not joined(snakemake.input, snakemake.output):
        cfg = snakemake.params.cfg
        volume = open_volume(snakemake.input.volume, complete=sees_all(cfg.get("part")))
        call(degrade, volume, snakemake.output[0], **cfg)
