"""Draw the study's figures: tables -> PNG and SVG."""

from acuity.job import job
from acuity.report.figures import study_figures
from acuity.report.images import stamp
from acuity.report.sources import seen_note, study_tables

with job(snakemake):
    cfg, files = dict(snakemake.params.cfg), dict(snakemake.input.items())
    seen = seen_note(files.pop("seen"))
    tables = study_tables(**files, trained=cfg.pop("trained"))
    stamp(study_figures(**tables, out_dir=cfg.pop("folder"), **cfg), seen)
