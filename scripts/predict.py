"""Restore one volume: low-resolution volume (and model) -> restored volume, a slab, or all joined."""

from acuity.job import job
from acuity.predict.predict import predict
from acuity.slabs import join

with job(snakemake):
    if snakemake.input.get("slabs"):
        join(snakemake.output[0])
    else:
        predict(
            low_path=snakemake.input.low,
            output=snakemake.output[0],
            model=snakemake.input.get("model"),
            card=snakemake.input.get("card"),
            threads=snakemake.threads,
            **snakemake.params.cfg,
        )
