"""Find the displacement of every slice: volume -> transforms, tables of slices and pairs."""

from acuity.align.align import align, rows
from acuity.job import job
from acuity.tables import write_rows
from acuity.volume import open_volume

with job(snakemake):
    output = snakemake.output
    verdict = align(
        open_volume(snakemake.input[0]),
        output.transforms,
        output.slices,
        output.pairs,
        **snakemake.params.cfg,
    )
    write_rows(rows(verdict), output.table)
