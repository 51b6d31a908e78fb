"""Import a user's file: path and voxel size -> volume."""

from acuity.ingest.ingest import ingest
from acuity.job import job

with job(snakemake):
    ingest(output=snakemake.output[0], **snakemake.params.cfg)
