"""Bad input ends in one sentence and a non-zero exit, with nothing half written."""

import json
import os
import re
import subprocess
from itertools import pairwise

import h5py
import numpy as np
import pytest
import tifffile

from acuity.volume import open_volume
from tests.conftest import TINY_FOAM, TINY_TRAINING

STUDY = {
    "study": "own",
    "samples": "own.tsv",
    "levels": [1],
    "methods": {
        "deepnet": {"features": 4, "train": {**TINY_TRAINING, "patch": [5, 32, 32]}},
    },
}


def sheet(path, voxel_size="2 um"):
    return (
        "sample\trole\tpath\tvoxel_size\tregion\n"
        f"left\ttrain\t{path}\t{voxel_size}\t:,:,:40\n"
        f"right\ttest\t{path}\t{voxel_size}\t:,:,40:\n"
    )


def stack(shape=(8, 40, 80), dtype=np.uint8):
    rng = np.random.default_rng(0)
    return rng.integers(20, 200, shape).astype(dtype)


def whole(folder):
    tifffile.imwrite(folder / "data.tif", stack(), photometric="minisblack")
    return "data.tif"


def sentences(text):
    """What a run says of a user's mistakes: behind ``error:``, or below Snakemake's own heading."""
    lines = text.splitlines()
    return [line.split(" error: ", 1)[1] for line in lines if " error: " in line] + [
        following for line, following in pairwise(lines) if line.startswith("WorkflowError in file")
    ]


def refused(workflow, study, table, pattern, target=()):
    """Run a study that must end in one sentence, all of which the pattern describes."""
    path = workflow.write_study(study, table, name="own")
    done = workflow.run(*target, "--configfile", path, check=False)
    text = done.stdout
    assert done.returncode != 0, text[-3000:]
    assert "Traceback" not in text, text[-3000:]
    said = sentences(text)
    assert said, text[-3000:]
    assert all(re.fullmatch(pattern, sentence) for sentence in said), (pattern, said)
    for store in (workflow.folder / "results").rglob("*.ome.zarr"):
        assert (store / "zarr.json").exists(), f"{store} is half written"
    left = [
        path
        for path in (workflow.folder / "results").rglob("*")
        if path.is_file() and (path.name.startswith(".") or path.suffix == ".tmp")
        if ".ome.zarr" not in str(path) and path.name != ".snakemake_timestamp"
    ]
    assert not left
    return text


def test_control_the_same_study_with_good_input_runs(workflow):
    path = workflow.write_study(STUDY, sheet(whole(workflow.folder)), name="own")
    workflow.run("degrade_all", "--configfile", path)


def test_unknown_key(workflow):
    study = STUDY | {"level": [3]}
    pattern = (
        r"own\.yaml: key 'level' is not known \(did you mean 'levels'\?\); allowed here: study, .*, "
        "segment, measure, slabs"
    )
    refused(workflow, study, sheet(whole(workflow.folder)), pattern)


def test_key_that_stands_twice(workflow):
    path = workflow.write_study(STUDY, sheet(whole(workflow.folder)), name="own")
    path.write_text(path.read_text() + "levels: [2]\n")
    done = workflow.run("-n", "--configfile", path, check=False)
    assert done.returncode != 0
    [said] = sentences(done.stdout)
    assert re.fullmatch(
        r"own\.yaml: key 'levels' stands in line 3 and again in line \d+; allowed is once", said
    )


def test_missing_voxel_size(workflow):
    table = sheet(whole(workflow.folder), voxel_size="")
    pattern = (
        r"data\.tif: the file carries no voxel size.*; state it as voxel_size, such as \"10 nm\" or "
        r"\"20 10 10 nm\" \(z y x\)\."
    )
    refused(workflow, STUDY, table, pattern)


@pytest.mark.parametrize("wrong", ["shape", "type"])
def test_mixed_slices(workflow, wrong):
    folder = workflow.folder / "slices"
    folder.mkdir()
    for z, image in enumerate(stack()):
        if z == 3:
            image = image[:, :70] if wrong == "shape" else image.astype(np.uint16)
        tifffile.imwrite(folder / f"slice_{z}.tif", image)
    found = "40 x 70 of uint8" if wrong == "shape" else "40 x 80 of uint16"
    refused(
        workflow,
        STUDY,
        sheet("slices"),
        rf"slices/slice_3\.tif: this slice is {found} where the first one is 40 x 80 of "
        r"uint8; all slices must be alike\.",
    )


