"""Methods of Hagita et al. 2018 (planes, SRGAN along one axis), and sparse coding."""

import json

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from acuity.engine.plane_sampling import PlaneSampler
from acuity.engine.planes import PlanesRunner
from acuity.engine.receptive import method_reach
from acuity.engine.sampling import TRAIN, VALIDATE, TrainingPair
from acuity.errors import AcuityError
from acuity.methods.base import Task, check_settings, load
from acuity.methods.networks.planes import coarser, degradation
from acuity.methods.networks.srgan import Discriminator, Generator, Rise, stages
from acuity.train.trainer import Trainer
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.runs import predict, restore, train

SMALL = {"features": 8, "blocks": 1, "kernels": (3, 3), "discriminator": 4, "dense": 8}
PLAIN = {"low": {"mean": 0.0, "std": 1.0}, "target": {"mean": 0.0, "std": 1.0}}


def small(**train):
    made = {"batch": 2, "patch": (1, 16, 16), "validate_every": 2, "validation_patches": 2}
    return {**SMALL, "train": {**made, "steps": 4, "precision": "float32", **train}}


def specimen(shape=(16, 40, 36), seed=0, size=1.5):
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = ndimage.gaussian_filter(noise, size)
    return (100 + 40 * smooth / smooth.std()).astype(np.float32)


def write(path, array, spacing=(1, 1, 1), origin=(0, 0, 0)):
    grid = Grid(array.shape, spacing, origin, "nm")
    write_volume(path, Volume(np.asarray(array), grid))
    return path


