"""Cut a coarse scan to what is restored: coarse volume, perhaps that of the pair -> a part."""

from acuity.job import job
from acuity.pair.field import write_field
from acuity.volume import open_volume

with job(snakemake):
    volumes = {key: open_volume(path) for key, path in snakemake.input.items()}
    write_field(volumes.pop("coarse"), snakemake.output[0], **volumes, **snakemake.params.cfg)
