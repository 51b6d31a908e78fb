"""Label the objects of one image: volume -> label volume."""

from acuity.job import job
from acuity.segment.segment import segment
from acuity.volume import open_volume

with job(snakemake):
    segment(open_volume(snakemake.input[0]), snakemake.output[0], **snakemake.params.cfg)
