"""Spectra of an image and of its truth, and how far they are apart: volumes -> table, curve."""

from acuity.assumptions import warning_rows
from acuity.job import job
from acuity.measure.spectrum import ASSUMES, volume_spectrum
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    image, truth = open_volume(snakemake.input.image), open_volume(snakemake.input.truth)
    rows, curve = volume_spectrum(image, truth, **snakemake.params.cfg)
    rows += warning_rows(ASSUMES, image=image, truth=truth)
    write_rows(rows, snakemake.output.table)
    write_table(curve, snakemake.output.curve)
