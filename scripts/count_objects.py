"""Tabulate an image's pores and match them with the true ones: labels -> tables; a slab, or all."""

from acuity.assumptions import warning_rows
from acuity.job import job
from acuity.measure.census import census, count, read_counts, write_counts
from acuity.measures.count_objects import MEASURE
from acuity.slabs import sees_all
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    cfg, files, output = snakemake.params.cfg, snakemake.input, snakemake.output
    slabs, part = files.get("slabs"), cfg["count"].get("part")
    volumes = {
        name: open_volume(files[name], complete=sees_all(part) and not slabs)
        for name in ("labels", "truth", "reference")
    }
    if slabs:
        counts = read_counts(slabs, {name: volume.digest for name, volume in volumes.items()})
    else:
        counts = [count(**volumes, **cfg["count"])]
    if part:
        write_counts(counts[0], output[0])
    else:
        grid = open_volume(files.classes[0], complete=False).grid if files.get("classes") else None
        rows, pores, status = census(counts, grid=grid, **cfg["census"])
        rows += warning_rows(MEASURE.assumes, labels=volumes["labels"])
        write_rows(rows, output.table)
        write_table(pores, output.pores)
        write_table(status, output.status)