def test_nan(workflow):
    data = stack(dtype=np.float32)
    data[5, 7, 9] = np.nan
    tifffile.imwrite(workflow.folder / "data.tif", data, photometric="minisblack")
    pattern = r"data\.tif: found NaN in slice 5, allowed are finite numbers only\."
    refused(workflow, STUDY, sheet("data.tif"), pattern)


def test_constant(workflow):
    tifffile.imwrite(
        workflow.folder / "data.tif", np.full((8, 40, 80), 7, np.uint8), photometric="minisblack"
    )
    pattern = r"data\.tif: is constant, every voxel is 7; allowed is a volume with contrast\."
    refused(workflow, STUDY, sheet("data.tif"), pattern)


def test_truncated_tiff(workflow):
    whole(workflow.folder)
    path = workflow.folder / "data.tif"
    path.write_bytes(path.read_bytes()[:9000])
    pattern = r"data\.tif: the TIFF is cut short.*; copy it again from its source\."
    text = refused(workflow, STUDY, sheet("data.tif"), pattern)
    assert re.search(r"logs/own/ingest/(left|right)\.log", text)  # where to read more


def test_truncated_hdf5(workflow):
    path = workflow.folder / "data.h5"
    with h5py.File(path, "w") as file:
        file["volume"] = stack()
    path.write_bytes(path.read_bytes()[:9000])
    pattern = (
        r"data\.h5: cannot be opened as HDF5 \(.+\); it may be cut short, copy it again from its "
        r"source\."
    )
    refused(workflow, STUDY, sheet("data.h5"), pattern)


def test_empty_file(workflow):
    (workflow.folder / "data.tif").write_bytes(b"")
    pattern = r"data\.tif: is no TIFF file, whatever its name says; give it .*"
    refused(workflow, STUDY, sheet("data.tif"), pattern)


def test_corrupt_chunk(workflow):
    table = sheet(whole(workflow.folder))
    path = workflow.write_study(STUDY, table, name="own")
    workflow.run("ingest_all", "--configfile", path)
    [shard] = (
        file
        for file in (workflow.folder / "results/own/ingest/left.ome.zarr/0").rglob("*")
        if file.is_file() and file.name != "zarr.json"
    )
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 1
    shard.write_bytes(bytes(content))
    store = r"results/own/ingest/left\.ome\.zarr"
    pattern = (
        rf"{store}: chunk \(.+\) in 0/\S+ cannot be read \(.+\); remove {store}/zarr\.json and run "
        r"the step that makes it again\."
    )
    refused(workflow, STUDY, table, pattern, target=["degrade_all"])


def test_results_of_another_version(workflow):
    table = sheet(whole(workflow.folder))
    path = workflow.write_study(STUDY, table, name="own")
    workflow.run("ingest_all", "--configfile", path)
    file = workflow.folder / "results/own/ingest/left.ome.zarr/zarr.json"
    root = json.loads(file.read_text())
    root["attributes"]["acuity"]["version"] += 1
    file.write_text(json.dumps(root))
    pattern = (
        r"results/own/ingest/left\.ome\.zarr/zarr\.json: was written by another version of Acuity, "
        r"as version 3 of its stores, and this one reads versions up to 2; run it with that version, or "
        r"remove the results folder of the study and run again\."
    )
    refused(workflow, STUDY, table, pattern, target=["degrade_all"])


def test_region_outside(workflow):
    table = sheet(whole(workflow.folder)).replace(":,:,40:", ":,:,400:")
    pattern = r"data\.tif: the region asks for 400: along x, allowed are spans within 0:80\."
    refused(workflow, STUDY, table, pattern, target=["ingest_all"])


def test_tile_too_small(workflow):
    settings = STUDY["methods"]["deepnet"]
    trained = settings["train"] | {"validation_fraction": 0, "keep": "last"}
    small = settings | {"train": trained, "predict": {"tile": [5, 8, 8]}}
    study = STUDY | {"methods": {"deepnet": small}}
    pattern = "tile: 8 voxels are too few for a halo of 96 on each side; allowed are 208 and more"
    restored = "results/own/predict/right/level1/deepnet.ome.zarr/zarr.json"
    refused(workflow, study, sheet(whole(workflow.folder)), pattern, target=[restored])


