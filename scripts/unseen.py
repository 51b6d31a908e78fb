"""Refuse, or name, what is judged and models learn from: imported volumes -> table of what was compared."""

from acuity.job import job
from acuity.keys import by_kind
from acuity.seen import check_volumes

with job(snakemake):
    files = by_kind(snakemake.input.items())
    train, test = (
        {key.sample: path for key, path in files.get(role, {}).items()}
        for role in ("train", "test")
    )
    models = files.get("cards", {}).items()
    cards = {f"{key.method} at level {key.level:g}": path for key, path in models}
    output = snakemake.output.table
    check_volumes(train, test, output, cards=cards, **snakemake.params.cfg)
