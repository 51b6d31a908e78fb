"""Compare found displacements with those that were put in: three tables -> figures, errors."""

from acuity.align.check import check
from acuity.job import job
from acuity.tables import write_rows, write_table

with job(snakemake):
    rows, errors = check(snakemake.input.found, snakemake.input.reference, snakemake.input.added)
    write_rows(rows, snakemake.output.table)
    write_table(errors, snakemake.output.errors)
