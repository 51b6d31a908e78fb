"""Move every slice once: volume, transforms -> aligned volume, validity mask."""

from acuity.align.transform import transform
from acuity.job import job
from acuity.volume import open_volume

with job(snakemake):
    transform(
        open_volume(snakemake.input.volume),
        snakemake.input.transforms,
        snakemake.output.aligned,
        snakemake.output.valid,
        **snakemake.params.cfg,
    )
