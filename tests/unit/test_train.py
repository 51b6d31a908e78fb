"""Training: patches, resuming, what it learns, and what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import ndimage

from acuity.engine.readers import statistics
from acuity.engine.sampling import TRAIN, VALIDATE, Sampler, TrainingPair
from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.methods.base import TrainSettings, load
from acuity.train import train as training
from acuity.train.cards import training_digest
from acuity.train.checkpoint import Checkpoints
from acuity.train.history import psnr
from acuity.train.job import TrainingJob
from acuity.train.trainer import Trainer, learning_rate
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.runs import predict, train

TINY = {
    "deepnet": {
        "features": 8,
        "pools": 1,
        "convolutions": 1,
        "norm": "none",
        "train": {"patch": (5, 16, 16), "batch": 2, "warm_up": 0},
    },
    "srcnn3d": {
        "features": (4, 4),
        "kernels": (5, 1, 3),
        "train": {"patch": (12, 12, 12), "batch": 2},
    },
}


def tiny(name, **options):
    made = {**TINY[name], "train": {**TINY[name]["train"], "precision": "float32", **options}}
    return made


def foam(shape=(32, 40, 40), seed=0):
    """Balls cut out of a block."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*map(np.arange, shape), indexing="ij")
    volume = np.ones(shape, np.float32)
    for _ in range(int(np.prod(shape) / 900)):
        c, r = [rng.uniform(0, n) for n in shape], rng.uniform(2, 5)
        volume[(z - c[0]) ** 2 + (y - c[1]) ** 2 + (x - c[2]) ** 2 < r * r] = 0
    return volume


def degraded(volume, sigma, seed):
    rng = np.random.default_rng([seed, 1])
    noise = rng.normal(0, 0.1, volume.shape)
    return (ndimage.gaussian_filter(volume, sigma) + noise).astype(np.float32)


def write(path, array):
    write_volume(path, Volume(np.asarray(array, np.float32), Grid(array.shape, (1, 1, 1))))
    return path


def written_pair(folder, volume):
    """A foam seen through much blur and through little, each in a store."""
    return (
        write(folder / "low.ome.zarr", degraded(volume, 1.5, 0)),
        write(folder / "target.ome.zarr", degraded(volume, 0.5, 1)),
    )


@pytest.fixture
def pair(tmp_path):
    return written_pair(tmp_path, foam())


def arguments(folder, **options):
    folder.mkdir(exist_ok=True)
    made = {
        "level": 1.5,
        "seed": 3,
        "output": folder / "model.safetensors",
        "card": folder / "model.json",
        "history": folder / "history.tsv",
        "checkpoints": folder / "checkpoints",
    }
    return {**made, **options}


# ------------------------------------------------------------------------------------ patches


def sampler(shape=(24, 30, 28), **options):
    low = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    made = {"patch": (5, 16, 16), "spacing": 1, "seed": 4, "symmetries": "none"}
    return Sampler([TrainingPair(low, low + 0.5, "a")], **{**made, **options})


def test_patches_are_a_function_of_seed_step_and_index():
    a, b = sampler(symmetries="in_plane"), sampler(symmetries="in_plane")
    later = [p.copy() for p in a.patch_at(TRAIN, 7, 1)]
    a.patch_at(TRAIN, 3, 0)
    for other in (a.patch_at(TRAIN, 7, 1), b.patch_at(TRAIN, 7, 1)):
        assert all(np.array_equal(p, q) for p, q in zip(later, other, strict=True))
    for change in ((TRAIN, 8, 1), (TRAIN, 7, 2), (VALIDATE, 7, 1)):
        b = sampler(symmetries="in_plane", validation_fraction=0.3)
        assert not np.array_equal(later[0], b.patch_at(*change)[0])
    assert not np.array_equal(
        later[0], sampler(symmetries="in_plane", seed=5).patch_at(TRAIN, 7, 1)[0]
    )


