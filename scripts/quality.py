"""Compare an image with the truth: two volumes -> table, local MS-SSIM map; a slab, or all joined."""

from acuity.assumptions import warning_rows
from acuity.job import job
from acuity.measure.quality import quality, quality_rows
from acuity.measures.quality import MEASURE
from acuity.slabs import join, sees_all
from acuity.tables import write_rows
from acuity.volume import open_volume

with job(snakemake):
    output, cfg = snakemake.output, snakemake.params.cfg
    slabs = snakemake.input.get("slabs")
    image, truth = (
        open_volume(snakemake.input[name], complete=sees_all(cfg.get("part")) and not slabs)
        for name in ("image", "truth")
    )
    truth = truth.within(image.grid, "truth")
    found = (
        join(output.map) if slabs else [quality(image, truth, output.get("map", output[0]), **cfg)]
    )
    if output.get("table"):
        seen = {
            "mask_radius": cfg["mask_radius"],
            "data_range": found[0]["settled"]["data_range"],
            "stated": cfg["data_range"] is not None,
        }
        rows = quality_rows(found) + warning_rows(MEASURE.assumes, image=image, truth=truth, **seen)
        write_rows(rows, output.table)
