"""Divide a registered pair: low volume, where high is known -> what is learned from, what is judged."""

from acuity.job import job
from acuity.pair.division import divide_pair

with job(snakemake):
    outputs = snakemake.output.learned, snakemake.output.judged
    divide_pair(snakemake.input.low, snakemake.input.valid, outputs, **snakemake.params.cfg)
