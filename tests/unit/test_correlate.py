import json
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acuity.errors import AcuityError
from acuity.register import correlate
from acuity.register.correlate import Correlator, Shift
from acuity.register.transforms import apply_translation, read_transforms, write_transforms
from acuity.seals import write_sealed

SIDE = 192


def texture(seed, *shifts, side=SIDE, smooth=2.0):
    """Slices of one random texture of unit variance, each displaced by a Fourier phase.

    They are cut from a larger field, so that a shift brings in something new at the borders.
    """
    n = side + 2 * 48
    k = 2 * np.pi * np.fft.fftfreq(n)
    ky, kx = k[:, None], k[None, :]
    random = np.random.Generator(np.random.Philox(seed))
    spectrum = np.fft.fft2(random.standard_normal((n, n)))
    spectrum *= np.exp(-0.5 * smooth**2 * (ky**2 + kx**2))
    spectrum[0, 0] = 0
    images = [np.fft.ifft2(spectrum * np.exp(-1j * (ky * y + kx * x))).real for y, x in shifts]
    return [image[48:-48, 48:-48] / images[0].std() for image in images]


def found(fixed, moving, most=None, **settings):
    correlator = Correlator(fixed.shape, **settings)
    return correlator.shift(correlator.spectrum(fixed), correlator.spectrum(moving), most=most)


def error(shift, truth):
    return float(np.abs(np.subtract((shift.dy, shift.dx), truth)).max())


# ---- where the shift is


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    dy=st.floats(-45, 45),
    dx=st.floats(-45, 45),
)
@example(seed=1, dy=0.0, dx=0.5)  # less than a pixel, where windows pull as well
def test_a_shift_comes_back_to_a_thousandth_of_a_pixel(seed, dy, dx):
    fixed, moving = texture(seed, (0, 0), (dy, dx))
    shift = found(fixed, moving)
    assert error(shift, (dy, dx)) < 2e-3
    assert shift.sign == 1
    assert shift.ncc == pytest.approx(1, abs=1e-3)


def test_it_is_the_displacement_of_the_moving_slice():
    fixed = np.zeros((64, 80), np.float32)
    fixed[30:33, 40:44] = 1
    moving = np.roll(fixed, (5, -7), axis=(0, 1))  # moving(y, x) = fixed(y - 5, x + 7)
    assert error(found(fixed, moving), (5, -7)) < 0.01
    assert error(found(moving, fixed), (-5, 7)) < 0.01


def test_the_same_slice_has_no_shift_and_full_correlation():
    (fixed,) = texture(3, (0, 0))
    shift = found(fixed, fixed)
    assert error(shift, (0, 0)) < 1e-6
    assert shift.ncc == pytest.approx(1, abs=1e-6)


def test_gain_and_offset_do_not_count():
    fixed, moving = texture(4, (0, 0), (2.3, -1.6))
    plain, other = found(fixed, moving), found(fixed, 1000 + 30 * moving)
    assert error(other, (plain.dy, plain.dx)) < 1e-3
    assert other.ncc == pytest.approx(plain.ncc, abs=1e-4)


def test_bytes_images_are_taken_and_left_alone():
    fixed, moving = (
        np.clip(120 + 40 * image, 0, 255).astype(np.uint8)
        for image in texture(5, (0, 0), (1.25, 3.5))
    )
    before = moving.copy()
    assert error(found(fixed, moving), (1.25, 3.5)) < 0.01
    np.testing.assert_array_equal(moving, before)


@pytest.mark.parametrize("shape", [(101, 163), (128, 66), (97, 97)])
def test_any_size(shape):
    fixed, moving = (image[: shape[0], : shape[1]] for image in texture(6, (0, 0), (-3.4, 2.2)))
    assert error(found(fixed, moving), (-3.4, 2.2)) < 2e-3


