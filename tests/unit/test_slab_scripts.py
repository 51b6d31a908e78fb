"""Scripts whose rules run in slabs leave the files of one job: volumes and tables."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.measure.census import census, count, read_counts, write_counts
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.conftest import ROOT
from tests.unit.test_pores import many
from tests.unit.test_segment import packed_foam
from tests.unit.test_slabs import shards

SEGMENT = {"block": 16, "largest_radius": "7 um", "threshold": 0.5}


class Files(list):
    """Files by place and by name, as Snakemake gives them to a script."""

    def __init__(self, *files, **named):
        super().__init__([*files, *named.values()])
        self.__dict__.update(named)
        self.get, self.items = named.get, named.items

    def __getitem__(self, key):
        return self.__dict__[key] if isinstance(key, str) else super().__getitem__(key)


def run(script, inputs, output, cfg, **params):
    """Run a script as Snakemake would."""
    job = SimpleNamespace(
        rule=script,
        log=[],
        threads=numba.get_num_threads(),
        input=Files(**inputs),
        output=output,
        params=SimpleNamespace(cfg=cfg, **params),
    )
    runpy.run_path(str(ROOT / "scripts" / f"{script}.py"), init_globals={"snakemake": job})


def census_files(folder, count):
    names = ("table", "pores", "status")
    return Files(**{name: str(folder / f"{name}{count}.tsv") for name in names})


def test_slabs_of_a_census_leave_the_tables_of_one_job(tmp_path):
    shape, files = (150, 34, 36), {}
    labels = many(7, shape)
    for key, shift in (("labels", 1), ("truth", 0), ("reference", 0)):
        files[key] = str(tmp_path / f"{key}.ome.zarr" / "zarr.json")
        volume = Volume(np.roll(labels, shift, axis=1), Grid(shape, (2, 2, 2), unit="um"))
        write_volume(files[key], volume)
    sums = {"mask_radius": 16.0}
    tables = {"size_bin": 5.0, "size_classes": [6, 15, 40], "objects": "dark"}
    run("count_objects", files, census_files(tmp_path, 1), {"count": sums, "census": tables})
    made = {}
    for several in (3, 7):  # five pieces of 32 slices: some of seven slabs are empty
        slabs = [str(tmp_path / f"{several}_{k}.npz") for k in range(1, several + 1)]
        for k in range(several, 0, -1):
            run(
                "count_objects",
                files,
                Files(slabs[k - 1]),
                {"count": sums | {"part": [k, several]}},
            )
        made[several] = slabs
        run(
            "count_objects",
            files | {"slabs": slabs},
            census_files(tmp_path, several),
            {"census": tables, "count": sums},
        )
        for one, other in zip(
            census_files(tmp_path, 1), census_files(tmp_path, several), strict=True
        ):
            assert Path(one).read_bytes() == Path(other).read_bytes()
            assert len(Path(one).read_text().splitlines()) > 3
    # Classes that are not stated: multiples of the voxels of another volume.
    other = {"classes": [str(tmp_path / "classes.ome.zarr" / "zarr.json")]}
    write_volume(
        other["classes"][0], Volume(labels[:2], Grid((2, *shape[1:]), (3, 3, 3), unit="um"))
    )
    unstated = {"size_bin": None, "size_classes": None, "objects": "dark"}
    run(
        "count_objects",
        files | other,
        census_files(tmp_path, 0),
        {"count": sums, "census": unstated},
    )
    named = set(pd.read_csv(tmp_path / "status0.tsv", sep="\t")["size_class"])
    assert named == {"0-15 um", "90-150 um"}
    # The control: what the second slab has of surfaces is missed.
    digests = {key: open_volume(file).digest for key, file in files.items()}
    parts = read_counts(made[3], digests)
    whole = census(parts, **tables)[1]
    parts[1]["labels.mesh"] *= 0
    assert not census(parts, **tables)[1].equals(whole)
    # Labels that were made anew since, as where results were copied without Snakemake's records.
    message = (
        r"3_1.npz: counted other labels than those that are there \(digest .*remove it and run"
    )
    with pytest.raises(AcuityError, match=message):
        read_counts(made[3], digests | {"labels": "0" * 64})


def test_counts_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    volume = Volume(many(7, (70, 34, 36)), Grid((70, 34, 36), (1, 1, 1)))
    files = [tmp_path / f"{k}.npz" for k in (1, 2, 3)]
    none = dict.fromkeys(("labels", "truth", "reference"), "")  # volumes in memory have no digest
    for k, file in enumerate(files, 1):
        write_counts(count(volume, volume, volume, part=(k, 3)), file)
    assert len(read_counts(files, none)) == 3
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".npz"] == []
    with pytest.raises(AcuityError, match=r"3.npz: counted slices 64 to 70, which do not follow "
                                          r"those up to 32 of 70; remove it and run again"):  # fmt: skip
        read_counts([files[0], files[2]], none)
    with pytest.raises(AcuityError, match=r"2.npz: counted slices 32 to 64, which do not follow"):
        read_counts(files[:2], none)
    write_counts(count(volume, volume, volume, part=(2, 3), mask_radius=9.0), files[1])
    with pytest.raises(AcuityError, match=r"2.npz: counted with mask_radius 9.0, and .*1.npz with None;"
                                          " remove both and run again"):  # fmt: skip
        read_counts(files, none)
    whole = files[1].read_bytes()
    for bad in (whole[:-30], whole[:100] + b"no" + whole[102:], b"", b"text"):
        files[1].write_bytes(bad)
        with pytest.raises(AcuityError, match=r"2.npz: is damaged; remove it and run again"):
            read_counts(files, none)
    files[1].write_bytes(whole)
    monkeypatch.setattr("acuity.measure.census.VERSION", 2)
    with pytest.raises(
        AcuityError, match=r"1.npz: was written by another version of Acuity; remove"
    ):
        read_counts(files, none)
    monkeypatch.undo()
    files[1].unlink()
    with pytest.raises(AcuityError, match=r"2.npz: no such file; run again"):
        read_counts(files, none)
    smaller = Volume(np.zeros((70, 34, 35), np.uint32), Grid((70, 34, 35), (1, 1, 1)))
    with pytest.raises(AcuityError, match=r"label volumes differ in shape"):
        count(volume, volume, smaller)


@pytest.mark.parametrize(
    ("script", "name", "cfg", "at_end"),
    [
        ("segment", "labels", SEGMENT, {"smallest": 20}),
        ("smooth_for_segmentation", "smoothed", {}, {}),
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
