"""A region restored from 9 um to 1 um: by two trained models in turn, and at once, on a map through 3 um."""

import json
import re
import shutil

import numpy as np
import pytest
import scipy.ndimage
import tifffile
import yaml

from acuity.cli import main
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.conftest import TINY_TRAINING
from tests.runs import train
from tests.studies.test_stacks import metrics_of

OWN = {
    "features": [3, 3],
    "kernels": [3, 1, 3],
    "train": TINY_TRAINING | {"patch": [12, 12, 12], "precision": "float32"},
}
STUDY = {
    "study": "steps",
    "samples": "steps.tsv",
    "levels": [9],
    "pair": {"held_out": "x 16:26", "learned": "x 6:16"},
    "methods": {
        "cubic": None,
        "srcnn3d": OWN,
        "srcnn3d@chain": {"model": ["models/9", "models/3"]},
    },
    "restore": {"region": "10:18,12:20,8:20"},
    "segment": False,
    "measure": {"pore_space": False},
}
SHEET = (
    "sample\trole\tpath\tvoxel_size\tlow_path\tlow_voxel_size\tmiddle_path\tmiddle_voxel_size\tplace\n"
    "core\ttrain\tfine.tif\t1 um\tcoarse.tif\t9 um\tmiddle.tif\t3 um\t14 16 16 voxel\n"
    "field\trestore\tcoarse.tif\t9 um\t\t\t\t\t\n"
)
FIRST = np.array([24, 30, 18])  # of the fine scan, middle voxels
SIDES = np.array([36, 36, 60])


def recorded(volume, gain, offset, seed):
    """Grey values of 8 bits, with noise."""
    random = np.random.Generator(np.random.Philox(seed))
    values = gain * (volume + 0.02 * random.standard_normal(volume.shape)) + offset
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


@pytest.fixture(scope="module")
def scans():
    """Scans of 9, 3 and 1 um of one object, and the parts of the first two under the last."""
    random = np.random.Generator(np.random.Philox(41))
    drawn = scipy.ndimage.gaussian_filter(random.standard_normal((108,) * 3), 3.0)
    solid = scipy.ndimage.gaussian_filter((drawn > -0.5 * drawn.std()).astype(float), 0.8)
    box = tuple(slice(a, a + n) for a, n in zip(FIRST, SIDES, strict=True))
    fine = solid[box].repeat(3, 0).repeat(3, 1).repeat(3, 2)
    return {
        "coarse": recorded(solid.reshape(36, 3, 36, 3, 36, 3).mean(axis=(1, 3, 5)), 90, 60, 1),
        "middle": recorded(solid, 120, 50, 2),
        "fine": recorded(scipy.ndimage.gaussian_filter(fine, 1.0), 150, 40, 3),
    }


@pytest.fixture(scope="module")
def models(scans, tmp_path_factory):
    """Models from 9 to 3 um and from 3 to 1 um, each learned on its own pair."""
    folder = tmp_path_factory.mktemp("models")
    box = tuple(slice(a, a + n) for a, n in zip(FIRST, SIDES, strict=True))
    pairs = {9: (scans["coarse"], scans["middle"]), 3: (scans["middle"][box], scans["fine"])}
    for size, volumes in pairs.items():
        own = folder / f"{size}"
        own.mkdir()
        grid = Grid(volumes[0].shape, (float(size),) * 3, unit="um")
        files = [str(own / f"{name}.ome.zarr") for name in ("low", "high")]
        for path, values, each in zip(files, volumes, (grid, grid.refine((3, 3, 3))), strict=True):
            write_volume(path, Volume(values, each))
        train(
            "srcnn3d",
            OWN,
            [tuple(files)],
            level=3.0,
            scale=(3, 3, 3),
            seed=1,
            output=str(own / "model.safetensors"),
            card=str(own / "model.json"),
            history=str(own / "history.tsv"),
            checkpoints=str(own / "checkpoints"),
            study=f"from{size}",
        )
    return folder


