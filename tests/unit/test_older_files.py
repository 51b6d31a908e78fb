"""Files that version 0.1.0 wrote still open.

``tests/data/model-0.1.0`` holds a DeepNet of 387 weights, trained by 0.1.0 for two steps on volumes
of `pattern`: the checkpoint of its first step, its card and its model. The weights of the model
were then set to -1/2, 0 and 1/2 and the card's statistics to whole numbers, so that all sums are
exact in float32 and any machine gives the same bytes. The digest is of what 0.1.0 restored.
"""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from acuity.engine.sampling import Sampler, TrainingPair
from acuity.errors import AcuityError
from acuity.methods.base import load
from acuity.train.checkpoint import Checkpoints
from acuity.train.trainer import Trainer
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.conftest import ROOT
from tests.runs import predict

OLD = ROOT / "tests" / "data" / "model-0.1.0"
RESTORED = "ec4d671141c65c8f8857ebdfc27dbbd288ce158a630fbf08770eb26b4e37c24b"


def pattern(shape):
    z, y, x = np.indices(shape)
    return ((z * 31 + y * 17 + x * 7 + (z * y * x) % 13) % 64).astype(np.float32)


def restored(folder, model):
    low = folder / "low.ome.zarr"
    grid = Grid((7, 20, 28), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), "nm")
    write_volume(low, Volume(pattern(grid.shape), grid))
    settings = json.loads((model / "model.json").read_text())["settings"]
    files = {"model": model / "model.safetensors", "card": model / "model.json"}
    predict("deepnet", settings, low, folder / "out.ome.zarr", level=2.0, **files)
    return hashlib.sha256(open_volume(folder / "out.ome.zarr").read().tobytes()).hexdigest()


def test_an_older_model_restores_the_same_bytes(tmp_path):
    assert restored(tmp_path, OLD) == RESTORED
    # Negative control: a statistic of the card counts.
    other = tmp_path / "other"
    shutil.copytree(OLD, other)
    card = json.loads((other / "model.json").read_text())
    card["normalisation"]["low"]["mean"] += 1
    (other / "model.json").write_text(json.dumps(card))
    assert restored(tmp_path, other) != RESTORED


def test_an_older_model_with_another_card_is_refused(tmp_path):
    shutil.copytree(OLD, tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1")
    with pytest.raises(AcuityError, match="its content is not the one that its card"):
        restored(tmp_path, tmp_path / "model")


def test_a_training_goes_on_from_an_older_checkpoint(tmp_path):
    checkpoint = tmp_path / "key" / "step000000001.safetensors"
    checkpoint.parent.mkdir()
    shutil.copy(OLD / "checkpoint.safetensors", checkpoint)
    settings = json.loads((OLD / "model.json").read_text())["settings"]
    low = pattern((12, 24, 24))
    method = load("deepnet")(settings)
    sampler = Sampler([TrainingPair(low, low // 2)], patch=(3, 8, 8), spacing=1, seed=7)
    checkpoints = Checkpoints(tmp_path, "key")
    trainer = Trainer(
        method, sampler, torch.device("cpu"), 7, checkpoints, tmp_path / "history.tsv"
    )
    before = {key: value.clone() for key, value in trainer.networks["network"].state_dict().items()}
    state = checkpoints.resume(trainer.saved, trainer.optimizers)
    assert state["step"] == 1
    stored = load_file(checkpoint)
    for key, value in trainer.networks["network"].state_dict().items():
        assert torch.equal(value, stored[f"network/network/{key}"])
    assert any(
        not torch.equal(value, stored[f"network/network/{key}"]) for key, value in before.items()
    )
    trainer.run()
    assert trainer.state["step"] == 2
