"""Restore one volume: low-resolution volume (and model) -> restored volume."""

from acuity.job import job
from acuity.predict.predict import predict

with job(snakemake):
    predict(
        low_path=snakemake.input.low,
        output=snakemake.output[0],
        model=snakemake.input.get("model"),
        card=snakemake.input.get("card"),
        threads=snakemake.threads,
        **snakemake.params.cfg,
    )
