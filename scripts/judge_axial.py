"""Say of each sample what was restored along z: metrics -> lines of verdict."""

from acuity.job import job
from acuity.report.axial import axial_sentence
from acuity.report.judged import judged, write_judged
from acuity.report.sources import TEXT
from acuity.tables import read_table

with job(snakemake):
    metrics = read_table(snakemake.input.metrics, dtype=TEXT)
    write_judged(snakemake.output[0], judged(metrics, axial_sentence))
