"""Fourier shell correlation of two independent acquisitions: two volumes -> table, curve."""

from acuity.assumptions import warning_rows
from acuity.job import job
from acuity.measure.fsc import ASSUMES, volume_fsc
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    first, second = (open_volume(path) for path in snakemake.input[:2])
    rows, curve = volume_fsc(first, second)
    rows += warning_rows(ASSUMES, image=first, repeat=second)
    write_rows(rows, snakemake.output.table)
    write_table(curve, snakemake.output.curve)