def test_a_large_shift_pulls_where_windows_stay_with_the_frame(monkeypatch):
    fixed, moving = texture(7, (0, 0), (30.5, -24.25))

    # Brightness of its own in one part, as in any real slice.
    def weight(dy, dx):
        y, x = np.mgrid[:SIDE, :SIDE]
        return 0.2 + 1 / (1 + np.exp((60 + dy - y) / 5)) / (1 + np.exp((x - 120 - dx) / 5))

    fixed, moving = fixed * weight(0, 0), moving * weight(30.5, -24.25)
    shift = found(fixed, moving)
    monkeypatch.setattr(correlate, "_RECENTRE", 2)
    fixed_windows = found(fixed, moving)
    assert error(shift, (30.5, -24.25)) < 1e-3
    assert error(fixed_windows, (30.5, -24.25)) > 0.01
    assert shift.ncc > 0.999


def test_most_limits_the_search():
    fixed, moving = texture(8, (0, 0), (20, 0))
    assert error(found(fixed, moving, most=25), (20, 0)) < 2e-3
    near = found(fixed, moving, most=10)
    assert abs(near.dy) <= 11
    assert near.ncc < 0.5


# ---- noise


def rms(level, seeds, side, **settings):
    errors = []
    for seed in seeds:
        random = np.random.Generator(np.random.Philox(10_000 + seed))
        truth = random.uniform(-4, 4, 2)
        fixed, moving = (
            image + level * random.standard_normal(image.shape)
            for image in texture(seed, (0, 0), truth, side=side)
        )
        shift = found(fixed, moving, **settings)
        errors.append((shift.dy - truth[0], shift.dx - truth[1]))
    return np.sqrt(np.mean(np.square(errors)))


@pytest.mark.parametrize(("level", "bound"), [(0.3, 0.015), (1.0, 0.05), (2.0, 0.12)])
def test_noise(level, bound):
    assert rms(level, range(6), 256) < bound


def test_the_band_pass_is_what_withstands_noise():
    band = rms(2.0, range(6), 128)
    assert rms(2.0, range(6), 128, low=0.0, high=12.0) > 1.3 * band


def test_correlation_falls_with_noise_and_unrelated_slices_hardly_correlate():
    random = np.random.Generator(np.random.Philox(9))
    fixed, moving = texture(9, (0, 0), (1.5, 0.5))
    (other,) = texture(10, (0, 0))
    levels = [
        found(fixed, moving + s * random.standard_normal(moving.shape)).ncc for s in (0, 1, 4)
    ]
    assert levels[0] > levels[1] > levels[2]
    assert found(fixed, other).ncc < 0.4 < levels[1]


# ---- inverted, blank, streaks


def test_inverted_contrast_has_the_same_shift_and_a_negative_sign():
    fixed, moving = texture(11, (0, 0), (6.3, -2.6))
    plain, inverted = found(fixed, moving), found(fixed, 5 - 2 * moving)
    assert inverted.sign == -1
    assert plain.sign == 1
    assert error(inverted, (6.3, -2.6)) < 2e-3
    assert inverted.ncc == pytest.approx(plain.ncc, abs=1e-3)


@pytest.mark.parametrize("value", [0, 0.1, 17, 255.0])
def test_a_blank_slice_has_no_shift(value):
    (fixed,) = texture(12, (0, 0))
    blank = np.full_like(fixed, value)
    for shift in (found(fixed, blank), found(blank, fixed), found(blank, blank)):
        assert np.isnan([shift.dy, shift.dx]).all()
        assert (shift.ncc, shift.sign) == (0, 0)


def test_a_blank_noisy_slice_hardly_correlates():
    (fixed,) = texture(13, (0, 0))
    noise = np.random.Generator(np.random.Philox(13)).standard_normal(fixed.shape)
    assert found(fixed, noise).ncc < 0.25


