"""Gather all tables of the study: tables of each image -> tables of the study."""

from acuity.job import job
from acuity.keys import by_kind
from acuity.measure.collect import collect, read_images
from acuity.tables import write_table

with job(snakemake):
    images = read_images(by_kind(snakemake.input.items()))
    for name, table in collect(images, **snakemake.params.cfg).items():
        write_table(table, snakemake.output[name])
