"""3D-FSRCNN and 3D-SRU-Net: the paper's sizes, phases, exact tiles, and what they refuse."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from acuity.engine.execution import DEFAULT, Runner
from acuity.engine.receptive import receptive_field
from acuity.engine.sampling import TRAIN, Sampler, TrainingPair
from acuity.errors import AcuityError
from acuity.interpolation import interpolate
from acuity.methods.base import Section, Task, TrainSettings, check_settings, load
from acuity.methods.networks.axial import Interpolated, UpsamplingConv
from acuity.train.trainer import learning_rate
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.runs import predict, restore, train

METHODS = ["fsrcnn3d", "srunet3d"]
SMALL = {
    "fsrcnn3d": {
        "filters": 8,
        "shrink": 8,
        "mappings": 1,
        "kernels": [[3, 3, 3], [3, 3, 3], [5, 3, 3]],
    },
    "srunet3d": {"width": 8, "height": 2, "depth": 1, "kernels": [3]},
}
X4 = Task(1.0, (4, 1, 1))

# Heinrich et al. 2017, table 1: parameters in millions by (d, s, m), and table 2 by (d, w, h).
FSRCNN = {
    (240, 48): (1.8, 2.4, 2.9),
    (280, 48): (2.0, 2.6, 3.1),
    (240, 64): (2.8, 3.7, 4.7),
    (280, 64): (2.9, 3.9, 4.9),
}
SRUNET = {
    (2, 32): (2.3, 4.1, 8.9),
    (3, 32): (3.1, 5.3, 12.4),
    (2, 64): (9.3, 16.2, 35.7),
    (3, 64): (12.2, 21.3, 49.6),
}


def small(name, **changes):
    return {**SMALL[name], **changes}


def parameters(name, settings, task=X4):
    with torch.device("meta"):
        network = load(name)(settings, task).build()["network"]
    return sum(parameter.numel() for parameter in network.parameters())


def ready(name, settings, task=X4):
    """A method with random weights, ready to restore."""
    method = load(name)(settings, task)
    torch.manual_seed(0)
    network = method.build()["network"].eval()
    method.halo, method.stride = receptive_field(network, 3, 1)
    statistics = {"mean": 0.2, "std": 1.5}
    normalisation = {"low": statistics, "target": statistics}
    return method, Runner(network, normalisation, DEFAULT, stacked=False)


def noise(shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def stored(path, array, spacing=(16.0, 4.0, 4.0), origin=(6.0, 0.0, -2.0)):
    grid = Grid(array.shape, spacing, origin, "nm")
    write_volume(path, Volume(np.asarray(array, np.float32), grid, "grey level"))
    return path


def restored(folder, image, method, run):
    path = stored(folder / "low.ome.zarr", image)
    restore(open_volume(path), folder / "out.ome.zarr", method, run, name="low")
    return open_volume(folder / "out.ome.zarr").read()


# ------------------------------------------------------------------------------------ the paper


@pytest.mark.parametrize("setting", FSRCNN)
@pytest.mark.parametrize("mappings", [2, 3, 4])
def test_fsrcnn_has_the_parameters_of_table_1(setting, mappings):
    (filters, shrink), printed = setting, FSRCNN[setting][mappings - 2]
    found = parameters("fsrcnn3d", {"filters": filters, "shrink": shrink, "mappings": mappings})
    assert abs(found / 1e6 - printed) <= 0.1


@pytest.mark.parametrize("setting", SRUNET)
@pytest.mark.parametrize("height", [2, 3, 4])
def test_srunet_has_the_parameters_of_table_2(setting, height):
    (depth, width), printed = setting, SRUNET[setting][height - 2]
    found = parameters("srunet3d", {"depth": depth, "width": width, "height": height})
    assert abs(found / 1e6 - printed) <= 0.1


def test_other_kernels_do_not_have_them():
    """Negative control: the tables tell kernels and wiring apart."""
    assert abs(parameters("srunet3d", {"kernels": [9, 5, 3]}) / 1e6 - 5.3) > 0.1
    kernels = [[5, 13, 13], [3, 9, 9], [9, 9, 9]]
    assert abs(parameters("fsrcnn3d", {"kernels": kernels}) / 1e6 - 4.7) > 0.1


def test_the_defaults_are_the_papers():
    assert parameters("srunet3d", {}) == 5_335_361
    assert parameters("fsrcnn3d", {}) == 4_743_713
    for name, every in (("srunet3d", 10), ("fsrcnn3d", 1)):
        settings = load(name).Settings()
        assert settings.skip == "none"
        assert (settings.train.batch, settings.train.patch) == (6, (16, 64, 64))
        assert (settings.train.schedule, settings.train.decay_every) == ("inverse_sqrt", every)
        assert settings.train.learning_rate == 1e-4


def test_the_skip_adds_no_parameter():
    for name in METHODS:
        assert parameters(name, small(name, skip="cubic")) == parameters(name, small(name))


def test_learning_rate_falls_with_the_root_of_the_epochs():
    settings = TrainSettings(learning_rate=1.0, schedule="inverse_sqrt", epoch=484, decay_every=10)
    assert learning_rate(settings, 0) == learning_rate(settings, 4839) == 1.0
    assert learning_rate(settings, 4840) == pytest.approx(2**-0.5)
    assert learning_rate(settings, 290_000) == pytest.approx((1 + 59) ** -0.5)
    every = TrainSettings(learning_rate=1.0, schedule="inverse_sqrt", epoch=100)
    assert [learning_rate(every, n) for n in (99, 100, 800)] == [1.0, 2**-0.5, 1 / 3]


def test_activations_are_the_papers():
    network = load("fsrcnn3d")(small("fsrcnn3d"), X4).build()["network"]
    rectifiers = [m for m in network.modules() if isinstance(m, nn.PReLU)]
    assert [len(m.weight) for m in rectifiers] == [8, 8, 8, 8]
    assert all((m.weight == 0).all() for m in rectifiers)
    # the U-Net's output passes a ReLU in the paper's form, and not beside a skip
    image = -torch.ones(1, 1, 5, 12, 12)
    for skip, expected in (("none", 0.0), ("cubic", -2.0)):
        network = load("srunet3d")(small("srunet3d", skip=skip), X4).build()["network"]
        nn.init.zeros_(network.last[0].weight)
        nn.init.constant_(network.last[0].bias, -1.0)
        torch.testing.assert_close(network(image), torch.full((1, 1, 20, 12, 12), expected))


# ------------------------------------------------------------------------------------ the parts


@pytest.mark.parametrize(
    ("kernel", "stride"),
    [((13, 13, 13), (4, 1, 1)), ((5, 5, 5), (2, 1, 1)), ((3, 3, 3), (2, 2, 2)), ((9, 3, 5), (8, 1, 1)), ((4, 1, 3), (3, 1, 1))],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # each a way of its own
def test_spread_equals_torchs_transposed_convolution(kernel, stride, dtype):
    torch.manual_seed(1)
    module = UpsamplingConv(3, 2, kernel, stride).to(dtype)
    image = torch.randn(2, 3, 4, 6, 5, dtype=dtype, requires_grad=True)
    out, plain = module(image), nn.ConvTranspose3d.forward(module, image)
    assert out.shape[2:] == tuple(n * s for n, s in zip((4, 6, 5), stride, strict=True))
    torch.testing.assert_close(out, plain, atol=1e-5, rtol=1e-4)
    gradients = [
        torch.autograd.grad((o**2).sum(), (image, module.weight, module.bias)) for o in (out, plain)
    ]
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize("kernel", ["linear", "cubic"])
def test_the_skip_equals_the_interpolation_of_the_package_at_any_phase(factor, kernel):
    low = noise((5, 3, 4))
    box = (slice(0, 5 * factor), slice(0, 3), slice(0, 4))
    for phase in ((factor - 1) / 2, factor // 2, 0):
        expected = interpolate(
            low, (0, 0, 0), low.shape, (factor, 1, 1), box, kernel, offset=(phase, 0, 0)
        )
        found = Interpolated(factor, phase, kernel)(torch.from_numpy(low)[None, None])[0, 0]
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    other = Interpolated(factor, 0, kernel)(torch.from_numpy(low)[None, None])
    middle = Interpolated(factor, (factor - 1) / 2, kernel)(torch.from_numpy(low)[None, None])
    assert (other - middle).abs().max() > 0.05


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "task", [Task(1, (4, 1, 1)), Task(1, (2, 1, 1)), Task(1, (8, 1, 1), (4, 0, 0))]
)
def test_with_a_silent_network_the_skip_is_the_result(name, task):
    factor = task.scale[0]
    kernels = {"kernels": [[3, 3, 3], [3, 3, 3], [9, 3, 3]]} if name == "fsrcnn3d" else {}
    method = load(name)(small(name, skip="cubic", **kernels), task)
    network = method.build()["network"]
    last = network.last if name == "fsrcnn3d" else network.last[0]
    nn.init.zeros_(last.weight)
    low = noise((5, 9, 7))
    found = network(torch.from_numpy(low)[None, None]).detach()[0, 0].numpy()
    box = (slice(0, 5 * factor), slice(0, 9), slice(0, 7))
    expected = interpolate(low, (0, 0, 0), low.shape, task.scale, box, "cubic", offset=task.offset)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("height", [2, 3, 4])
def test_srunet_gives_any_size_at_any_factor(factor, height):
    settings = {"width": 2, "height": height, "depth": 1, "kernels": [3]}
    network = load("srunet3d")(settings, Task(1, (factor, 1, 1))).build()["network"]
    out = network(torch.zeros(1, 1, 5, 13, 10))
    assert out.shape == (1, 1, 5 * factor, 13, 10)
    poolings = max(0, height - 1 - {2: 1, 4: 2, 8: 3}[factor])
    assert network.stride == (2**poolings, 2 ** (height - 1), 2 ** (height - 1))


def test_every_level_reaches_every_output_voxel():
    """No holes: a change of the lowest level's bias changes all of the output."""
    for height in (2, 3):
        settings = {"width": 4, "height": height, "depth": 1, "kernels": [3], "skip": "linear"}
        network = load("srunet3d")(settings, X4).build()["network"].double()
        image = torch.rand(1, 1, 4, 8, 8, dtype=torch.float64)
        for module in network.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.constant_(module.weight, 0.01)
        before = network(image)
        network.down[-1][-2].bias.data += 1.0
        assert (network(image) != before).all()


