"""Methods for SEM images: de Haan's GAN, SEMNet, Lanczos and the classical baseline."""

import json

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from acuity.degrade.degrade import block_average
from acuity.degrade.images import check_strengths
from acuity.engine.execution import DEFAULT, Runner
from acuity.engine.readers import InputReader, statistics
from acuity.engine.receptive import receptive_field
from acuity.engine.sampling import (
    TRAIN,
    VALIDATE,
    DegradingSampler,
    Sampler,
    TrainingPair,
    held_images,
)
from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.interpolation import interpolate, support, weights_of
from acuity.methods.base import Section, Task, load
from acuity.methods.networks.losses import histogram_loss, variation
from acuity.methods.networks.rrdb import DenseBlock, SemNet
from acuity.methods.networks.sem_gan import Discriminator, Generator
from acuity.methods.sem_gan import calibration
from acuity.seals import sealing
from acuity.train.checkpoint import Checkpoints
from acuity.train.trainer import Trainer, move_average
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.runs import predict, restore, train

X2 = Task(2, (1, 2, 2))


@pytest.fixture(autouse=True)
def one_thread():
    """Numba, once it has run, gives torch its own number of threads: small networks wait for them."""
    torch.set_num_threads(1)


NAMES = ("sem_gan", "semnet", "lanczos", "bicubic_gaussian")
SMALL = {
    "sem_gan": {
        "features": 8,
        "pools": 2,
        "discriminator": 4,
        "discriminator_blocks": 2,
        "dense": 8,
    },
    "semnet": {"features": 8, "growth": 8, "blocks": 1},
    "bicubic_gaussian": {},
}
PLAIN = {"low": {"mean": 0.0, "std": 1.0}, "target": {"mean": 0.0, "std": 1.0}}


def small(name, predict=None, train=None, **options):
    made = {**SMALL[name], **options}
    if predict:
        made["predict"] = predict
    if name != "bicubic_gaussian":
        patch = (1, 16, 16) if name == "sem_gan" else (1, 8, 8)
        made["train"] = {
            "batch": 2,
            "patch": patch,
            "steps": 4,
            "validate_every": 2,
            "validation_patches": 2,
            "precision": "float32",
            **(train or {}),
        }
    return made


def ready(name, **options):
    """A method with random weights, ready to restore."""
    method = load(name)(small(name, **options), X2)
    torch.manual_seed(0)
    network = method.build()[method.restorer].eval()
    with torch.no_grad():  # a network in which the farthest voxels weigh enough to be seen
        for parameter in network.parameters():
            if parameter.dim() == 4 and parameter.shape[-1] == 3:
                parameter.uniform_(2, 4).div_(parameter.shape[1])
                parameter[..., 1] = 0
                parameter[..., 1, :] = 0
    halo, stride = receptive_field(network, 2, 1)
    method.halo, method.stride = (0, *halo), (1, *stride)
    return method, Runner(network, PLAIN, DEFAULT, stacked=True)


