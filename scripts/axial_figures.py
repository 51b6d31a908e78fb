"""Draw what was restored along z: volumes, metrics -> PNG, SVG and tables."""

from acuity.job import job
from acuity.report.axial import axial_figures
from acuity.report.images import stamp
from acuity.report.sources import (
    TEXT,
    image_curves,
    image_files,
    learned_part,
    model_cards,
    seen_note,
)
from acuity.tables import read_table

with job(snakemake):
    cfg, files = snakemake.params.cfg, snakemake.input
    drawn = axial_figures(
        read_table(files.metrics, dtype=TEXT),
        image_files(cfg["images"], files.volumes),
        image_curves(cfg["images"], files.curves),
        image_files(cfg["planes"], files.disagreements),
        image_curves(cfg["images"], files.shells),
        model_cards(cfg["trained"], files.models),
        out_dir=cfg["folder"],
        samples=[cfg["sample"]],
        data_range=cfg["data_range"],
    )
    stamp(drawn, learned_part(files.learned)[0] or seen_note(files.seen, cfg["sample"]))
