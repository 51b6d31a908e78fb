"""Compare an image with the truth: two volumes -> table, local MS-SSIM map; a slab, or all joined."""

from acuity.job import job
from acuity.measure.quality import quality, quality_rows
from acuity.slabs import join, sees_all
from acuity.tables import write_rows
from acuity.volume import open_volume

with job(snakemake):
    output = snakemake.output
    if snakemake.input.get("slabs"):
        found = join(output.map)
    else:
        cfg = snakemake.params.cfg
        image, truth = (
            open_volume(snakemake.input[name], complete=sees_all(cfg.get("part")))
            for name in ("image", "truth")
        )
        truth = truth.within(image.grid, "truth")
        found = [quality(image, truth, output.get("map", output[0]), **cfg)]
    if output.get("table"):
        write_rows(quality_rows(found), output.table)
