"""Hold the map found between two scans against the true one: transform, true map -> figures."""

from acuity.job import job
from acuity.pair.true_map import judge_map

with job(snakemake):
    judge_map(snakemake.input.transform, snakemake.input.truth, snakemake.output.table)
