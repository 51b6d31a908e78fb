"""Tabulate an image's pores and match them with the true ones: labels -> tables; a slab, or all."""

from acuity.job import job
from acuity.measure.census import census, count, read_counts, write_counts
from acuity.slabs import sees_all
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    cfg, files, output = snakemake.params.cfg, snakemake.input, snakemake.output
    if files.get("slabs"):
        counts = read_counts(files.slabs)
    else:
        volumes = [
            open_volume(files[name], complete=sees_all(cfg["count"].get("part")))
            for name in ("labels", "truth", "reference")
        ]
        counts = [count(*volumes, **cfg["count"])]
    if "part" in cfg["count"]:
        write_counts(counts[0], output[0])
    else:
        rows, pores, status = census(counts, **cfg["census"])
        write_rows(rows, output.table)
        write_table(pores, output.pores)
        write_table(status, output.status)
