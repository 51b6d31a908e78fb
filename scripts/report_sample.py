"""Write one sample's page: volumes and tables -> self-contained HTML."""

from acuity.job import job
from acuity.report.pages import sample_page
from acuity.report.sources import sample_sources, study_tables

with job(snakemake):
    cfg, files = dict(snakemake.params.cfg), dict(snakemake.input.items())
    tables = {name: files.pop(name) for name in ("metrics", "pores", "curves", "spaces")}
    tables = study_tables(**tables, histories=[], trained=[])
    del tables["histories"]
    sources = sample_sources(cfg.pop("images"), **files)
    sample_page(**tables, **sources, output=snakemake.output[0], **cfg)
