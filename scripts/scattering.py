"""Scattering function of a volume, and how far it is from a truth's: volumes -> table, curve."""

from acuity.assumptions import warning_rows
from acuity.job import job
from acuity.measure.scattering import ASSUMES, volume_scattering
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    volumes = {
        name: open_volume(path) for name in ("image", "truth") if (path := snakemake.input[name])
    }
    rows, curve = volume_scattering(**volumes)
    rows += warning_rows(ASSUMES, **volumes)
    write_rows(rows, snakemake.output.table)
    write_table(curve, snakemake.output.curve)
