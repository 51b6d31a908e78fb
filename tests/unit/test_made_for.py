"""What a model was made for: noise that is known, ranges, and models that travel to other files."""

import json
import re
import shutil

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from acuity.cli import main
from acuity.errors import AcuityError
from acuity.made_for import (
    ACCEPTABLE,
    check,
    compare,
    describe,
    noise,
    read_input,
    together,
    write_input,
)
from acuity.methods.base import MethodJob
from acuity.predict.models import take_model
from acuity.seals import add_seal
from acuity.seen import check_volumes
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.runs import predict, train


def differences(made_for, found, **how):
    return [one for one in compare(made_for, found, **how) if not one.within]


def made(array, spacing=(2.0, 2.0, 2.0), unit="um", **about):
    return Volume(array, Grid(array.shape, spacing, (0, 0, 0), unit), **about)


def scene(shape=(12, 64, 64), seed=0, sd=0.05, step=1.0):
    """Smooth balls of two grey values with white noise."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=shape), 4, mode="wrap")
    two = gaussian_filter((field > 0).astype(float), 1.5) * step
    return (two + rng.normal(0, sd, shape)).astype(np.float32)


# noise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sd", [0.02, 0.3, 7.0])
def test_white_noise_keeps_its_standard_deviation(sd):
    rng = np.random.default_rng(1)
    z, y, x = np.indices((16, 96, 96))
    ramp = 3.0 * z + 0.5 * y - 2.0 * x  # a plane of any slope has no second difference
    found = noise(made((ramp + rng.normal(0, sd, ramp.shape)).astype(np.float32)))
    assert found == pytest.approx(sd, rel=0.01)


def test_edges_and_single_voxels_hardly_count():
    clean = scene(sd=0.05)
    sharp = clean.copy()
    sharp[:, 20:40, 20:44] += 10  # steps of 200 standard deviations
    sharp[3, 30, 30] = 1e4
    assert noise(made(sharp)) == pytest.approx(noise(made(clean)), rel=0.1)
    # Negative control: a root mean square of all would be ruined.
    rough = np.diff(np.diff(sharp, 2, 1), 2, 2) / 6
    assert rough.std() > 10 * noise(made(clean))


def test_whole_numbers_do_not_step():
    """A median absolute deviation of 8 bits would stay where it is, or jump."""
    found = [
        noise(
            made(
                np.rint(100 + np.random.default_rng(2).normal(0, sd, (8, 128, 128))).astype(
                    np.uint8
                )
            )
        )
        for sd in (1.0, 1.05, 1.1)
    ]
    rounding = 1 / 12
    for sd, value in zip((1.0, 1.05, 1.1), found, strict=True):
        assert value == pytest.approx((sd**2 + rounding) ** 0.5, rel=0.02)


def test_what_lies_beyond_the_field_of_view_is_left_out():
    image = scene(sd=0.05)
    y, x = np.indices(image.shape[1:]) - 31.5
    image[:, np.hypot(y, x) > 32] = 0
    assert noise(made(image)) == pytest.approx(0.05, rel=0.1)


# what differs --------------------------------------------------------------------------------


def changed(**change):
    """The scene as it is taught, or changed in one thing."""
    about = {"seed": 1, "sd": change.pop("sd", 0.05), "step": change.pop("step", 1.0)}
    array = scene(**about) * change.pop("gain", 1.0) + change.pop("plus", 0.0)
    if change.pop("image", False):
        array = array[:1]
    dtype = change.pop("dtype", "float32")
    return describe(made(array.astype(dtype), **change))


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({}, []),
        ({"spacing": (2.06, 2.0, 1.94)}, []),
        ({"spacing": (2000.0, 2000.0, 2000.0), "unit": "nm"}, []),
        ({"spacing": (2.2, 2.2, 2.2)}, ["voxel_size"]),
        ({"spacing": (1.8, 1.8, 1.8)}, ["voxel_size"]),
        ({"spacing": (6.0, 2.0, 2.0)}, ["voxel_size"]),
        ({"spacing": (2.0, 2.0, 2.0), "unit": "nm"}, ["voxel_size"]),
        ({"image": True}, ["axes"]),
        ({"dtype": "uint8", "gain": 1.0}, ["bit_depth", "noise"]),
        ({"sd": 0.06}, []),
        ({"sd": 0.042}, []),
        ({"sd": 0.1}, ["noise"]),
        ({"sd": 0.025}, ["noise"]),
        ({"plus": 0.3}, []),
        ({"plus": -1.0}, ["grey_values"]),
        ({"gain": 2.0}, ["noise", "grey_values"]),
        ({"step": 2.0}, ["grey_values"]),
    ],
)
def test_a_difference_is_named(change, keys):
    taught = together([describe(made(scene(seed=seed))) for seed in (2, 3)])
    found = changed(**change)
    assert [one.key for one in differences(taught, found)] == keys
    accept = keys[:-1]
    card = {"made_for": taught, "level": 2.0, "normalisation": {}}
    names = {"level": 2.0, "name": "mine", "model": "model.json"}
    assert len(check(card, found, keys, **names)) == len(keys)
    if keys:
        with pytest.raises(AcuityError, match=rf"^mine: is not like .*accept: \[{keys[-1]}\]"):
            check(card, found, accept, **names)


def test_a_model_that_normalises_each_image_takes_any_gain():
    taught = together([describe(made(scene(seed=2)))])
    assert differences(taught, changed(gain=3.0, plus=100.0), normalised=True) == []
    assert [one.key for one in differences(taught, changed(sd=0.11), normalised=True)] == ["noise"]


def test_several_volumes_are_a_range():
    both = [describe(made(scene(seed=1, sd=sd))) for sd in (0.05, 0.2)]
    taught = together(both)
    assert not differences(taught, changed(sd=0.1))
    # Negative control: neither of them alone allows it.
    for one in both:
        assert [found.key for found in differences(together([one]), changed(sd=0.1))] == ["noise"]


def test_another_level_and_a_card_that_says_nothing():
    found, names = changed(), {"name": "mine", "model": "model.json"}
    card = {"made_for": together([found]), "level": 3.0}
    assert check(card, found, (), level=3.0, **names) == []
    with pytest.raises(AcuityError, match=r"found the level 5, and the model learned from level 3"):
        check(card, found, (), level=5.0, **names)
    with pytest.raises(
        AcuityError,
        match=r"cannot be compared with .* card of an earlier version, and the model learned from "
        r"volumes that it does not describe; .*accept: \[unrecorded\]",
    ):
        check({"level": 3.0}, found, (), level=3.0, **names)
    assert len(check({"level": 3.0}, found, ["unrecorded"], level=3.0, **names)) == 1


def test_a_description_is_kept_in_a_sealed_file(tmp_path):
    write_volume(tmp_path / "a.ome.zarr", made(scene()))
    write_input(tmp_path / "a.ome.zarr", tmp_path / "a.json")
    assert read_input(tmp_path / "a.json") == describe(made(scene()))
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "a.json").write_text(text.replace('"zyx"', '"yx"'))
    with pytest.raises(AcuityError, match=r"a\.json: its content is not the one"):
        read_input(tmp_path / "a.json")


# models that travel --------------------------------------------------------------------------

SMALL = {
    "features": [2, 2],
    "kernels": [3, 1, 3],
    "train": {
        "steps": 2,
        "batch": 1,
        "patch": [8, 16, 16],
        "validate_every": 2,
        "validation_patches": 1,
    },
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a model, and the volumes that it learned from."""
    folder = tmp_path_factory.mktemp("trained")
    for name, seed, sd in (("low", 1, 0.05), ("target", 1, 0.0)):
        write_volume(
            folder / f"{name}.ome.zarr",
            made(scene((24, 64, 64), seed, sd), provenance=({"step": name},)),
        )
    train(
        "srcnn3d",
        SMALL,
        [(folder / "low.ome.zarr", folder / "target.ome.zarr")],
        output=folder / "model.safetensors",
        card=folder / "model.json",
        history=folder / "history.tsv",
        checkpoints=folder / "checkpoints",
        level=2.0,
        seed=1,
        study="learned",
    )
    return folder


