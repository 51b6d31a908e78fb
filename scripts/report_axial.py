"""Write the page of what was restored along z: volumes, metrics -> self-contained HTML."""

from acuity.job import job
from acuity.report.axial import axial_page
from acuity.report.sources import (
    TEXT,
    image_curves,
    image_files,
    learned_part,
    model_cards,
    run_date,
    seen_note,
)
from acuity.tables import read_table

with job(snakemake):
    cfg, files = dict(snakemake.params.cfg), snakemake.input
    sample, images, planes, trained = (
        cfg.pop(key) for key in ("sample", "images", "planes", "trained")
    )
    axial_page(
        sample,
        read_table(files.metrics, dtype=TEXT),
        image_files(images, files.volumes),
        image_curves(images, files.curves),
        image_files(planes, files.disagreements),
        image_curves(images, files.shells),
        model_cards(trained, files.models),
        output=snakemake.output[0],
        samples=[sample],
        ran=run_date(files.metrics),
        seen=learned_part(files.learned)[0] or seen_note(files.seen, sample),
        **cfg,
    )
