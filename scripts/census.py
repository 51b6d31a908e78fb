"""Tabulate the pores of an image and match them with the true ones: labels -> tables."""

from acuity.job import job
from acuity.measure.census import census
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    labels = open_volume(snakemake.input.labels)
    truth = open_volume(snakemake.input.truth)
    reference = open_volume(snakemake.input.reference)
    rows, pores, status = census(labels, truth, reference, **snakemake.params.cfg)
    write_rows(rows, snakemake.output.table)
    write_table(pores, snakemake.output.pores)
    write_table(status, snakemake.output.status)
