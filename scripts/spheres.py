"""Place the pores of a foam: cfg -> spheres table (z, y, x, radius in voxels)."""

from acuity.job import job
from acuity.settings import call
from acuity.simulate.foam import foam
from acuity.tables import write_table

with job(snakemake):
    write_table(call(foam, **snakemake.params.cfg), snakemake.output[0])