def field(shape=(48, 40), seed=0):
    """Bright blobs on a dark ground, 8-bit intensities, float32 (1, y, x)."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = ndimage.gaussian_filter(noise, 1.5)
    return (90 + 50 * np.tanh(3 * smooth / smooth.std()))[None].astype(np.float32)


def lowered(target, seed=0, sd=4.0):
    rng = np.random.default_rng([seed, 7])
    low = block_average(target, (1, 2, 2))
    return np.clip(np.rint(low + rng.normal(0, sd, low.shape)), 0, 255).astype(np.uint8)


def write(path, array, pixel=1.0, phase=0.0):
    grid = Grid(array.shape, (1, pixel, pixel), (0, phase, phase), "nm")
    write_volume(path, Volume(np.asarray(array), grid))
    return path


def write_pair(folder, seed, shape=(48, 40)):
    target = field(shape, seed)
    return (
        write(folder / f"low{seed}.ome.zarr", lowered(target, seed), 2, 0.5),
        write(folder / f"target{seed}.ome.zarr", target),
    )


@pytest.fixture
def pairs(tmp_path):
    return [write_pair(tmp_path, seed, (48 + 4 * seed, 40)) for seed in range(4)]


def files(folder, **options):
    folder.mkdir(exist_ok=True)
    return {
        "level": 2,
        "scale": (1, 2, 2),
        "seed": 3,
        "threads": 1,
        "output": folder / "model.safetensors",
        "card": folder / "model.json",
        "history": folder / "history.tsv",
        "checkpoints": folder / "checkpoints",
        **options,
    }


def restored(folder, name, low, out="out", **options):
    where = folder / "model"
    predict(
        name,
        small(name),
        low,
        folder / f"{out}.ome.zarr",
        level=2,
        scale=(1, 2, 2),
        model=where / "model.safetensors",
        card=where / "model.json",
        **options,
    )
    return open_volume(folder / f"{out}.ome.zarr")


def table(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


# ------------------------------------------------------------------------------------ Lanczos


def test_lanczos_weights_are_the_windowed_sinc_divided_by_their_sum():
    for t in (0.0, 0.25, 0.5, 0.8):
        offsets, weights = weights_of("lanczos", np.array([t]))
        distance = np.abs(t - offsets)
        with np.errstate(invalid="ignore"):
            plain = 3 * np.sin(np.pi * distance) * np.sin(np.pi * distance / 3)
            plain = plain / (np.pi * distance) ** 2
        plain[distance == 0] = 1
        np.testing.assert_allclose(weights[0], plain / plain.sum(), atol=1e-6)
        assert list(offsets) == [-2, -1, 0, 1, 2, 3]


@pytest.mark.parametrize("factor", [2, 3])
def test_lanczos_needs_what_support_says_and_any_region_equals_the_whole(factor):
    low = np.random.default_rng(0).random((1, 15, 17), np.float32)
    whole_box = [slice(0, 1), slice(0, 15 * factor), slice(0, 17 * factor)]
    factors = (1, factor, factor)
    whole = interpolate(low, (0, 0, 0), low.shape, factors, whole_box, "lanczos")
    box = [slice(0, 1), slice(11, 24), slice(3, 9)]
    spans = [
        support("lanczos", f, b.start, b.stop, n)
        for f, b, n in zip(factors, box, low.shape, strict=True)
    ]
    part = low[tuple(slice(*span) for span in spans)]
    first = [span[0] for span in spans]
    out = interpolate(part, first, low.shape, factors, box, "lanczos")
    np.testing.assert_array_equal(out, whole[tuple(box)])
    short = [slice(a + 1, b) if axis == 1 else slice(a, b) for axis, (a, b) in enumerate(spans)]
    first[1] += 1
    wrong = interpolate(low[tuple(short)], first, low.shape, factors, box, "lanczos")
    assert not np.array_equal(wrong, out)


def test_lanczos_restores_a_wave_better_than_cubic_and_keeps_a_constant(tmp_path):
    x = np.arange(96, dtype=np.float64)
    fine = (100 + 50 * np.sin(2 * np.pi * x / 7))[None, None] * np.ones((1, 8, 1))
    # the wave sampled at the middle of the blocks
    at = 2 * np.arange(48) + 0.5
    low = (100 + 50 * np.sin(2 * np.pi * at / 7))[None, None] * np.ones((1, 4, 1))
    path = write(tmp_path / "low.ome.zarr", low.astype(np.float32), 2, 0.5)
    errors = {}
    for name in ("lanczos", "cubic"):
        predict(name, {}, path, tmp_path / "out.ome.zarr", level=2, scale=(1, 2, 2))
        out = open_volume(tmp_path / "out.ome.zarr")
        assert out.grid == Grid((1, 8, 96), (1, 1, 1), (0, 0, 0), "nm")
        errors[name] = np.abs(out.read() - fine)[..., 8:-8].max()
    assert errors["lanczos"] < 0.6 * errors["cubic"]
    box = [slice(0, 1), slice(0, 8), slice(0, 8)]
    flat = interpolate(np.full((1, 4, 4), 7, "f4"), (0, 0, 0), (1, 4, 4), (1, 2, 2), box, "lanczos")
    np.testing.assert_allclose(flat, 7, rtol=1e-6)


# ------------------------------------------------------------------------------------ networks


def modules(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


def test_semnet_has_94_convolutions_and_19_leaky_relus():
    network = load("semnet")({}, X2).build()["network"]
    assert len(modules(network, nn.Conv2d)) == 94
    assert len(modules(network.body, nn.Conv2d)) == 90
    assert len(modules(network, nn.LeakyReLU)) == 19
    assert {module.negative_slope for module in modules(network, nn.LeakyReLU)} == {0.2}
    assert not modules(network, nn.modules.batchnorm._BatchNorm)
    assert len(network.body) == 6
    block = network.body[0][0]
    assert [c.in_channels for c in block.convolutions] == [64, 96, 128, 160, 192]
    assert [c.out_channels for c in block.convolutions] == [32, 32, 32, 32, 64]
    spread = block.convolutions[0].weight.std().item()
    assert spread == pytest.approx(0.1 * (2 / (64 * 9)) ** 0.5, rel=0.03)  # He's, times 0.1
    receptive = receptive_field(network, 2, 1)
    assert receptive == ((93, 93), (1, 1))


def test_a_dense_block_is_what_its_equations_say():
    block = DenseBlock(8, 4)
    image = torch.randn(1, 8, 9, 7)
    leaky = nn.functional.leaky_relu
    parts = image
    for convolution in block.convolutions[:4]:
        parts = torch.cat([parts, leaky(convolution(parts), 0.2)], 1)
    wanted = image + 0.2 * block.convolutions[4](parts)
    assert torch.equal(block(image), wanted)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("kernel", ["linear", "cubic", "lanczos"])
def test_semnets_skip_is_the_interpolation_of_the_package(factor, kernel):
    phase = ((factor - 1) / 2,) * 2
    network = SemNet(factor, features=8, growth=4, blocks=1, skip=kernel, offset=phase)
    with torch.no_grad():
        network.last.weight.zero_()
    low = field((14, 17))
    box = [slice(0, 1), slice(0, 14 * factor), slice(0, 17 * factor)]
    wanted = interpolate(low, (0, 0, 0), low.shape, (1, factor, factor), box, kernel)
    with torch.no_grad():
        out = network(torch.from_numpy(low)[None])[0]
    np.testing.assert_allclose(out.numpy(), wanted, rtol=1e-5)


def test_the_second_convolution_of_a_block_changes_the_channels():
    networks = load("sem_gan")({}, X2).build()
    for network in networks.values():
        assert {m.negative_slope for m in modules(network, nn.LeakyReLU)} == {0.1}
        assert not modules(network, nn.modules.batchnorm._BatchNorm)
    generator = networks["network"]
    assert len(modules(generator, nn.AvgPool2d)) == 1
    widths = [32, 64, 128, 256, 512]
    for n, part in enumerate(generator.down):
        first, second = modules(part, nn.Conv2d)[-2:]
        before = widths[max(n - 1, 0)]
        assert (first.in_channels, first.out_channels) == (before, before)
        assert (second.in_channels, second.out_channels) == (before, widths[n])
    for n, part in enumerate(generator.up):
        first, second = modules(part, nn.Conv2d)
        assert first.in_channels == first.out_channels == 2 * widths[n]
        assert second.out_channels == widths[n]
    image = torch.randn(2, 1, 37, 50)
    with torch.no_grad():
        assert generator(image).shape == image.shape
        verdict = networks["discriminator"]
        assert verdict(image).shape == verdict(torch.randn(2, 1, 128, 128)).shape == (2, 1)
    plain = Generator(features=8, pools=1)
    skip = Generator(features=8, pools=1, skip=True)
    skip.load_state_dict(plain.state_dict())
    with torch.no_grad():
        assert torch.equal(skip(image), plain(image) + image)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_described_with_its_unit(name):
    def check(model):
        for key, field in model.model_fields.items():
            assert field.description, key
            assert field.json_schema_extra["unit"], key
            if isinstance(field.default, Section):
                check(type(field.default))

    method = load(name)
    check(method.Settings)
    settings = method.Settings()
    assert method.Settings(**settings.model_dump(mode="json")) == settings


def test_the_defaults_are_those_of_the_papers():
    gan, net = load("sem_gan").Settings(), load("semnet").Settings()
    assert gan.shares == (0.84, 0.14, 0.02)
    assert (gan.every, gan.train.steps, gan.train.patch) == (4, 48_000, (1, 128, 128))
    assert (gan.train.ema, gan.pretrain, gan.skip) == (0.0, 0, False)
    assert (gan.train.learning_rate, gan.train.schedule) == (1e-4, "constant")
    assert (net.l1, net.histogram, net.variation) == (1.0, 0.1, 0.01)
    assert (net.train.steps, net.train.batch, net.train.halve_every) == (544_000, 4, 200_000)
    assert (net.train.learning_rate, net.train.schedule) == (1e-4, "step")
    assert (net.features, net.growth, net.blocks, net.skip) == (64, 32, 6, "none")


# ------------------------------------------------------------------------------------ losses


class Judge(nn.Module):
    """A discriminator that always says the same."""

    def __init__(self, verdict):
        super().__init__()
        self.value = verdict

    def forward(self, image):
        return torch.full((len(image), 1), self.value)


def gan_losses(phase="network", verdict=0.25, low=None, **options):
    method = load("sem_gan")(small("sem_gan", **options), X2)
    method.networks_to_update(0)
    network = nn.Identity().train()
    image = torch.arange(16.0).reshape(1, 1, 4, 4) if low is None else low
    batch = {"low": image, "target": image + 2.0, "mask": torch.ones_like(image)}
    return method.losses(phase, {"network": network, "discriminator": Judge(verdict)}, batch)


def test_the_generators_loss_is_equation_1():
    found = gan_losses(alpha=0.5, beta=0.01)
    # l1 = 2; 12 steps of 4 along y and 12 of 1 along x
    terms = {"adversarial": 0.75**2, "l1": 0.5 * 2.0, "tv": 0.01 * 60.0}
    total = sum(terms.values())
    assert found["loss"].item() == pytest.approx(total)
    for key, value in terms.items():
        assert found[key].item() == pytest.approx(value / total)


def test_the_discriminators_loss_is_equation_4():
    found = gan_losses("discriminator", verdict=0.25)
    assert found["loss"].item() == pytest.approx(0.25**2 + 0.75**2)


def test_variation_is_a_sum_that_grows_with_the_area():
    ramp = torch.arange(32.0).expand(2, 1, 32, 32)
    ones = torch.ones(2, 1, 1, 1)
    assert variation(ramp, ones).item() == 2 * 32 * 31
    assert variation(ramp[..., :16, :16], ones).item() == 2 * 16 * 15
    mask = torch.ones(2, 1, 32, 32)
    mask[..., 10] = 0  # of the 31 steps along x two touch the column
    assert variation(ramp, mask).item() == 2 * 32 * 29


def test_weights_that_are_not_given_make_the_shares(tmp_path):
    judge = Discriminator(features=4, blocks=1, dense=4)
    method = load("sem_gan")(small("sem_gan"), X2)
    terms = [torch.tensor(v) for v in (0.5, 0.2, 3000.0)]
    alpha, beta = method._weights({"discriminator": judge}, terms)
    total = 0.5 + alpha * 0.2 + beta * 3000
    assert 0.5 / total == pytest.approx(0.84, rel=1e-5)
    assert alpha * 0.2 / total == pytest.approx(0.14, rel=1e-5)
    assert beta * 3000 / total == pytest.approx(0.02, rel=1e-5)
    method._weights({"discriminator": judge}, [torch.tensor(float("nan"))] * 3)
    assert torch.isfinite(judge.terms).all()
    fixed = load("sem_gan")(small("sem_gan", alpha=2.0, beta=1e-5), X2)
    assert fixed._weights({"discriminator": judge}, terms) == (2.0, 1e-5)
    # without a discriminator the two terms keep their ratio
    alone = load("sem_gan")(small("sem_gan", adversarial=False), X2)
    alpha, beta = alone._weights({}, terms)
    assert beta * 3000 / (alpha * 0.2) == pytest.approx(0.02 / 0.14)
    assert "discriminator" not in alone.build()


def test_a_calibration_gives_the_weights_of_the_shares(tmp_path):
    rows = ["step\tsplit\tloss\tpsnr\tseconds\tadversarial\tl1\ttv\talpha\tbeta"]
    rows += ["1\ttrain\t9\t\t1\t0.1\t0.8\t0.1\t1\t1"]  # the first half does not count
    rows += ["2\ttrain\t1.0\t\t1\t0.5\t0.3\t0.2\t1.5\t1e-5"]
    rows += ["2\tvalidate\t3\t20\t1\t\t\t\t\t"]
    with sealing(tmp_path / "history.tsv") as part:
        part.write_text("\n".join(rows) + "\n")
    found = calibration(tmp_path / "history.tsv")
    assert found["shares"] == pytest.approx((0.5, 0.3, 0.2))
    # terms: adversarial 0.5, l1 0.2, tv 20,000
    assert found["alpha"] == pytest.approx(0.14 / 0.84 * 0.5 / 0.2)
    assert found["beta"] == pytest.approx(0.02 / 0.84 * 0.5 / 20_000)
    with sealing(tmp_path / "none.tsv") as part:
        part.write_text(rows[0] + "\n")
    with pytest.raises(AcuityError, match="no step with an adversarial loss"):
        calibration(tmp_path / "none.tsv")


def test_the_discriminator_learns_in_every_fourth_step_after_the_pretraining():
    method = load("sem_gan")(small("sem_gan", pretrain=3), X2)
    learns = [step for step in range(16) if "discriminator" in method.networks_to_update(step)]
    assert learns == [3, 7, 11, 15]
    prepared = load("sem_gan")(small("sem_gan", pretrain=5, prepare=2), X2)
    learns = [step for step in range(16) if "discriminator" in prepared.networks_to_update(step)]
    assert learns == [3, 4, 5, 9, 13]
    assert all(prepared.networks_to_update(step)[-1] == "network" for step in range(16))
    method.networks_to_update(2)
    image = torch.zeros(1, 1, 4, 4)
    batch = {"low": image, "target": image + 2, "mask": image + 1}
    found = method.losses("network", {"network": nn.Identity().train()}, batch)
    assert set(found) == {"loss"}
    assert found["loss"].item() == 2


def test_generator_and_discriminator_may_have_rates_of_their_own():
    rates = {"generator_rate": 2e-5, "discriminator_rate": 5e-4}
    method = load("sem_gan")(small("sem_gan", pretrain=3, **rates), X2)
    assert [method.rate("network", step, 1e-3) for step in (2, 3)] == [1e-3, 2e-5]
    assert [method.rate("discriminator", step, 1e-3) for step in (2, 3)] == [5e-4, 5e-4]
    prepared = load("sem_gan")(small("sem_gan", pretrain=3, prepare=1, **rates), X2)
    assert [prepared.rate("network", step, 1e-3) for step in (1, 2)] == [1e-3, 2e-5]
    plain = load("sem_gan")(small("sem_gan", pretrain=3), X2)
    assert {plain.rate(phase, 9, 1e-3) for phase in ("network", "discriminator")} == {1e-3}
    with pytest.raises(AcuityError, match="prepare must not exceed pretrain, 3; found 4"):
        load("sem_gan")(small("sem_gan", pretrain=3, prepare=4), X2)


def test_histogram_loss_is_the_shift_between_two_distributions():
    rng = torch.Generator().manual_seed(0)
    image = torch.randn(2, 1, 64, 64, generator=rng)
    ones = torch.ones(2, 1, 1, 1)
    assert histogram_loss(image, image, ones, (-4, 4), 32).item() == 0
    shifted = (image + 0.3).requires_grad_(True)
    loss = histogram_loss(shifted, image, ones, (-4, 4), 32)
    assert loss.item() == pytest.approx(0.3, rel=0.02)
    loss.backward()
    assert (shifted.grad >= 0).all()  # every value is pulled down
    assert shifted.grad.sum().item() == pytest.approx(1, rel=0.05)
    # where pixels lie does not matter, and masked ones do not count
    mixed = image.flatten(2)[..., torch.randperm(4096, generator=rng)].reshape(image.shape)
    assert histogram_loss(mixed, image, ones, (-4, 4), 32).item() < 1e-5
    mask = torch.ones(2, 1, 64, 64)
    mask[..., :32, :] = 0
    broken = image.clone()
    broken[..., :32, :] = 100
    assert histogram_loss(broken, image, mask, (-4, 4), 32).item() == 0


def test_semnets_loss_is_the_weighted_sum():
    method = load("semnet")(small("semnet"), X2)
    target = torch.from_numpy(field((16, 16)))[None] / 50
    batch = {"low": target + 0.1, "target": target, "mask": torch.ones(1, 1, 1, 1)}
    found = method.losses("network", {"network": nn.Identity()}, batch)
    assert found["l1"].item() == pytest.approx(0.1, rel=1e-4)
    assert found["histogram"].item() == pytest.approx(0.1 * 0.1, rel=0.2)
    wanted = 0.01 * variation(target, torch.ones_like(target)) / target.numel()
    assert found["tv"].item() == pytest.approx(wanted.item(), rel=1e-4)
    terms = sum(found[key].item() for key in ("l1", "histogram", "tv"))
    assert found["loss"].item() == pytest.approx(terms)


# ------------------------------------------------------------------------------------ tiles = whole


@pytest.mark.parametrize("name", ["sem_gan", "semnet"])
@pytest.mark.parametrize("shape", [(45, 61), (52, 47)])
def test_tiles_equal_the_whole_bit_for_bit(tmp_path, name, shape):
    side = 40 if name == "semnet" else 64
    skip = {"semnet": {"skip": "cubic"}, "sem_gan": {"skip": True}}[name]
    method, run = ready(name, predict={"tile": (1, side, side)}, **skip)
    low = lowered(field((shape[0] * 2, shape[1] * 2))).astype(np.float32)
    image = low
    if name == "sem_gan":  # its input comes by Lanczos
        box = [slice(0, 1), slice(0, 2 * shape[0]), slice(0, 2 * shape[1])]
        image = interpolate(low, (0, 0, 0), low.shape, (1, 2, 2), box, "lanczos")
    volume = open_volume(write(tmp_path / "low.ome.zarr", low, 2, 0.5))

    def tiled():
        restore(volume, tmp_path / "out.ome.zarr", method, run, name="low")
        return open_volume(tmp_path / "out.ome.zarr")

    whole, out = run(image), tiled()
    assert out.grid.shape == (1, 2 * shape[0], 2 * shape[1])
    np.testing.assert_array_equal(out.read(), whole)
    for axis in (1, 2):  # negative control
        right = method.halo
        short = list(right)
        short[axis] -= method.stride[axis]
        method.halo = tuple(short)
        assert not np.array_equal(tiled().read(), whole)
        method.halo = right


# ------------------------------------------------------------------------------------ own normalisation


def test_a_volumes_own_statistics_are_those_of_all_its_voxels(tmp_path):
    low = lowered(field((300, 50), 2))
    volume = Volume(np.concatenate([low] * 40), Grid((40, 150, 25), (1, 1, 1)))
    found = InputReader(volume, (1, 2, 2), "lanczos", "low").own_statistics()
    assert found["mean"] == pytest.approx(volume.data.mean(dtype=np.float64))
    assert found["std"] == pytest.approx(volume.data.std(dtype=np.float64))
    flat = Volume(np.full((1, 9, 9), 0.1, np.float32), Grid((1, 9, 9), (1, 1, 1)))
    with pytest.raises(AcuityError, match=r"flat: the volume is constant, every voxel is 0\.1"):
        InputReader(flat, (1, 1, 1), "nearest", "flat").own_statistics()


@pytest.mark.parametrize("name", ["sem_gan", "semnet"])
def test_brightness_contrast_and_bits_of_an_image_do_not_matter(tmp_path, pairs, name):
    train(name, small(name), pairs, **files(tmp_path / "model"))
    card = json.loads((tmp_path / "model/model.json").read_text())
    assert card["normalisation"]["own"] is True
    low = open_volume(pairs[0][0]).read()
    out = restored(tmp_path, name, pairs[0][0]).read()
    wide = write(tmp_path / "wide.ome.zarr", low.astype(np.uint16) * 150 + 7000, 2, 0.5)
    other = restored(tmp_path, name, wide, "other").read()
    np.testing.assert_allclose((other - 7000) / 150, out, atol=1e-3)
    # the type comes back where it is asked for, the same values rounded and clipped
    for path, dtype in ((pairs[0][0], np.uint8), (wide, np.uint16)):
        plain = restored(tmp_path, name, path, "plain")
        assert plain.dtype == np.float32
        typed = restored(tmp_path, name, path, "typed", keep_type=True)
        assert typed.dtype == dtype
        wanted = np.clip(np.rint(plain.read()), 0, np.iinfo(dtype).max)
        np.testing.assert_array_equal(typed.read(), wanted)
        assert typed.grid == plain.grid
    flat = write(tmp_path / "flat.ome.zarr", np.full((1, 24, 20), 9, np.uint8), 2, 0.5)
    with pytest.raises(AcuityError, match=r"flat.ome.zarr: the volume is constant"):
        restored(tmp_path, name, flat)


def test_values_beyond_the_type_are_clipped(tmp_path):
    low = np.zeros((1, 6, 6), np.uint8)
    low[:, :, 3:] = 255
    path = write(tmp_path / "low.ome.zarr", low, 2, 0.5)
    where = tmp_path / "out.ome.zarr"
    options = {"level": 2, "scale": (1, 2, 2), "keep_type": True}
    predict("lanczos", {}, path, where, **options)
    out = open_volume(where)
    assert out.dtype == np.uint8
    assert out.read().min() == 0
    assert out.read().max() == 255
    assert out.provenance[-1]["type"] == "uint8"
    real = write(tmp_path / "real.ome.zarr", low.astype(np.float32), 2, 0.5)
    predict("lanczos", {}, real, where, **options)
    assert open_volume(where).dtype == np.float32
    assert open_volume(where).read().max() > 255


def test_training_patches_are_normalised_by_their_own_low_image():
    made = []
    for n, gain in enumerate((1.0, 10.0)):
        target = gain * field(seed=n)
        made.append(TrainingPair(block_average(target, (1, 2, 2)), target))
    sampler = Sampler(made, patch=(1, 8, 8), scale=(1, 2, 2), spacing=1, symmetries="upright")
    batch = sampler.batch(TRAIN, 0, 8, {"own": True})
    owns = [statistics([pair.low]) for pair in made]
    for n in range(8):
        low, target, _ = sampler.patch_at(TRAIN, 0, n)
        own = owns[int(target.max() > 200)]
        for key, patch in (("low", low), ("target", target)):
            wanted = (patch - own["mean"]) / own["std"]
            np.testing.assert_allclose(batch[key][n], wanted, atol=1e-5)
        assert batch["std"][n] == pytest.approx(own["std"])
    assert len(np.unique(batch["std"])) == 2


# ------------------------------------------------------------------------------------ images, masks


def test_images_are_held_out_whole():
    assert held_images(3, 0.3).size == 0
    assert list(held_images(4, 0.05)) == [2]
    assert list(held_images(40, 0.05)) == [10, 30]
    assert held_images(40, 0).size == 0
    made = [
        TrainingPair(np.full((1, 12, 12 + n), n, "f4"), np.full((1, 12, 12 + n), n, "f4"))
        for n in range(8)
    ]
    sampler = Sampler(made, patch=(1, 8, 8), validation_fraction=0.25, spacing=1)
    seen = {
        kind: {int(sampler.patch_at(kind, step, 0)[0].max()) for step in range(100)}
        for kind in (TRAIN, VALIDATE)
    }
    assert sampler.validates
    assert seen == {VALIDATE: {2, 6}, TRAIN: {0, 1, 3, 4, 5, 7}}
    few = Sampler(made[:3], patch=(1, 8, 8), validation_fraction=0.25, spacing=1)
    assert not few.validates
    assert {int(few.patch_at(TRAIN, n, 0)[0].max()) for n in range(50)} == {0, 1, 2}


def test_patches_lie_in_the_mask_where_they_can():
    target = field((64, 64))
    mask = np.zeros(target.shape, np.uint8)
    mask[:, 20:50, 10:64] = 1
    whole = TrainingPair(target, target, mask=mask)
    dark = TrainingPair(
        target + 1000, target, mask=np.pad(np.ones((1, 4, 4), np.uint8), ((0, 0), (0, 60), (0, 60)))
    )
    options = {"patch": (1, 16, 16), "spacing": 1, "symmetries": "upright", "seed": 2}
    sampler = Sampler([whole, dark], **options)
    for step in range(60):
        low, _, part = sampler.patch_at(TRAIN, step, 0)
        assert low.max() < 1000  # nothing is drawn from an image with hardly a valid voxel
        assert part.shape == (1, 16, 16)
        assert part.all()
    places = np.zeros((1, 64, 64), np.uint8)
    places[:, ::3, ::2] = 1  # no patch lies in it: the mask goes along, turned as the image is
    sampler = Sampler([TrainingPair(target * places, target, mask=places)], **options)
    low, _, part = sampler.patch_at(TRAIN, 0, 0)
    assert 0 < part.mean() < 0.5
    np.testing.assert_array_equal(low != 0, part != 0)
    with pytest.raises(AcuityError, match=r"no voxel of its mask is valid"):
        Sampler([TrainingPair(target, target, name="a", mask=0 * mask)], **options)


@pytest.mark.parametrize("name", ["sem_gan", "semnet", "bicubic_gaussian"])
def test_what_a_mask_leaves_out_is_not_learned_from(tmp_path, pairs, name):
    weights = {}
    for kind, junk in (("a", 0.0), ("b", 200.0), ("c", 200.0)):
        folder = tmp_path / kind
        folder.mkdir()
        made, masks = [], []
        for n, (low, target) in enumerate(pairs):
            image = open_volume(target).read().copy()
            mask = np.ones(image.shape, np.uint8)
            mask[:, ::16, :] = 0  # reaches into every patch
            image[mask == 0] += junk
            made.append((low, write(folder / f"t{n}.ome.zarr", image)))
            masks.append(write(folder / f"m{n}.ome.zarr", mask if kind != "c" else mask * 0 + 1))
        options = files(folder, masks=masks)
        train(name, small(name), made, **options)
        weights[kind] = options["output"].read_bytes()
    assert weights["a"] == weights["b"]
    if name != "bicubic_gaussian":  # negative control; its blur may be the same
        assert weights["c"] != weights["b"]


def test_masks_that_do_not_belong_are_refused(tmp_path, pairs):
    options = files(tmp_path / "out")
    with pytest.raises(AcuityError, match="masks: found 1 for 4 pairs"):
        train("semnet", small("semnet"), pairs, masks=[pairs[0][1]], **options)
    masks = [pairs[1][0]] * 4
    with pytest.raises(AcuityError, match=r"low1\.ome\.zarr: found voxels of"):
        train("semnet", small("semnet"), pairs, masks=masks, **options)
    assert not list((tmp_path / "out").iterdir())


# ------------------------------------------------------------------------------------ training


class Stop(Exception):
    pass


def trainer(folder, name, **options):
    method = load(name)(small(name, **options), X2)
    factor = method.scale[1]
    made = []
    for n in range(4):
        target = field((40, 40), n)
        low = block_average(target, (1, 2, 2))
        made.append(
            TrainingPair(low if factor == 2 else np.kron(low, np.ones((1, 2, 2), "f4")), target)
        )
    sampler = Sampler(
        made,
        patch=method.settings.train.patch,
        scale=method.scale,
        symmetries="upright",
        spacing=1,
        validation_fraction=0.25,
        seed=1,
    )
    folder.mkdir(exist_ok=True)
    return Trainer(
        method, sampler, torch.device("cpu"), 1, Checkpoints(folder, "key"), folder / "history.tsv"
    )


def flat(networks):
    return {
        f"{name}/{key}": value.clone()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }


def test_a_gan_with_average_resumes_bit_for_bit(tmp_path, monkeypatch):
    options = {
        "train": {"steps": 9, "ema": 0.9, "checkpoint_seconds": 0.0, "learning_rate": 1e-3},
        "pretrain": 2,
        "every": 2,
    }
    undisturbed = trainer(tmp_path / "one", "sem_gan", **options)
    undisturbed.run()
    stopped = trainer(tmp_path / "two", "sem_gan", **options)
    original = stopped.method.losses

    def losses(phase, networks, batch):
        if stopped.state["step"] == 5:
            raise Stop
        return original(phase, networks, batch)

    monkeypatch.setattr(stopped.method, "losses", losses)
    with pytest.raises(Stop):
        stopped.run()
    resumed = trainer(tmp_path / "two", "sem_gan", **options)
    resumed.run()
    wanted, found = flat(undisturbed.saved), flat(resumed.saved)
    assert set(wanted) == set(found)
    assert any(key.startswith("average/") for key in found)
    for key, value in wanted.items():
        assert torch.equal(value, found[key]), key
    assert wanted["discriminator/terms"].all()
    # the average is what is kept, and not the network itself
    kept = resumed.best_network().state_dict()
    key = "down.0.0.weight"
    assert torch.equal(kept[key], found[f"average/{key}"])
    assert not torch.equal(kept[key], found[f"network/{key}"])


def test_the_average_follows_its_definition(tmp_path, monkeypatch):
    made = trainer(tmp_path, "semnet", train={"steps": 5, "ema": 0.6, "learning_rate": 1e-2})
    key = "last.weight"
    wanted = made.networks["network"].state_dict()[key].clone()
    shares = []

    def follow(average, network, decay, step):
        nonlocal wanted
        share = 1 - min(0.6, (step + 1) / (step + 10))
        shares.append(share)
        wanted = wanted + share * (made.networks["network"].state_dict()[key] - wanted)
        move_average(average, network, decay, step)

    monkeypatch.setattr("acuity.train.trainer.move_average", follow)
    made.run()
    torch.testing.assert_close(made.restorer.state_dict()[key], wanted)
    assert len(shares) == 5


def test_without_an_average_nothing_of_it_is_saved(tmp_path):
    made = trainer(tmp_path, "semnet")
    assert set(made.saved) == {"network"}
    assert made.restorer is made.networks["network"]


def test_the_history_lists_shares_that_sum_to_one(tmp_path, pairs):
    options = files(tmp_path / "model")
    train("sem_gan", small("sem_gan", train={"steps": 12, "keep": "last"}), pairs, **options)
    rows = [row for row in table(options["history"]) if row["split"] == "train"]
    for row in rows:
        shares = [float(row[key]) for key in ("adversarial", "l1", "tv")]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert shares == pytest.approx([0.84, 0.14, 0.02], abs=0.1)
    assert rows[0]["discriminator"]
    assert calibration(options["history"])["alpha"] > 0


@pytest.mark.parametrize("name", ["sem_gan", "semnet"])
def test_a_trained_network_beats_interpolation_on_an_unseen_image(tmp_path, name):
    made = [write_pair(tmp_path, seed, (96, 96)) for seed in range(5)]
    skip = {"sem_gan": {"skip": True, "pretrain": 90}, "semnet": {"skip": "cubic"}}[name]
    patch = (1, 32, 32) if name == "sem_gan" else (1, 16, 16)
    chosen = {"steps": 90, "learning_rate": 3e-3, "patch": patch, "batch": 4, "keep": "last"}
    train(name, small(name, train=chosen, **skip), made[:4], **files(tmp_path / "model"))
    truth = open_volume(made[4][1]).read()
    out = restored(tmp_path, name, made[4][0]).read()
    predict("lanczos", {}, made[4][0], tmp_path / "cubic.ome.zarr", level=2, scale=(1, 2, 2))
    errors = [
        ((i - truth) ** 2).mean() for i in (out, open_volume(tmp_path / "cubic.ome.zarr").read())
    ]
    assert errors[0] < 0.9 * errors[1]


# ------------------------------------------------------------------------------------ on the fly


@pytest.mark.parametrize("name", ["sem_gan", "semnet"])
def test_degraded_patches_are_blocks_of_their_targets(name):
    """Without steps each low patch is what the whole image's averages are at its place."""
    method = load(name)(small(name), X2)
    target = np.rint(field((60, 52)))
    low = np.rint(block_average(target, (1, 2, 2)))
    before = (1, 2 // method.scale[1], 2 // method.scale[2])
    box = [slice(0, 1), slice(0, 60), slice(0, 52)]
    whole = low
    if before[1] == 2:
        whole = interpolate(low, (0, 0, 0), low.shape, before, box, "lanczos")
    sampler = DegradingSampler(
        [TrainingPair(whole, target, full=255.0)],
        degradation={"probability": 0},
        before=before,
        kernel="lanczos",
        patch=method.settings.train.patch,
        scale=method.scale,
        spacing=1,
        symmetries="none",
        seed=5,
    )
    plain = Sampler(
        [TrainingPair(whole, target)],
        patch=method.settings.train.patch,
        scale=method.scale,
        spacing=1,
        symmetries="none",
        seed=5,
    )
    for step in range(20):
        made, wanted = sampler.patch_at(TRAIN, step, 0), plain.patch_at(TRAIN, step, 0)
        np.testing.assert_array_equal(made[1], wanted[1])
        np.testing.assert_allclose(made[0], wanted[0], atol=1e-4)


def test_degraded_patches_are_a_function_of_seed_step_and_index():
    target = field((60, 52))
    low = block_average(target, (1, 2, 2))

    def patch(seed, step, index, **strengths):
        sampler = DegradingSampler(
            [TrainingPair(low, target, full=255.0)],
            degradation=strengths,
            patch=(1, 16, 16),
            scale=(1, 2, 2),
            spacing=1,
            symmetries="upright",
            seed=seed,
        )
        return sampler.batch(TRAIN, step, index + 1, {"own": True})["low"][index]

    assert np.array_equal(patch(0, 3, 1), patch(0, 3, 1))
    for other in ((1, 3, 1), (0, 4, 1), (0, 3, 0)):
        assert not np.array_equal(patch(0, 3, 1), patch(*other))
    with pytest.raises(AcuityError, match="noise_sd is"):
        patch(0, 0, 0, noise_sd=(5, 1))


def test_own_statistics_of_a_degraded_patch_are_about_those_of_its_image():
    target = field((256, 256))
    low = block_average(target, (1, 2, 2))
    strengths = check_strengths(
        {
            "probability": {"gaussian": 1, "blur": 0, "rescale": 0, "poisson": 0},
            "noise_sd": (20, 20),
        }
    )
    sampler = DegradingSampler(
        [TrainingPair(low, target, full=255.0)],
        degradation=strengths,
        patch=(1, 32, 32),
        scale=(1, 2, 2),
        spacing=1,
    )
    noisy = low + np.random.default_rng(0).normal(0, 10, low.shape)  # 20 over blocks of 4
    found = [sampler._patch_at(TRAIN, step, 0)[1] for step in range(40)]
    assert np.mean([own["std"] for own in found]) == pytest.approx(noisy.std(), rel=0.05)
    assert found[0]["mean"] == pytest.approx(target.mean(dtype=float))


@pytest.mark.parametrize("name", ["sem_gan", "semnet", "bicubic_gaussian"])
def test_images_without_partners_are_learned_from(tmp_path, name):
    made = []
    for n in range(4):
        image = np.rint(field((64, 48), n)).astype(np.uint8)
        made.append((None, write(tmp_path / f"t{n}.ome.zarr", image)))
    options = files(tmp_path / "model", degradation={"noise_sd": (2, 10)})
    train(name, small(name), made, **options)
    card = json.loads(options["card"].read_text())
    assert card["degradation"]["noise_sd"] == [2.0, 10.0]
    assert card["degradation"]["photons"] == [100.0, 10000.0]
    assert set(card["data"][0]) == {"target"}
    low = write(tmp_path / "low.ome.zarr", lowered(field((64, 48), 9)), 2, 0.5)
    assert restored(tmp_path, name, low).read().shape == (1, 64, 48)
    again = files(tmp_path / "again", degradation={"noise_sd": (2, 10)})
    train(name, small(name), made, **again)
    assert again["output"].read_bytes() == options["output"].read_bytes()
    with pytest.raises(AcuityError, match=r"by \(1, f, f\); found the scale \(2, 2, 2\)"):
        train(name, small(name), made, **{**again, "scale": (2, 2, 2)})


# ------------------------------------------------------------------------------------ baseline


@pytest.mark.parametrize("scale", [(1, 2, 2), (1, 1, 1)])
def test_the_blur_of_the_baseline_is_found(tmp_path, scale):
    """Where the target is the blurred interpolation, its blur is the one of least error."""
    truth, made = 1.37, []
    for n in range(4):
        low = field((30, 26), n)
        box = [slice(0, s * f) for s, f in zip(low.shape, scale, strict=True)]
        fine = interpolate(low, (0, 0, 0), low.shape, scale, box, "cubic")
        target = gaussian(fine, (0, truth, truth))
        low_path = write(tmp_path / f"low{n}.ome.zarr", low, scale[1], (scale[1] - 1) / 2)
        made.append((low_path, write(tmp_path / f"target{n}.ome.zarr", target)))
    options = files(tmp_path / "model", scale=scale)
    train("bicubic_gaussian", {}, made, **options)
    card = json.loads(options["card"].read_text())
    assert card["scores"]["psnr"] > 50
    method = load("bicubic_gaussian")({}, Task(2, scale))
    from safetensors.numpy import load_file

    arrays = load_file(options["output"])
    assert set(arrays) == {"sigma"}
    assert arrays["sigma"][0] == pytest.approx(truth, abs=0.01)
    method.use(arrays)
    # in tiles as in the whole
    where = tmp_path / "out.ome.zarr"
    outs = []
    for tile in ((1, 1024, 1024), (1, 24, 24)):
        predict(
            "bicubic_gaussian",
            {"predict": {"tile": tile}},
            made[0][0],
            where,
            level=2,
            scale=scale,
            model=options["output"],
            card=options["card"],
        )
        outs.append(open_volume(where).read())
    np.testing.assert_array_equal(*outs)
    np.testing.assert_allclose(outs[0], open_volume(made[0][1]).read(), atol=0.5)


# ------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("sem_gan", {"shares": (0, 0.9, 0.1)}, "adversarial and the L1 loss must exceed 0"),
        ("sem_gan", {"train": {"patch": (1, 16, 16)}}, "at least 32 wide for 5 blocks"),
        ("sem_gan", {"train": {"patch": (3, 64, 64)}}, "patch must have one slice"),
        ("semnet", {"histogram_range": (1, 1)}, "histogram_range must rise"),
        ("semnet", {"train": {"ema": 1.0}}, "train.ema"),
        ("bicubic_gaussian", {"train": {"steps": 3}}, "train.steps"),
    ],
)
def test_settings_are_refused_in_one_sentence(name, settings, message):
    with pytest.raises(AcuityError, match=message):
        load(name)(settings, X2)


def test_images_that_refine_z_are_refused():
    with pytest.raises(
        AcuityError, match=r"semnet makes images finer; found the scale \(2, 2, 2\)"
    ):
        load("semnet")({}, Task(2, (2, 2, 2))).build()
