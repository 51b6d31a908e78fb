"""Say of each image what became resolvable: metrics -> lines of verdict, table of all images."""

from acuity.job import job
from acuity.report.judged import judged, write_judged
from acuity.report.sem import page_table, sem_sentence
from acuity.report.sources import TEXT
from acuity.tables import read_table

with job(snakemake):
    metrics = read_table(snakemake.input.metrics, dtype=TEXT)
    write_judged(snakemake.output[0], judged(metrics, sem_sentence), page_table(metrics))