@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_curtaining_does_not_pull(strength):
    truth = (2.4, 3.3)
    random = np.random.Generator(np.random.Philox(14))
    streaks = strength * random.standard_normal((1, SIDE))
    fixed, moving = (image + streaks for image in texture(14, (0, 0), truth))
    assert error(found(fixed, moving), truth) < 0.02
    # The negative control: streaks that stay where they are pull the shift towards none.
    kept = found(fixed, moving, drop_streaks=0)
    assert error(kept, truth) > 0.2
    assert abs(kept.dx) < truth[1]


def test_streaks_pass_through_a_short_taper_along_y():
    truth = (2.4, 3.3)
    random = np.random.Generator(np.random.Philox(15))
    streaks = 3 * random.standard_normal((1, SIDE))
    fixed, moving = (image + streaks for image in texture(15, (0, 0), truth))
    short = error(found(fixed, moving, taper=0.125), truth)
    assert short > 5 * error(found(fixed, moving), truth)


# ---- the same bytes, and what is refused

BYTES = """
import numpy as np
from acuity.register.correlate import Correlator
random = np.random.Generator(np.random.Philox(1))
a, b = random.standard_normal((2, 512, 512))
c = Correlator((512, 512))
for s in (c.shift(c.spectrum(a), c.spectrum(np.roll(a, 9, 0) + b)), c.shift(*map(c.spectrum, (a, a + b)))):
    print(s.dy.hex(), s.dx.hex(), s.ncc.hex())
"""


def test_threads_give_the_same_bytes():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", BYTES],
            env=os.environ | {"OPENBLAS_NUM_THREADS": n, "OMP_NUM_THREADS": n},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().split()) == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (15, 100)}, "15 x 100 pixels; at least 16 x 16"),
        ({"low": 3, "high": 2}, "low = 3 to high = 2"),
        ({"low": -1}, "low = -1"),
        ({"taper": 0}, "taper is 0"),
        ({"taper": (0.1, 0.7)}, r"taper is \(0.1, 0.7\)"),
        ({"drop_streaks": -1}, "drop_streaks is -1"),
        ({"drop_streaks": 20}, "quarter of the 64 rows"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(AcuityError, match=message):
        Correlator(**({"shape": (64, 64)} | settings))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((64, 65)), "64 x 65 pixels where 64 x 64"),
        (np.full((64, 64), np.nan), "not finite"),
        (np.where(np.eye(64), np.inf, 0), "not finite"),
    ],
)
def test_slices_that_are_refused(image, message):
    with pytest.raises(AcuityError, match=message):
        Correlator((64, 64)).spectrum(image)


# ---- applying a translation


def spline_shift(image, dy, dx):
    return scipy.ndimage.shift(image.astype(np.float64), (-dy, -dx), order=3, mode="mirror")


@settings(max_examples=25, deadline=None)
@given(
    dy=st.integers(-30 * 64, 30 * 64).map(lambda n: n / 64),
    dx=st.integers(-30 * 64, 30 * 64).map(lambda n: n / 64),
)
def test_translation_equals_scipys_spline_where_the_slice_reaches(dy, dx):
    (image,) = texture(16, (0, 0), side=64)
    moved, valid = apply_translation(image, dy, dx, fill=-7)
    y, x = np.arange(64) + dy, np.arange(64) + dx
    inside = ((y >= 0) & (y <= 63))[:, None] & ((x >= 0) & (x <= 63))[None, :]
    np.testing.assert_array_equal(valid, inside)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved[valid], spline_shift(image, dy, dx)[valid], atol=1e-5)
    assert (moved[~valid] == -7).all()


def test_translation_undoes_a_displacement():
    fixed, moving = texture(17, (0, 0), (3.3, -5.7), smooth=3.0)
    shift = found(fixed, moving)
    moved, valid = apply_translation(moving, shift.dy, shift.dx)
    assert np.abs(moved - fixed)[4:-9, 9:-4].max() < 0.01
    assert valid.mean() == pytest.approx((1 - 4 / SIDE) * (1 - 6 / SIDE))
    assert np.abs(moving - fixed).max() > 1  # it was out of place


