"""Find the displacement of every slice: volume -> transforms, tables of slices and pairs."""

from acuity.align.align import align
from acuity.job import job
from acuity.tables import tidy, write_rows
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
    figures = {name: value for name, value in verdict.items() if isinstance(value, int | float)}
    write_rows(tidy(figures, "stack_"), output.table)
