"""Draw one sample's pictures: volumes, labels, maps -> PNG."""

from acuity.job import job
from acuity.report.images import sample_figures
from acuity.report.sources import sample_sources

with job(snakemake):
    cfg = dict(snakemake.params.cfg)
    sources = sample_sources(cfg.pop("images"), **dict(snakemake.input.items()))
    sample_figures(**sources, out_dir=cfg.pop("folder"), **cfg)
