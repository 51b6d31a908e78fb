"""Find the displacement of every slice: volume -> transforms, tables of slices and pairs."""

from acuity.align.align import Outputs, align, rows
from acuity.job import job
from acuity.settings import call
from acuity.tables import write_rows
from acuity.volume import open_volume

with job(snakemake):
    output = snakemake.output
    outputs = Outputs(output.transforms, output.slices, output.pairs)
    verdict = call(align, open_volume(snakemake.input[0]), outputs, **snakemake.params.cfg)
    write_rows(rows(verdict), output.table)
