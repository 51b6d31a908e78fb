"""Write one sample's page: volumes and tables -> self-contained HTML."""

from acuity.job import job
from acuity.report.pages import sample_page
from acuity.report.sources import (
    input_file,
    learned_part,
    run_date,
    sample_sources,
    seen_note,
    stack_tables,
    study_tables,
    without_folders,
)
from acuity.report.study import judged

with job(snakemake):
    cfg, files = dict(snakemake.params.cfg), dict(snakemake.input.items())
    tables = {name: files.pop(name) for name in ("metrics", "pores", "curves", "spaces")}
    cfg["ran"] = run_date(tables["metrics"])
    tables = study_tables(**tables, histories=[], trained=[])
    del tables["histories"]
    stacks = stack_tables(cfg.pop("stacks"), files.pop("slices"), files.pop("pairs"))
    kind = {key: cfg.pop(key) for key in ("axial", "flat")}
    said = judged(tables["metrics"], stacks=stacks, **kind)
    seen = seen_note(files.pop("seen"), cfg["sample"])
    learned, cfg["framed"] = learned_part(files.pop("learned"))
    cfg["seen"] = learned or seen
    sources = sample_sources(cfg.pop("images"), **files)
    row = without_folders(cfg["provenance"].pop("sample"))
    cfg["provenance"] |= {"sample": row} | input_file(sources["volumes"])
    sample_page(
        **tables, **sources, said=said.get(cfg["sample"]), output=snakemake.output[0], **cfg
    )
