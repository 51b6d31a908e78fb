"""Fourier shell correlation of two independent acquisitions: two volumes -> table, curve."""

from acuity.job import job
from acuity.measure.fsc import volume_fsc
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    rows, curve = volume_fsc(open_volume(snakemake.input[0]), open_volume(snakemake.input[1]))
    write_rows(rows, snakemake.output.table)
    write_table(curve, snakemake.output.curve)
