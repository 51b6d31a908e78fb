"""Chains: trained models that are applied in turn."""

import json

import numpy as np
import pytest
import tifffile

from acuity.errors import AcuityError
from acuity.methods.base import MethodJob
from acuity.predict.apply import apply
from acuity.predict.chain import (
    joined_weights,
    models_of,
    read_taken,
    split_weights,
    take_models,
)
from acuity.seals import add_seal
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.conftest import TINY_TRAINING
from tests.runs import predict, train

SETTINGS = {
    "features": [3, 3],
    "kernels": [3, 1, 3],
    "train": {**TINY_TRAINING, "patch": [8, 8, 8], "precision": "float32"},
}
JOB = MethodJob("srcnn3d", {}, 6.0, (6, 6, 6))


def stored(path, array, size, factor=1):
    """A volume under voxels of a size; a target has `factor` of its own along each."""
    grid = Grid(tuple(n // factor for n in array.shape), (size,) * 3, unit="um")
    write_volume(path, Volume(array, grid.refine((factor,) * 3)))
    return str(path)


def fine(shape, seed):
    random = np.random.Generator(np.random.Philox(seed))
    return random.normal(100, 20, shape).astype(np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of a model from 6 um to 2 um and of one from 2 um to 1 um."""
    folder, made = tmp_path_factory.mktemp("chain"), []
    for factor, size, seed in ((3, 6.0, 1), (2, 2.0, 2)):
        target = fine((12 * factor,) * 3, seed)
        low = target.reshape(12, factor, 12, factor, 12, factor).mean(axis=(1, 3, 5))
        own = folder / f"{factor}"
        own.mkdir()
        pair = (
            stored(own / "low.ome.zarr", low, size),
            stored(own / "target.ome.zarr", target, size, factor),
        )
        files = {name: str(own / f"model.{name}") for name in ("safetensors", "json")}
        train(
            "srcnn3d",
            SETTINGS,
            [pair],
            level=float(factor),
            scale=(factor,) * 3,
            seed=1,
            output=files["safetensors"],
            card=files["json"],
            history=str(own / "history.tsv"),
            checkpoints=str(own / "checkpoints"),
        )
        made.append(own)
    return made


@pytest.fixture(scope="module")
def taken(models):
    """Weights and card of the chain."""
    made = models[0].parent / "model.safetensors", models[0].parent / "model.json"
    take_models(models, JOB, *made)
    return made


@pytest.fixture(scope="module")
def low(models):
    return stored(models[0].parent / "low.ome.zarr", fine((22, 24, 21), 9), 6.0)


def restored(low, output, files, **how):
    task = {"level": 6.0, "scale": (6, 6, 6)} | how
    model, card = files
    predict("srcnn3d", {}, low, str(output), model=str(model), card=str(card), **task)
    return open_volume(output)


def test_a_chain_is_its_models_one_after_the_other(models, taken, low, tmp_path):
    whole = restored(low, tmp_path / "chain.ome.zarr", taken)
    between = low
    for folder, factor in zip(models, (3, 2), strict=True):
        own = folder / "model.safetensors", folder / "model.json"
        output = tmp_path / f"{factor}.ome.zarr"
        restored(between, output, own, level=float(factor), scale=(factor,) * 3)
        between = str(output)
    np.testing.assert_array_equal(whole.read(), open_volume(between).read())
    assert whole.grid == open_volume(low).grid.refine((6, 6, 6))
    # What lies between is gone.
    assert {path.name for path in tmp_path.iterdir()} == {
        "chain.ome.zarr",
        "3.ome.zarr",
        "2.ome.zarr",
    }
    step = whole.provenance[-1]
    assert [one["level"] for one in step["chain"]] == [3.0, 2.0]
    [said] = step["gap"]
    assert "learned from real scans of that size" in said["finding"]
    assert "noise" in said["finding"]


def test_a_part_is_that_of_the_whole(taken, low, tmp_path):
    whole = restored(low, tmp_path / "whole.ome.zarr", taken)
    part = restored(low, tmp_path / "part.ome.zarr", taken, region="3:19,9:15,8:21")
    np.testing.assert_array_equal(part.read(), whole.read()[18:114, 54:90, 48:126])
    assert part.grid == whole.grid.crop((slice(18, 114), slice(54, 90), slice(48, 126)))


def test_the_card_of_a_chain(models, taken):
    card = json.loads(taken[1].read_text())
    assert (card["level"], card["scale"], card["phase"]) == (6.0, [6, 6, 6], [2.5] * 3)
    assert card["made_for"]["voxel_size"][0] == [6.0] * 3
    assert len(card["origins"]) == 4
    assert [one["level"] for one in card["chain"]] == [3.0, 2.0]
    data = [(folder / "model.safetensors").read_bytes() for folder in models]
    assert split_weights(taken[0].read_bytes()) == data
    assert split_weights(joined_weights(data[:1])) == data[:1]
    assert models_of("a{level}", "3") == ["a3"]
    assert models_of(["a", "b{level}"], "9") == ["a", "b9"]


def test_a_chain_travels_as_one_model(taken, low, tmp_path):
    part = tmp_path / "part.ome.zarr"
    scan = open_volume(low)
    tifffile.imwrite(tmp_path / "scan.tif", scan.read())
    accepted = {"region": "3:19,9:15,8:21", "accept": ["noise", "grey_values"]}
    apply(taken[1].parent, tmp_path / "scan.tif", part, voxel_size="6 um", **accepted)
    np.testing.assert_array_equal(
        open_volume(part).read(),
        restored(low, tmp_path / "other.ome.zarr", taken, region=accepted["region"]).read(),
    )
    with pytest.raises(AcuityError, match="is not like what the model"):
        apply(taken[1].parent, tmp_path / "scan.tif", tmp_path / "no.tif", voxel_size="2 um")


def edited(folder, target, **change):
    """A copy of a model with another card."""
    target.mkdir()
    card = json.loads((folder / "model.json").read_text())
    card["made_for"] = card["made_for"] | change.pop("made_for", {})
    (target / "model.json").write_text(json.dumps(add_seal(card | change)))
    (target / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    return target


def sizes(size, unit="um"):
    return {"made_for": {"voxel_size": [[size] * 3] * 2, "unit": unit}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            sizes(2.2),
            r"voxel sizes of the chain do not meet: .* makes voxels of 2 um, .* from voxels of 2\.2 um",
        ),
        (sizes(0.5), "do not meet"),
        ({"method": "deepnet"}, "is a model of deepnet in a chain of srcnn3d"),
        ({"level": 3.0}, r"trained at level 3 with the factors \[2, 2, 2\]"),
        ({"chain": [{}]}, "is a chain itself"),
    ],
    ids=["voxels", "far", "method", "level", "chain"],
)
def test_models_that_do_not_fit_are_refused(models, tmp_path, change, words):
    other = edited(models[1], tmp_path / "other", **change)
    with pytest.raises(AcuityError, match=words) as refused:
        take_models([models[0], other], JOB, tmp_path / "weights", tmp_path / "card")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "weights").exists()


def test_models_in_the_wrong_order_are_refused_and_a_few_percent_are_not(models, tmp_path):
    with pytest.raises(AcuityError, match="do not meet"):
        read_taken(models[::-1])
    near = edited(models[1], tmp_path / "near", **sizes(2.06e-3, "mm"))
    assert read_taken([models[0], near])["level"] == 6.0
