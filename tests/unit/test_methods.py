"""Restoration methods: settings, the loader, and what each method promises."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import nn

from acuity.errors import AcuityError
from acuity.interpolation import interpolate, support, weights_of
from acuity.methods.base import (
    LearnedMethod,
    Method,
    Section,
    Task,
    check_settings,
    known,
    load,
)
from acuity.methods.networks.losses import masked_loss
from acuity.methods.networks.unet import UNet

METHODS = ["cubic", "deepnet", "linear", "nearest", "richardson_lucy", "srcnn3d"]


def upsample(low, factors, kernel, box=None):
    shape = [n * f for n, f in zip(low.shape, factors, strict=True)]
    box = box or [slice(0, n) for n in shape]
    spans = [
        support(kernel, f, s.start, s.stop, n)
        for f, s, n in zip(factors, box, low.shape, strict=True)
    ]
    part = low[tuple(slice(*span) for span in spans)]
    return interpolate(part, [a for a, _ in spans], low.shape, factors, box, kernel)


def block_average(image, factors):
    for axis, f in enumerate(factors):
        shape = list(image.shape)
        shape[axis : axis + 1] = [shape[axis] // f, f]
        image = image.reshape(shape).mean(axis + 1)
    return image


# ------------------------------------------------------------------------------------ the loader


def test_every_method_is_known_and_loads():
    assert set(METHODS) <= set(known())
    for name in METHODS:
        method = load(name)
        assert issubclass(method, Method)
        assert method.name() == name
        assert method.learned == issubclass(method, LearnedMethod)


def test_unknown_method_names_the_known_ones():
    with pytest.raises(AcuityError, match=r"'unet'.*cubic, deepnet"):
        load("unet")
    # neither a helper nor the interface is a method
    for name in ("base", "shared", "base.Method", ""):
        with pytest.raises(AcuityError, match="unknown method"):
            load(name)


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_is_described_with_its_unit(name):
    def check(model):
        for key, field in model.model_fields.items():
            assert field.description, key
            assert field.json_schema_extra["unit"], key
            if isinstance(field.default, Section):
                check(type(field.default))

    check(load(name).Settings)


@pytest.mark.parametrize("name", METHODS)
def test_settings_survive_the_way_through_json(name):
    method = load(name)
    settings = method.Settings()
    assert method.Settings(**settings.model_dump(mode="json")) == settings
    assert method.Settings(**settings.for_training()) == settings or not method.learned


def test_settings_refuse_unknown_keys_in_one_sentence():
    with pytest.raises(AcuityError, match=r"deepnet, key poolings.*allowed keys are .*pools"):
        check_settings(load("deepnet"), {"poolings": 3})
    with pytest.raises(AcuityError, match=r"srcnn3d, key train.step:"):
        check_settings(load("srcnn3d"), {"train": {"step": 3}})
    with pytest.raises(AcuityError, match="twice the overlap"):
        check_settings(load("deepnet"), {"predict": {"tiling": "blended", "tile": (5, 64, 64)}})


def test_one_key_of_a_section_leaves_the_methods_other_defaults():
    srcnn = load("srcnn3d").Settings
    assert srcnn(train={"steps": 7}).train.patch == srcnn().train.patch
    assert load("deepnet").Settings(train={"steps": 7}).train.patch[0] == 5


def test_prediction_settings_do_not_reach_training_nor_the_other_way():
    deepnet = load("deepnet").Settings
    plain, tiled = deepnet(), deepnet(predict={"tile": (5, 200, 200)})
    assert plain.for_training() == tiled.for_training()
    assert plain.for_prediction() != tiled.for_prediction()
    longer = deepnet(train={"steps": 7})
    assert plain.for_prediction() == longer.for_prediction()


def test_only_richardson_lucy_asks_for_non_local_means():
    assert [n for n in METHODS if load(n).Settings().nlm_before_threshold] == ["richardson_lucy"]


def test_task_refuses_broken_scales():
    with pytest.raises(AcuityError, match="whole factors"):
        Task(3.0, (2, 0, 1))
    assert Task(3, [1, 2, 2]).scale == (1, 2, 2)


# ------------------------------------------------------------------------------------ interpolation


@pytest.mark.parametrize("factors", [(1, 2, 2), (2, 3, 1), (4, 4, 4), (5, 2, 3)])
def test_linear_interpolation_has_the_phase_of_block_averages(factors):
    """A linear ramp, averaged over blocks and brought back, is the ramp (away from the ends)."""
    z, y, x = np.meshgrid(*(np.arange(8 * f) for f in factors), indexing="ij")
    ramp = 1.0 * z - 2.0 * y + 0.5 * x
    low = block_average(ramp, factors).astype(np.float32)
    inner = tuple(slice(2 * f, -2 * f) for f in factors)
    for kernel in ("linear", "cubic"):
        back = upsample(low, factors, kernel)
        np.testing.assert_allclose(back[inner], ramp[inner], atol=1e-4)
    # negative control: half a voxel beside it is not
    wrong = np.roll(upsample(low, factors, "linear"), 1, axis=1)
    assert np.abs(wrong[inner] - ramp[inner]).max() > 0.4


def test_cubic_interpolation_is_exact_for_parabolas():
    """Keys' kernel with a = -1/2 has third order."""
    f, n = 3, 12
    x = (np.arange(n * f) + 0.5) / f - 0.5
    low = (np.arange(n) ** 2).astype(np.float32)[None, None]
    back = upsample(low, (1, 1, f), "cubic")[0, 0]
    np.testing.assert_allclose(back[2 * f : -2 * f], (x**2)[2 * f : -2 * f], rtol=1e-5)
    assert np.abs(upsample(low, (1, 1, f), "linear")[0, 0] - x**2)[2 * f : -2 * f].max() > 0.1