def pair(folder, factor=4, mode="decimate", volume=None):
    """Coarse volume and target as the axial degradation gives them."""
    target = specimen() if volume is None else volume
    target = target[: len(target) // factor * factor]
    phase = factor // 2 if mode == "decimate" else (factor - 1) / 2
    low = coarser(target, factor, mode)
    return (
        write(folder / "low.ome.zarr", low, (8.0 * factor, 8, 8), (8 * phase, 0, 0)),
        write(folder / "target.ome.zarr", target, (8, 8, 8)),
    )


def files(folder, **options):
    folder.mkdir(exist_ok=True)
    return {
        "level": 4,
        "scale": (4, 1, 1),
        "phase": (2, 0, 0),
        "seed": 3,
        "output": folder / "model.safetensors",
        "card": folder / "model.json",
        "history": folder / "history.tsv",
        "checkpoints": folder / "checkpoints",
        **options,
    }


def table(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


# ------------------------------------------------------------------------------------ interpolation


def opencv_cubic(t, a=-0.75):
    """OpenCV's interpolateCubic, as its source writes it, for one fraction."""
    first = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a
    second = ((a + 2) * t - (a + 3)) * t * t + 1
    third = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1
    return [first, second, third, 1 - first - second - third]


def opencv_resize(column, factor, kernel):
    """A column resized as cv2.resize does it: half-pixel centres, ends continued."""
    out = []
    for i in range(len(column) * factor):
        place = (i + 0.5) / factor - 0.5
        floor = int(np.floor(place))
        t = place - floor
        weights = [0, 1 - t, t, 0] if kernel == "linear" else opencv_cubic(t)
        taps = [column[min(max(floor + k, 0), len(column) - 1)] for k in (-1, 0, 1, 2)]
        out.append(np.dot(weights, taps))
    return np.array(out)


@pytest.mark.parametrize(
    ("name", "kernel"), [("bilinear_planes", "linear"), ("bicubic_planes", "")]
)
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_planes_are_resized_as_opencv_does_it(tmp_path, name, kernel, factor):
    low = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    write(tmp_path / "low.ome.zarr", low, (8 * factor, 8, 8))
    phase = (factor // 2, 0, 0)
    made = {}
    for centred in (True, False):
        predict(
            name,
            {"centred": centred},
            tmp_path / "low.ome.zarr",
            tmp_path / "out.ome.zarr",
            level=1,
            scale=(factor, 1, 1),
            phase=phase,
        )
        out = open_volume(tmp_path / "out.ome.zarr")
        made[centred] = out.read()
        assert out.grid.spacing == (8, 8, 8)
        assert out.grid.origin[0] == -8 * factor // 2
    wanted = np.apply_along_axis(opencv_resize, 0, low, factor, kernel)
    np.testing.assert_allclose(made[True], wanted, atol=1e-5)
    assert np.abs(made[False] - wanted).max() > 0.01  # half a voxel beside it
    # where they lie: the slices that were kept come back as they were
    np.testing.assert_allclose(made[False][factor // 2 :: factor], low, atol=1e-6)


# ------------------------------------------------------------------------------------ degradation


def test_the_degradation_is_found_from_the_phase():
    assert degradation(Task(1, (4, 1, 1), (2, 0, 0)), "m") == "decimate"
    assert degradation(Task(1, (4, 1, 1)), "m") == "average"
    assert degradation(Task(1, (3, 1, 1)), "m") == "decimate"
    with pytest.raises(AcuityError, match=r"phase 0 at the factor 4; allowed are 2 .* and 1.5"):
        degradation(Task(1, (4, 1, 1), (0, 0, 0)), "m")
    for scale in ((1, 1, 1), (2, 2, 1)):
        with pytest.raises(AcuityError, match=r"along z alone.*allowed are \(n, 1, 1\)"):
            degradation(Task(1, scale), "m")


def test_coarser_keeps_hagitas_voxel_or_the_mean():
    fine = np.arange(24.0).reshape(2, 12)
    assert coarser(fine, 4, "decimate", 1).tolist() == [[2, 6, 10], [14, 18, 22]]
    assert coarser(fine, 3, "average", -1)[0].tolist() == [1, 4, 7, 10]
    assert coarser(fine, 2, "decimate").tolist() == [fine[1].tolist()]


# ------------------------------------------------------------------------------------ networks


def test_pixel_shuffle_acts_on_one_axis():
    image = torch.arange(2 * 6 * 2 * 3.0).reshape(2, 6, 2, 3)
    out = Rise(3)(image)
    assert out.shape == (2, 2, 6, 3)
    for channel in range(2):
        for row in range(6):
            assert torch.equal(out[:, channel, row], image[:, channel * 3 + row % 3, row // 3])


def test_factors_rise_by_twos_or_at_once():
    assert [stages(n) for n in (2, 4, 8, 3, 6)] == [[2], [2, 2], [2, 2, 2], [3], [6]]


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_generator_is_finer_along_one_axis_and_has_the_published_size(factor):
    with torch.device("meta"):
        network = Generator(factor, features=64, blocks=16, kernels=(9, 9))
        assert network(torch.empty(2, 1, 7, 24)).shape == (2, 1, 7 * factor, 24)
        found = sum(p.numel() for p in network.parameters())
    conv = lambda a, b, k: a * b * k * k + b  # noqa: E731
    # spare input channels see zeros alone
    wanted = conv(8, 64, 9) + 64 + 16 * (2 * (conv(64, 64, 3) + 128) + 64) + conv(64, 64, 3) + 128
    wanted += sum(conv(64, 64 * step, 3) + 64 for step in stages(factor)) + conv(64, 1, 9)
    assert found == wanted


def test_discriminator_is_ledigs():
    with torch.device("meta"):
        network = Discriminator(56)
        assert network(torch.empty(3, 1, 56, 56)).shape == (3, 1)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert [c.stride[0] for c in convolutions] == [1, 2] * 4
    dense = [m for m in network.modules() if isinstance(m, nn.Linear)]
    assert [(d.in_features, d.out_features) for d in dense] == [(512 * 16, 1024), (1024, 1)]
    assert all(m.negative_slope == 0.2 for m in network.modules() if isinstance(m, nn.LeakyReLU))


def generator(task, settings=None, seed=0):
    """A generator whose batch normalisations are not those of the start."""
    method = load("srgan")({**SMALL, **(settings or {})}, task)
    torch.manual_seed(seed)
    network = method.build()["network"]
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return method, network.eval()


@pytest.mark.parametrize("phase", [(2, 0, 0), None])
def test_the_variant_starts_from_the_interpolated_input(tmp_path, phase):
    task = Task(1, (4, 1, 1), phase)
    method, network = generator(task, {"skip": "cubic"})
    nn.init.zeros_(network.last.weight)
    run = PlanesRunner(network, PLAIN, {"device": "cpu", "precision": "float32", "layout": ""})
    write(tmp_path / "low.ome.zarr", specimen((6, 20, 18)), (4, 1, 1))
    low = open_volume(tmp_path / "low.ome.zarr")
    method.halo, _ = method_reach(method, network)
    restore(low, tmp_path / "a.ome.zarr", method, run, name="low")
    where = (tmp_path / "low.ome.zarr", tmp_path / "b.ome.zarr")
    predict("cubic", {}, *where, level=1, scale=(4, 1, 1), phase=phase)
    found, cubic = (open_volume(tmp_path / f"{name}.ome.zarr") for name in "ab")
    np.testing.assert_allclose(found.read(), cubic.read(), rtol=1e-5)
    assert found.grid == cubic.grid
    assert generator(task)[1].interpolated is None


# ------------------------------------------------------------------------------------ sampling


def planes(factor=4, mode="decimate", shape=(10, 40, 36), **options):
    volume = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    made = {"side": 16, "factor": factor, "mode": mode, "seed": 4, **options}
    return PlaneSampler([TrainingPair(volume, volume, "a")], **made)


@pytest.mark.parametrize(("factor", "mode"), [(2, "decimate"), (4, "average"), (8, "decimate")])
def test_the_input_is_the_target_made_coarser_along_its_first_axis(factor, mode):
    cut, steps = planes(factor, mode), set()
    for step in range(80):
        low, target, mask = cut.patch_at(TRAIN, step, 1)
        assert low.shape == (16 // factor, 16)
        assert target.shape == mask.shape == (16, 16)
        assert np.array_equal(low, coarser(target, factor, mode))
        steps.add(tuple(int(np.diff(target, axis=a)[0, 0]) for a in range(2)))
    # both in-plane axes take the place of z, either way up
    assert steps == {(a * 36, b) for a in (1, -1) for b in (1, -1)} | {
        (a, b * 36) for a in (1, -1) for b in (1, -1)
    }


def test_sub_images_are_a_function_of_seed_step_and_index():
    a, b = planes(), planes()
    wanted = a.patch_at(TRAIN, 7, 1)[1]
    a.patch_at(TRAIN, 2, 0)
    assert np.array_equal(wanted, a.patch_at(TRAIN, 7, 1)[1])
    assert np.array_equal(wanted, b.patch_at(TRAIN, 7, 1)[1])
    for other in (
        b.patch_at(TRAIN, 8, 1),
        b.patch_at(TRAIN, 7, 2),
        planes(seed=5).patch_at(0, 7, 1),
    ):
        assert not np.array_equal(wanted, other[1])


def test_planes_held_out_are_never_learned_from():
    cut = planes(validation_fraction=0.3)
    seen = {
        kind: {int(cut.patch_at(kind, step, 0)[1].flat[0]) // (40 * 36) for step in range(150)}
        for kind in (TRAIN, VALIDATE)
    }
    assert seen[VALIDATE] == {6, 7, 8}
    assert seen[TRAIN] == set(range(10)) - {6, 7, 8}
    assert not planes().validates


def test_planes_smaller_than_a_sub_image_are_refused():
    with pytest.raises(AcuityError, match=r"a: planes of \(40, 15\) voxels.*sub-images of 16"):
        planes(shape=(4, 40, 15))


# ------------------------------------------------------------------------------------ the GAN


def test_the_discriminator_has_its_turn_after_the_start_and_every_kth_step():
    method = load("srgan")({**SMALL, "pretrain": 2, "every": 3}, Task(1, (4, 1, 1)))
    turns = [method.networks_to_update(step) for step in range(9)]
    assert [n for n, turn in enumerate(turns) if turn[0] == "discriminator"] == [2, 5, 8]
    assert all(turn[-1] == "network" for turn in turns)
    plain = load("srgan")({**SMALL, "adversarial": 0}, Task(1, (4, 1, 1)))
    assert set(plain.build()) == {"network"}
    assert plain.networks_to_update(5) == ("network",)


def test_losses_are_the_papers():
    method = load("srgan")({**small(), "adversarial": 0.5}, Task(1, (4, 1, 1)))
    torch.manual_seed(0)
    networks = method.build()
    rng = np.random.default_rng(0)
    batch = {
        key: torch.from_numpy(rng.normal(size=(3, 1, rows, 16)).astype(np.float32))
        for key, rows in (("low", 4), ("target", 16))
    }
    batch["mask"] = torch.ones(3, 1, 16, 16)
    for network in networks.values():
        network.eval()
    networks["network"].training = True  # losses of a step, normalisations of a judgement
    method.networks_to_update(0)
    with torch.no_grad():
        restored = networks["network"](batch["low"])
        fake, real = (networks["discriminator"](image) for image in (restored, batch["target"]))
        found = method.losses("network", networks, batch)
        content = ((restored - batch["target"]) ** 2).mean()
        torch.testing.assert_close(found["content"], content)
        torch.testing.assert_close(found["adversarial"], -fake.sigmoid().log().mean())
        torch.testing.assert_close(found["loss"], content + 0.5 * found["adversarial"])
        judged = method.losses("discriminator", networks, batch)
        wanted = -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean()
        torch.testing.assert_close(judged["loss"], wanted)
        networks["network"].training = False
        assert set(method.losses("network", networks, batch)) == {"loss", "content"}


def test_training_needs_no_coarse_volume_and_lists_its_losses(tmp_path):
    _, target = pair(tmp_path)
    made = files(tmp_path / "a")
    train("srgan", {**small(), "pretrain": 2}, [(None, target)], **made)
    rows = table(made["history"])
    assert list(rows[0]) == [
        *("step", "split", "loss", "psnr", "seconds"),
        *("content", "adversarial", "discriminator", "real", "fake"),
    ]
    steps = {row["step"]: row for row in rows if row["split"] == "train"}
    assert steps["1"]["adversarial"] == steps["1"]["discriminator"] == ""
    assert all(float(steps["4"][key]) > 0 for key in ("adversarial", "discriminator", "real"))
    weighted = float(steps["4"]["content"]) + 1e-3 * float(steps["4"]["adversarial"])
    assert float(steps["4"]["loss"]) == pytest.approx(weighted, rel=1e-4)
    assert [row["step"] for row in rows if row["split"] == "validate"] == ["2", "4"]
    card = json.loads(made["card"].read_text())
    assert card["data"] == [{"target": open_volume(target).digest}]
    assert card["phase"] == [2, 0, 0]
    # first 3 x 3, block and what joins it 3 x 3 each, two stages at 1 and 1 / 2 row, last 3 x 3
    assert card["execution"]["halo"] == [6, 7, 7]


def test_the_coarse_volume_alone_teaches_too(tmp_path):
    low, _ = pair(tmp_path)
    made = files(tmp_path / "a")
    train("srgan", {**small(), "planes": "low"}, [(low, None)], **made)
    assert json.loads(made["card"].read_text())["data"] == [{"low": open_volume(low).digest}]
    with pytest.raises(AcuityError, match="srgan learns from target volumes; found none"):
        train("srgan", small(), [(low, None)], **files(tmp_path / "b"))


def test_a_gan_that_was_stopped_goes_on_bit_for_bit(tmp_path, monkeypatch):
    _, target = pair(tmp_path)
    whole, cut = files(tmp_path / "a"), files(tmp_path / "b")
    settings = {**small(steps=6, checkpoint_seconds=0), "pretrain": 1, "every": 2}
    train("srgan", settings, [(None, target)], **whole)
    update = Trainer._update

    def stop(trainer, step, batch):
        if step == 4:
            raise KeyboardInterrupt
        return update(trainer, step, batch)

    monkeypatch.setattr(Trainer, "_update", stop)
    with pytest.raises(KeyboardInterrupt):
        train("srgan", settings, [(None, target)], **cut)
    monkeypatch.setattr(Trainer, "_update", update)
    train("srgan", settings, [(None, target)], **cut)
    assert whole["output"].read_bytes() == cut["output"].read_bytes()
    losses = [[{**row, "seconds": ""} for row in table(made["history"])] for made in (whole, cut)]
    assert losses[0] == losses[1]
    other = files(tmp_path / "c", seed=4)
    train("srgan", settings, [(None, target)], **other)
    assert other["output"].read_bytes() != whole["output"].read_bytes()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"train": {"patch": (2, 16, 16)}}, "patch must be a square of one slice"),
        ({"train": {"patch": (1, 16, 8)}}, "patch must be a square of one slice"),
        ({"kernels": (9, 4)}, "kernels must have odd sides"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, match):
    with pytest.raises(AcuityError, match=match):
        check_settings(load("srgan"), settings)


def test_sub_images_of_less_than_two_blocks_are_refused():
    with pytest.raises(AcuityError, match="must hold two blocks of the factor 12"):
        load("srgan")(small(), Task(1, (12, 1, 1))).build()


# ------------------------------------------------------------------------------------ prediction


def ready(task, tile, settings=None):
    method, network = generator(task, {**(settings or {}), "predict": {"tile": tile}})
    run = PlanesRunner(network, PLAIN, {"device": "cpu", "precision": "float32", "layout": ""})
    method.halo, _ = method_reach(method, network)
    return method, run


def restored(folder, image, method, run):
    volume = open_volume(write(folder / "in.ome.zarr", image, (4, 1, 1)))
    both = folder / "out.ome.zarr", folder / "differ.ome.zarr"
    restore(volume, both[0], method, run, name="in", disagreement=both[1])
    return np.stack([open_volume(path).read() for path in both], axis=1)


def test_both_orientations_are_merged_and_their_disagreement_is_kept(tmp_path):
    method, run = ready(Task(1, (2, 1, 1)), (128, 512, 512))
    image = specimen((5, 14, 12)) / 100
    xz = np.stack([run.planes(image[None, :, y])[0] for y in range(14)], axis=1)
    yz = np.stack([run.planes(image[None, :, :, x])[0] for x in range(12)], axis=2)
    assert np.abs(xz - yz).max() > 1e-3
    merged, differ = restored(tmp_path, image, method, run).swapaxes(0, 1)
    np.testing.assert_allclose(merged, (xz + yz) / 2, atol=1e-6)
    np.testing.assert_allclose(differ, np.abs(xz - yz) / 2, atol=1e-6)
    # a specimen seen from its other side gives the volume seen from there
    turned = restored(tmp_path, image.swapaxes(1, 2).copy(), method, run)
    np.testing.assert_allclose(turned[:, 0], merged.swapaxes(1, 2), atol=1e-6)


@pytest.mark.parametrize(("factor", "shape"), [(2, (40, 37, 41)), (3, (33, 30, 35))])
def test_tiled_planes_equal_the_whole_volume_bit_for_bit(tmp_path, factor, shape):
    method, run = ready(Task(1, (factor, 1, 1)), (32, 24, 26))
    image = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    whole = run(image, tuple(slice(0, n) for n in shape[1:]))
    assert np.array_equal(restored(tmp_path, image, method, run), whole)
    # negative control: halos one voxel short
    for axis in (0, 2):
        right, short = method.halo, list(method.halo)
        short[axis] -= 1
        method.halo = tuple(short)
        assert not np.array_equal(restored(tmp_path, image, method, run), whole)
        method.halo = right


def test_a_disagreement_of_one_estimate_is_refused_and_nothing_written(tmp_path):
    low, _ = pair(tmp_path)
    with pytest.raises(AcuityError, match="cubic has one estimate of a volume"):
        predict(
            "cubic",
            {},
            low,
            tmp_path / "out.ome.zarr",
            level=1,
            scale=(4, 1, 1),
            disagreement=tmp_path / "differ.ome.zarr",
        )
    assert not (tmp_path / "out.ome.zarr").exists()


def test_srgan_learns_more_than_interpolation_gives(tmp_path):
    """A specimen of two materials with sharp borders, which interpolation blurs."""
    volume = 50 + 100 * (specimen((32, 48, 48), size=3) > 100).astype(np.float32)
    low, target = pair(tmp_path, volume=volume)
    made = files(tmp_path / "a")
    settings = {
        **small(steps=150, batch=8, learning_rate=3e-3, validate_every=150),
        "skip": "cubic",
        "adversarial": 0,
    }
    train("srgan", settings, [(low, target)], **made)
    options = {"level": 4, "scale": (4, 1, 1), "phase": (2, 0, 0)}
    learned = {"model": made["output"], "card": made["card"]}
    both = tmp_path / "b.ome.zarr", tmp_path / "c.ome.zarr"
    predict("srgan", settings, low, both[0], **options, **learned)
    predict("cubic", {}, low, both[1], **options)
    inner = (slice(8, -8), slice(None), slice(None))
    error, cubic = (float(np.std((open_volume(p).read() - volume)[inner])) for p in both)
    assert error < 0.92 * cubic
    assert open_volume(both[0]).grid == open_volume(target).grid


# ------------------------------------------------------------------------------------ sparse coding


@pytest.mark.parametrize(
    ("side", "atoms", "thousands"),
    [
        (8, 256, 131),
        (12, 200, 346),
        (12, 256, 442),
        (12, 300, 518),
        (8, 1024, 524),
        (16, 256, 1049),
    ],
)
def test_dictionaries_have_the_size_of_the_papers_table(side, atoms, thousands):
    method = load("sparse_coding")({"patch": side, "atoms": atoms}, Task(1, (4, 1, 1)))
    assert method._patch()[0] == (side // 4, side, side)
    assert round(side**3 * atoms / 1000) == thousands


def sparse(tmp_path, settings, name="a", factor=4, mode="average"):
    low, target = pair(tmp_path, factor, mode)
    phase = None if mode == "average" else (factor // 2, 0, 0)
    made = files(tmp_path / name, scale=(factor, 1, 1), phase=phase)
    train("sparse_coding", settings, [(low, target)], **made)
    out = tmp_path / f"{name}.ome.zarr"
    options = {"level": 4, "scale": (factor, 1, 1), "phase": phase}
    learned = {"model": made["output"], "card": made["card"]}
    predict("sparse_coding", settings, low, out, **options, **learned)
    return made, open_volume(out), open_volume(target), open_volume(low)


TINY = {
    "patch": 8,
    "atoms": 24,
    "nonzero": 3,
    "step": (1, 4, 4),
    "train": {"patches": 400, "passes": 2, "batch": 64, "validation_fraction": 0},
}


def test_patches_that_are_in_the_dictionary_come_back(tmp_path):
    """Coarse patches that are one atom and a mean are decoded to that atom."""
    rng = np.random.default_rng(0)
    method = load("sparse_coding")({**TINY, "nonzero": 1, "step": (2, 8, 8)}, Task(1, (4, 1, 1)))
    atoms = rng.normal(size=(24, 8, 8, 8)).astype(np.float32)
    method.use({"dictionary": atoms, "mean": np.array([5.0], "f4"), "std": np.array([2.0], "f4")})
    fine = np.concatenate([5 + 2 * (3.0 * atoms[7] + 0.4), 5 + 2 * (-2.0 * atoms[11])])
    found = method.restore(coarser(fine, 4, "average").astype(np.float32))
    np.testing.assert_allclose(found, fine, atol=1e-3)


@pytest.mark.parametrize("mode", ["average", "decimate"])
def test_sparse_coding_goes_the_whole_way_and_repeats(tmp_path, mode):
    held = {**TINY, "train": {**TINY["train"], "validation_fraction": 0.1}}
    made, out, target, _ = sparse(tmp_path, held, mode=mode)
    assert out.grid == target.grid
    card = json.loads(made["card"].read_text())
    assert card["parameters"] == 24 * 512 + 2
    assert card["execution"] == {"halo": [1, 4, 4], "stride": [1, 4, 4]}
    (row,) = table(made["history"])  # two of four slices are judged: a patch is as thick
    assert float(row["psnr"]) == pytest.approx(card["scores"]["psnr"], abs=1e-3)
    again, same, _, _ = sparse(tmp_path, held, "b", mode=mode)
    assert again["output"].read_bytes() == made["output"].read_bytes()
    assert same.digest == out.digest
    # nothing was invented: made coarser again, the volume is near what was put in
    error = np.std(out.read() - target.read())
    assert error < 0.8 * np.std(target.read())


def test_the_variant_of_sparse_coding_beats_what_it_starts_from(tmp_path):
    settings = {**TINY, "skip": "cubic", "train": {**TINY["train"], "patches": 3000}}
    _, out, target, _ = sparse(tmp_path, settings)
    where = (tmp_path / "low.ome.zarr", tmp_path / "c.ome.zarr")
    predict("cubic", {}, *where, level=4, scale=(4, 1, 1))
    cubic = open_volume(tmp_path / "c.ome.zarr").read() - target.read()
    assert np.std(out.read() - target.read()) < 0.95 * np.std(cubic)


@pytest.mark.parametrize("skip", ["none", "cubic"])
def test_tiles_of_sparse_coding_equal_the_whole(tmp_path, skip):
    rng = np.random.default_rng(2)
    settings = {**TINY, "skip": skip, "predict": {"tile": (10, 28, 28)}}
    method = load("sparse_coding")(settings, Task(1, (4, 1, 1)))
    arrays = {
        "dictionary": rng.normal(size=(24, 8, 8, 8)).astype(np.float32),
        "coarse": rng.normal(size=(24, 2, 8, 8)).astype(np.float32),
        "mean": np.zeros(1, np.float32),
        "std": np.ones(1, np.float32),
    }
    method.use(arrays)
    image = rng.normal(size=(35, 45, 39)).astype(np.float32)
    volume = open_volume(write(tmp_path / "in.ome.zarr", image, (4, 1, 1)))
    restore(volume, tmp_path / "out.ome.zarr", method, method.restore, name="in")
    found, whole = open_volume(tmp_path / "out.ome.zarr").read(), method.restore(image)
    np.testing.assert_allclose(found, whole, atol=1e-4)
    method.halo = (method.halo[0], 0, 4)
    restore(volume, tmp_path / "out.ome.zarr", method, method.restore, name="in")
    assert np.abs(open_volume(tmp_path / "out.ome.zarr").read() - whole).max() > 0.01


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"patch": 10}, "key patch: found 10; it must be a multiple of the factor 4"),
        ({"step": (3, 4, 4)}, r"key step: found \(3, 4, 4\); allowed are 1 to \(2, 8, 8\)"),
        ({"patch": 20, "step": (1, 4, 4)}, r"\(4, 40, 36\) voxels .* a patch has \(5, 20, 20\)"),
    ],
)
def test_sparse_coding_refuses_what_cannot_be(tmp_path, settings, match):
    with pytest.raises(AcuityError, match=match):
        sparse(tmp_path, {**TINY, **settings})
    assert not (tmp_path / "a" / "model.json").exists()


def test_a_volume_thinner_than_a_patch_is_refused(tmp_path):
    method = load("sparse_coding")(TINY, Task(1, (4, 1, 1)))
    method._size = (2, 8, 8)
    with pytest.raises(AcuityError, match=r"volume of \(1, 20, 20\) voxels.*\(2, 8, 8\)"):
        method.restore(np.zeros((1, 20, 20), np.float32))
