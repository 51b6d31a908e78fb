"""Draw one sample's pictures: volumes, labels, maps -> PNG."""

from acuity.job import job
from acuity.report.images import sample_figures, stamp
from acuity.report.sources import learned_part, sample_sources, seen_note

with job(snakemake):
    cfg, files = dict(snakemake.params.cfg), dict(snakemake.input.items())
    seen = seen_note(files.pop("seen"), cfg.pop("sample"))
    learned, cfg["framed"] = learned_part(files.pop("learned"))
    seen = learned or seen
    sources = sample_sources(cfg.pop("images"), **files)
    stamp(sample_figures(**sources, out_dir=cfg.pop("folder"), **cfg), seen)
