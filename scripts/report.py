"""Write the report's first page: tables and model cards -> self-contained HTML."""

from acuity.job import job
from acuity.report.pages import index_page
from acuity.report.sources import provenance, study_tables

with job(snakemake):
    cfg, files = dict(snakemake.params.cfg), dict(snakemake.input.items())
    files.pop("pages")
    origin = provenance(cfg.pop("settings"), cfg.pop("sheet"), files.pop("cards"))
    tables = study_tables(**files, trained=cfg.pop("trained"))
    index_page(**tables, provenance=origin, output=snakemake.output[0], **cfg)
