"""Gather all tables of the study: tables of each image -> metrics.tsv, pores.tsv."""

from acuity.job import job
from acuity.measure.collect import collect
from acuity.tables import read_table, write_table

with job(snakemake):
    cfg, files = snakemake.params.cfg, snakemake.input
    tables = iter(files.tables)
    images = [
        {
            **{key: image[key] for key in ("sample", "method", "level")},
            "tables": [read_table(next(tables)) for _ in range(image["count"])],
            "pores": read_table(pores),
            "status": read_table(status),
        }
        for image, pores, status in zip(cfg["images"], files.pores, files.status, strict=True)
    ]
    metrics, pores = collect(images, study=cfg["study"], unseen=cfg["unseen"])
    write_table(metrics, snakemake.output.metrics)
    write_table(pores, snakemake.output.pores)
