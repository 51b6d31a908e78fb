"""Refuse, or name, what is judged and models learn from: imported volumes -> table of what was compared."""

from acuity.job import job
from acuity.keys import by_kind
from acuity.seen import check_volumes

with job(snakemake):
    files = by_kind(snakemake.input.items())
    cards = {
        f"{key.method} at level {key.level:g}": path for key, path in files.pop("cards", {}).items()
    }
    roles = {
        role: {key.sample: path for key, path in volumes.items()} for role, volumes in files.items()
    }
    check_volumes(**roles, cards=cards, output=snakemake.output.table, **snakemake.params.cfg)
