"""The correlator against sums written out, on tiny slices of odd, even and unequal sides."""

import itertools
import json

import numpy as np
import pytest
import scipy.ndimage

from acuity.errors import AcuityError
from acuity.register.correlate import Correlator, Shift, _Overlap, _step, _window
from acuity.register.transforms import (
    apply_translation,
    reach,
    read_transforms,
    to_type,
    write_transforms,
)
from acuity.seals import write_sealed

# Sides, those of the transform, and settings.
CASES = {
    "even": (
        (17, 23),
        (18, 24),
        {"low": 1.0, "high": 4.0, "taper": (0.5, 0.2), "drop_streaks": 1.5},
    ),
    "odd": ((25, 19), (25, 20), {"low": 0.0, "high": 3.0, "taper": 0.3, "drop_streaks": 0}),
    "both": ((16, 27), (16, 27), {}),
}
DEFAULT = {"low": 2.0, "high": 12.0, "taper": (0.5, 0.125), "drop_streaks": 2.5}
each = pytest.mark.parametrize("case", CASES)


def noise(seed, *shape, smooth=1.0):
    random = np.random.Generator(np.random.Philox(seed))
    image = scipy.ndimage.gaussian_filter(
        random.standard_normal(shape), (0,) * (len(shape) - 2) + (smooth,) * 2
    )
    return image / image.std()


def window(n, taper, shift=0.0):
    found = []
    for i in range(n):
        place = i + 0.5 + shift
        depth = min(max(min(place, n - place) / (taper * n), 0), 1)
        found.append(np.sin(np.pi / 2 * depth) ** 2)
    return np.array(found)


