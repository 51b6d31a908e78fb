"""Move every slice once: volume, transforms -> aligned volume, validity mask; slabs, or joined."""

from acuity.align.transform import transform
from acuity.job import job
from acuity.slabs import join, sees_all
from acuity.volume import open_volume

with job(snakemake):
    if snakemake.input.get("slabs"):
        join(snakemake.output.aligned)
        join(snakemake.output.valid)
    else:
        cfg = snakemake.params.cfg
        transform(
            open_volume(snakemake.input.volume, complete=sees_all(cfg.get("part"))),
            snakemake.input.transforms,
            snakemake.output.aligned,
            snakemake.output.valid,
            **cfg,
        )
