"""Write the page of a stack: tables, volumes before and after -> self-contained HTML."""

from acuity.job import job
from acuity.report.sources import read_slices, run_date, seen_note
from acuity.report.stack import stack_page

with job(snakemake):
    cfg, files = dict(snakemake.params.cfg), snakemake.input
    tables = read_slices(files.slices), read_slices(files.pairs)
    sample = cfg.pop("sample")
    stack_page(
        sample,
        *tables,
        files.before,
        files.after,
        output=snakemake.output[0],
        ran=run_date(files.slices),
        seen=seen_note(files.seen, sample),
        **cfg,
    )
