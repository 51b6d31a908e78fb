"""Draw what became of SEM images: pair, images, tables of measures -> PNG, SVG and a table."""

from acuity.job import job
from acuity.report.images import stamp
from acuity.report.sem import sem_figures, sem_sources
from acuity.report.sources import TEXT, learned_part, seen_note
from acuity.tables import read_table

with job(snakemake):
    cfg, files = snakemake.params.cfg, dict(snakemake.input.items())
    seen = seen_note(files.pop("seen"), cfg["sample"])
    learned = learned_part(files.pop("learned"))[0]
    seen = learned or seen
    drawn = sem_figures(
        read_table(files["metrics"], dtype=TEXT),
        **sem_sources(cfg["images"], files, limits=cfg.get("limits")),
        out_dir=cfg["folder"],
        samples=[cfg["sample"]],
    )
    stamp(drawn, seen)
