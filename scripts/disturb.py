"""Put known shifts and faults into a stack: volume -> two volumes, table of what was added."""

from acuity.align.disturb import disturb
from acuity.align.settings import Perturb
from acuity.job import job
from acuity.settings import call
from acuity.volume import open_volume

with job(snakemake):
    volume, output, cfg = open_volume(snakemake.input[0]), snakemake.output, snakemake.params.cfg
    done = call(disturb, volume, output.disturbed, output.added, **cfg)
    # The stack to compare with: cut the same, and nothing else done to it.
    alike = {"margin": done["margin"], "seed": cfg["seed"]}
    disturb(volume, output.undisturbed, output.nothing, Perturb(), **alike)
