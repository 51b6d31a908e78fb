"""Samples without truth in every kind of study: what they are restored from, and at which level."""

import pytest
import yaml

from acuity.errors import AcuityError
from acuity.study.project import Project
from acuity.study.reading import read_study
from acuity.study.sample import Sample
from acuity.study.study import Study

FOAM = {"foam": {"size": 64, "diameter": [6, 20]}, "levels": [2, 3], "methods": {"deepnet": {}}}
BLUR = {
    "degrade": {"downsample": [2, 2, 2]},
    "levels": [1.5, 2],
    "methods": {"cubic": {}, "srcnn3d": {}},
}
AXIAL = {"degrade": {"mode": "average"}, "levels": [2, 4], "methods": {"cubic": {}}}
RANDOM = {"degrade": {"mode": "random"}, "levels": [2, 4], "methods": {"cubic": {}, "semnet": {}}}
PAIR = {"pair": {}, "levels": [2], "methods": {"cubic": {}, "sem_gan": {}}}
SPECIMEN = PAIR | {"specimen": {"kind": "gold"}}
FILE = {"path": "a.tif"}


def project(keys, **row):
    study = Study(study="s", samples="s.tsv", **keys)
    train = Sample(sample="t", role="train", path="t.tif", low_path="l.tif", level=None)
    return Project(study, [train, Sample(sample="x", role="restore", **row)])


@pytest.mark.parametrize(
    ("keys", "row", "low", "level"),
    [
        (FOAM, {"seed": 3, "level": 3}, "reconstruct/x/level3", "3"),
        (FOAM, {**FILE, "level": 2}, "ingest/x", "2"),
        (BLUR, {**FILE, "level": 1.5}, "ingest/x", "1.5"),
        (AXIAL, {**FILE, "voxel_size": "40 10 10 nm"}, "ingest/x", "4"),
        (AXIAL | {"align": {}}, {**FILE, "voxel_size": "20 10 10 nm"}, "align/x/aligned", "2"),
        (RANDOM, {**FILE, "level": 4}, "ingest/x", "4"),
        (PAIR, {**FILE, "level": 2}, "ingest/x", "2"),
        (SPECIMEN, {"seed": 3, "level": 2}, "simulate/x/low", "2"),
    ],
)
def test_a_coarse_sample_is_restored_from_what_it_is(keys, row, low, level):
    made = project(keys, **row)
    assert made.restore == {"x": level}
    assert made.low("x", level) == f"{low}.ome.zarr/zarr.json"
    methods = ["input", *made.methods]
    assert made.images("x") == [f"level{level}/{method}" for method in methods]
    for method in made.methods:
        files = made.prediction_inputs(method, "x", level)
        assert ("described" in files) == made.learned(method)
    # Nothing of it asks for a truth, and nothing but scans of its own level is made.
    asked = made.intermediate_files()
    assert not [file for file in asked if "/x/" in file and "truth" in file.split("/x/")[1]]
    others = {f"level{other:g}" for other in made.study.levels} - {f"level{level}"}
    assert not [f for f in asked if "/x/" in f and others & set(f.replace(".", "/").split("/"))]


def test_what_came_in_a_file_has_a_field_of_view_of_its_own():
    cfg = project(FOAM, seed=3, level=3).prediction_cfg("deepnet", "x", "3")
    assert cfg["fov_radius"] == 32
    assert "fov_radius" not in project(FOAM, **FILE, level=3).prediction_cfg("deepnet", "x", "3")


def test_the_part_and_the_type_are_told_of_coarse_samples_alone():
    keys = FOAM | {"restore": {"region": ":4", "dtype": "float32"}}
    study = Study(study="s", samples="s.tsv", **keys)
    rows = [
        Sample(sample=name, role=role, seed=n, level=3 if n == 3 else None)
        for name, role, n in (("a", "train", 1), ("b", "test", 2), ("x", "restore", 3))
    ]
    made = Project(study, rows)
    assert made.prediction_cfg("deepnet", "x", "3")["region"] == ":4"
    assert not {"region", "dtype"} & made.prediction_cfg("deepnet", "b", "3").keys()


@pytest.mark.parametrize(
    ("keys", "row", "words"),
    [
        (FOAM, "x\trestore\t3\t\t", "sample 'x' has no level; allowed are the study's, 2, 3"),
        (FOAM, "x\trestore\t3\t\t5", "sample 'x' has the level 5; allowed are the study's, 2, 3"),
        (FOAM, "x\trestore\t3\t\t0", "greater than or equal to 0.01"),
        (FOAM, "x\ttest\t3\t\t3", "sample 'x' has a level, which only samples of"),
        (FOAM, "x\trestore\t3\tsheet.tsv\t3", "needs a path and no seed"),
        (FOAM, "x\trestore\t\t\t3", "needs a seed and no path"),
        (FOAM, "x\ttest\t\tsheet.tsv\t", "needs a seed and no path"),
        (FOAM | {"levels": [3]}, "x\trestore\t\tgone.tif\t", "gone.tif"),
        (BLUR, "x\trestore\t\tsheet.tsv\t3", "has the level 3; allowed are the study's, 1.5, 2"),
        (
            RANDOM,
            "x\trestore\t\tsheet.tsv\t2.5",
            "has the level 2.5; allowed are the study's, 2, 4",
        ),
        (AXIAL, "x\trestore\t\tsheet.tsv\t2", "has a level, which only samples of"),
    ],
)
def test_a_level_is_told_where_nothing_else_tells_it(tmp_path, keys, row, words):
    sheet = "sample\trole\tseed\tpath\tlevel\n"
    first = "t\ttrain\t1\t\t\n" if "foam" in keys else "t\ttrain\t\tsheet.tsv\t\n"
    (tmp_path / "sheet.tsv").write_text(sheet + first + row + "\n")
    study = {"study": "s", "samples": "sheet.tsv", **keys}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(AcuityError) as refused:
        read_study(tmp_path / "s.yaml")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
