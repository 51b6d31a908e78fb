"""Scattering function of a volume and how far it is from the truth's: volumes -> table, curve."""

from acuity.job import job
from acuity.measure.scattering import volume_scattering
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    image, truth = open_volume(snakemake.input.image), open_volume(snakemake.input.truth)
    rows, curve = volume_scattering(image, truth)
    write_rows(rows, snakemake.output.table)
    write_table(curve, snakemake.output.curve)
