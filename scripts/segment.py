"""Label the objects of one image: volume -> labels, what was done; a slab, or all joined."""

from acuity.assumptions import warning_rows
from acuity.job import job
from acuity.segment.segment import ASSUMES, find_objects, number_objects, segment
from acuity.slabs import join, sees_all
from acuity.tables import tidy, write_rows
from acuity.volume import open_volume

with job(snakemake):
    cfg, output = snakemake.params.cfg, snakemake.output
    if "part" in cfg:
        image = open_volume(snakemake.input.image, complete=sees_all(cfg["part"]))
        find_objects(image, output[0], **cfg)
    else:
        image, slabs = open_volume(snakemake.input.image), snakemake.input.get("slabs")
        if slabs:
            found = join(slabs[0])
            summary = number_objects(open_volume(slabs[0]), found, output.labels, **cfg)
        else:
            summary = segment(image, output.labels, **cfg)
        rows = tidy(summary, "segment_")
        if cfg["threshold"] == "otsu":
            rows += warning_rows(ASSUMES, image=image, mask_radius=cfg["mask_radius"])
        write_rows(rows, output.table)
