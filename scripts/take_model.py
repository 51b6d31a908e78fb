"""Take a model that was trained elsewhere: model and card -> copies of both, looked at."""

from acuity.job import job
from acuity.methods.base import MethodJob
from acuity.predict.models import take_model

with job(snakemake):
    cfg = dict(snakemake.params.cfg)
    take_model(
        cfg.pop("model"),
        MethodJob(settings={}, **cfg),
        snakemake.output.model,
        snakemake.output.card,
    )
