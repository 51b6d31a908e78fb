"""Draw the study's figures: tables -> PNG and SVG."""

from acuity.job import job
from acuity.report.figures import study_figures
from acuity.report.sources import study_tables

with job(snakemake):
    cfg = dict(snakemake.params.cfg)
    tables = study_tables(**dict(snakemake.input.items()), trained=cfg.pop("trained"))
    study_figures(**tables, out_dir=cfg.pop("folder"), **cfg)