def write(folder, scans, models):
    for name, scan in scans.items():
        tifffile.imwrite(folder / f"{name}.tif", scan, photometric="minisblack")
    for own in models.iterdir():
        target = folder / "models" / own.name
        target.mkdir(parents=True)
        for name in ("model.json", "model.safetensors"):
            shutil.copy(own / name, target / name)


def test_a_chain_beside_what_learned_at_once(workflow, scans, models):
    write(workflow.folder, scans, models)
    path = workflow.write_study(STUDY, SHEET, name="steps")
    workflow.run("--configfile", path)
    folder, metrics = metrics_of(workflow, "steps")
    said = json.loads((folder / "pair/core/transform.json").read_text())
    # Coarse voxel c has its middle at 9 c + 4 fine voxels of the object, of which the fine scan begins at 3 FIRST.
    truth = np.column_stack([9 * np.eye(3), 4 - 3 * FIRST])
    ends = np.array([[8, 10, 6, 1], [19, 21, 25, 1]]).T
    assert np.abs((np.array(said["matrix"]) - truth) @ ends).max() < 2
    assert said["candidates"][0]["agreeing"] > 0.5
    assert [one["error"] < 0.5 for one in said["through"]] == [True, True]
    # The chain and what learned at once stand beside each other, judged on one part.
    found = metrics[(metrics["sample"] == "core") & (metrics["metric"] == "psnr")]
    found = found.assign(variant=found["variant"].fillna(""))
    rows = found.set_index(["method", "variant"])["value"]
    assert {("cubic", ""), ("srcnn3d", ""), ("srcnn3d", "chain")} <= set(rows.index)
    assert rows.notna().all()
    card = json.loads((folder / "train/srcnn3d@chain/level9/model.json").read_text())
    assert [one["study"] for one in card["chain"]] == ["from9", "from3"]
    # Nothing of what lay between is left; the region has the voxels of the finest scan.
    whole = open_volume(folder / "predict/field/level9/srcnn3d@chain.ome.zarr")
    assert whole.grid.shape == (72, 72, 108)
    assert whole.grid.spacing == (1.0, 1.0, 1.0)
    assert not [p for p in (folder / "predict").rglob(".*ome.zarr")]
    # The gap is said, and measured, on the first page and on that of the region.
    first = (folder / "report/index.html").read_text()
    assert "learned from real scans of that size" in first
    assert "in the scans that it learned from" in first
    assert "composed through a scan of 3" in (folder / "report/pair/core.html").read_text()
    page = (folder / "report/field.html").read_text()
    assert "2 models, applied in turn" in page
    assert "learned from real scans" in page
    assert workflow.planned("--configfile", path) == {}


def checked(folder, scans, models, **change):
    """What `acuity check` says of the study with something changed."""
    write(folder, scans, models)
    (folder / "steps.yaml").write_text(yaml.safe_dump(STUDY | change))
    (folder / "steps.tsv").write_text(SHEET)
    return main(["check", str(folder / "steps.yaml")])


def chain(*names):
    return {"srcnn3d@chain": {"model": [f"models/{name}" for name in names]}}


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (
            {"methods": chain(3, 9)},
            r".*steps\.yaml: key 'methods\.srcnn3d@chain\.model': the voxel sizes of the chain do not meet: "
            r".*models/3/model\.json makes voxels of 1 um, and .*models/9/model\.json learned from voxels of 9 um; .*",
        ),
        ({"methods": chain(9, 3), "slabs": 2}, r".*a chain of 2 models beside slabs: 2; .*"),
        ({"methods": chain(9, 9)}, r".*do not meet: .*"),
        ({"methods": chain(9)}, r".*methods\.srcnn3d@chain.*model.*"),
    ],
    ids=["order", "slabs", "twice", "one"],
)
def test_a_chain_that_cannot_be_is_refused(tmp_path, scans, models, capsys, change, pattern):
    assert checked(tmp_path, scans, models, **change) != 0
    [said] = capsys.readouterr().err.strip().splitlines()
    assert re.fullmatch(pattern, said)


def test_control_the_same_chain_in_turn_is_checked(tmp_path, scans, models):
    assert checked(tmp_path, scans, models) == 0
