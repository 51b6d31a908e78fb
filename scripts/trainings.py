"""Pool the measures of each training: tables of each image -> table of the trainings."""

from acuity.job import job
from acuity.keys import by_kind
from acuity.measure.collect import read_images
from acuity.measure.trainings import trainings
from acuity.tables import write_table

with job(snakemake):
    images = read_images(by_kind(snakemake.input.items()))
    write_table(trainings(images, **snakemake.params.cfg), snakemake.output.table)