def gathered(low, factors, box, kernel, offset):
    """Interpolation as it is defined: each voxel by its taps, one axis after another."""
    out = low
    for axis, (factor, span) in enumerate(zip(factors, box, strict=True)):
        if factor == 1:
            out = out[(slice(None),) * axis + (span,)]
            continue
        late = 0.0 if offset[axis] is None else offset[axis] - (factor - 1) / 2
        place = (np.arange(span.start, span.stop) + (0.5 - late)) / factor - 0.5
        floor = np.floor(place).astype(int)
        taps, weights = weights_of(kernel, place - floor)
        shape = [1, 1, 1]
        shape[axis] = -1
        parts = [
            np.take(out, np.clip(floor + tap, 0, low.shape[axis] - 1), axis) * weight.reshape(shape)
            for tap, weight in zip(taps, weights.T, strict=True)
        ]
        out = functools.reduce(np.add, parts)
    return out


@pytest.mark.parametrize("kernel", ["nearest", "linear", "cubic", "cubic_opencv", "lanczos"])
@pytest.mark.parametrize(
    "offset",
    # the last rounds to a whole number or to one less, as far as it is from the first voxel
    [(None, None, None), (0.0, 2.0, None), (0.3, 0.7, 1.0), (0.0, 1.0000000000000002, 0.0)],
)
def test_interpolation_by_slices_gives_the_bits_of_its_definition(kernel, offset, monkeypatch):
    low = np.random.default_rng(4).normal(size=(7, 9, 8)).astype(np.float32)
    factors = (2, 3, 4)
    boxes = [
        tuple(slice(0, n * f) for n, f in zip(low.shape, factors, strict=True)),
        (slice(3, 9), slice(5, 22), slice(11, 30)),
        (slice(13, 14), slice(26, 27), slice(0, 1)),
    ]
    for block in (1, 50, 2**18):
        monkeypatch.setattr("acuity.interpolation.BLOCK", block)
        for box in boxes:
            ends = zip(factors, box, low.shape, offset, strict=True)
            spans = [support(kernel, f, b.start, b.stop, n, p) for f, b, n, p in ends]
            part = low[tuple(slice(*span) for span in spans)]
            first = [span[0] for span in spans]
            made = interpolate(part, first, low.shape, factors, box, kernel, offset)
            assert made.tobytes() == gathered(low, factors, box, kernel, offset).tobytes()


def test_nearest_interpolation_repeats_voxels():
    low = np.random.default_rng(1).random((3, 4, 5), np.float32)
    for factors in [(2, 2, 2), (3, 1, 5), (1, 4, 1)]:
        expected = low
        for axis, f in enumerate(factors):
            expected = expected.repeat(f, axis)
        np.testing.assert_array_equal(upsample(low, factors, "nearest"), expected)


def test_linear_interpolation_equals_scipy():
    low = np.random.default_rng(2).random((6, 7, 8), np.float32)
    factors = (2, 3, 4)
    places = np.meshgrid(
        *((np.arange(n * f) + 0.5) / f - 0.5 for n, f in zip(low.shape, factors, strict=True)),
        indexing="ij",
    )
    expected = ndimage.map_coordinates(low, places, order=1, mode="nearest")
    np.testing.assert_allclose(upsample(low, factors, "linear"), expected, atol=1e-5)


