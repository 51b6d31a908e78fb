"""Errors of a restored stack, as the FIB-SEM papers state them: volumes -> table."""

from acuity.assumptions import warning_rows
from acuity.job import job
from acuity.measure.error import ASSUMES, default_range, volume_errors
from acuity.tables import write_rows
from acuity.volume import open_volume

with job(snakemake):
    cfg = snakemake.params.cfg
    image, truth, cubic = (
        open_volume(snakemake.input[name]) for name in ("image", "truth", "cubic")
    )
    rows = volume_errors(image, truth, cubic, **cfg)
    data_range = cfg["data_range"] or default_range(truth)
    rows += warning_rows(
        ASSUMES, truth=truth, data_range=data_range, stated=cfg["data_range"] is not None
    )
    write_rows(rows, snakemake.output[0])