# ------------------------------------------------------------------------------------ tiles


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("skip", ["none", "cubic"])
def test_tiles_equal_the_whole_bit_for_bit(tmp_path, name, skip):
    settings = small(name, skip=skip)
    halo = receptive_field(load(name)(settings, X4).build()["network"], 3, 1)[0]
    settings["predict"] = {"tile": [2 * n + 8 for n in halo]}
    method, run = ready(name, settings)
    image = noise((2 * halo[0] + 9, 2 * halo[1] + 19, 2 * halo[2] + 11))
    tiled = restored(tmp_path, image, method, run)
    whole = run(image)
    assert tiled.shape == (4 * image.shape[0], *image.shape[1:])
    assert np.array_equal(tiled, whole)
    assert whole.std() > 0


@pytest.mark.parametrize("name", METHODS)
def test_a_halo_one_stride_short_is_not_the_whole(tmp_path, name):
    settings = small(name)
    halo = receptive_field(load(name)(settings, X4).build()["network"], 3, 1)[0]
    settings["predict"] = {"tile": [2 * n + 8 for n in halo]}
    image = noise((2 * halo[0] + 9, 2 * halo[1] + 19, 2 * halo[2] + 11))
    for axis in range(3):
        folder = tmp_path / str(axis)
        folder.mkdir()
        method, run = ready(name, settings)
        short = list(method.halo)
        short[axis] -= method.stride[axis]
        method.halo = tuple(short)
        assert not np.array_equal(restored(folder, image, method, run), run(image))


