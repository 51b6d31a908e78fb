"""The study file: what is right is read, what is wrong is said in one sentence."""

import copy
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from acuity import study as study_module
from acuity.errors import AcuityError
from acuity.methods.base import known, load
from acuity.study import check_length, read_keys, read_study, schema
from tests.conftest import needs_real, with_marks

ROOT = Path(__file__).parents[2]

GOOD = {
    "study": "mine",
    "samples": "samples.tsv",
    "foam": {"size": 64, "diameter": [6, 20]},
    "levels": [3, 5],
    "methods": {"deepnet": {}, "richardson_lucy": None},
}
SHEET = "sample\trole\tseed\na\ttrain\t1\nb\ttest\t2\n"


@pytest.fixture
def write(tmp_path):
    def write_study(change=None, sheet=SHEET):
        content = copy.deepcopy(GOOD)
        if change:
            change(content)
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
        (tmp_path / "samples.tsv").write_text(sheet)
        return tmp_path / "study.yaml"

    return write_study


def sentence(path):
    with pytest.raises(AcuityError) as caught:
        read_study(path)
    text = str(caught.value)
    assert "\n" not in text
    assert path.parent.name in text
    return text


def test_good_study(write):
    study, samples = read_study(write())
    assert study.study == "mine"
    assert study.levels == (3, 5)
    assert [sample.seed for sample in samples] == [1, 2]
    assert study.methods["richardson_lucy"]["iterations"] == 30


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(levells=[1]), ["'levells'", "not known", "'levels'"]),
        (lambda c: c["foam"].update(sise=3), ["'foam.sise'", "not known", "'size'"]),
        (lambda c: c.pop("levels"), ["'levels'", "missing"]),
        (lambda c: c.update(levels=[3, -1]), ["levels", "-1", "greater than or equal to 0.01"]),
        (lambda c: c.update(levels=[3, 1000]), ["levels", "1000", "less than or equal to 64"]),
        (lambda c: c.update(levels=[0.5]), ["target_level", "0.5"]),
        (lambda c: c.update(levels=[3, 3]), ["twice"]),
        (lambda c: c.update(levels="three"), ["levels", "'three'"]),
        (lambda c: c.update(levels=3), ["key 'levels': found 3; allowed is a list"]),
        (lambda c: c.update(levels=[3, 1e-5]), ["'levels.1'", "1e-05", "0.01"]),
        (
            lambda c: c.update(levels=[3, 3.0000001]),
            ["levels 3.0 and 3.0000001 would share the name 3;"],
        ),
        (lambda c: c["foam"].update(target_level=1e-5), ["foam.target_level", "1e-05", "0.01"]),
        (
            lambda c: c.update(segment=True),
            ["key 'segment': found true; allowed is false or a mapping of the keys objects, "],
        ),
        (
            lambda c: c.update(methods=["deepnet"]),
            ["key 'methods': found ['deepnet']; allowed is a mapping of keys to values"],
        ),
        (
            lambda c: c["methods"].update(deepnet={"train": {"steps": 0}}),
            ["study.yaml: key 'methods.deepnet.train.steps': found 0; "],
        ),
        (
            lambda c: c["methods"].update(deepnet={"train": {"patch": [7, 128, 128]}}),
            ["key 'methods.deepnet': train.patch is 7 slices deep and a stack has 5"],
        ),
        (lambda c: c.update(study="../up"), ["study", "'../up'", "letters"]),
        (lambda c: c.update(study="<script>"), ["study", "<script>"]),
        (lambda c: c["methods"].update(deepnett={}), ["deepnett", "deepnet"]),
        (lambda c: c["methods"].update(deepnet={"stepps": 3}), ["stepps", "not known"]),
        (
            lambda c: c["methods"].update(richardson_lucy={"iterations": -2}),
            ["methods.richardson_lucy.iterations", "-2"],
        ),
        (lambda c: c["methods"].update(linear={}), ["methods.linear", "downsample"]),
        (lambda c: c["foam"].update(voxel_size="1"), ["voxel_size", "'1'", "unit"]),
        (lambda c: c["foam"].update(voxel_size="0 um"), ["voxel_size", "'0 um'"]),
        (lambda c: c["foam"].update(diameter=[20, 6]), ["diameter"]),
        (lambda c: c.update(judge_training=["srcnn3d"]), ["judge_training", "srcnn3d"]),
        (lambda c: c.update(training_seeds=[2, 2]), ["training_seeds", "[2, 2]", "differ"]),
        (lambda c: c.update(training_seeds=[1]), ["training_seeds", "[1] with seed 1"]),
        (lambda c: c.update(training_seeds=[-1]), ["training_seeds", "-1"]),
        (
            lambda c: c.update(training_seeds=[2], methods={"richardson_lucy": None}),
            ["training_seeds", "none of the methods learns"],
        ),
        (lambda c: c.update(samples="none.tsv"), ["samples", "none.tsv"]),
        (lambda c: c.update(segment={"objects": "grey"}), ["segment.objects", "'grey'", "'dark'"]),
    ],
)
def test_mistakes_are_one_sentence(write, change, words):
    text = sentence(write(change))
    for word in words:
        assert word in text, text


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        ("sample\trole\tseed\n../x\ttrain\t1\nb\ttest\t2\n", ["line 2", "'../x'", "letters"]),
        ("sample\trole\tseed\n<script>\ttrain\t1\nb\ttest\t2\n", ["line 2", "<script>"]),
        ("sample\trole\tseed\na\ttrain\t1\na\ttest\t2\n", ["line 3", "'a'", "line 2"]),
        ("sample\trole\tseed\na\ttrain\t1\nb\ttest\t1\n", ["same seed"]),
        ("sample\trole\tseed\na\ttrain\t1\n", ["role test"]),
        ("sample\trole\tseed\nb\ttest\t2\n", ["role train"]),
        ("sample\trole\tseed\na\ttrian\t1\nb\ttest\t2\n", ["line 2", "role", "'trian'"]),
        ("sample\trole\tseed\nindex\ttrain\t1\nb\ttest\t2\n", ["index", "reserved"]),
        ("sample\trole\na\ttrain\nb\ttest\n", ["line 2", "seed"]),
        ("sample\trole\tseed\tcolour\na\ttrain\t1\tred\nb\ttest\t2\t\n", ["'colour'", "not known"]),
        ("", ["sample sheet"]),
        ("sample role seed\na train 1\nb test 2\n", ["line 1", "'sample role seed'", "by tabs"]),
        ("sample\trole\na\ttrain\t1\nb\ttest\t2\n", ["line 2", "more fields than the 2 columns"]),
        (
            "sample\trole\tseed\na\ttrain\t1\nb\ttest\t2\t3\n",
            ["line 3", "more fields than the 3 columns of line 1"],
        ),
    ],
)
def test_sample_sheet_mistakes(write, sheet, words):
    text = sentence(write(sheet=sheet))
    for word in words:
        assert word in text, text


