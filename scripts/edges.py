"""Edge spread of an image at the edges of its truth: volumes -> table."""

from acuity.job import job
from acuity.measure.edges import volume_edges
from acuity.tables import write_rows
from acuity.volume import open_volume

with job(snakemake):
    volumes = {name: open_volume(path) for name, path in snakemake.input.items()}
    write_rows(volume_edges(**volumes, **snakemake.params.cfg)[0], snakemake.output[0])
