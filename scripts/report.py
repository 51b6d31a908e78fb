"""Write the report's first page: tables and model cards -> self-contained HTML."""

from acuity.job import job
from acuity.report.sources import (
    TEXT,
    image_warnings,
    provenance,
    run_date,
    seen_note,
    seen_samples,
    stack_tables,
    study_tables,
    warnings,
)
from acuity.report.study import study_page
from acuity.tables import read_table

with job(snakemake):
    cfg, files = dict(snakemake.params.cfg), dict(snakemake.input.items())
    files.pop("pages")
    cfg["picture"] = (files.pop("picture")[0], cfg.pop("shown"))
    seen = files.pop("seen")
    cfg |= {"seen": seen_note(seen), "seen_samples": seen_samples(seen)}
    cfg["ran"] = run_date(files["metrics"])
    cards = files.pop("cards")
    for path in files.pop("trainings"):
        cfg["training_table"] = read_table(path, dtype=TEXT)
    told = image_warnings(files.pop("warnings"), cfg.pop("images"), files.pop("volumes"))
    further = warnings(files.pop("further_cards"), "a further training of ")
    cfg["warnings"] = warnings(cards) + further + told
    origin = provenance(cfg.pop("settings"), cfg.pop("sheet"), cards)
    stacks = stack_tables(cfg.pop("stacks"), files.pop("slices"), files.pop("pairs"))
    tables = study_tables(**files, trained=cfg.pop("trained"))
    study_page(tables, stacks=stacks, provenance=origin, output=snakemake.output[0], **cfg)
