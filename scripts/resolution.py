"""Fit an image by the blurred truth: two volumes -> table, curve."""

from acuity.assumptions import warning_rows
from acuity.job import job
from acuity.measure.resolution import ASSUMES, resolution_rows
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    image = open_volume(snakemake.input.image)
    truth = open_volume(snakemake.input.truth).within(image.grid, "truth")
    rows, curve = resolution_rows(
        image.read(),
        truth.read(),
        spacing=truth.grid.spacing,
        unit=truth.grid.unit,
        **snakemake.params.cfg,
    )
    rows += warning_rows(ASSUMES, image=image, truth=truth, **snakemake.params.cfg)
    write_rows(rows, snakemake.output.table)
    write_table(curve, snakemake.output.curve)
