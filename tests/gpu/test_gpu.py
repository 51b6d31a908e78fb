"""What needs a GPU, `make test-gpu`; all other tests are run without one."""

import copy
import json
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from acuity.engine.execution import choose_device
from acuity.errors import AcuityError
from acuity.job import job
from acuity.methods.base import load
from acuity.methods.networks.axial import UpsamplingConv
from acuity.methods.networks.convolution import Convolution
from acuity.train import deadline
from acuity.train.history import psnr
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.runs import predict, train
from tests.unit.test_train import arguments, degraded, foam, tiny, write, written_pair

# What a GPU computes cannot be had elsewhere; the settings and the code are tested on a CPU too.
pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU that torch can use is in this machine"
)
LEARN = {"steps": 100, "learning_rate": 4e-3, "validate_every": 25, "validation_patches": 4}
IMAGES = {"steps": 12, "batch": 2, "validate_every": 6, "validation_patches": 2}
SMALL = {
    "fsrcnn3d": {
        "filters": 8,
        "shrink": 4,
        "mappings": 1,
        "train": {**IMAGES, "patch": [8, 16, 16]},
    },
    "srunet3d": {
        "width": 4,
        "height": 2,
        "depth": 1,
        "train": {**IMAGES, "patch": [8, 16, 16]},
    },
    "sem_gan": {
        "features": 4,
        "pools": 2,
        "discriminator": 4,
        "discriminator_blocks": 3,
        "dense": 16,
        "train": {**IMAGES, "patch": [1, 32, 32]},
    },
    "semnet": {
        "features": 8,
        "growth": 4,
        "blocks": 1,
        "train": {**IMAGES, "patch": [1, 16, 16]},
    },
    "srgan": {
        "features": 8,
        "blocks": 1,
        "train": {**IMAGES, "patch": [1, 24, 24]},
    },
}


@pytest.fixture
def pair(tmp_path):
    return written_pair(tmp_path, foam())


def difference(a, b):
    """Root mean square difference, in standard deviations."""
    return float(np.sqrt(((a - b) ** 2).mean()) / b.std())


@pytest.mark.parametrize("name", ["deepnet", "srcnn3d"])
def test_what_a_gpu_learned_restores_alike_on_both(tmp_path, pair, name):
    files = arguments(tmp_path / "out")
    settings = tiny(name, **LEARN, loss="mse")
    train(name, settings, [pair], **files, fov_radius=18)
    card = json.loads(files["card"].read_text())
    assert card["training"]["device"] == "cuda"
    assert card["execution"]["device"] == "cuda"
    assert {trial["precision"] for trial in card["execution"]["trials"]} == {"float32", "bfloat16"}
    truth = foam(seed=9)
    low = write(tmp_path / "unseen.ome.zarr", degraded(truth, 1.5, 9))
    restored = {}
    for device in ("cpu", "cuda"):
        options = {"predict": {"device": device, "precision": "float32"}}
        predict(
            name,
            {**settings, **options},
            low,
            tmp_path / f"{device}.ome.zarr",
            level=1.5,
            model=files["output"],
            card=files["card"],
        )
        restored[device] = open_volume(tmp_path / f"{device}.ome.zarr").read()
    # Ten bits of mantissa (TF32) where the CPU has 23.
    assert difference(restored["cuda"], restored["cpu"]) < 2e-3
    assert difference(open_volume(low).read(), restored["cpu"]) > 0.1
    before, after = (
        psnr(float(((a - truth) ** 2).mean()), 1.0)
        for a in (open_volume(low).read(), restored["cuda"])
    )
    assert after > before + 0.7


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_stopped_by_its_deadline_and_run_again_it_goes_on(tmp_path, pair, precision, monkeypatch):
    settings = tiny("deepnet", steps=30, validate_every=10, validation_patches=2)
    settings["train"]["precision"] = precision
    undisturbed, files = arguments(tmp_path / "a"), arguments(tmp_path / "b")
    train("deepnet", settings, [pair], **undisturbed)

    calls = iter(range(1, 100))
    with monkeypatch.context() as patch:
        patch.setattr(deadline.Deadline, "is_over", lambda self: next(calls) >= 13)
        with pytest.raises(deadline.TimeUp, match="stopped at step 13 of 30"):
            train("deepnet", settings, [pair], **files, until=time.time() + 3600)
    train("deepnet", settings, [pair], **files)

    def rows(path):
        return [line.split("\t") for line in path.read_text().splitlines()[1:]]

    def losses(rows):
        return [float(row[2]) for row in rows]

    a, b = rows(undisturbed["history"]), rows(files["history"])
    assert [row[:2] for row in a] == [row[:2] for row in b]
    # A GPU adds up in no fixed order, so what follows is alike and need not be the same bits.
    assert np.allclose(losses(a), losses(b), rtol=2e-2)
    # Control: begun with other weights and patches it is not alike, behind the stop either.
    other = arguments(tmp_path / "c") | {"seed": 2}
    train("deepnet", settings, [pair], **other)
    assert not np.allclose(losses(a)[-3:], losses(rows(other["history"]))[-3:], rtol=2e-2)


