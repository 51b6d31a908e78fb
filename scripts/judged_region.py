"""Say which box of a simulated specimen is judged: truth -> the grid of the box, all of it 1."""

from acuity.job import job
from acuity.pair.division import write_judged_box
from acuity.volume import open_volume

with job(snakemake):
    write_judged_box(open_volume(snakemake.input[0]), snakemake.output[0], **snakemake.params.cfg)
