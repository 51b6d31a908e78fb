"""Measure an image, by the measure's name: volumes -> table of figures, and curves and the like."""

from acuity.job import job
from acuity.measures.base import load, measured
from acuity.tables import write_rows, write_table
from acuity.volume import open_volume

with job(snakemake):
    volumes = {name: open_volume(path) for name, path in snakemake.input.items()}
    measure = load(snakemake.params.measure)
    rows, *tables = measured(measure, volumes, snakemake.params.cfg)
    first, *others = (snakemake.output[name] for name in measure.written())
    write_rows(rows, first)
    for table, path in zip(tables, others, strict=True):
        write_table(table, path)
