"""Label the objects of one image: volume -> label volume, table of what was done."""

from acuity.job import job
from acuity.segment.segment import segment
from acuity.tables import tidy, write_rows
from acuity.volume import open_volume

with job(snakemake):
    image = open_volume(snakemake.input[0])
    summary = segment(image, snakemake.output.labels, **snakemake.params.cfg)
    write_rows(tidy(summary, "segment_"), snakemake.output.table)
