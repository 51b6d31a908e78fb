"""Take a model that was trained elsewhere, or a chain: models and cards -> copies, or one of all, looked at."""

from acuity.job import job
from acuity.methods.base import MethodJob
from acuity.predict.chain import take_models

with job(snakemake):
    cfg = dict(snakemake.params.cfg)
    take_models(
        cfg.pop("models"),
        MethodJob(settings={}, **cfg),
        snakemake.output.model,
        snakemake.output.card,
    )
