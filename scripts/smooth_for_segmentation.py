"""Smooth one image by non-local means: volume -> volume, noise; one slab of it, or all joined."""

from acuity.job import job
from acuity.segment.nlm import smooth
from acuity.slabs import join, sees_all
from acuity.tables import tidy, write_rows
from acuity.volume import open_volume

with job(snakemake):
    output = snakemake.output
    if snakemake.input.get("slabs"):
        sigma = join(output.smoothed)[0]["sigma"]
    else:
        cfg = snakemake.params.cfg
        image = open_volume(snakemake.input.image, complete=sees_all(cfg.get("part")))
        sigma = smooth(image, output.get("smoothed", output[0]), **cfg)
    if output.get("table"):
        write_rows(tidy({"sigma": sigma}, "segment_nlm_"), output.table)
