"""Coarse scans restored: with this study's model, and with last week's."""

import copy
import shutil

import numpy as np
import pytest
import yaml

from acuity.errors import AcuityError
from acuity.study.reading import read_study
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.conftest import TINY_FOAM, Workflow

SHEET = "sample\trole\tseed\n"
MODEL = "results/tiny/train/deepnet/level2"
LOW = "results/tiny/reconstruct/b/level2.ome.zarr"


@pytest.fixture(scope="module")
def workflow(finished, tmp_path_factory):
    """A copy of the tiny foam study, run to its end: ``b`` was restored as a test sample."""
    return Workflow.copy_of(finished.folder, tmp_path_factory.mktemp("restore") / "copy")


def restored(study, sample="b"):
    return f"results/{study}/predict/{sample}/level2/deepnet.ome.zarr"


def run(workflow, study, sheet, sample="b", *, check=True, target=None, **keys):
    keys = {"study": study, "samples": f"{study}.tsv", "levels": [2], **keys}
    path = workflow.write_study(keys, sheet, name=study)
    target = target or f"{restored(study, sample)}/zarr.json"
    return workflow.run("--configfile", path, "--", target, check=check)


def digest(workflow, study, sample="b"):
    return open_volume(workflow.folder / restored(study, sample)).digest


def foam(photons=None, **settings):
    study = copy.deepcopy(TINY_FOAM)
    if photons:
        study["foam"]["photons"] = photons
    return {"foam": study["foam"], "methods": {"deepnet": settings or study["methods"]["deepnet"]}}


def test_a_foam_without_truth_gets_the_bytes_of_a_test_sample(workflow):
    made = []
    for role, name in (("test", "b"), ("restore", "b"), ("restore", "c")):
        seed = 2 if name == "b" else 3
        sheet = SHEET + f"a\ttrain\t1\n{name}\t{role}\t{seed}\n"
        ran = run(workflow, "again", sheet, name, **foam())
        assert ("Train deepnet" in ran.stdout) == (role == "test")  # one model for all three
        made.append(digest(workflow, "again", name))
    assert made[0] == made[1]
    # Negative control: another foam is another volume.
    assert made[2] != made[1]
    truths = workflow.folder.glob("results/again/reconstruct/*/truth.ome.zarr")
    assert not list(truths)


def test_a_model_gives_the_same_bytes_in_another_study(workflow):
    sheet = f"sample\trole\tpath\nmine\trestore\t{LOW}\n"
    run(workflow, "mine", sheet, "mine", methods={"deepnet": {"model": MODEL}})
    assert digest(workflow, "mine", "mine") == digest(workflow, "tiny")
    steps = open_volume(workflow.folder / restored("mine", "mine")).provenance
    assert "accepted" not in steps[-1]
    card = workflow.folder / "results/mine/train/deepnet/level2/model.json"
    assert card.read_bytes() == (workflow.folder / MODEL / "model.json").read_bytes()


def test_a_model_is_refused_outside_of_what_it_was_made_for(workflow):
    """A quarter of the photons is twice the noise."""
    noisy = TINY_FOAM["foam"].get("photons", 5000.0) / 4
    sheet = SHEET + "b\trestore\t2\n"
    ran = run(workflow, "noisy", sheet, check=False, **foam(noisy, model=MODEL))
    assert ran.returncode == 1
    said = [line for line in ran.stdout.splitlines() if "is not like what the model" in line]
    assert len({line.split("error: ")[-1] for line in said}) == 1
    assert "found the noise of 0.00" in said[0]
    assert "accept: [noise]" in said[0]
    assert "Traceback" not in ran.stdout
    assert not (workflow.folder / restored("noisy")).exists()
    run(workflow, "noisy", sheet, **foam(noisy, model=MODEL, accept=["noise"]))
    (told,) = open_volume(workflow.folder / restored("noisy")).provenance[-1]["accepted"]
    assert told.startswith("noise of 0.00")


def test_a_taken_model_judges_nothing_that_it_learned_from(workflow):
    sheet = SHEET + "a\ttest\t1\n"
    ran = run(workflow, "seen", sheet, "a", check=False, **foam(model=MODEL))
    assert ran.returncode == 1
    assert "test sample 'a' holds voxels that the model of deepnet at level 2" in ran.stdout
    assert not (workflow.folder / restored("seen", "a")).exists()
    # Negative control: another foam is judged.
    run(workflow, "seen", SHEET + "b\ttest\t2\n", **foam(model=MODEL))
    assert digest(workflow, "seen") == digest(workflow, "tiny")


