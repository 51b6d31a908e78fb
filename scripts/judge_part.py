"""Judge a part of an image: image, fine scans that models learned from -> the part, in their grey values."""

from acuity.job import job
from acuity.pair.judge import judge_part

with job(snakemake):
    judge_part(
        snakemake.input.judged,
        snakemake.input.restored,
        snakemake.output[0],
        fitted=list(snakemake.input.fitted),
        high=list(snakemake.input.high),
        learned=list(snakemake.input.learned),
    )