class Reference:
    """The same sums over the whole spectrum, in double precision."""

    def __init__(self, case):
        self.shape, self.size, given = CASES[case]
        settings = DEFAULT | given
        self.tapers = np.broadcast_to(settings["taper"], 2)
        self.windows = [window(n, t) for n, t in zip(self.shape, self.tapers, strict=True)]
        self.fy, self.fx = (np.fft.fftfreq(n) for n in self.size)
        square = (2 * np.pi) ** 2 * (self.fy[:, None] ** 2 + self.fx**2)
        band = np.exp(-(settings["low"] ** 2) * square / 2) - np.exp(
            -(settings["high"] ** 2) * square / 2
        )
        band[np.abs(self.fy) * self.shape[0] < settings["drop_streaks"]] = 0
        self.band = band

    def spectrum(self, image, *windows):
        windows = windows or self.windows
        flat = (image - image.mean()) * windows[0][:, None] * windows[1]
        return np.fft.fft2(flat, self.size)

    def product(self, one, other):
        return np.conj(one) * other * self.band**2

    def energy(self, spectrum):
        passed = np.fft.ifft2(spectrum * self.band).real
        return (passed**2).sum()

    def correlation(self, product, dy, dx):
        """At any shift; of the highest frequency of an even side the half that is kept counts."""
        half = product[:, : self.size[1] // 2 + 1]
        kx = 2 * np.pi * np.arange(half.shape[1]) / self.size[1]
        twice = np.where((np.arange(half.shape[1]) * 2) % self.size[1] == 0, 1, 2)
        wave = np.exp(2j * np.pi * self.fy * dy)[:, None] * np.exp(1j * kx * dx) * twice
        return (half * wave).sum().real / np.prod(self.size)

    def overlap(self, windows, dy, dx, start=(0, 0)):
        value = 1
        for w, n, s, o in zip(windows, self.size, (dy, dx), start, strict=True):
            power = np.abs(np.fft.fft(w, n)) ** 2
            value *= (power * np.cos(2 * np.pi * np.fft.fftfreq(n) * (s - o))).sum() / power.sum()
        return value


def close(found, expected, tolerance=2e-6):
    np.testing.assert_allclose(
        found, expected, atol=tolerance * np.abs(expected).max(), rtol=tolerance
    )


# ---- window, overlap, step


@pytest.mark.parametrize(
    ("n", "taper", "shift"), [(17, 0.5, 0), (20, 0.2, 3.3), (23, 0.4, -5.8), (16, 0.3, 30)]
)
def test_the_window(n, taper, shift):
    np.testing.assert_allclose(_window(n, taper, shift), window(n, taper, shift), atol=1e-14)
    np.testing.assert_array_equal(_window(n, taper), _window(n, taper, 0.0))


def test_the_overlap_of_a_window_with_itself():
    w, n = window(16, 0.5), 33
    overlap = _Overlap(w, n, 1.25)
    sums = np.array([(w[: 16 - abs(s)] * w[abs(s) :]).sum() for s in range(-15, 16)])
    np.testing.assert_allclose(
        [overlap.expand(s + 1.25)[0] for s in range(-15, 16)], sums / sums[15], atol=1e-12
    )
    squares = np.array([(w[: 16 - s] ** 2 * w[s:] ** 2).sum() if s < 16 else 0 for s in range(17)])
    noise = np.sqrt(np.maximum(squares / squares[0], 1e-3))
    assert noise[12] < 0.05
    assert noise[-1] == np.sqrt(1e-3)
    np.testing.assert_allclose(overlap.noise, [*noise, *noise[:0:-1]], rtol=1e-5)
    step = 1e-4
    for shift in (-6.3, 0.4, 5.0):
        value, slope, bend = overlap.expand(shift)
        before, after = (overlap.expand(shift + s)[0] for s in (-step, step))
        assert slope == pytest.approx((after - before) / (2 * step), rel=1e-5)
        assert bend == pytest.approx((after - 2 * value + before) / step**2, rel=1e-5)
    assert _Overlap(w, n).expand(0.0)[:2] == pytest.approx((1, 0), abs=1e-12)


def test_a_step_towards_a_maximum():
    def step(gradient, *hessian):
        return _step(np.array(gradient), np.array(hessian)).tolist()

    assert step((1.0, 2.0), (-2.0, 0.5), (0.5, -1.0)) == pytest.approx([8 / 7, 18 / 7])
    assert step((0.3, -0.4), (-1.0, 0.0), (0.0, -1.0)) == pytest.approx([0.3, -0.4])
    assert step((0.3, -0.4), (-0.1, 0.0), (0.0, -0.2)) == pytest.approx([3, -2])
    assert step((1e-3, 1e-3), (-1.0, 0.0), (0.0, -1e-5)) == pytest.approx([1e-3, 100])
    # no maximum near: a minimum, a saddle, a ridge
    for hessian in (
        ((0.1, 0.0), (0.0, 0.1)),
        ((-1.0, 0.0), (0.0, 0.2)),
        ((-1.0, 0.0), (0.0, -1e-7)),
    ):
        assert step((0.3, -0.6), *hessian) == [0.25, -0.5]
        assert step((40.0, 5.0), *hessian) == [0.5, 0.0625]
        assert step((0.0, 0.0), *hessian) == [0, 0]
    assert step((0.0, 0.4), (0.0, 0.0), (0.0, 0.0)) == [0, 0.5]


# ---- spectra


@each
def test_spectra_and_energies(case):
    reference, correlator = Reference(case), Correlator(CASES[case][0], **CASES[case][2])
    image = 40 + 3 * noise(1, *reference.shape)
    expected = reference.spectrum(image)
    found = correlator.spectrum(image)
    assert found.dtype == np.complex64
    half = reference.size[1] // 2 + 1
    close(found, expected[:, :half])
    assert correlator._energy(found) == pytest.approx(reference.energy(expected), rel=1e-5)
    other = correlator.spectrum(noise(2, *reference.shape))
    close(
        correlator._product(found, other),
        (np.conj(found) * other * reference.band[:, :half] ** 2),
    )
    assert correlator.shape == reference.shape
    assert Correlator((49, 22))._size == (50, 24)  # quick ones for real numbers


def test_just_as_few_periods_as_are_dropped_are_kept():
    kept = Correlator((16, 20), drop_streaks=2.0)._pass.any(axis=1)
    assert np.flatnonzero(~kept).tolist() == [0, 1, 15]


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((16, 16), {}, None),
        ((15, 16), {}, "a slice is 15 x 16 pixels; at least 16 x 16 are needed"),
        ((16, 15), {}, "a slice is 16 x 15 pixels; at least 16 x 16 are needed"),
        ((16, 16), {"low": 0, "high": 0.1}, None),
        ((16, 16), {"low": 2, "high": 2}, "the band pass is from low = 2 to high = 2 pixels; allowed is 0 <= low < high"),
        ((16, 16), {"low": 3, "high": 2}, "the band pass is from low = 3 to high = 2 pixels; allowed is 0 <= low < high"),
        ((16, 16), {"low": -0.1}, "the band pass is from low = -0.1 to high = 12.0 pixels; allowed is 0 <= low < high"),
        ((16, 16), {"taper": (0.5, 0.01)}, None),
        ((16, 16), {"taper": 0.51}, "taper is 0.51; allowed is more than 0 up to 0.5 of a side"),
        ((16, 16), {"taper": (0.0, 0.5)}, "taper is (0.0, 0.5); allowed is more than 0 up to 0.5 of a side"),
        ((16, 20), {"drop_streaks": 3.99}, None),
        ((16, 20), {"drop_streaks": 0}, None),
        ((19, 20), {"drop_streaks": 4.7}, None),
        ((16, 20), {"drop_streaks": 4}, "drop_streaks is 4; allowed is 0 up to a quarter of the 16 rows"),
        ((16, 20), {"drop_streaks": -0.01}, "drop_streaks is -0.01; allowed is 0 up to a quarter of the 16 rows"),
    ],
)  # fmt: skip
def test_bounds_of_settings(shape, settings, message):
    if message is None:
        assert Correlator(shape, **settings).shape == shape
        return
    with pytest.raises(AcuityError) as error:
        Correlator(shape, **settings)
    assert str(error.value) == f"register: {message}"