def test_another_model_reruns_what_it_restored(workflow):
    model = workflow.folder / "taken"
    shutil.copytree(workflow.folder / MODEL, model)
    sheet = f"sample\trole\tpath\nmine\trestore\t{LOW}\n"
    methods = {"deepnet": {"model": "taken"}}
    run(workflow, "taken", sheet, "mine", methods=methods)
    arguments = ("--configfile", workflow.folder / "taken.yaml", "--")
    target = f"{restored('taken', 'mine')}/zarr.json"
    assert workflow.planned(*arguments, target) == {}
    for file in ("model.json", "model.safetensors"):
        (model / file).touch()
    assert workflow.planned(*arguments, target) == {}
    run(workflow, "other", SHEET + "a\ttrain\t1\nb\ttest\t2\n", seed=2, **foam())
    for file in ("model.json", "model.safetensors"):
        other = workflow.folder / "results/other/train/deepnet/level2" / file
        shutil.copy(other, model / file)
    assert workflow.planned(*arguments, target) == {"take_model": 1, "predict": 1}


def test_the_study_of_a_stack_takes_the_model_of_another(tmp_path):
    """restore-stack, after a study in the place of heinrich-small with networks of a few weights."""
    workflow = Workflow(tmp_path)
    path = workflow.folder / "config/studies/restore-stack.yaml"
    with pytest.raises(
        AcuityError, match=r"key 'methods\.fsrcnn3d@interpolated\.model': .* is not there"
    ):
        read_study(path)
    noise = np.random.default_rng(1).normal(100, 20, (2, 64, 40, 40)).clip(0, 255).round()
    for name, voxels in zip(("ts1", "ts2"), noise.astype(np.uint8), strict=True):
        grid = Grid(voxels.shape, (10, 10, 10), (0, 0, 0), "nm")
        write_volume(workflow.folder / f"{name}.ome.zarr", Volume(voxels, grid))
    own = yaml.safe_load((path.parent / "heinrich-small.yaml").read_text())
    network = own["methods"]["fsrcnn3d@interpolated"] | {"filters": 4, "shrink": 2}
    network["train"] |= {"steps": 2, "patch": [8, 16, 16]}
    own |= {"samples": "own.tsv", "methods": {"fsrcnn3d@interpolated": network}}
    sheet = "sample\trole\tpath\nts1\ttrain\tts1.ome.zarr\nts2\ttest\tts2.ome.zarr\n"
    found = []
    for study, sample in ((workflow.write_study(own, sheet), "ts2"), (path, "stack")):
        name = yaml.safe_load(study.read_text())["study"]
        volume = f"results/{name}/predict/{sample}/level4/fsrcnn3d@interpolated.ome.zarr"
        workflow.run("--configfile", study, "--", f"{volume}/zarr.json")
        found.append(open_volume(workflow.folder / volume))
    assert found[0].digest == found[1].digest
    assert found[1].grid.spacing == (10, 10, 10)


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (
            {"deepnet": {"model": "nowhere"}},
            "key 'methods.deepnet.model': nowhere/model.json: is not",
        ),
        ({"srcnn3d": {"model": MODEL}}, "is a model of deepnet, not of srcnn3d"),
        (
            {"deepnet": {"model": MODEL, "features": 8}},
            "methods.deepnet: found features beside model",
        ),
        ({"deepnet": {"model": MODEL, "accept": ["factor"]}}, "'factor'"),
    ],
)
def test_a_wrong_model_is_told_before_anything_runs(workflow, methods, words):
    sheet = f"sample\trole\tpath\nmine\trestore\t{LOW}\n"
    ran = run(workflow, "wrong", sheet, "mine", check=False, methods=methods)
    assert ran.returncode == 1
    assert words in ran.stdout
    assert not (workflow.folder / "results" / "wrong").exists()


def test_a_model_of_another_level_is_refused_unless_accepted(workflow):
    sheet = f"sample\trole\tpath\nmine\trestore\t{LOW}\n"
    path = workflow.write_study(
        {
            "study": "level",
            "samples": "level.tsv",
            "levels": [3],
            "methods": {"deepnet": {"model": MODEL}},
        },
        sheet,
        name="level",
    )
    ran = workflow.run("-n", "--configfile", path, check=False)
    assert "the model was trained at level 2.0; found 3.0" in ran.stdout
