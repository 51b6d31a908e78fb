"""Take what was found of a model that was trained elsewhere: that study's metrics -> pooled rows."""

from acuity.job import job
from acuity.measure.elsewhere import take_judged
from acuity.tables import write_table

with job(snakemake):
    write_table(take_judged(*snakemake.params.cfg["models"]), snakemake.output.table)
