"""Write the page of SEM images: pair, images, tables of measures -> self-contained HTML."""

from acuity.job import job
from acuity.report.sem import sem_page, sem_sources
from acuity.report.sources import TEXT, learned_part, run_date, seen_note
from acuity.tables import read_table

with job(snakemake):
    cfg, files = dict(snakemake.params.cfg), dict(snakemake.input.items())
    sample, images, limits = cfg.pop("sample"), cfg.pop("images"), cfg.pop("limits", None)
    seen = seen_note(files.pop("seen"), sample)
    learned = learned_part(files.pop("learned"))[0]
    seen = learned or seen
    sem_page(
        sample,
        read_table(files["metrics"], dtype=TEXT),
        **sem_sources(images, files, limits=limits),
        output=snakemake.output[0],
        samples=[sample],
        seen=seen,
        ran=run_date(files["metrics"]),
        **cfg,
    )
