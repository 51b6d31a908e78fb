"""Move every slice once: volume, transforms -> aligned volume, validity mask; slabs, or joined."""

from acuity.align.transform import transform
from acuity.job import job
from acuity.slabs import join
from acuity.volume import open_volume

with job(snakemake):
    if snakemake.input.get("slabs"):
        join(snakemake.output.aligned)
        join(snakemake.output.valid)
    else:
        transform(
            open_volume(snakemake.input.volume),
            snakemake.input.transforms,
            snakemake.output.aligned,
            snakemake.output.valid,
            **snakemake.params.cfg,
        )