@given(st.sampled_from(["none", "in_plane", "volume"]), st.integers(0, 10**9), st.integers(0, 64))
@hypothesis_settings(max_examples=40, deadline=None)
def test_low_and_target_stay_together(symmetries, step, index):
    cut = sampler(symmetries=symmetries, patch=(8, 12, 12), spacing=None)
    low, target, mask = cut.patch_at(TRAIN, step, index)
    assert low.shape == target.shape
    assert np.array_equal(target, low + 0.5)
    assert np.broadcast_to(mask, target.shape).all()


def test_in_plane_turns_never_mix_slices_and_all_of_them_occur():
    cut = sampler(symmetries="in_plane")
    seen = set()
    for step in range(200):
        low = cut.patch_at(TRAIN, step, 0)[0]
        steps = tuple(int(np.diff(low, axis=a).flat[0]) for a in range(3))
        assert abs(steps[0]) == 30 * 28
        seen.add(steps)
    assert len(seen) == 16  # 8 symmetries of the square, and z either way


def test_targets_on_a_finer_grid_are_cut_at_the_same_place():
    low = np.arange(20 * 20 * 20, dtype=np.float32).reshape(20, 20, 20)
    target = low.repeat(4, 0).repeat(2, 1)
    cut = Sampler([TrainingPair(low, target)], patch=(6, 8, 8), scale=(4, 2, 1), symmetries="none")
    a, b, _ = cut.patch_at(TRAIN, 1, 2)
    assert np.array_equal(b, a.repeat(4, 0).repeat(2, 1))


def test_slices_of_a_spaced_patch_lie_apart():
    cut = sampler(spacing=3)
    for step in range(20):
        low, target, _ = cut.patch_at(TRAIN, step, 0)
        assert low.shape[0] == 5
        assert (np.diff(low[:, 0, 0]) == 3 * 30 * 28).all()
        assert np.array_equal(target, low + 0.5)
    with pytest.raises(AcuityError, match="13 slices do not fit into 12"):
        sampler((12, 30, 28), spacing=3)


def test_training_never_sees_the_slices_held_out():
    cut = sampler(validation_fraction=0.25)
    slices = {
        kind: {
            int(v) // (30 * 28) for n in range(300) for v in cut.patch_at(kind, n, 0)[0][:, 0, 0]
        }
        for kind in (TRAIN, VALIDATE)
    }
    assert len(slices[VALIDATE]) == 6
    assert not slices[TRAIN] & slices[VALIDATE]
    assert slices[TRAIN] | slices[VALIDATE] == set(range(24))


def test_a_patch_that_does_not_fit_is_refused():
    with pytest.raises(AcuityError, match="5 slices do not fit into 4 slices of a"):
        sampler((4, 30, 28))
    with pytest.raises(AcuityError, match="cannot hold a patch of 5 slices beside 5 held out"):
        sampler((8, 30, 28), validation_fraction=0.1)


def test_field_of_view_is_a_disc_and_patches_lie_mostly_inside():
    mask = cylinder((65, 65), 30)
    assert mask.sum() == pytest.approx(np.pi * 30**2, rel=0.01)
    assert mask[32, 2] == 1
    assert mask[32, 1] == 0
    assert cylinder((4, 5), None).all()
    cut = sampler((10, 64, 64), fov_radius=20, patch=(5, 16, 16))
    shares = [cut.patch_at(TRAIN, n, 0)[2].mean() for n in range(100)]
    assert np.mean(np.array(shares) >= 0.5) > 0.95


def test_statistics_are_those_of_numpy():
    arrays = [np.random.default_rng(n).normal(n, 2, (4, 6, 6)).astype(np.float32) for n in (0, 1)]
    found = statistics(arrays)
    assert found["mean"] == pytest.approx(np.mean(arrays), abs=1e-6)
    assert found["std"] == pytest.approx(np.std(arrays), rel=1e-6)
    masks = [cylinder((6, 6), 2)] * 2
    inside = np.concatenate([a[:, masks[0] > 0].ravel() for a in arrays])
    assert statistics(arrays, masks)["std"] == pytest.approx(inside.std(), rel=1e-6)


