"""Errors of a restored stack, as the FIB-SEM papers state them: volumes -> table."""

from acuity.job import job
from acuity.measure.error import volume_errors
from acuity.tables import write_rows
from acuity.volume import open_volume

with job(snakemake):
    volumes = (open_volume(snakemake.input[name]) for name in ("image", "truth", "cubic"))
    write_rows(volume_errors(*volumes, **snakemake.params.cfg), snakemake.output[0])