def test_a_results_folder_that_cannot_be_written(workflow):
    results = workflow.folder / "results"
    results.mkdir()
    results.chmod(0o500)
    if os.access(results, os.W_OK):  # root may all the same, but where the disk is read-only
        (workflow.folder / "src" / "sitecustomize.py").write_text(
            "import os\nmay = os.access\n"
            "os.access = lambda path, mode: may(path, mode) and str(path) != 'results'\n"
        )
    pattern = (
        r"results: cannot be written; allow it \(a file system that is mounted read-only, rights of "
        r"the folder\), or run in another folder"
    )
    try:
        refused(workflow, STUDY, sheet(whole(workflow.folder)), pattern)
        assert not any(results.iterdir())
    finally:
        results.chmod(0o700)


def test_no_gpu(workflow):
    settings = STUDY["methods"]["deepnet"]
    demanded = settings | {"train": settings["train"] | {"device": "cuda"}}
    study = STUDY | {"methods": {"deepnet": demanded}}
    pattern = (
        r"device: 'cuda' is demanded and this machine has no such GPU that torch \S+ can use; "
        "allowed here are auto and cpu"
    )
    refused(workflow, study, sheet(whole(workflow.folder)), pattern, target=["train_all"])


@pytest.mark.parametrize("there", [False, True], ids=["a-rule", "a-file"])
def test_a_target_behind_the_study(workflow, there):
    path = workflow.write_study(TINY_FOAM)
    target = path if there else "train_all"
    done = workflow.run("-n", "--configfile", path, target, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    said = "one study at a time; found several files" if there else "train_all: no such study file"
    assert re.search(
        rf"{said}[;,] put (the|a) target first: snakemake \w+ --configfile", done.stdout
    )


def test_a_study_where_targets_stand(workflow):
    path = workflow.write_study(TINY_FOAM)
    done = workflow.run("-n", path, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    [said] = sentences(done.stdout)
    assert said.endswith(f"behind --configfile: snakemake --configfile {path}")


def test_a_study_that_is_not_there(workflow):
    done = workflow.run("-n", "--configfile", "none.yaml", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert "none.yaml: no such study file\n" in done.stdout


def test_a_file_where_the_logs_are_to_be(workflow):
    (workflow.folder / "logs").write_text("mine")
    pattern = r"logs: is a file where a folder is to be; move it, or run in another folder"
    refused(workflow, STUDY, sheet(whole(workflow.folder)), pattern)
    assert (workflow.folder / "logs").read_text() == "mine"


def test_names_that_snakemake_would_take_for_patterns(workflow):
    """Read as they stand, and read again when they change."""
    whole(workflow.folder)
    names = ["{a}.tif", "{scan} #1.tif"]
    for name in names:
        os.link(workflow.folder / "data.tif", workflow.folder / name)
    left, right = sheet(names[0]).splitlines(), sheet(names[1]).splitlines()
    path = workflow.write_study(STUDY, "\n".join([*left[:2], right[2]]) + "\n", name="own")
    workflow.run("ingest_all", "--configfile", path)
    results = workflow.folder / "results/own/ingest"
    for sample, x in (("left", slice(40)), ("right", slice(40, 80))):
        assert (open_volume(results / f"{sample}.ome.zarr").read() == stack()[:, :, x]).all()
    assert workflow.planned("ingest_all", "--configfile", path) == {}
    (workflow.folder / names[1]).unlink()
    tifffile.imwrite(workflow.folder / names[1], 255 - stack(), photometric="minisblack")
    assert workflow.planned("ingest_all", "--configfile", path) == {"ingest": 1, "ingest_all": 1}


def test_disk_full(workflow):
    results = workflow.folder / "results"
    results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", results],
        capture_output=True,
        text=True,
        check=False,
    )
    if re.search("superuser|permission denied|not permitted", mounted.stderr):
        pytest.skip(f"no right to mount a small tmpfs: {mounted.stderr.strip()}")
    assert mounted.returncode == 0, mounted.stderr
    try:
        tifffile.imwrite(
            workflow.folder / "data.tif", stack((16, 256, 256)), photometric="minisblack"
        )
        pattern = r"results/own/ingest/(left|right)\.ome\.zarr\S*: disk full while writing; .+"
        refused(workflow, STUDY, sheet("data.tif"), pattern, target=["ingest_all"])
        assert not (results / "own/ingest/right.ome.zarr").exists()
    finally:
        subprocess.run(["umount", results], check=True)
