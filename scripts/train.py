"""Train one method at one level: pairs of volumes -> model, card, history."""

from acuity.job import job
from acuity.train.budget import end_of_job
from acuity.train.train import train

with job(snakemake):
    train(
        pairs=list(zip(snakemake.input.low, snakemake.input.target, strict=True)),
        output=snakemake.output.model,
        card=snakemake.output.card,
        history=snakemake.output.history,
        threads=snakemake.threads,
        masks=list(snakemake.input.masks) or None,
        until=end_of_job(snakemake.resources.get("runtime")),
        **snakemake.params.cfg,
    )
