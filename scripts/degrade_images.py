"""Degrade images at random: volume of images -> their low-resolution version."""

from acuity.degrade.images import degrade_images
from acuity.job import job
from acuity.volume import open_volume

with job(snakemake):
    degrade_images(open_volume(snakemake.input[0]), snakemake.output[0], **snakemake.params.cfg)
