"""Random degradation of images: phase, strengths, order, types, and what it refuses."""

import numpy as np
import pytest

from acuity.degrade.images import (
    STEPS,
    apply,
    check_strengths,
    degrade_image,
    degrade_images,
    draw,
    image_rng,
    resize,
)
from acuity.errors import AcuityError
from acuity.volume import Grid, Volume, open_volume

OFF = {"probability": 0}


def images(shape=(3, 40, 33), dtype=np.uint8, seed=0):
    top = np.iinfo(dtype).max
    values = np.random.default_rng(seed).integers(top // 5, top // 2, shape)
    return Volume(values.astype(dtype), Grid(shape, (1, 7.1, 7.1), (0, 3, -2), "nm"), "electrons")


def degraded(folder, volume, name="low", **options):
    degrade_images(volume, folder / f"{name}.ome.zarr", **{"seed": 1, **options})
    return open_volume(folder / f"{name}.ome.zarr")


def alone(step, **strengths):
    """Strengths of one step that is always taken."""
    chances = dict.fromkeys(STEPS, 0.0)
    return check_strengths({"probability": {**chances, step: 1.0}, **strengths})


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_without_steps_pixels_are_the_averages_of_their_blocks(tmp_path, factor):
    volume = images()
    low = degraded(tmp_path, volume, factor=factor, **OFF)
    rows, columns = 40 // factor, 33 // factor
    whole = volume.data[:, : rows * factor, : columns * factor].astype(np.float64)
    blocks = whole.reshape(3, rows, factor, columns, factor).mean((2, 4))
    np.testing.assert_array_equal(low.read(), np.rint(blocks))
    assert low.grid == volume.grid.downsample((1, factor, factor))
    assert low.dtype == np.uint8
    assert low.intensity == "electrons"


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("reduction", ["average", "bicubic"])
def test_a_pixel_lies_in_the_middle_of_its_block(factor, reduction):
    y, x = np.mgrid[0:48, 0:60].astype(np.float32)
    ramp = 3 * y + 0.5 * x
    made = check_strengths({**OFF, "reduction": reduction})
    low, steps = degrade_image(
        ramp, image_rng(0, 0), factor=factor, full=255.0, round_to_whole=False, **made
    )
    assert steps == [{"step": "reduce", "reduction": reduction}]
    rows, columns = np.mgrid[0 : low.shape[0], 0 : low.shape[1]]
    middle = (factor - 1) / 2
    wanted = 3 * (rows * factor + middle) + 0.5 * (columns * factor + middle)
    inner = (slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(low[inner], wanted[inner], rtol=1e-5)
    # half a pixel beside it is not it
    assert np.abs(low[inner] - (wanted + 3 * 0.5)[inner]).min() > 1


@pytest.mark.parametrize("kernel", ["linear", "cubic", "lanczos"])
@pytest.mark.parametrize("shape", [(24, 30), (61, 47)])
def test_a_resized_image_stays_in_its_place(kernel, shape):
    """There and back, a ramp is where it was: the centres lie on each other."""
    y, x = np.mgrid[0:40, 0:36].astype(np.float32)
    ramp = 2 * y - x
    back = resize(resize(ramp, shape, kernel), ramp.shape, kernel)
    inner = (slice(8, -8), slice(8, -8))
    # the taps of Lanczos, divided by their sum, keep a constant but bend a ramp by a hundredth
    np.testing.assert_allclose(back[inner], ramp[inner], atol=0.1 if kernel == "lanczos" else 1e-3)
    assert abs(float((back - ramp).mean())) < 0.02


def test_blur_has_the_strength_that_was_drawn():
    impulse = np.zeros((61, 61), np.float32)
    impulse[30, 30] = 1e4
    made = alone("blur", blur=(1.7, 1.7))
    low, _ = degrade_image(
        impulse, image_rng(0, 0), factor=1, full=255.0, round_to_whole=False, **made
    )
    y = np.arange(61) - 30
    spread = (low.sum(1) * y**2).sum() / low.sum()
    assert spread == pytest.approx(1.7**2, rel=0.01)


@pytest.mark.parametrize("full", [255.0, 65535.0])
def test_noise_is_in_units_of_eight_bits(full):
    grey = np.full((256, 256), 0.4 * full, np.float32)

    def spread(step, **strengths):
        low, _ = degrade_image(
            grey,
            image_rng(2, 0),
            factor=1,
            full=full,
            round_to_whole=False,
            **alone(step, **strengths),
        )
        assert low.mean() == pytest.approx(0.4 * full, rel=0.01)
        return low.std() / full

    assert spread("gaussian", noise_sd=(10, 10)) == pytest.approx(10 / 255, rel=0.02)
    # lambda counts for the full intensity: 0.4 of it have a variance of 0.4 lambda counts
    assert spread("poisson", photons=(500, 500)) == pytest.approx((0.4 / 500) ** 0.5, rel=0.02)


def test_strengths_order_and_steps_are_drawn_anew_for_each_image():
    made = check_strengths({})
    drawn = [draw(image_rng(5, n), made) for n in range(400)]
    assert all(steps[-1]["step"] == "reduce" for steps in drawn)
    orders = [tuple(step["step"] for step in steps) for steps in drawn]
    assert ("blur", "gaussian", "reduce") in orders
    assert ("gaussian", "blur", "reduce") in orders
    for name in STEPS:
        share = np.mean([name in order for order in orders])
        assert share == pytest.approx(made["probability"][name], abs=0.07)
    sds = [s["sd"] for steps in drawn for s in steps if s["step"] == "gaussian"]
    assert min(sds) >= 2
    assert max(sds) <= 25
    assert np.mean(sds) == pytest.approx(13.5, abs=1.5)
    counts = [s["photons"] for steps in drawn for s in steps if s["step"] == "poisson"]
    assert np.median(counts) == pytest.approx(1000, rel=0.4)  # uniform in the logarithm
    anywhere = check_strengths({"reduce_last": False})
    places = {
        [step["step"] for step in draw(image_rng(5, n), anywhere)].index("reduce")
        for n in range(50)
    }
    assert len(places) > 2
    kinds = {
        draw(image_rng(5, n), check_strengths({"reduction": "random"}))[-1]["reduction"]
        for n in range(20)
    }
    assert kinds == {"average", "bicubic"}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_slice_depends_on_its_number_and_the_seed_alone(tmp_path, dtype):
    volume = images(dtype=dtype)
    low = degraded(tmp_path, volume, seed=4)
    assert low.dtype == dtype
    again = degraded(tmp_path, volume, "again", seed=4)
    assert again.digest == low.digest
    other = degraded(tmp_path, volume, "other", seed=5)
    assert not np.array_equal(other.read(), low.read())
    same = Volume(np.repeat(volume.data[:1], 3, axis=0), volume.grid)
    three = degraded(tmp_path, same, "three", seed=4).read()
    np.testing.assert_array_equal(three[0], low.read()[0])
    assert not np.array_equal(three[0], three[1])


def test_what_was_drawn_is_recorded_and_gives_the_image_again(tmp_path):
    volume = images()
    low = degraded(tmp_path, volume, seed=9)
    step = low.provenance[-1]
    assert step["step"] == "degrade_images"
    assert step["noise_sd"] == [2.0, 25.0]
    assert step["photons"] == [100.0, 10000.0]
    for z, steps in enumerate(step["drawn"]):
        rng = image_rng(9, z)
        assert draw(rng, check_strengths({})) == steps
        image = apply(volume.data[z].astype(np.float32), steps, rng, factor=2, full=255.0)
        np.testing.assert_array_equal(np.clip(np.rint(image), 0, 255), low.read()[z])


def test_eight_and_sixteen_bits_are_degraded_alike(tmp_path):
    eight = images((1, 60, 60))
    sixteen = Volume(eight.data.astype(np.uint16) * 257, eight.grid)
    chances = {"probability": {"gaussian": 1, "blur": 1, "rescale": 1, "poisson": 0}}
    a = degraded(tmp_path, eight, "a", **chances).read().astype(float)
    b = degraded(tmp_path, sixteen, "b", **chances).read() / 257
    inside = (a > 0) & (a < 255)
    assert np.abs(a - b)[inside].max() < 0.51


def test_other_types_need_the_intensity_that_counts_as_255(tmp_path):
    volume = images()
    real = Volume(volume.data.astype(np.float32) / 255, volume.grid)
    with pytest.raises(AcuityError, match=r"found voxels of float32.*\(full\)"):
        degraded(tmp_path, real)
    assert not (tmp_path / "low.ome.zarr").exists()
    low = degraded(tmp_path, real, full=1.0, probability=0)
    assert low.dtype == np.float32
    assert 0.2 < low.read().mean() < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": (2, 25)}, "unknown key noise; allowed are .*noise_sd"),
        ({"noise_sd": (25, 2)}, r"noise_sd is \(25, 2\); allowed are two numbers from 0 up"),
        ({"photons": (0, 100)}, "photons is"),
        ({"blur": (1, float("nan"))}, "blur is"),
        ({"rescale": 0.5}, "rescale is"),
        ({"probability": 1.5}, "probability is 1.5; allowed"),
        ({"probability": {"sharpen": 1}}, "probability is .*allowed .*blur, rescale"),
        ({"reduction": "max"}, "reduction is 'max'; allowed are average, bicubic, random"),
        ({"factor": 0}, "factor is 0"),
        ({"factor": 34}, r"smaller side of the images \(33\)"),
        ({"factor": 1.5}, "factor is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"full": 0.0}, "full is 0.0"),
    ],
)
def test_mistakes_are_refused_and_nothing_is_written(tmp_path, options, message):
    with pytest.raises(AcuityError, match=message):
        degraded(tmp_path, images(), **options)
    assert not list(tmp_path.iterdir())
