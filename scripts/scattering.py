"""Scattering function of a volume, and how far it is from a truth's: volumes -> table, curve."""

from acuity.job import job
from acuity.measure.scattering import volume_scattering
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    truth = snakemake.input.truth
    image = open_volume(snakemake.input.image)
    rows, curve = volume_scattering(image, open_volume(truth) if truth else None)
    write_rows(rows, snakemake.output.table)
    write_table(curve, snakemake.output.curve)
