"""Scan a specimen at one magnification: table of bodies -> raw file of projections."""

from acuity.job import job
from acuity.settings import call
from acuity.simulate.magnifications import exposures
from acuity.simulate.xrm import record
from acuity.tables import read_table

with job(snakemake):
    bodies = read_table(snakemake.input.bodies)
    record(call(exposures, bodies, **snakemake.params.cfg), snakemake.output[0])
