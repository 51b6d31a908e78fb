"""What restorations of a simulated scan are worth in dose: bodies, judged images -> figures."""

from acuity.job import job
from acuity.measure.dose import dose_rows
from acuity.settings import call
from acuity.simulate.magnifications import exposures
from acuity.tables import read_table, write_rows
from acuity.volume import open_volume

with job(snakemake):
    cfg, files = dict(snakemake.params.cfg), snakemake.input
    how = {key: cfg.pop(key) for key in ("doses", "objects")}
    names = cfg.pop("methods")
    scan = call(exposures, read_table(files.bodies), **cfg)
    images = {name: open_volume(path) for name, path in zip(names, files.images, strict=True)}
    truth, cubic = open_volume(files.truth), open_volume(files.cubic)
    write_rows(dose_rows(scan, truth, cubic, images, **how), snakemake.output.table)
