"""Draw what was restored along z: volumes, metrics -> PNG, SVG, tables and what its page shows of them."""

from acuity.job import job
from acuity.keys import by_kind
from acuity.report.axial import axial_figures, axial_sources
from acuity.report.images import stamp
from acuity.report.sources import TEXT, told_of
from acuity.tables import read_table

with job(snakemake):
    cfg, files = snakemake.params.cfg, dict(snakemake.input.items())
    drawn = axial_figures(
        read_table(files["metrics"], dtype=TEXT),
        **axial_sources(by_kind(files.items())),
        out_dir=cfg["folder"],
        samples=[cfg["sample"]],
        data_range=cfg["data_range"],
    )
    stamp(drawn, told_of(files, cfg["sample"])[0])
