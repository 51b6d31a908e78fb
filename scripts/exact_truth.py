"""Voxelise a foam: spheres -> exact solid fraction and label of each pore."""

from acuity.job import job
from acuity.simulate.voxelise import voxelise
from acuity.tables import read_table

with job(snakemake):
    spheres = read_table(snakemake.input.spheres)
    voxelise(spheres, snakemake.output.solid, snakemake.output.labels, **snakemake.params.cfg)