def test_a_card_says_what_its_model_was_made_for(trained):
    card = json.loads((trained / "model.json").read_text())
    assert card["made_for"] == json.loads(
        json.dumps(together([describe(made(scene((24, 64, 64), 1)))]))
    )
    assert len(card["origins"]) == 2
    assert card["study"] == "learned"


@pytest.fixture
def travelled(trained, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("model.json", "model.safetensors"):
        shutil.copy(trained / name, folder / name)
    return folder


JOB = MethodJob("srcnn3d", {}, 2.0)


@pytest.mark.parametrize("name", ["", "model.json", "model.safetensors"])
def test_a_model_is_taken_byte_for_byte(travelled, tmp_path, name):
    made = tmp_path / "weights", tmp_path / "card"
    take_model(travelled / name, JOB, *made)
    assert made[0].read_bytes() == (travelled / "model.safetensors").read_bytes()
    assert made[1].read_bytes() == (travelled / "model.json").read_bytes()


def _edit(sealed=True, **change):
    def damage(folder):
        card = json.loads((folder / "model.json").read_text()) | change
        (folder / "model.json").write_text(json.dumps(add_seal(card) if sealed else card))

    return damage


def _without_seal(folder):
    card = json.loads((folder / "model.json").read_text())
    del card["seal"]
    (folder / "model.json").write_text(json.dumps(card))


def _cut(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-8])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "model.json").unlink(), "there are weights without it"),
        (lambda folder: shutil.rmtree(folder), "the folder holds no model"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no such model"),
        (lambda folder: (folder / "model.json").write_text("{"), "cannot be read as a model card"),
        (lambda folder: (folder / "model.json").write_text("[]"), "is no model card"),
        (_edit(sealed=False, level=3.0), "damaged or edited after it was written"),
        (_without_seal, "has no seal"),
        (_edit(card=2), "found a card of version 2, allowed is up to 1"),
        (_edit(method="deepnet"), "is a model of deepnet, not of srcnn3d"),
        (_edit(scale=[1, 2, 2]), r"trained at factors \(z, y, x\) \[1, 2, 2\]; found \[1, 1, 1\]"),
        (_cut, "not the one that its card"),
    ],
)
def test_a_model_that_is_none_is_refused(travelled, tmp_path, damage, words):
    damage(travelled)
    with pytest.raises(AcuityError, match=words) as refused:
        take_model(travelled, JOB, tmp_path / "weights", tmp_path / "card")
    assert "\n" not in str(refused.value)
    assert "remove" not in str(refused.value)  # it is the user's own
    assert not (tmp_path / "weights").exists()
    assert not (tmp_path / "card").exists()


