"""Register a pair: high and low image -> both on grids that fit, transform, patches, figures."""

from acuity.job import job
from acuity.pair.pair import pair
from acuity.volume import open_volume

with job(snakemake):
    output = snakemake.output
    pair(
        open_volume(snakemake.input.high),
        open_volume(snakemake.input.low),
        low_output=output.low,
        high_output=output.high,
        valid_output=output.valid,
        transform=output.transform,
        patches=output.patches,
        table=output.table,
        **snakemake.params.cfg,
    )
