"""Gaps between particles that an image resolves: volumes -> table of gaps, table of figures."""

from acuity.job import job
from acuity.measure.gaps import gap_files
from acuity.volume import open_volume

with job(snakemake):
    volumes = {name: open_volume(path) for name, path in snakemake.input.items()}
    output = snakemake.output
    gap_files(**volumes, gaps_output=output.table, summary=output.summary, **snakemake.params.cfg)