def test_a_test_sample_that_a_taken_model_learned_from_is_refused(trained, tmp_path):
    cards = {"srcnn3d at level 2": trained / "model.json"}
    write_volume(tmp_path / "other.ome.zarr", made(scene(seed=5), provenance=({"step": "other"},)))
    other = {"b": tmp_path / "other.ome.zarr"}
    check_volumes({}, other, tmp_path / "unseen.tsv", cards=cards)
    for name in ("low", "target"):
        with pytest.raises(
            AcuityError, match=r"test sample 'a' holds voxels that the model of srcnn3d"
        ):
            check_volumes(
                {}, other | {"a": trained / f"{name}.ome.zarr"}, tmp_path / "no.tsv", cards=cards
            )
    assert not (tmp_path / "no.tsv").exists()
    judged = {"a": trained / "low.ome.zarr"}
    check_volumes({}, judged, tmp_path / "seen.tsv", cards=cards, allow=True)
    assert "shared" in (tmp_path / "seen.tsv").read_text()


# acuity apply --------------------------------------------------------------------------------


@pytest.fixture
def scan(tmp_path, monkeypatch):
    """A user's scan, as a folder of slices without a voxel size, and what a study makes of it."""
    monkeypatch.chdir(tmp_path)
    array = scene(seed=7)
    folder = tmp_path / "scan"
    folder.mkdir()
    for z, image in enumerate(array):
        tifffile.imwrite(folder / f"slice_{z:03}.tif", image)
    write_volume("low.ome.zarr", made(array))
    return array


def apply(*arguments):
    return main(["apply", *map(str, arguments), "--cores", "1"])


