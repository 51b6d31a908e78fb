"""Gather all tables of the study: tables of each image -> tables of the study."""

from acuity.job import job
from acuity.measure.collect import collect, read_images
from acuity.tables import write_table

with job(snakemake):
    cfg = snakemake.params.cfg
    images = read_images(cfg["images"], dict(snakemake.input.items()))
    gathered = collect(images, **{key: cfg[key] for key in cfg if key != "images"})
    for name, table in gathered.items():
        write_table(table, snakemake.output[name])