def test_receptive_fields_of_the_papers_networks():
    field = receptive_field(load("fsrcnn3d")({}, X4).build()["network"], 3, 1)
    assert field == ((8, 28, 28), (1, 1, 1))
    network = load("srunet3d")({"width": 2}, X4).build()["network"]
    assert receptive_field(network, 3, 1) == ((13, 56, 56), (1, 4, 4))


# ------------------------------------------------------------------------------------ the whole way


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("skip", ["none", "cubic"])
def test_trained_and_applied_on_stores(tmp_path, name, skip):
    rng = np.random.default_rng(3)
    z, y, x = np.mgrid[:66, :40, :40] / 6.0
    target = 100 + 50 * np.sin(z + 0.5 * x) * np.cos(y) + rng.normal(0, 2, z.shape)
    low = target[:64].reshape(16, 4, 40, 40).mean(1)
    low_path = stored(tmp_path / "low.ome.zarr", low)
    # two slices are left over at the target's end
    target_path = stored(tmp_path / "target.ome.zarr", target, (4.0, 4.0, 4.0), (0.0, 0.0, -2.0))
    options = {
        "steps": 12, "batch": 2, "patch": [8, 16, 16], "learning_rate": 3e-3, "schedule": "constant",
        "validation_fraction": 0, "keep": "last", "precision": "float32",
    }  # fmt: skip
    settings = small(name, skip=skip, train=options)
    files = {"output": tmp_path / "model.safetensors", "card": tmp_path / "model.json"}
    train(
        name, settings, [(low_path, target_path)], level=4.0, scale=(4, 1, 1), seed=1, **files,
        history=tmp_path / "history.tsv", checkpoints=tmp_path / "checkpoints",
    )  # fmt: skip
    card = json.loads(files["card"].read_text())
    shared = card["normalisation"]
    assert shared["low"] == shared["target"]
    if skip == "none":
        assert shared["low"]["mean"] == pytest.approx(min(low.min(), target[:64].min()), rel=1e-5)
    else:
        assert shared["low"]["std"] == pytest.approx(target[:64].std(), rel=1e-5)
    out = tmp_path / "restored.ome.zarr"
    predict(
        name, settings, low_path, out, level=4.0, scale=(4, 1, 1), model=files["output"],
        card=files["card"],
    )  # fmt: skip
    volume = open_volume(out)
    assert volume.grid.shape == (64, 40, 40)
    assert volume.grid.spacing == (4.0, 4.0, 4.0)
    assert volume.grid.origin == (0.0, 0.0, -2.0)
    assert volume.intensity == "grey level"
    found = volume.read()
    assert np.isfinite(found).all()
    # intensities keep their scale
    if skip == "cubic":
        assert np.sqrt(np.mean((found - target[:64]) ** 2)) < 0.5 * target.std()


