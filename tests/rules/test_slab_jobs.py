"""A study in slabs: the same volume, and only what is touched or lost is made again."""

import json
import shutil

import numpy as np
import pytest
import tifffile

from tests.conftest import Workflow
from tests.rules.test_rerun import edited
from tests.unit.test_slabs import shards

STUDY = {
    "study": "tiny",
    "samples": "tiny.tsv",
    "degrade": {"photons": 500},
    "levels": [2],
    "methods": {"richardson_lucy": {"iterations": 2}},
    "segment": False,
    "slabs": 2,
}
SHEET = "sample\trole\tpath\tvoxel_size\nb\ttest\tb.tif\t2 um\n"
STORE = "results/tiny/degrade/b/level2.ome.zarr"
ROOT_FILE = f"{STORE}/zarr.json"
RESTORED = "results/tiny/predict/b/level2/richardson_lucy.ome.zarr/zarr.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workflow whose degraded volume was made in two slabs."""
    workflow = Workflow(tmp_path_factory.mktemp("slabs"))
    image = np.random.default_rng(0).integers(1, 200, (40, 24, 24)).astype(np.uint8)
    tifffile.imwrite(workflow.folder / "b.tif", image)
    workflow.study = workflow.write_study(STUDY, SHEET)
    workflow.run(ROOT_FILE, "--configfile", workflow.study)
    return workflow


def planned(made, target=ROOT_FILE):
    return made.planned(target, "--configfile", made.study)


def test_one_job_gives_the_same_and_a_lost_slab_is_made_alone(made):
    assert planned(made) == {}
    folder = made.folder / STORE
    assert sorted(file.stem for file in (folder / ".slabs").iterdir()) == ["1", "2", "store"]
    expected = (made.folder / ROOT_FILE).read_bytes()

    # a shard that is harmed: one sentence, and what it says helps
    shard = next(file for file in (folder / "0/c/2").rglob("*") if file.is_file())
    shard.write_bytes(shard.read_bytes()[:-1])
    (made.folder / ROOT_FILE).unlink()
    assert planned(made) == {"degrade": 1}
    failed = made.run(ROOT_FILE, "--configfile", made.study, check=False)
    assert failed.returncode != 0
    assert f"remove {STORE}/.slabs/2.json and run again" in failed.stdout
    assert not (made.folder / ROOT_FILE).exists()
    (folder / ".slabs/2.json").unlink()
    assert planned(made) == {"degrade": 1, "degrade_slab": 1}
    made.run(ROOT_FILE, "--configfile", made.study)
    assert (made.folder / ROOT_FILE).read_bytes() == expected

    with edited(made.study, old="slabs: 2", new="slabs: 1"):
        made.run(ROOT_FILE, "--configfile", made.study, "--force")
        assert not (folder / ".slabs").exists()
    assert (made.folder / ROOT_FILE).read_bytes() == expected
    assert planned(made) == {"degrade_init": 1, "degrade_slab": 2, "degrade": 1}
    made.run(ROOT_FILE, "--configfile", made.study)


def test_a_store_that_was_made_anew_and_not_filled_is_asked_for(workflow):
    """As a run leaves it that is killed before its slabs begin; what was made of the old one is there."""
    image = np.random.default_rng(0).integers(1, 200, (40, 24, 24)).astype(np.uint8)
    tifffile.imwrite(workflow.folder / "b.tif", image)
    study = workflow.write_study(STUDY, SHEET)
    workflow.run("--configfile", study)
    assert workflow.planned("--configfile", study) == {}
    expected = (workflow.folder / RESTORED).read_bytes()
    store = RESTORED.replace("zarr.json", ".slabs/store.json")
    workflow.run(store, "--force", "--configfile", study)
    assert not (workflow.folder / RESTORED).exists()
    jobs = workflow.planned("--configfile", study)
    assert jobs["predict_slab"] == 2
    assert jobs["predict"] == jobs["quality"] == 1
    assert "degrade" not in jobs
    workflow.run("--configfile", study)
    assert (workflow.folder / RESTORED).read_bytes() == expected
    assert workflow.planned("--configfile", study) == {}
    # As it is left by a run whose first job of the three was killed before it began.
    for name in (RESTORED, store):
        (workflow.folder / name).unlink()
    jobs = workflow.planned("--configfile", study)
    assert (jobs["predict_init"], jobs["predict_slab"], jobs["predict"]) == (1, 2, 1)
    workflow.run("--configfile", study)
    assert (workflow.folder / RESTORED).read_bytes() == expected
    # One that the study does not hold any longer is left alone.
    other = (workflow.folder / store).parent
    shutil.copytree(other.parent, other.parent.with_name("srcnn3d.ome.zarr"))
    (other.parent.with_name("srcnn3d.ome.zarr") / "zarr.json").unlink()
    assert workflow.planned("--configfile", study) == {}


