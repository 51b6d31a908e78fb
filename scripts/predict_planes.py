"""Restore a volume plane by plane: low-resolution volume, model -> restored volume, disagreement."""

from acuity.job import job
from acuity.predict.job import PredictionFiles, PredictionJob
from acuity.predict.predict import predict
from acuity.slabs import join

with job(snakemake):
    if snakemake.input.get("slabs"):
        join(snakemake.output.restored)
        join(snakemake.output.disagreement)
    else:
        files = PredictionFiles(
            snakemake.input.low,
            snakemake.output.restored,
            model=snakemake.input.model,
            card=snakemake.input.card,
            disagreement=snakemake.output.disagreement,
        )
        predict(PredictionJob(**snakemake.params.cfg), files, threads=snakemake.threads)