# ------------------------------------------------------------------------------------ schedules


def test_learning_rate_schedules():
    def rates(**options):
        settings = TrainSettings(steps=100, learning_rate=1.0, **options)
        return [learning_rate(settings, n) for n in range(100)]

    assert set(rates()) == {1.0}
    cosine = rates(schedule="cosine")
    assert cosine[0] == 1.0
    assert cosine[50] == pytest.approx(0.5)
    assert cosine[99] < 1e-3
    assert (np.diff(cosine) < 0).all()
    assert rates(schedule="step", halve_every=40)[::40] == [1.0, 0.5, 0.25]
    assert rates(warm_up=4)[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_psnr_is_the_usual_one():
    assert psnr(0.01, 1.0) == pytest.approx(20.0)
    assert psnr(65.025, 255.0) == pytest.approx(30.0)


# ------------------------------------------------------------------------------------ learning


@pytest.mark.parametrize("name", ["deepnet", "srcnn3d"])
def test_a_trained_network_beats_its_input_on_an_unseen_volume(tmp_path, pair, name):
    options = {"steps": 100, "learning_rate": 4e-3, "validate_every": 25, "validation_patches": 4}
    settings = tiny(name, **options, loss="mse")
    files = arguments(tmp_path / "out")
    train(name, settings, [pair], **files, study="tiny", fov_radius=18)
    truth = foam(seed=9)
    low = write(tmp_path / "unseen.ome.zarr", degraded(truth, 1.5, 9))
    model = {"model": files["output"], "card": files["card"]}
    predict(name, settings, low, tmp_path / "r.ome.zarr", level=1.5, **model)
    restored = open_volume(tmp_path / "r.ome.zarr").read()
    before, after = (
        psnr(float(((a - truth) ** 2).mean()), 1.0) for a in (open_volume(low).read(), restored)
    )
    assert after > before + 0.7, (before, after)

    card = json.loads(files["card"].read_text())
    assert card["study"] == "tiny"
    assert card["method"] == name
    assert card["scores"]["psnr"] > card["scores"]["psnr_input"]
    assert card["parameters"] > 100
    assert card["training"]["seconds"] > 0
    assert card["data"] == [
        {"low": open_volume(pair[0]).digest, "target": open_volume(pair[1]).digest}
    ]
    execution = card["execution"]
    assert {"device", "precision", "layout", "threads", "halo", "stride"} <= execution.keys()
    # Two layouts, each in float32 and where the processor can also in bfloat16.
    bfloat16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    tried = [trial["precision"] for trial in execution["trials"]]
    assert tried == ["float32"] * 2 + ["bfloat16"] * 2 * bfloat16
    assert execution["trials"][0]["difference"] == 0.0
    assert not list((tmp_path / "out" / "checkpoints").glob("*/*"))

    rows = [line.split("\t") for line in files["history"].read_text().splitlines()]
    assert rows[0] == ["step", "split", "loss", "psnr", "seconds"]
    validated = [row for row in rows[1:] if row[1] == "validate"]
    assert [int(row[0]) for row in validated] == [25, 50, 75, 100]
    assert float(validated[-1][3]) > float(validated[0][3])
    trained = [float(row[2]) for row in rows[1:] if row[1] == "train"]
    assert trained[-1] < trained[0]


def test_a_result_further_from_the_target_than_its_input_is_told(tmp_path, pair, caplog):
    caplog.set_level("WARNING", "acuity.train")
    for rate, told in ((4e-3, 0), (1e-9, 1)):
        caplog.clear()
        files = arguments(tmp_path / str(told))
        options = {"steps": 100, "learning_rate": rate, "validate_every": 50, "loss": "mse"}
        train("deepnet", tiny("deepnet", **options, validation_patches=2), [pair], **files)
        said = [r.message for r in caplog.records if "further from the target" in r.message]
        assert len(said) == told
        assert all(str(files["history"]) in line for line in said)


def test_without_held_out_slices_the_last_network_is_kept(tmp_path, pair):
    files = arguments(tmp_path / "out")
    train("deepnet", tiny("deepnet", steps=3, validation_fraction=0), [pair], **files)
    card = json.loads(files["card"].read_text())
    assert card["scores"] == {"loss": None, "psnr": None, "psnr_input": None, "step": 3}
    assert "validate" not in files["history"].read_text()


def test_a_patch_that_the_volume_cuts_is_said(tmp_path, pair, monkeypatch):
    said = []
    monkeypatch.setattr(training.logger, "info", lambda text, *values: said.append(text % values))
    for side, expected in ((16, False), (64, True)):
        options = {"steps": 1, "validation_fraction": 0, "patch": (5, side, side)}
        files = arguments(tmp_path / f"out{side}")
        train("deepnet", tiny("deepnet", **options), [pair], **files)
        cut = "deepnet: patches of (5, 40, 40) instead of (5, 64, 64) voxels (z, y, x)"
        assert any(text.startswith(cut) for text in said) == expected
    assert json.loads(files["card"].read_text())["training"]["patch"] == [5, 40, 40]


def test_the_best_network_by_validation_loss_is_kept(tmp_path, pair, monkeypatch):
    losses = iter([3.0, 1.0, 2.0, 2.5, 0.0])
    kept = {}
    original = Trainer._judge

    def judge(self, network):
        loss = next(losses)
        kept[loss] = {k: v.clone() for k, v in network.state_dict().items()}
        return loss, *original(self, network)[1:]

    monkeypatch.setattr(Trainer, "_judge", judge)
    files = arguments(tmp_path / "out")
    train(
        "deepnet", tiny("deepnet", steps=4, validate_every=1, validation_patches=2), [pair], **files
    )
    from safetensors.torch import load_file

    weights = load_file(files["output"])
    assert all(torch.equal(weights[k], v) for k, v in kept[1.0].items())
    assert not all(torch.equal(weights[k], v) for k, v in kept[2.5].items())
    assert json.loads(files["card"].read_text())["scores"]["step"] == 2


def test_input_on_a_coarser_grid_is_interpolated(tmp_path):
    volume = foam((24, 40, 40))
    low = volume.reshape(24, 20, 2, 20, 2).mean((2, 4))
    target = write(tmp_path / "t.ome.zarr", volume)
    grid = Grid(volume.shape, (1, 1, 1)).downsample((1, 2, 2))
    write_volume(tmp_path / "l.ome.zarr", Volume(low.astype(np.float32), grid))
    pair = (tmp_path / "l.ome.zarr", target)
    files = arguments(tmp_path / "out", scale=(1, 2, 2))
    train(
        "deepnet", tiny("deepnet", steps=2, validate_every=2, validation_patches=2), [pair], **files
    )
    assert json.loads(files["card"].read_text())["scale"] == [1, 2, 2]


# ------------------------------------------------------------------------------------ resuming

CHILD = """
import json, sys
from acuity.train.job import TrainingFiles, TrainingJob
from acuity.train.train import train
settings, arguments, low, target = json.loads(sys.argv[1])
about = {key: arguments.pop(key) for key in ("level", "seed", "fov_radius") if key in arguments}
files = TrainingFiles([(low, target)], **arguments)
train(TrainingJob("deepnet", settings, **about), files, threads=1)
"""


def child(settings, files, pair):
    job = json.dumps(
        [
            settings,
            {k: v if isinstance(v, (int, float)) else str(v) for k, v in files.items()},
            *map(str, pair),
        ]
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", CHILD, job], env=environment)


def test_killed_at_random_steps_and_resumed_equals_undisturbed(tmp_path, pair):
    settings = tiny(
        "deepnet", steps=40, validate_every=7, validation_patches=2, checkpoint_seconds=0.0
    )
    settings["norm"] = "batch"
    undisturbed = arguments(tmp_path / "a")
    assert child(settings, undisturbed, pair).wait() == 0

    files = arguments(tmp_path / "b")
    rng = np.random.default_rng()
    reached = []
    for _ in range(2):
        goal = (reached[-1] if reached else 0) + int(rng.integers(2, 16))
        process = child(settings, files, pair)
        while process.poll() is None:
            steps = [int(p.stem[4:]) for p in files["checkpoints"].glob("*/step*.safetensors")]
            if max(steps, default=0) >= goal:
                process.send_signal(signal.SIGKILL)
                process.wait()
                break
            time.sleep(0.002)
        assert process.returncode == -signal.SIGKILL, "it finished before it was killed"
        reached.append(max(steps))
    assert not files["output"].exists()
    assert not files["card"].exists()
    assert child(settings, files, pair).wait() == 0
    assert files["output"].read_bytes() == undisturbed["output"].read_bytes(), reached

    def table(path):  # all but the seconds
        return [line.rsplit("\t", 1)[0] for line in path.read_text().splitlines()]

    assert table(files["history"]) == table(undisturbed["history"])


def test_another_seed_gives_other_weights(tmp_path, pair):
    settings = tiny("deepnet", steps=2, validation_fraction=0)
    files = [arguments(tmp_path / str(seed), seed=seed) for seed in (1, 1, 2)]
    for n, one in enumerate(files):
        one = {**one, "checkpoints": tmp_path / f"c{n}"}
        train("deepnet", settings, [pair], **one)
    a, b, c = (one["output"].read_bytes() for one in (files[0], files[1], files[2]))
    assert a == b
    assert a != c


def trainer(tmp_path, pair, **options):
    method = load("deepnet")(tiny("deepnet", **options))
    volumes = [TrainingPair(open_volume(pair[0]).read(), open_volume(pair[1]).read(), "low")]
    cut = Sampler(volumes, patch=(5, 16, 16), spacing=1, seed=1)
    return Trainer(
        method, cut, torch.device("cpu"), 1, Checkpoints(tmp_path / "c", "key"), tmp_path / "h.tsv"
    )


def test_two_checkpoints_are_kept_and_a_broken_one_is_passed_over(tmp_path, pair):
    one = trainer(tmp_path, pair, steps=6, checkpoint_seconds=0.0)
    one.run()
    files = sorted((tmp_path / "c" / "key").glob("step*"))
    assert [f.stem for f in files] == ["step000000005", "step000000006"]
    files[1].write_bytes(files[1].read_bytes()[:200])
    again = trainer(tmp_path, pair, steps=6)
    assert again.checkpoints.resume(again.networks, again.optimizers)["step"] == 5


def test_what_is_resumed_lies_in_memory_as_its_weights_do(tmp_path, pair):
    one = trainer(tmp_path, pair, steps=2, checkpoint_seconds=0.0)
    one.run()
    again = trainer(tmp_path, pair, steps=3)
    again.checkpoints.resume(again.networks, again.optimizers)
    optimizer = again.optimizers["network"]
    lain = [
        (weight.stride(), optimizer.state[weight][key].stride())
        for weight in again.networks["network"].parameters()
        for key in ("exp_avg", "exp_avg_sq")
    ]
    assert all(a == b for a, b in lain)
    assert any(weight.stride() != weight.contiguous().stride() for weight in optimizer.state)


def test_random_numbers_go_on_where_the_checkpoint_was(tmp_path):
    # No network of today draws any while it trains; one with dropout would.
    checkpoints = Checkpoints(tmp_path, "key")
    before = torch.get_rng_state()
    try:
        torch.manual_seed(5)
        torch.rand(3)
        checkpoints.save({}, {}, {"step": 1})
        expected = torch.rand(4)
        torch.manual_seed(6)
        assert checkpoints.resume({}, {}) == {"step": 1}
        assert torch.equal(torch.rand(4), expected)
    finally:
        torch.set_rng_state(before)


def test_a_changed_setting_never_resumes_from_an_old_checkpoint():
    def digest(fov=None, data=(), **options):
        job = TrainingJob("deepnet", tiny("deepnet", **options), level=1, seed=1, fov_radius=fov)
        return training_digest(job, job.build(), list(data))

    same = digest()
    assert same == digest(checkpoint_seconds=1.0)
    changed = [digest(steps=9), digest(fov=3.0), digest(data=["x"]), digest(loss="mse")]
    assert len({same, *changed}) == 5


# ------------------------------------------------------------------------------------ bad input


def test_a_loss_that_is_not_finite_is_skipped_then_rolled_back_then_told(
    tmp_path, pair, monkeypatch
):
    method = load("deepnet")
    original = method.losses
    bad = set()

    def losses(self, phase, networks, batch):
        found = original(self, phase, networks, batch)
        losses.calls += 1
        if losses.calls in bad:
            found["loss"] = found["loss"] * float("nan")
        return found

    monkeypatch.setattr(method, "losses", losses)

    losses.calls, bad = 0, {3}
    one = trainer(tmp_path / "one", pair, steps=6)
    (tmp_path / "one").mkdir()
    one.run()
    assert one.state["skipped"] == 1
    assert one.state["rollbacks"] == 0
    assert all(torch.isfinite(p).all() for p in one.networks["network"].parameters())

    losses.calls, bad = 0, set(range(3, 8))
    two = trainer(tmp_path / "two", pair, steps=12)
    (tmp_path / "two").mkdir()
    two.run()
    assert two.state["rollbacks"] == 1
    assert two.state["skipped"] == 5
    assert two.state["step"] == 12

    losses.calls, bad = 0, set(range(3, 100))
    three = trainer(tmp_path / "three", pair, steps=60)
    (tmp_path / "three").mkdir()
    with pytest.raises(AcuityError, match=r"training of deepnet diverged.*lower learning_rate"):
        three.run()


def test_volumes_that_cannot_be_trained_on_are_refused(tmp_path, pair):
    files = arguments(tmp_path / "out")
    settings = tiny("deepnet", steps=1)

    def refused(message, pairs, name="deepnet", chosen=settings, **options):
        with pytest.raises(AcuityError, match=message):
            train(name, chosen, pairs, **{**files, **options})
        assert not list((tmp_path / "out").glob("model*"))

    flat = write(tmp_path / "flat.ome.zarr", np.ones((32, 40, 40)))
    small = write(tmp_path / "small.ome.zarr", foam((32, 40, 36)))
    thin = write(tmp_path / "thin.ome.zarr", foam((4, 40, 40)))
    refused(r"flat.ome.zarr: the volume is constant", [(flat, pair[1])])
    refused(r"flat.ome.zarr: the volume is constant", [(pair[0], flat)])
    refused(r"small.ome.zarr: found the shape \(32, 40, 36\)", [(pair[0], small)])
    refused(r"with scale|scale \(1, 2, 2\) it must be \(32, 80, 80\)", [pair], scale=(1, 2, 2))
    refused("5 slices do not fit into 4 slices", [(thin, thin)])
    refused("no pair of volumes", [])
    refused("is not learned", [pair], name="cubic", chosen={})
    refused("no such volume", [(tmp_path / "none.ome.zarr", pair[1])])
    if not torch.cuda.is_available():
        refused("'cuda' is demanded", [pair], chosen=tiny("deepnet", device="cuda"))


def test_progress_in_a_log_is_a_line_with_step_loss_and_time_left(
    tmp_path, pair, caplog, monkeypatch
):
    monkeypatch.setattr("acuity.train.history.QUIET", 0.0)
    caplog.set_level("INFO", "acuity.train")
    trainer(tmp_path, pair, steps=3).run()
    lines = [r.message for r in caplog.records]
    wanted = r"deepnet level 1: step 2 of 3, loss [\d.]+, about \d+ s left"
    assert any(re.fullmatch(wanted, line) for line in lines), lines