def test_a_key_and_a_library_file_rerun_what_they_touch(made):
    restored = {"predict_init": 1, "predict_slab": 2, "predict": 1}
    degraded = {"degrade_init": 1, "degrade_slab": 2, "degrade": 1}
    assert planned(made, RESTORED) == restored
    with edited(made.study, old="photons: 500", new="photons: 400"):
        assert planned(made) == degraded
    with edited(made.study, old="iterations: 2", new="iterations: 3"):
        assert planned(made) == {}
    with edited(made.study, old="slabs: 2", new="slabs: 3"):
        assert planned(made) == {**degraded, "degrade_slab": 3}
    with edited(made.folder / "src/acuity/degrade/degrade.py", append="\nEDITED = True\n"):
        assert planned(made) == degraded
    store = json.loads((made.folder / STORE / ".slabs/store.json").read_text())
    assert store["plan"]["slabs"] == 2


def test_pores_that_slabs_have_counted_are_those_of_one_job(finished, tmp_path):
    workflow = Workflow.copy_of(finished.folder, tmp_path / "copy")
    study = workflow.folder / finished.study.name
    study.write_text(study.read_text() + "slabs: 2\n")
    folder = "results/tiny/measure/b/level2/deepnet"
    tables = [f"{folder}/{name}.tsv" for name in ("census", "pores", "status")]
    whole = {name: (workflow.folder / name).read_bytes() for name in tables}
    for name in tables:
        (workflow.folder / name).unlink()
    # The volumes were made by one job each: as they are.
    command = (*tables, "--rerun-triggers", "mtime", "--configfile", study)
    assert workflow.planned(*command) == {"count_objects_slab": 2, "count_objects": 1}
    workflow.run(*command)
    assert {name: (workflow.folder / name).read_bytes() for name in tables} == whole
    counts = workflow.folder / folder / "census/2.npz"
    counts.write_bytes(counts.read_bytes()[:-1])
    failed = workflow.run(*command, "--forcerun", "count_objects", check=False)
    assert failed.returncode
    assert f"{folder}/census/2.npz: is damaged; remove it and run again" in failed.stdout
    counts.unlink()
    assert workflow.planned(*command) == {"count_objects_slab": 1, "count_objects": 1}
    workflow.run(*command)
    assert {name: (workflow.folder / name).read_bytes() for name in tables} == whole


def test_a_scan_and_its_pores_in_slabs_are_those_of_one_job(finished, tmp_path):
    workflow = Workflow.copy_of(finished.folder, tmp_path / "copy")
    study = workflow.folder / finished.study.name
    study.write_text(study.read_text() + "slabs: 2\n")
    results = workflow.folder / "results/tiny"
    # Neither is made of the other, so that both are made in one run.
    made = [results / "reconstruct/b/level2.ome.zarr", results / "segment/b/truth.ome.zarr"]
    table = results / "measure/b/truth/segment.tsv"
    whole, objects = [shards(store) for store in made], table.read_bytes()
    for store in made:
        shutil.rmtree(store)
    table.unlink()
    targets = [(store / "zarr.json").relative_to(workflow.folder) for store in made]
    command = (*targets, "--rerun-triggers", "mtime", "--configfile", study)
    each = {"_init": 1, "_slab": 2, "": 1}
    assert workflow.planned(*command) == {
        f"{rule}{part}": count
        for rule in ("reconstruct", "segment")
        for part, count in each.items()
    }
    workflow.run(*command)
    assert [shards(store) for store in made] == whole
    assert table.read_bytes() == objects
