"""Pool the measures of each training: tables of each image -> table of the trainings."""

from acuity.job import job
from acuity.measure.collect import read_images
from acuity.measure.trainings import trainings
from acuity.tables import write_table

with job(snakemake):
    cfg = dict(snakemake.params.cfg)
    images = read_images(cfg.pop("images"), dict(snakemake.input.items()))
    write_table(trainings(images, **cfg), snakemake.output.table)