@pytest.mark.parametrize("name", SMALL)
def test_every_network_trains_and_restores_on_a_gpu(tmp_path, name):
    rng = np.random.default_rng(0)
    planes = load(name).by_planes
    scale = (1, 2, 2) if name in ("sem_gan", "semnet") else (4, 1, 1)
    level = float(max(scale))
    fine = (96, 48, 48) if scale[0] > 1 else (1, 96, 96)
    shape = tuple(n // f for n, f in zip(fine, scale, strict=True))
    target = rng.integers(0, 255, fine).astype(np.uint8)
    low = target.reshape(*(n for sides in zip(shape, scale, strict=True) for n in sides))
    low = low.mean(axis=(1, 3, 5)).astype(np.float32)
    for file, data, spacing in (("low", low, scale), ("target", target, (1, 1, 1))):
        middle = tuple((n - 1) / 2 for n in spacing)
        grid = Grid(data.shape, tuple(float(n) for n in spacing), middle, "nm")
        write_volume(tmp_path / f"{file}.ome.zarr", Volume(data, grid))
    files = {
        "output": tmp_path / "model.safetensors",
        "card": tmp_path / "model.json",
        "history": tmp_path / "history.tsv",
        "checkpoints": tmp_path / "checkpoints",
    }
    pairs = [(tmp_path / "low.ome.zarr", tmp_path / "target.ome.zarr")]
    train(name, SMALL[name], pairs, level=level, scale=scale, seed=1, **files)
    card = json.loads(files["card"].read_text())
    assert card["training"]["device"] == "cuda"
    assert card["training"]["skipped_steps"] == 0
    predict(
        name,
        SMALL[name],
        pairs[0][0],
        tmp_path / "out.ome.zarr",
        level=level,
        scale=scale,
        model=files["output"],
        card=files["card"],
        disagreement=tmp_path / "half.ome.zarr" if planes else None,
    )
    restored = open_volume(tmp_path / "out.ome.zarr").read()
    assert restored.shape == fine
    assert np.isfinite(restored).all()


@pytest.mark.parametrize(
    ("kind", "before", "after", "kernel"),
    [
        (Convolution, 1, 40, (3, 9, 9)),
        (Convolution, 40, 1, (3, 3, 3)),
        (Convolution, 48, 48, (3, 9, 9)),
        (Convolution, 16, 16, (3, 3, 3)),
        (partial(UpsamplingConv, stride=(4, 1, 1)), 40, 1, (13, 7, 7)),
        (partial(UpsamplingConv, stride=(4, 1, 1)), 32, 32, (11, 5, 5)),
        (partial(UpsamplingConv, stride=(2, 2, 2)), 16, 8, (3, 3, 3)),
    ],
)
def test_convolutions_and_their_gradients_are_alike_on_both(kind, before, after, kernel):
    torch.manual_seed(0)
    module = kind(before, after, kernel).double()
    image = torch.rand(2, before, 6, 12, 14, dtype=torch.float64, requires_grad=True)
    slope = torch.rand_like(module(image))

    def computed(device, dtype):
        there = copy.deepcopy(module).to(device, dtype)
        seen = image.detach().to(device, dtype).requires_grad_()
        out = there(seen)
        out.backward(slope.to(device, out.dtype))
        found = (out.detach(), seen.grad, *(p.grad for p in there.parameters()))
        return [tensor.double().cpu().numpy() for tensor in found]

    wanted = computed("cpu", torch.float64)
    for dtype, near in ((torch.float32, 2e-3), (torch.bfloat16, 2e-2)):  # TF32: ten bits; eight
        for found, right in zip(computed("cuda", dtype), wanted, strict=True):
            assert np.linalg.norm(found - right) < near * np.linalg.norm(right)
        # Control: a border that lies a voxel further on would be seen.
        for right in wanted[:2]:
            moved = np.roll(right, 1, axis=-1)
            assert np.linalg.norm(moved - right) > 5 * near * np.linalg.norm(right)


def test_a_full_gpu_is_said_in_one_sentence(tmp_path):
    log = tmp_path / "log"
    snakemake = SimpleNamespace(rule="train", log=[str(log)], threads=1)
    with pytest.raises(SystemExit), job(snakemake):
        torch.empty(2**50, dtype=torch.uint8, device="cuda")
    assert (
        "error: rule train: the memory of the GPU is full; use a smaller batch" in log.read_text()
    )
    assert "Traceback" not in log.read_text()


def test_a_demanded_gpu_is_taken_and_another_kind_refused():
    assert choose_device("cuda") == choose_device("auto") == "cuda"
    with pytest.raises(AcuityError, match="'mps' is demanded and this machine has no such GPU"):
        choose_device("mps")
