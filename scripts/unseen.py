"""Refuse, or name, what is judged and models learn from: imported volumes -> table of what was compared."""

from acuity.job import job
from acuity.keys import by_kind
from acuity.seen import check_volumes

with job(snakemake):
    files = {
        role: {key.sample: path for key, path in volumes.items()}
        for role, volumes in by_kind(snakemake.input.items()).items()
    }
    check_volumes(**files, output=snakemake.output.table, **snakemake.params.cfg)
