"""Move every slice once: volume, transforms -> aligned volume, validity mask; slabs, or joined."""

from acuity.align.transform import transform
from acuity.job import job
from acuity.slabs import joined, sees_all
from acuity.volume import open_volume

with job(snakemake):
    files, output, cfg = snakemake.input, snakemake.output, snakemake.params.cfg
    if not joined(files, output):
        volume = open_volume(files.volume, complete=sees_all(cfg.get("part")))
        transform(volume, files.transforms, output.aligned, output.valid, **cfg)
