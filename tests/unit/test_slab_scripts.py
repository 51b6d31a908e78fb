"""Scripts whose rules run in slabs leave the files of one job: volumes and tables."""

import runpy
from types import SimpleNamespace

import numba
import numpy as np
import pytest

from acuity.volume import Grid, Volume, write_volume
from tests.conftest import ROOT
from tests.unit.test_segment import packed_foam
from tests.unit.test_slabs import shards

SEGMENT = {"block": 16, "largest_radius": "7 um", "threshold": 0.5}


class Files(list):
    """Files by place and by name, as Snakemake gives them to a script."""

    def __init__(self, *files, **named):
        super().__init__([*files, *named.values()])
        self.__dict__.update(named)
        self.get = named.get

    def __getitem__(self, key):
        return self.__dict__[key] if isinstance(key, str) else super().__getitem__(key)


def run(script, inputs, output, cfg):
    """Run a script as Snakemake would."""
    job = SimpleNamespace(
        rule=script,
        log=[],
        threads=numba.get_num_threads(),
        input=Files(**inputs),
        output=output,
        params=SimpleNamespace(cfg=cfg),
    )
    runpy.run_path(str(ROOT / "scripts" / f"{script}.py"), init_globals={"snakemake": job})


@pytest.mark.parametrize(
    ("script", "name", "cfg", "at_end"),
    [
        ("segment", "labels", SEGMENT, {"smallest": 20}),
        ("smooth", "smoothed", {}, {}),
        ("quality", "map", {"mask_radius": 15.0, "data_range": 1.0}, {}),
    ],
)
def test_slabs_leave_the_files_of_one_job(tmp_path, script, name, cfg, at_end):
    image = packed_foam((80, 30, 32))
    noise = np.random.default_rng(0).normal(0, 0.05, image.shape).astype(np.float32)
    files = {}
    for key, data in (("image", image + noise), ("truth", image)):
        files[key] = str(tmp_path / f"{key}.ome.zarr" / "zarr.json")
        write_volume(files[key], Volume(data, Grid(data.shape, (1, 1, 1))))

    def outputs(count):
        store = tmp_path / f"{count}.ome.zarr"
        table = str(tmp_path / f"{count}.tsv")
        return Files(**{name: str(store / "zarr.json"), "table": table})

    run(script, files, outputs(1), cfg | at_end)
    # What the blocks of a segmentation have found is another volume than its labels.
    store = tmp_path / ("numbers.ome.zarr" if script == "segment" else "3.ome.zarr") / ".slabs"
    parts = {0: str(store / "store.json")} | {k: str(store / f"{k}.json") for k in (3, 1, 2)}
    for number, file in parts.items():
        run(script, files, Files(file), cfg | {"part": [number, 3]})
    markers = [parts[k] for k in (1, 2, 3)]
    run(script, files | {"slabs": markers}, outputs(3), cfg | at_end)
    assert shards(tmp_path / "3.ome.zarr") == shards(tmp_path / "1.ome.zarr")
    assert (tmp_path / "3.tsv").read_bytes() == (tmp_path / "1.tsv").read_bytes()