def test_import_study_needs_paths(write, tmp_path):
    def imports(content):
        del content["foam"]

    text = sentence(write(imports))
    assert "path" in text
    sheet = "sample\trole\tpath\tregion\na\ttrain\tx.tif\t:5\nb\ttest\tx.tif\t5:\n"
    assert "x.tif" in sentence(write(imports, sheet))
    (tmp_path / "x.tif").write_bytes(b"")
    _, samples = read_study(write(imports, sheet))
    assert Path(samples[0].path) == tmp_path / "x.tif"


@pytest.mark.parametrize(
    ("mode", "methods", "words"),
    [
        ("average", {"richardson_lucy": None}, "sigma is missing; with degrade.mode average"),
        ("decimate", {"richardson_lucy": {"iterations": 5}}, "sigma is missing; with degrade.mode"),
        ("average", {"richardson_lucy": {"sigma": 1.5}}, None),
        ("blur", {"richardson_lucy": None}, None),
    ],
)
def test_a_number_of_slices_is_no_blur(write, tmp_path, mode, methods, words):
    def along_z(content):
        del content["foam"]
        content.update(degrade={"mode": mode}, levels=[4], methods=methods)

    (tmp_path / "x.tif").write_bytes(b"")
    path = write(along_z, "sample\trole\tpath\nb\ttest\tx.tif\n")
    if words:
        text = sentence(path)
        assert f"methods.richardson_lucy: {words}" in text
        assert "in voxels" in text
    else:
        read_study(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "study: a\nsamples: s.tsv\nstudy: b\n",
            "key 'study' stands in line 1 and again in line 3",
        ),
        ("study: a\nfoam:\n  size: 48\n  size: 64\n", "key 'size' stands in line 3 and again in"),
        (
            "study: a\nfoam: {size: 48, size: 64}\n",
            "key 'size' stands in line 2 and again in line 2",
        ),
    ],
)
def test_a_key_that_stands_twice(tmp_path, text, words):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    assert words in sentence(path)