def test_apply_restores_a_folder_as_a_study_does(travelled, scan, capsys):
    files = {"model": travelled / "model.safetensors", "card": travelled / "model.json"}
    predict("srcnn3d", {}, "low.ome.zarr", "study.ome.zarr", level=2.0, threads=1, **files)
    expected = open_volume("study.ome.zarr")
    size = ("--voxel-size", "2 um")
    assert apply("model", "scan", "mine.ome.zarr", *size) == 0
    assert apply("model", "scan", "mine.tif", *size) == 0
    assert apply("model", "scan", "part.tif", *size, "--region", "2:8,:,10:30") == 0
    assert open_volume("mine.ome.zarr").digest == expected.digest
    assert np.array_equal(tifffile.imread("mine.tif"), expected.read())
    assert np.array_equal(tifffile.imread("part.tif"), expected.read()[2:8, :, 10:30])
    assert capsys.readouterr().out.splitlines() == [
        "wrote mine.ome.zarr",
        "wrote mine.tif",
        "wrote part.tif",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model", "scan", "out.tif"], "carries no voxel size"),
        (["model", "scan", "out.tif", "--voxel-size", "2.2 um"], "accept: [voxel_size]"),
        (["model", "scan", "out.png", "--voxel-size", "2 um"], "found the ending '.png'"),
        (["model", "gone", "out.tif", "--voxel-size", "2 um"], "gone"),
        (["gone", "scan", "out.tif", "--voxel-size", "2 um"], "the folder holds no model"),
        (["model", "scan", "scan.tif", "--voxel-size", "2 um"], "is there already"),
        (["model", "scan", "out.tif", "--voxel-size", "2 um", "--region", "20:30"], "region"),
        (["model", "scan", "out.tif", "--voxel-size", "2 um", "--region", "3:3"], "region"),
        (["model", "scan", "out.tif", "--voxel-size", "2 um", "--dtype", "uint8"], "uint8"),
    ],
)
def test_apply_refuses_in_one_sentence_and_leaves_nothing(
    travelled, scan, tmp_path, capsys, arguments, words
):
    (tmp_path / "scan.tif").write_bytes(b"mine")
    before = sorted(path.name for path in tmp_path.iterdir())
    assert apply(*arguments) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_apply_says_what_was_accepted(travelled, scan, capsys):
    arguments = (
        "model",
        "scan",
        "out.ome.zarr",
        "--voxel-size",
        "2.2 um",
        "--accept",
        "voxel_size",
    )
    assert apply(*arguments) == 0
    first, _ = capsys.readouterr().out.splitlines()
    assert first == "accepted: the voxel size 2.2 um, and the model learned from 2 um"
    told = open_volume("out.ome.zarr").provenance[-1]["accepted"]
    assert told == ["voxel size 2.2 um, and the model learned from 2 um"]


def test_only_what_can_differ_can_be_accepted(capsys):
    with pytest.raises(SystemExit):
        main(["apply", "model", "scan", "out.tif", "--accept", "factor"])
    assert f"allowed are {', '.join(ACCEPTABLE)}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "accept", "words"),
    [
        ("2 um", "", None),
        (
            "2.2 um",
            "",
            "sample 'mine', method srcnn3d: scan: is not like .*accept: \\[voxel_size\\]",
        ),
        ("2.2 um", "voxel_size", None),
        ("4 2 2 um", "noise", "accept: \\[voxel_size\\]"),
    ],
)
def test_check_tells_of_it_from_the_headers(travelled, scan, capsys, row, accept, words):
    """Before anything runs; noise and grey values are in no header."""
    with open("mine.tsv", "w") as sheet:
        sheet.write(f"sample\trole\tpath\tvoxel_size\nmine\trestore\tscan\t{row}\n")
    with open("mine.yaml", "w") as study:
        study.write(
            "study: mine\nsamples: mine.tsv\nlevels: [2]\n"
            f"methods: {{srcnn3d: {{model: model, accept: [{accept}]}}}}\n"
        )
    assert main(["check", "mine.yaml"]) == (0 if words is None else 1)
    said = capsys.readouterr().err
    assert said == "" if words is None else re.search(words, said)
    assert said.count("\n") == (0 if words is None else 1)
