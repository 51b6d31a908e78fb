"""Restore a volume plane by plane: low-resolution volume, model -> restored volume, disagreement."""

from acuity.job import job
from acuity.predict.predict import predict
from acuity.slabs import join

with job(snakemake):
    files = snakemake.input
    if files.get("slabs"):
        join(snakemake.output.restored)
        join(snakemake.output.disagreement)
    else:
        predict(
            low_path=files.low,
            output=snakemake.output.restored,
            disagreement=snakemake.output.disagreement,
            model=files.model,
            card=files.card,
            threads=snakemake.threads,
            **snakemake.params.cfg,
        )