@given(
    st.tuples(*[st.integers(1, 4)] * 3),
    st.sampled_from(["nearest", "linear", "cubic"]),
    st.data(),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_a_region_equals_its_part_of_the_whole(factors, kernel, data):
    low = np.random.default_rng(3).random((4, 5, 6), np.float32)
    whole = upsample(low, factors, kernel)
    box = []
    for n in whole.shape:
        start = data.draw(st.integers(0, n - 1))
        box.append(slice(start, data.draw(st.integers(start + 1, n))))
    part = upsample(low, factors, kernel, box)
    np.testing.assert_array_equal(part, whole[tuple(box)])


# ------------------------------------------------------------------------------------ Richardson-Lucy


def balls(n=48, seed=0):
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[:n, :n, :n]
    volume = np.ones((n, n, n), np.float32)
    for _ in range(12):
        c, r = rng.uniform(6, n - 6, 3), rng.uniform(4, 7)
        volume[(z - c[0]) ** 2 + (y - c[1]) ** 2 + (x - c[2]) ** 2 < r * r] = 0
    return volume


def test_richardson_lucy_sharpens_and_keeps_the_sum():
    truth = balls()
    blurred = ndimage.gaussian_filter(truth, 2.0)
    restored = load("richardson_lucy")({}, Task(2.0)).restore(blurred)
    assert restored.dtype == np.float32
    assert restored.min() >= 0
    before, after = ((a - truth) ** 2 for a in (blurred, restored))
    assert after.mean() < 0.6 * before.mean()
    assert restored.sum() == pytest.approx(blurred.sum(), rel=1e-3)
    # negative control: the wrong kernel does worse
    wrong = load("richardson_lucy")({"sigma": 4.0}, Task(2.0)).restore(blurred)
    assert ((wrong - truth) ** 2).mean() > after.mean()


def test_richardson_lucy_equals_a_plain_reference():
    observed = ndimage.gaussian_filter(balls(24), 1.5).astype(np.float64)
    estimate = observed.copy()
    for _ in range(5):
        ratio = observed / ndimage.gaussian_filter(estimate, 1.5)
        estimate = estimate * ndimage.gaussian_filter(ratio, 1.5)
    method = load("richardson_lucy")({"iterations": 5}, Task(1.5))
    np.testing.assert_allclose(method.restore(observed.astype(np.float32)), estimate, rtol=2e-3)


def test_richardson_lucy_survives_negative_and_zero_voxels():
    noise = np.random.default_rng(4).normal(0, 1, (12, 12, 12)).astype(np.float32)
    method = load("richardson_lucy")({}, Task(3.0))
    assert np.isfinite(method.restore(noise)).all()
    assert np.isfinite(method.restore(np.zeros((8, 8, 8), np.float32))).all()


# ------------------------------------------------------------------------------------ networks


def test_srcnn_has_three_convolutions_with_batch_norm():
    network = load("srcnn3d")().build()["network"]
    assert sum(isinstance(m, nn.Conv3d) for m in network) == 3
    assert sum(isinstance(m, nn.BatchNorm3d) for m in network) == 2
    assert network(torch.zeros(2, 1, 9, 10, 11)).shape == (2, 1, 9, 10, 11)


@pytest.mark.parametrize("size", [(5, 32, 32), (5, 37, 41), (5, 8, 9)])
def test_deepnet_keeps_the_size_of_any_image(size):
    network = load("deepnet")({"features": 4, "pools": 3}).build()["network"].eval()
    assert network(torch.zeros(1, *size)).shape == (1, *size)


def test_deepnet_ends_in_convolutions_after_the_unet():
    network = load("deepnet")({"features": 4, "extra": 3}).build()["network"]
    assert sum(isinstance(m, torch.nn.Conv2d) for m in network.extra) == 3
    assert network.last.out_channels == 5
    assert len(network.grow) == 4


def test_unet_skip_adds_its_input():
    torch.manual_seed(0)
    sizes = {"features": 4, "pools": 2, "widest": 256, "convolutions": 2, "extra": 1}
    network = UNet(5, **sizes, norm="none", skip=True)
    torch.nn.init.zeros_(network.last.weight)
    image = torch.randn(1, 5, 16, 16)
    assert torch.equal(network(image), image)


def test_loss_counts_the_field_of_view_alone():
    target = torch.zeros(2, 5, 8, 8)
    restored = torch.zeros_like(target)
    restored[..., 4:] = 100.0
    restored[..., :4] = 2.0
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :4] = 1
    assert masked_loss(restored, target, mask, "mse").item() == 4.0
    assert masked_loss(restored, target, mask, "l1").item() == 2.0
    assert masked_loss(restored, target, torch.ones_like(mask), "l1").item() == 51.0


def test_importing_a_method_does_not_import_torch():
    import subprocess
    import sys

    code = (
        "import sys; from acuity.methods.base import known, load; [load(n) for n in known()];"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
