"""Refuse, or name, what is judged and models learn from: imported volumes -> table of what was compared."""

from acuity.job import job
from acuity.seen import check_volumes

with job(snakemake):
    files = {
        role: dict(zip(snakemake.params.cfg[role], snakemake.input[role], strict=True))
        for role in ("train", "test")
    }
    allow = snakemake.params.cfg.get("allow", False)
    check_volumes(**files, output=snakemake.output.table, allow=allow)
