"""Describe a volume as an input of models: low-resolution volume -> voxel size, noise, grey values."""

from acuity.job import job
from acuity.made_for import write_input

with job(snakemake):
    write_input(snakemake.input[0], snakemake.output[0])
