"""Restore one volume: low-resolution volume (and model) -> restored volume."""

from acuity.predict.predict import predict

from acuity.job import job

with job(snakemake):
    predict(
        low=snakemake.input.low,
        output=snakemake.output[0],
        model=snakemake.input.get("model"),
        card=snakemake.input.get("card"),
        **snakemake.params.cfg,
    )
