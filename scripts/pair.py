"""Register a pair: high and low image or volume -> both on grids that fit, transform, patches, figures."""

from acuity.job import job
from acuity.pair.either import register_pair
from acuity.pair.pair import Outputs
from acuity.pair.true_map import read_given
from acuity.volume import open_volume

with job(snakemake):
    high, low = (open_volume(snakemake.input[key]) for key in ("high", "low"))
    middle = [open_volume(path) for path in snakemake.input.middle]
    outputs = Outputs(**{key: snakemake.output[key] for key in Outputs.__dataclass_fields__})
    given = [read_given(path) for path in snakemake.input.given]
    about = {"given": given[0] if given else None, **snakemake.params.cfg}
    register_pair(high, low, outputs, *middle, **about)