def test_a_slice_of_another_size_is_refused():
    with pytest.raises(AcuityError) as error:
        Correlator((17, 23)).spectrum(np.zeros((3, 17, 23)))
    assert str(error.value) == "register: a slice is 3 x 17 x 23 pixels where 17 x 23 are expected"


# ---- the search by whole pixels


def peaks(correlator, size, *places):
    """Spectrum of a correlation that is what is given at whole shifts and 0 elsewhere."""
    correlation = np.zeros(size)
    for (dy, dx), height in places:
        correlation[dy, dx] = height
    return np.fft.rfft2(correlation).astype(np.complex64)


def test_the_search_ends_at_half_of_each_side_or_at_the_largest_shift():
    correlator, size = Correlator((17, 23)), (18, 24)
    for most, y, x in (
        (None, 8, 11),
        (99, 8, 11),
        (10, 8, 10),
        (2.3, 3, 3),
        (3, 3, 3),
        (0.2, 1, 1),
        (0, 1, 1),
    ):
        for sy, sx in itertools.product((-1, 1), (-1, 1)):
            for place in ((sy * y, sx * x), (0, sx * x), (sy * y, 0)):
                product = peaks(correlator, size, (place, 3.0), ((0, 0), 0.01))
                start, sign = correlator._search(product, most)
                assert (*start, sign) == (*place, 1)
        for place in ((y + 1, 0), (-y - 1, 0), (0, x + 1), (0, -x - 1)):
            product = peaks(correlator, size, (place, 3.0), ((0, 0), 0.01))
            start, _ = correlator._search(product, most)
            assert np.abs(start)[0] <= y
            assert np.abs(start)[1] <= x


