"""Make a specimen for an X-ray microscope: cfg -> table of bodies, true map between its two scans."""

from acuity.job import job
from acuity.seals import write_sealed
from acuity.settings import call
from acuity.simulate.magnifications import map_between, specimen_table
from acuity.tables import write_table

with job(snakemake):
    cfg = snakemake.params.cfg
    write_table(call(specimen_table, **cfg), snakemake.output.bodies)
    write_sealed(snakemake.output.map, {"matrix": call(map_between, **cfg).tolist()})
