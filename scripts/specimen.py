"""Simulate a specimen and its two scans: cfg -> high and low volume, particles and warp tables."""

from acuity.job import job
from acuity.settings import call
from acuity.simulate.specimen import Outputs, specimen

with job(snakemake):
    outputs = Outputs(**{key: snakemake.output[key] for key in Outputs.__dataclass_fields__})
    call(specimen, outputs=outputs, **snakemake.params.cfg)
