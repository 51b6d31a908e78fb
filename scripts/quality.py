"""Compare an image with the truth: two volumes -> table, local MS-SSIM map."""

from acuity.job import job
from acuity.measure.quality import quality
from acuity.tables import write_rows
from acuity.volume import Volume, open_volume, write_volume

with job(snakemake):
    image = open_volume(snakemake.input.image)
    truth = open_volume(snakemake.input.truth).within(image.grid, "truth")
    rows, local = quality(image.read(), truth.read(), **snakemake.params.cfg)
    write_rows(rows, snakemake.output.table)
    write_volume(snakemake.output.map, Volume(local, truth.grid, intensity="local MS-SSIM"))
