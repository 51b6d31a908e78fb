"""Simulate a specimen and its two scans: cfg -> high and low volume, particles and warp tables."""

from acuity.job import job
from acuity.simulate.specimen import specimen

with job(snakemake):
    output = snakemake.output
    specimen(
        **snakemake.params.cfg,
        high_output=output.high,
        low_output=output.low,
        particles=output.particles,
        warp=output.warp,
    )
