"""Restore one volume: low-resolution volume (and model) -> restored volume, a slab, or all joined.

Of XZ and YZ planes also how far the two differ.
"""

from acuity.job import job
from acuity.predict.job import PredictionFiles, PredictionJob
from acuity.predict.predict import predict
from acuity.slabs import joined

with job(snakemake):
    if not joined(snakemake.input, snakemake.output):
        files = PredictionFiles(
            snakemake.input.low,
            snakemake.output.restored,
            model=snakemake.input.get("model"),
            card=snakemake.input.get("card"),
            disagreement=snakemake.output.get("disagreement"),
            described=snakemake.input.get("described"),
        )
        predict(PredictionJob(**snakemake.params.cfg), files, threads=snakemake.threads)
