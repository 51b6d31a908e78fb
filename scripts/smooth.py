"""Smooth one image by non-local means: volume -> volume, noise; one slab of it, or all joined."""

from acuity.job import job
from acuity.segment.nlm import smooth
from acuity.slabs import join
from acuity.tables import tidy, write_rows
from acuity.volume import open_volume

with job(snakemake):
    output = snakemake.output
    if snakemake.input.get("slabs"):
        sigma = join(output.smoothed)[0]["sigma"]
    else:
        image = open_volume(snakemake.input.image)
        sigma = smooth(image, output.get("smoothed", output[0]), **snakemake.params.cfg)
    if output.get("table"):
        write_rows(tidy({"sigma": sigma}, "segment_nlm_"), output.table)