def test_a_merged_key_may_be_overridden(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: {d: {<<: *a, y: 4}}\n")
    assert read_keys(path) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 3, "y": 2},
        "c": {"d": {"x": 1, "y": 4}},
    }


def test_numbers_are_what_people_mean(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("[010, 10, 1:30, 1_000, 0x10, 1.5, 1.0e-3, -.inf]")
    expected = ["010", 10, "1:30", 1000, 16, 1.5, 1e-3, float("-inf")]
    assert read_keys(path) == expected
    assert yaml.safe_load(path.read_text())[:3] == [8, 10, 90]  # as YAML 1.1 has it


def test_not_yaml(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("a: [1\n")
    assert "YAML" in sentence(path)
    path.write_text("- 1\n")
    assert "mapping" in sentence(path)
    assert "no such" in sentence(tmp_path / "absent.yaml")


def test_no_code_in_yaml(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: !!python/object/apply:os.getcwd []\n")
    assert "YAML" in sentence(path)


def test_lengths():
    assert check_length("20 10 10 nm") == "20 10 10 nm"
    for wrong in ("10", "nm", "-1 nm", "10 20 nm", "10 px", "0 um"):
        with pytest.raises(ValueError, match="found"):
            check_length(wrong)


def models():
    for name in ("Study", "Foam", "Degrade", "Segment", "Measure", "Sample"):
        yield getattr(study_module, name)
    for name in known():
        yield load(name).Settings


@pytest.mark.parametrize(
    "model", list(models()), ids=lambda model: f"{model.__module__}.{model.__name__}"
)
def test_every_field_has_description_and_unit(model):
    assert issubclass(model, BaseModel)
    assert model.model_config["extra"] == "forbid"
    for name, field in model.model_fields.items():
        assert field.description, name
        assert (field.json_schema_extra or {}).get("unit"), name


def test_studies_of_foams_state_the_classes_that_their_figures_are_given_by():
    for name in ("config.yaml", "studies/deepnet.yaml", "studies/deepnet-256.yaml"):
        measure = read_study(ROOT / "config" / name)[0].measure
        assert measure.size_classes == (0, 10, 15, 20, 30, 50, 1000), name
        assert measure.size_bin == 5, name
    # The control: others leave it to the voxel.
    assert read_study(ROOT / "config" / "studies" / "dehaan-small.yaml")[0].measure.size_classes is None


def test_schema_is_current():
    stored = json.loads((ROOT / "config" / "study.schema.json").read_text())
    assert stored == json.loads(json.dumps(schema())), (
        "run: acuity schema > config/study.schema.json"
    )


STUDIES = sorted((ROOT / "config").rglob("*.yaml"))


@pytest.mark.parametrize("path", with_marks(STUDIES))
def test_studies_that_come_with_it_are_sound(path):
    read_study(path)


@pytest.mark.parametrize(
    "path", [path for path in STUDIES if needs_real(path)], ids=lambda path: path.stem
)
def test_without_the_real_images_a_study_names_the_missing_one(tmp_path, path):
    # A folder of its own, beside which nothing lies.
    copied = shutil.copytree(ROOT / "config", tmp_path / "clone" / "config")
    path = copied / path.relative_to(ROOT / "config")
    assert re.search(r"shared/data/.*no such file or folder", sentence(path))


def test_an_input_in_a_bucket_is_left_as_it_is(write):
    def imported(content):
        del content["foam"], content["methods"]["deepnet"]

    heading = "sample\trole\tpath\tvoxel_size\n"
    for given, kept in [
        ("s3://scans/day 1/stack/", "s3://scans/day 1/stack"),
        ("s3://scans/a.h5:/entry/data", "s3://scans/a.h5:/entry/data"),
    ]:
        _, (sample,) = read_study(write(imported, f"{heading}a\ttest\t{given}\t2 um\n"))
        assert sample.path == kept
    for given, said in [
        ("s3://scans", "is no address, allowed is s3://BUCKET/KEY"),
        ("s3://scans/../others/a.tif", "is no address"),
        ("s3://scans/a//b.tif", "is no address"),
        ("s3://scans/a.raw", "needs other files beside it, allowed in a bucket are"),
        ("s3://scans/slices.txt", "needs other files beside it"),
        ("s3://scans/a.ome.zarr/zarr.json", "needs other files beside it"),
    ]:
        path = write(imported, f"{heading}a\ttest\t{given}\t2 um\n")
        assert said in sentence(path)
        assert f"line 2: sample 'a': {given}: " in sentence(path)