def test_decimated_slices_are_never_turned_upside_down():
    """Their phase is not that of the mirrored stack."""
    decimated = load("srunet3d")(small("srunet3d"), Task(1, (4, 1, 1), (2, 0, 0)))
    assert decimated.symmetries == "upright"
    assert load("srunet3d")(small("srunet3d"), X4).symmetries == "in_plane"
    low = np.broadcast_to(np.arange(12, dtype=np.float32)[:, None, None], (12, 20, 20))
    found = {}
    for symmetries in ("upright", "in_plane"):
        cut = Sampler(
            [TrainingPair(low, low, "a")], patch=(4, 16, 16), symmetries=symmetries, seed=1
        )
        found[symmetries] = {
            float(np.sign(np.diff(cut.patch_at(TRAIN, n, 0)[0][:, 0, 0])[0])) for n in range(20)
        }
    assert found == {"upright": {1.0}, "in_plane": {1.0, -1.0}}


# ------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_is_described_with_its_unit(name):
    def check(model):
        for key, field in model.model_fields.items():
            assert field.description, key
            assert field.json_schema_extra["unit"], key
            if isinstance(field.default, Section):
                check(type(field.default))

    method = load(name)
    check(method.Settings)
    assert method.Settings(**method.Settings().model_dump(mode="json")) == method.Settings()


def test_mistakes_are_refused_in_one_sentence():
    for name in METHODS:
        with pytest.raises(AcuityError, match=r"scale is \(1, 1, 1\); it needs a factor of 2"):
            load(name)(small(name), Task()).build()
    with pytest.raises(AcuityError, match="sides must be odd"):
        load("srunet3d")(small("srunet3d", kernels=[4]), X4).build()
    with pytest.raises(AcuityError, match="sides must be odd"):
        load("fsrcnn3d")(small("fsrcnn3d", kernels=[[3, 3, 3], [2, 3, 3], [5, 3, 3]]), X4).build()
    with pytest.raises(AcuityError, match="at least the factor 8"):
        load("fsrcnn3d")(small("fsrcnn3d"), Task(1, (8, 1, 1))).build()
    with pytest.raises(AcuityError, match=r"height 3 at scale \(6, 1, 1\).*powers of two"):
        load("srunet3d")(small("srunet3d", height=3), Task(1, (6, 1, 1))).build()
    assert load("srunet3d")(small("srunet3d"), Task(1, (6, 1, 1))).build()
    with pytest.raises(AcuityError, match="key levels"):
        check_settings(load("srunet3d"), {"levels": 3})


@pytest.mark.parametrize("name", METHODS)
def test_a_volume_thinner_than_the_receptive_field_is_refused(tmp_path, name):
    method, run = ready(name, small(name))
    needed = 2 * method.halo[0] + 1
    with pytest.raises(AcuityError, match=f"low: found {needed - 1} slices.*{needed}"):
        restored(tmp_path, noise((needed - 1, 30, 30)), method, run)
    assert not (tmp_path / "out.ome.zarr").exists()
    assert restored(tmp_path, noise((needed, 30, 30)), method, run).shape[0] == 4 * needed
