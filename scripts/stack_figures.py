"""Draw what was done to a stack: tables, volumes before and after -> PNG, SVG, verdict."""

from acuity.job import job
from acuity.report.images import stamp
from acuity.report.sources import read_slices, seen_note
from acuity.report.stack import stack_figures

with job(snakemake):
    cfg, files = snakemake.params.cfg, snakemake.input
    tables = read_slices(files.slices), read_slices(files.pairs)
    drawn = stack_figures(cfg["sample"], *tables, files.before, files.after, out_dir=cfg["folder"])
    stamp(drawn, seen_note(files.seen, cfg["sample"]))