def test_peaks_are_weighed_by_the_noise_at_their_overlap():
    correlator, size = Correlator((17, 23), taper=(0.5, 0.3)), (18, 24)
    rows, columns = (
        np.sqrt(np.fft.ifft(np.abs(np.fft.fft(window(n, t) ** 2, s)) ** 2).real)
        for n, t, s in ((17, 0.5, 18), (23, 0.3, 24))
    )
    for dy, dx in ((5, -7), (-6, 2), (1, 9)):
        level = rows[dy] / rows[0] * columns[dx] / columns[0]
        assert level < 0.97
        for height, place in ((1.02, (dy, dx)), (0.98, (0, 0))):
            found = correlator._search(
                peaks(correlator, size, ((0, 0), 1), ((dy, dx), height * level)), None
            )
            assert (*found[0], found[1]) == (*place, 1)
            inverted = peaks(correlator, size, ((0, 0), 1), ((dy, dx), -height * level))
            start, sign = correlator._search(inverted, None)
            assert (*start, sign) == (*place, -1 if height > 1 else 1)
    start, sign = correlator._search(np.zeros((18, 13), np.complex64), None)
    assert (*start, sign) == (-8, -11, 1)


# ---- between pixels


@each
@pytest.mark.parametrize("sign", [1, -1])
def test_value_gradient_and_hessian_of_correlation_over_overlap(case, sign):
    reference, correlator = Reference(case), Correlator(CASES[case][0], **CASES[case][2])
    fixed, moving = noise(3, 2, *reference.shape)
    product = reference.product(reference.spectrum(fixed), reference.spectrum(moving))
    half = product[:, : reference.size[1] // 2 + 1].astype(np.complex64)
    start = (0.6, -0.9)
    overlaps = [
        _Overlap(w, n, s) for w, n, s in zip(reference.windows, reference.size, start, strict=True)
    ]

    def over(dy, dx):
        share = reference.overlap(reference.windows, dy, dx, start)
        return sign * reference.correlation(product, dy, dx) / share

    h = 1e-3
    for place in ((2.3, -1.7), (-1.0, 3.6), (0.0, 0.0)):
        value, gradient, hessian = correlator._expand(half, np.array(place), sign, overlaps)
        around = np.array(
            [[over(place[0] + i * h, place[1] + j * h) for j in (-1, 0, 1)] for i in (-1, 0, 1)]
        )
        scale = np.abs(around[1, 1]) + 1
        assert value == pytest.approx(around[1, 1], abs=1e-5 * scale)
        slopes = (around[2, 1] - around[0, 1]) / 2 / h, (around[1, 2] - around[1, 0]) / 2 / h
        np.testing.assert_allclose(gradient, slopes, atol=1e-4 * scale)
        yy = (around[2, 1] - 2 * around[1, 1] + around[0, 1]) / h**2
        xx = (around[1, 2] - 2 * around[1, 1] + around[1, 0]) / h**2
        yx = (around[2, 2] - around[2, 0] - around[0, 2] + around[0, 0]) / 4 / h**2
        np.testing.assert_allclose(hessian, [[yy, yx], [yx, xx]], atol=2e-4 * scale)


def test_a_climb_ends_on_the_top_or_a_pixel_from_where_it_began():
    correlator, size = Correlator((17, 23), low=0, drop_streaks=0), (18, 24)
    ky, kx = 2 * np.pi * np.fft.fftfreq(18), 2 * np.pi * np.fft.rfftfreq(24)
    smooth = np.exp(-2 * (ky[:, None] ** 2 + kx**2))  # a peak of two pixels, at (2.4, -3.3)
    product = (432 * smooth * np.exp(-1j * (2.4 * ky[:, None] - 3.3 * kx))).astype(np.complex64)
    flat = [_Overlap(np.ones(n), n) for n in size]  # the same at each shift
    place, value = correlator._climb(product, np.array([2, -3]), 1, flat)
    assert place == pytest.approx([2.4, -3.3], abs=1e-5)
    # a normal peak of that width
    assert value == pytest.approx(432 / (2 * np.pi * 4), rel=1e-3)
    for start, end in (((4, -5), (3, -4)), ((0, -1), (1, -2))):
        place, _ = correlator._climb(product, np.array(start), 1, flat)
        assert place.tolist() == list(end)
    place, value = correlator._climb(-product, np.array([2, -3]), -1, flat)
    assert place == pytest.approx([2.4, -3.3], abs=1e-5)


def test_steps_of_a_climb_are_counted(monkeypatch):
    correlator = Correlator((16, 16))
    for steps, count in (
        ([0.4, -0.4] * 9, 8),
        ([0.4, 0.002, 0.0009, 0.4], 3),
        ([0.5, 2**-10, 0.4], 2),  # less than a thousandth
        ([0.5, 0.0011, 0.0, 0.4], 3),
    ):
        made = iter(steps)
        seen = []

        def expand(product, place, *_, made=made, seen=seen):
            seen.append(place.copy())
            return len(seen), np.array([0, next(made)]), -np.eye(2)

        monkeypatch.setattr(correlator, "_expand", expand)
        place, value = correlator._climb(None, np.array([3, 5]), 1, None)
        assert len(seen) == value == count
        assert place == pytest.approx([3, 5 + sum(steps[:count])])
        assert seen[0].tolist() == [3, 5]


@each
def test_windows_laid_over_the_same_part(case):
    reference, correlator = Reference(case), Correlator(CASES[case][0], **CASES[case][2])
    fixed, moving = noise(5, 2, *reference.shape)
    place = np.array([2.25, -3.5])
    here, there = (
        [
            window(n, t, sign * s)
            for n, t, s in zip(reference.shape, reference.tapers, place, strict=True)
        ]
        for sign in (1, -1)
    )
    spectra = [
        reference.spectrum(
            image, *(np.sqrt(a * b) for a, b in zip(reference.windows, moved, strict=True))
        )
        for image, moved in ((fixed, here), (moving, there))
    ]
    product, energy, overlaps = correlator._recentred(
        correlator.spectrum(fixed), correlator.spectrum(moving), place
    )
    close(product, reference.product(*spectra)[:, : reference.size[1] // 2 + 1], 1e-5)
    assert energy == pytest.approx(
        np.sqrt(np.prod([reference.energy(s) for s in spectra])), rel=1e-4
    )
    both = [np.sqrt(a * b) for a, b in zip(reference.windows, here, strict=True)]
    share = np.prod([o.expand(s)[0] for o, s in zip(overlaps, (1.1, -2.2), strict=True)])
    assert share == pytest.approx(reference.overlap(both, 1.1, -2.2, place), rel=1e-9)


# ---- how it is put together


def climbing(monkeypatch, correlator, places, energies=None, value=0.5):
    """Places that climbs give, one after another; the number of times that windows were laid anew."""
    made, seen = iter(places), []
    monkeypatch.setattr(correlator, "_search", lambda *_: (np.array([0, 0]), -1))

    def climb(product, start, sign, overlaps):
        seen.append((product, np.array(start).tolist(), sign, overlaps))
        return np.array(next(made), float), value

    monkeypatch.setattr(correlator, "_climb", climb)
    monkeypatch.setattr(
        correlator, "_recentred", lambda fixed, moving, place: ("anew", next(energies), "other")
    )
    return seen


def test_windows_are_laid_anew_until_the_shift_settles(monkeypatch):
    correlator = Correlator((64, 32))
    image = correlator.spectrum(noise(6, 64, 32))
    near = (64 / 2048, 32 / 2048)  # just no cause to
    for places, passes in (
        ([near], 0),
        ([(-near[0], -near[1])], 0),
        ([(0, 0.016), (0, 0.016)], 1),
        ([(0.032, 0), (0.032, 0)], 1),
        ([(-0.032, 0), (-0.032, 0)], 1),
        ([(10, 0), (10, 0.02), (10, 0.039)], 2),  # by 0.02 is not by less
        ([(10, 0), (10.1, 0), (10.1, 0.019)], 2),
        ([(10, 0), (10.1, 0), (10.2, 0), (10.3, 0), (10.4, 0)], 3),
    ):
        seen = climbing(monkeypatch, correlator, places, iter([2.0] * 9))
        found = correlator.shift(image, image)
        assert len(seen) == 1 + passes
        assert (found.dy, found.dx) == pytest.approx(places[passes])
        assert found.sign == -1
        assert [s[1] for s in seen] == [[0, 0], *map(list, places[:passes])]
        assert [s[2] for s in seen] == [-1] * len(seen)
        assert [(s[0], s[3]) for s in seen[1:]] == [("anew", "other")] * passes
        assert seen[0][3] is correlator._overlaps
        if passes:
            assert found.ncc == 0.25  # over the energy of the last pass


def test_correlation_is_over_the_energy_and_between_0_and_1(monkeypatch):
    correlator = Correlator((16, 32))
    one, other = (correlator.spectrum(noise(seed, 16, 32)) for seed in (7, 8))
    energy = np.sqrt(correlator._energy(one) * correlator._energy(2 * other))
    for value, ncc in (
        (0.3 * energy, 0.3),
        (1.5 * energy, 1),
        (-0.5 * energy, 0),
        (energy / 64, 1 / 64),
    ):
        climbing(monkeypatch, correlator, [(0, 0)], value=value)
        assert correlator.shift(one, 2 * other).ncc == pytest.approx(ncc, rel=1e-6)
    # nothing is left where windows were laid anew
    climbing(monkeypatch, correlator, [(5, 0)], iter([0.0]))
    found = correlator.shift(one, other)
    assert np.isnan([found.dy, found.dx]).all()
    assert (found.ncc, found.sign) == (0, 0)
    climbing(monkeypatch, correlator, [(5, 0)] * 2, iter([0.625]))
    assert correlator.shift(one, other) == Shift(5, 0, 0.8, -1)


@pytest.mark.parametrize("gain", [1.0, 1e-3])
def test_shifts_of_noisy_slices(gain):
    # Pins: of slices that share two thirds of what they show.
    both, own = noise(9, 80, 96), noise(10, 60, 73)
    for (dy, dx), expected in (
        ((0, 0), (0.065234, -0.161464, 0.840158)),
        ((3, -2), (2.918443, -1.922129, 0.819915)),
        ((-7, 11), (-7.044033, 10.992985, 0.788118)),
        ((5, -9), (4.978015, -8.965974, 0.815666)),
    ):
        fixed = both[8:68, 12:85]
        moving = both[8 - dy : 68 - dy, 12 - dx : 85 - dx] + 0.7 * own
        correlator = Correlator((60, 73), low=1.0, high=4.0)
        found = correlator.shift(
            correlator.spectrum(gain * fixed), correlator.spectrum(-gain * moving)
        )
        assert (found.dy, found.dx, found.ncc) == pytest.approx(expected, abs=1e-4)
        assert found.sign == -1
        assert type(found.dy) is float


# ---- applying a translation


def test_reach_along_one_axis():
    def reached(shift, count=5):
        return "".join("01"[bool(v)] for v in reach(count, shift))

    assert [reached(s) for s in (0, 2, -2, 0.5, -0.5, 4, 5, -4, -4.5, 7)] == [
        "11111", "11100", "00111", "11110", "01111", "10000", "00000", "00001", "00000", "00000",
    ]  # fmt: skip
    # nearer than a millionth to a whole number it is that number
    assert [reached(s) for s in (9e-7, -9e-7, 1.1e-6, -1.1e-6, 1 + 9e-7, 1 + 1.1e-6)] == [
        "11111", "11111", "11110", "01111", "11110", "11100",
    ]  # fmt: skip
    assert [reached(s) for s in (2**-20, 1e-6)] == ["11111", "11110"]


@pytest.mark.parametrize("shape", [(9, 14), (5, 3), (3, 4), (2, 6)])
def test_cubic_splines_at_any_shift(shape):
    image = 50 + 9 * noise(11, *shape, smooth=0.3)
    for dy, dx in (
        (0.3, -0.8),
        (1.75, 0.5),
        (-1.2, 2.4),
        (-0.01, 0.99),
        (0.5, 2),
        (1, -0.5),
        (0, 0),
    ):
        moved, valid = apply_translation(image.astype(np.float32), dy, dx)
        y, x = (np.arange(n) + s for n, s in zip(shape, (dy, dx), strict=True))
        inside = ((y >= 0) & (y <= shape[0] - 1))[:, None] & ((x >= 0) & (x <= shape[1] - 1))
        np.testing.assert_array_equal(valid, inside)
        expected = scipy.ndimage.map_coordinates(
            image, np.meshgrid(y, x, indexing="ij"), order=3, mode="mirror"
        )
        np.testing.assert_allclose(moved, np.where(inside, expected, 0), rtol=1e-5, atol=1e-5)
        assert moved.dtype == np.float32
        assert moved.flags.c_contiguous


def test_near_a_whole_number_nothing_is_resampled():
    image = noise(12, 7, 9, smooth=0.3).astype(np.float32)
    for dy, dx in ((2 + 9e-7, 0), (2 - 9e-7, -9e-7)):
        moved, _ = apply_translation(image, dy, dx, fill=-1)
        np.testing.assert_array_equal(
            moved, np.pad(image[2:], ((0, 2), (0, 0)), constant_values=-1)
        )
    moved, valid = apply_translation(image, 3e-6, 0, fill=-1)
    assert valid.all(axis=1).tolist() == [True] * 6 + [False]
    assert np.abs(moved[:6] - image[:6]).max() > 0
    for far in (6.5, 7, -6.5, -7, 1e9, -1e9):
        moved, valid = apply_translation(image, 0, far + 2 * np.sign(far), fill=4)
        assert not valid.any()
        assert (moved == 4).all()


def test_a_displacement_that_is_not_finite():
    for dy, dx in ((np.inf, 0.5), (0.5, np.nan)):
        with pytest.raises(AcuityError) as error:
            apply_translation(np.ones((8, 8)), dy, dx)
        assert str(error.value) == f"register: a slice cannot be moved by ({dy}, {dx}) pixels"


def test_types_of_what_was_resampled():
    values = np.array([-3.2, -0.5, 0.5, 1.5, 2.5001, 254.4, 255.6, 300, 65535.7], np.float32)
    np.testing.assert_array_equal(to_type(values, np.uint8), [0, 0, 0, 2, 3, 254, 255, 255, 255])
    assert to_type(values, "int16").tolist() == [-3, 0, 0, 2, 3, 254, 256, 300, 32767]
    assert to_type(np.array([3e9, -3e9], np.float32), np.int32).tolist() == [2**31 - 1, -(2**31)]
    assert to_type(values, np.uint8).dtype == np.uint8
    assert to_type(values, np.float32) is values
    assert to_type(values, np.float64).dtype == np.float64
    whole = np.array([7, 300], np.uint16)
    assert to_type(whole, np.uint16) is whole
    assert to_type(whole, np.uint8).tolist() == [7, 255]
    assert to_type(whole, np.float32).tolist() == [7, 300]


# ---- transforms on disk

TRANSFORMS = {
    "roi": "0:9",
    "source": "abc",
    "mode": "drift",
    "voxel_size": (20, 8, 8.5),
    "unit": "nm",
    "count": 99,
    "dx": [0.5, -2],
    "dy": [0, 0.25],
}


def test_the_text_of_transforms(tmp_path):
    path = tmp_path / "deep" / "er" / "t.json"
    for _ in range(2):  # the folder is there the second time
        write_transforms(path, TRANSFORMS)
    assert path.read_text() == (
        '{\n "unit": "nm",\n "voxel_size": [\n  20.0,\n  8.0,\n  8.5\n ],\n "mode": "drift",\n'
        ' "source": "abc",\n "count": 2,\n "roi": "0:9",\n "slices": [\n'
        '  {"z": 0, "dy": 0.0, "dx": 0.5},\n  {"z": 1, "dy": 0.25, "dx": -2.0}\n ],\n'
        ' "seal": "sha256:1624136149917e39c5ee2b3884298c708418e4c591de541715a6d6eac54474a6"\n}\n'
    )
    back = read_transforms(path)
    assert back["dy"].dtype == back["dx"].dtype == np.float64
    with pytest.raises(ValueError, match="JSON compliant"):
        write_transforms(path, TRANSFORMS | {"extra": float("nan")})
    assert read_transforms(path)["count"] == 2


def test_what_is_said_of_transforms_that_are_refused(tmp_path):
    path = tmp_path / "t.json"

    def said(content):
        with pytest.raises(AcuityError) as error:
            write_transforms(path, content)
        return str(error.value)

    assert said([1]) == f"{path}: transforms are a mapping, found list"
    assert (
        said({"unit": 1, "mode": 1, "source": 1, "dx": 1})
        == f"{path}: transforms lack voxel_size, dy"
    )
    counts = "one of each a slice is needed"
    assert said(TRANSFORMS | {"dy": 1.0, "dx": 2.0}) == f"{path}: found 1 dy and 1 dx; {counts}"
    assert said(TRANSFORMS | {"dx": [1.0]}) == f"{path}: found 2 dy and 1 dx; {counts}"
    square = [[1.0, 2], [3, 4]]
    assert (
        said(TRANSFORMS | {"dy": square, "dx": square}) == f"{path}: found 4 dy and 4 dx; {counts}"
    )
    finite = "is not finite; allowed are numbers"
    for change, z in (({"dx": [1, np.inf]}, 1), ({"dy": [np.nan, np.nan]}, 0)):
        assert said(TRANSFORMS | change) == f"{path}: the displacement of slice {z} {finite}"
    assert not path.exists()


def test_what_is_said_of_files_that_are_no_transforms(tmp_path):
    path = tmp_path / "t.json"

    def said(suppressed=True):
        with pytest.raises(AcuityError) as error:
            read_transforms(path)
        assert error.value.__suppress_context__ == suppressed
        return str(error.value)

    missing = said()
    assert "the stack cannot be aligned" in missing
    assert "run the step that makes it" in missing
    write_transforms(path, TRANSFORMS)
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | {"mode": "other"}))
    assert said(suppressed=False) == (
        f"{path}: its content is not the one that its seal was made for, so it was damaged or edited "
        f"after it was written; remove {path} and run the same command again, which makes it anew."
    )
    entries = f"{path}: 'slices' is no list of entries with z, dy and dx, as Acuity writes it"
    for part in (
        {"z": 0, "dy": 1},
        {"z": 0, "dx": 1},
        {"dy": 0, "dx": 1},
        {"z": 0, "dy": "a", "dx": 1},
        3,
    ):
        write_sealed(path, whole | {"slices": [part]})
        assert said() == entries
    write_sealed(path, whole | {"slices": 3})
    assert said() == entries
    order = "allowed are all slices from z = 0 up, in order"
    for change, text in (
        ({"count": 1}, "lists 2 slices where count says 1"),
        ({"count": 3}, "lists 2 slices where count says 3"),
        ({"slices": [whole["slices"][0]] * 2}, "lists 2 slices where count says 2"),
        ({"slices": whole["slices"][1:], "count": 1}, "lists 1 slices where count says 1"),
    ):
        write_sealed(path, whole | change)
        with pytest.raises(AcuityError) as error:
            read_transforms(path)
        assert str(error.value) == f"{path}: {text}; {order}"
