"""Bad input ends in one sentence and a non-zero exit, with nothing half written."""

import subprocess

import h5py
import numpy as np
import pytest
import tifffile

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


def refused(workflow, study, table, *words, target=()):
    path = workflow.write_study(study, table, name="own")
    done = workflow.run(*target, "--configfile", path, check=False)
    text = done.stdout
    assert done.returncode != 0, text[-3000:]
    assert "Traceback" not in text, text[-3000:]
    sentences = [line for line in text.splitlines() if all(word in line for word in words)]
    assert sentences, text[-3000:]
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
    refused(workflow, study, sheet(whole(workflow.folder)), "own.yaml", "'level'", "'levels'")


def test_missing_file(workflow):
    refused(workflow, STUDY, sheet("absent.tif"), "own.tsv", "line 2", "absent.tif")


def test_missing_voxel_size(workflow):
    table = sheet(whole(workflow.folder), voxel_size="")
    refused(workflow, STUDY, table, "data.tif", "voxel size")


@pytest.mark.parametrize("wrong", ["shape", "type"])
def test_mixed_slices(workflow, wrong):
    folder = workflow.folder / "slices"
    folder.mkdir()
    for z, image in enumerate(stack()):
        if z == 3:
            image = image[:, :70] if wrong == "shape" else image.astype(np.uint16)
        tifffile.imwrite(folder / f"slice_{z}.tif", image)
    refused(workflow, STUDY, sheet("slices"), "slice_3.tif", "70" if wrong == "shape" else "uint16")


def test_nan(workflow):
    data = stack(dtype=np.float32)
    data[5, 7, 9] = np.nan
    tifffile.imwrite(workflow.folder / "data.tif", data, photometric="minisblack")
    refused(workflow, STUDY, sheet("data.tif"), "data.tif", "NaN", "5")


def test_constant(workflow):
    tifffile.imwrite(
        workflow.folder / "data.tif", np.full((8, 40, 80), 7, np.uint8), photometric="minisblack"
    )
    refused(workflow, STUDY, sheet("data.tif"), "data.tif", "7")


def test_truncated_tiff(workflow):
    whole(workflow.folder)
    path = workflow.folder / "data.tif"
    path.write_bytes(path.read_bytes()[:9000])
    refused(workflow, STUDY, sheet("data.tif"), "data.tif")


def test_truncated_hdf5(workflow):
    path = workflow.folder / "data.h5"
    with h5py.File(path, "w") as file:
        file["volume"] = stack()
    path.write_bytes(path.read_bytes()[:9000])
    refused(workflow, STUDY, sheet("data.h5"), "data.h5")


def test_empty_file(workflow):
    (workflow.folder / "data.tif").write_bytes(b"")
    refused(workflow, STUDY, sheet("data.tif"), "data.tif")


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
    refused(workflow, STUDY, table, "left.ome.zarr", target=["degrade_all"])


@pytest.mark.parametrize("level", [0, -1, 1000])
def test_level_out_of_range(workflow, level):
    table = sheet(whole(workflow.folder))
    refused(workflow, STUDY | {"levels": [level]}, table, "own.yaml", "levels", str(level))


def test_region_outside(workflow):
    table = sheet(whole(workflow.folder)).replace(":,:,40:", ":,:,400:")
    refused(workflow, STUDY, table, "data.tif", "400", target=["ingest_all"])


def test_tile_too_small(workflow):
    study = STUDY | {
        "methods": {"deepnet": STUDY["methods"]["deepnet"] | {"predict": {"tile": [5, 8, 8]}}}
    }
    refused(workflow, study, sheet(whole(workflow.folder)), "tile")


def test_no_gpu(workflow):
    settings = STUDY["methods"]["deepnet"]
    demanded = settings | {"train": settings["train"] | {"device": "cuda"}}
    study = STUDY | {"methods": {"deepnet": demanded}}
    refused(workflow, study, sheet(whole(workflow.folder)), "cuda", target=["train_all"])


@pytest.mark.parametrize("name", ["../up", "<script>", "a/b", ".hidden"])
def test_sample_names(workflow, name):
    table = sheet(whole(workflow.folder)).replace("right", name)
    refused(workflow, STUDY, table, "own.tsv", "line 3", name)
    assert not (workflow.folder.parent / "up").exists()


def test_two_studies_at_once(workflow):
    path = workflow.write_study(TINY_FOAM)
    done = workflow.run("-n", "--configfile", path, path, check=False)
    assert done.returncode != 0
    assert "one study at a time" in done.stdout


def test_disk_full(workflow):
    results = workflow.folder / "results"
    results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", results],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small tmpfs")
    try:
        tifffile.imwrite(
            workflow.folder / "data.tif", stack((16, 256, 256)), photometric="minisblack"
        )
        refused(workflow, STUDY, sheet("data.tif"), "disk full", target=["ingest_all"])
        assert not (results / "own/ingest/right.ome.zarr").exists()
    finally:
        subprocess.run(["umount", results], check=True)