def test_whole_pixels_move_without_resampling():
    image = np.random.default_rng(0).integers(0, 65535, (20, 30)).astype(np.uint16)
    moved, valid = apply_translation(image, 4, -6)
    np.testing.assert_array_equal(moved[:16, 6:], image[4:, :24])
    np.testing.assert_array_equal(valid, np.pad(np.ones((16, 24), bool), ((0, 4), (6, 0))))
    again, all_valid = apply_translation(image, 0, 0)
    np.testing.assert_array_equal(again, image)
    assert all_valid.all()


def test_a_slice_moved_out_of_sight_is_all_fill():
    moved, valid = apply_translation(np.ones((8, 8)), 100.5, 0, fill=3)
    assert not valid.any()
    assert (moved == 3).all()


def test_translation_by_nan_is_refused():
    with pytest.raises(AcuityError, match="cannot be moved"):
        apply_translation(np.ones((8, 8)), float("nan"), 0)


# ---- transforms on disk

TRANSFORMS = {
    "unit": "nm",
    "voxel_size": (20.0, 8.0, 8.0),
    "mode": "jitter",
    "source": "0123456789abcdef",
    "dy": [0.0, 1.25, -1 / 3],
    "dx": np.array([0.5, -20.0, 1e-9]),
    "roi": "0:10,0:20",
}


def test_transforms_come_back(tmp_path):
    path = tmp_path / "new" / "transforms.json"
    write_transforms(path, TRANSFORMS)
    back = read_transforms(path)
    np.testing.assert_array_equal(back.pop("dy"), TRANSFORMS["dy"])
    np.testing.assert_array_equal(back.pop("dx"), TRANSFORMS["dx"])
    assert back == {
        "unit": "nm",
        "voxel_size": [20.0, 8.0, 8.0],
        "mode": "jitter",
        "source": "0123456789abcdef",
        "count": 3,
        "roi": "0:10,0:20",
    }
    first = path.read_bytes()
    write_transforms(path, read_transforms(path))
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dy": [0.0, np.nan, 1.0]}, "slice 1 is not finite"),
        ({"dx": [0.0]}, "3 dy and 1 dx"),
        ({"mode": None, "drop": "mode"}, "lack mode"),
    ],
)
def test_transforms_that_are_refused(tmp_path, change, message):
    transforms = TRANSFORMS | change
    if drop := transforms.pop("drop", None):
        del transforms[drop]
    with pytest.raises(AcuityError, match=message):
        write_transforms(tmp_path / "t.json", transforms)
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_transforms(tmp_path):
    path = tmp_path / "t.json"
    with pytest.raises(AcuityError, match="is not there"):
        read_transforms(path)
    write_transforms(path, TRANSFORMS)
    whole = json.loads(path.read_text())
    for content, message in [
        (whole | {"slices": whole["slices"][:2]}, "2 slices where count says 3"),
        (whole | {"slices": whole["slices"][::-1]}, "in order"),
        (whole | {"slices": [1, 2, 3]}, "no list of entries"),
        ({k: v for k, v in whole.items() if k != "slices"}, "no list of entries"),
        ({k: v for k, v in whole.items() if k != "unit"}, "lack unit"),
    ]:
        # with the seal of another content, with its own, and with none
        path.write_text(json.dumps(content))
        with pytest.raises(AcuityError, match="damaged or edited after it was written"):
            read_transforms(path)
        write_sealed(path, content)
        with pytest.raises(AcuityError, match=message):
            read_transforms(path)
        del content["seal"]
        path.write_text(json.dumps(content))
        with pytest.raises(AcuityError, match=message):
            read_transforms(path)


def test_a_shift_cannot_be_changed():
    with pytest.raises(AttributeError):
        Shift(0.0, 0.0, 1.0, 1).dy = 2
