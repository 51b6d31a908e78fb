"""Train one method at one level: pairs of volumes -> model, card, history."""

from acuity.job import job
from acuity.train.deadline import end_of_job
from acuity.train.job import TrainingFiles, TrainingJob
from acuity.train.train import train

with job(snakemake):
    cfg = dict(snakemake.params.cfg)
    files = TrainingFiles(
        pairs=list(zip(snakemake.input.low, snakemake.input.target, strict=True)),
        output=snakemake.output.model,
        card=snakemake.output.card,
        history=snakemake.output.history,
        checkpoints=cfg.pop("checkpoints"),
        masks=list(snakemake.input.masks) or None,
    )
    until = end_of_job(snakemake.resources.get("runtime"))
    train(TrainingJob(**cfg), files, threads=snakemake.threads, until=until)
