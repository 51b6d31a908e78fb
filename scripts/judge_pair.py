"""Say of each sample how far what was restored can be told from the fine scan: metrics -> lines of verdict."""

from acuity.job import job
from acuity.report.graded_pairs import pair_sentence
from acuity.report.judged import judged, write_judged
from acuity.report.sources import TEXT
from acuity.tables import read_table

with job(snakemake):
    metrics = read_table(snakemake.input.metrics, dtype=TEXT)
    write_judged(snakemake.output[0], judged(metrics, pair_sentence))
