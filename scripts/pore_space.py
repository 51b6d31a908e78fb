"""Describe the space of the pores: labels -> table, curves."""

from acuity.assumptions import warning_rows
from acuity.job import job
from acuity.measure.pore_space import ASSUMES, pore_space
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    labels = open_volume(snakemake.input[0])
    rows, curve = pore_space(
        labels.read(),
        spacing=labels.grid.spacing,
        unit=labels.grid.unit,
        **snakemake.params.cfg,
    )
    write_rows(rows + warning_rows(ASSUMES, labels=labels), snakemake.output.table)
    write_table(curve, snakemake.output.curve)
