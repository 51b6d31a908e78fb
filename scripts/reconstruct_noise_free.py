"""Reconstruct what a perfect fine scan of the whole coarse field would show: bodies -> volume, a slab, or all joined."""

from acuity.job import job
from acuity.reconstruct.reconstruct import reconstruct_exposures
from acuity.settings import call
from acuity.simulate.magnifications import exposures
from acuity.slabs import joined
from acuity.tables import read_table

with job(snakemake):
    if not joined(snakemake.input, snakemake.output):
        cfg = dict(snakemake.params.cfg)
        part = {key: tuple(cfg.pop(key)) for key in ("part", "slices") if key in cfg}
        bodies = read_table(snakemake.input.bodies)
        reconstruct_exposures(call(exposures, bodies, **cfg), snakemake.output[0], **part)
