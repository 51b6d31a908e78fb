"""Spectra, shells and correlations beside plain sums over all frequencies of a full transform."""

import inspect

import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.measure import fsc as correlation
from acuity.measure import shells
from acuity.measure.fsc import crossing, fsc, volume_fsc
from acuity.measure.scattering import scattering, scattering_rows, volume_scattering
from acuity.measure.shells import Shells
from acuity.measure.spectrum import ALIASED, BELOW, TOP, signal_limit, spectrum, volume_spectrum
from acuity.volume import Grid, Volume

# Odd and even counts along x, oblong voxels in nm.
BOXES = [((9, 13, 11), (4.1, 2.3, 3.2)), ((12, 9, 10), (2.0, 3.3, 2.9))]


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(20, 3, shape)


def lengths(shape, spacing):
    """Frequency of every point of a full transform, and of its axes."""
    axes = np.meshgrid(
        *(np.fft.fftfreq(n, d) for n, d in zip(shape, spacing, strict=True)), indexing="ij"
    )
    return np.sqrt(sum(f * f for f in axes)), axes


def windowed(data):
    """Full transform of data under Hann windows, without the window's mean; the window squared."""
    window = np.ones(data.shape)
    for axis, n in enumerate(data.shape):
        hann = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
        window *= hann.reshape([n if k == axis else 1 for k in range(data.ndim)])
    mean = (data * window).sum() / window.sum()
    return np.fft.fftn((data - mean) * window), (window**2).sum()


def shell_sums(shape, spacing, *terms):
    """For each sector, shell by shell: count, sum of frequency, sums of the terms."""
    size, axes = lengths(shape, spacing)
    width = 1 / min(n * d for n, d in zip(shape, spacing, strict=True))
    number = np.floor(size / width + 0.5).astype(int)
    slope = np.degrees(np.arcsin(np.abs(axes[0]) / np.where(size > 0, size, 1.0)))
    sectors = {
        "all": (slope >= 0, max(spacing)),
        "z": (slope >= 60, spacing[0]),
        "xy": (slope <= 30, max(spacing[1:])),
    }
    found = {}
    for name, (inside, coarsest) in sectors.items():
        last = max(1, int(np.floor(0.5 / coarsest / width + 0.5 + 1e-9)))
        rows = [inside & (number == k) for k in range(1, last + 1)]
        found[name] = np.array(
            [[r.sum(), size[r].sum(), *(t[r].sum() for t in terms)] for r in rows]
        )
    return found


@pytest.mark.parametrize(("shape", "spacing"), BOXES)
def test_shells_hold_every_frequency_of_the_full_transform(shape, spacing):
    made = Shells(shape, spacing)
    random = noise(shape)
    full = np.abs(np.fft.fftn(random)) ** 2
    half = full[..., : shape[2] // 2 + 1]
    expected = shell_sums(shape, spacing, full, full**2)
    found = made.sums(lambda z: [half[z], half[z] ** 2])
    assert list(found) == ["all", "z", "xy"] == list(shells.SECTORS)
    for name, table in expected.items():
        np.testing.assert_allclose(found[name], table, rtol=1e-10)
        assert made.counts[name] == len(table)
    assert made.width == pytest.approx(1 / min(n * d for n, d in zip(shape, spacing, strict=True)))
    assert made.shape == shape


@pytest.mark.parametrize("size", [0.1, 0.3, 0.7, 1.1, 7.1])
def test_the_nyquist_frequency_is_in_the_last_shell(size):
    assert Shells((9, 9, 9), (size,) * 3).counts == {"all": 5, "z": 5, "xy": 5}
    assert Shells((8, 8, 8), (size,) * 3).counts == {"all": 4, "z": 4, "xy": 4}
    assert Shells((8, 8, 8), (size, size, 50 * size)).counts == {"all": 1, "z": 4, "xy": 1}
    assert Shells((8, 8, 8), (size, 50 * size, size)).counts == {"all": 1, "z": 4, "xy": 1}


def test_eight_voxels_are_enough():
    for shape in ((7, 8, 8), (8, 7, 8), (8, 8, 7)):
        with pytest.raises(AcuityError) as error:
            Shells(shape, (1, 1, 1))
        assert str(error.value) == (
            f"the volume has the shape {shape}; its spectrum needs at least 8 voxels along z, y and x."
        )
    with pytest.raises(AcuityError, match=r"shape \(8, 8, 8, 8\)"):
        Shells((8, 8, 8, 8), (1, 1, 1, 1))
    assert shells.CONE == 30


@pytest.mark.parametrize(("shape", "spacing"), BOXES)
def test_a_spectrum_is_the_half_of_the_full_transform(shape, spacing):
    data = noise(shape)
    full, squares = windowed(data)
    before = data.copy()
    found, held = shells.spectrum(data, "x")
    assert found.dtype == np.complex64
    assert held == pytest.approx(squares, rel=1e-6)
    np.testing.assert_allclose(
        found, full[..., : shape[2] // 2 + 1], atol=3e-6 * np.abs(full).max()
    )
    np.testing.assert_array_equal(data, before)
    for value, words in ((np.inf, "holds NaN or infinite voxels."),):
        data[0, 0, 0] = value
        with pytest.raises(AcuityError, match=f"^the lot: {words}$"):
            shells.spectrum(data, "the lot")
    with pytest.raises(AcuityError, match=r"^x: is constant, so it has no structure to measure\.$"):
        shells.spectrum(np.ones(shape), "x")


def joined(sums):
    rows, row = [], 0
    for shell in sums:
        row = row + shell
        if row[0] >= 40:
            rows.append(row)
            row = 0
    return np.array(rows)


@pytest.mark.parametrize(("shape", "spacing"), BOXES)
def test_a_correlation_is_that_of_the_sums(shape, spacing):
    signal = noise(shape)
    one, two = signal + noise(shape, 1), signal + 0.7 * noise(shape, 2)
    p, q = windowed(one)[0], windowed(two)[0]
    terms = (p * q.conj()).real, np.abs(p) ** 2, np.abs(q) ** 2
    rows, curves = fsc(one, two, spacing=[d / 1000 for d in spacing], unit="um", criterion=0.62)
    found = iter(rows)
    assert list(curves.columns) == ["subset", "frequency", "fsc", "n"]
    for name, sums in shell_sums(shape, spacing, *terms).items():
        own = curves[curves["subset"] == name]
        count, frequency, cross, a, b = joined(sums).T
        np.testing.assert_array_equal(own["n"], count)
        np.testing.assert_allclose(own["frequency"], frequency / count, rtol=1e-9)
        np.testing.assert_allclose(own["fsc"], cross / np.sqrt(a * b), rtol=2e-5)
        first, second = next(found), next(found)
        at = 1 / crossing(own, 0.62)
        assert first == {
            "metric": "fsc_resolution", "subset": name, "value": pytest.approx(at), "unit": "nm",
        }  # fmt: skip
        assert second == {
            "metric": "fsc_at_limit", "subset": name, "unit": "",
            "value": pytest.approx(own["fsc"].iloc[-1]),
        }  # fmt: skip
    assert next(found, None) is None


def test_shells_are_joined_up_to_forty_voxels():
    sums = np.array([[39.0, 1], [1, 2], [40, 3], [10, 4], [29, 5], [5, 6], [39, 7]])
    np.testing.assert_array_equal(correlation._joined(sums), [[40, 3], [40, 3], [44, 15]])
    np.testing.assert_array_equal(correlation._joined(sums[:1]), [[39, 1]])
    np.testing.assert_array_equal(correlation._joined(sums[3:5]), [[39, 9]])


def test_the_crossing_is_below_the_criterion_and_on_a_line():
    curve = pd.DataFrame({"frequency": [1.0, 2.0, 4.0, 5.0], "fsc": [0.9, 0.3, 0.2, 0.9]})
    assert crossing(curve, 0.3) == 2.0  # met at 2, and left behind it
    assert crossing(curve, 0.25) == pytest.approx(3.0)
    assert crossing(curve, 0.6) == pytest.approx(1.5)
    assert crossing(curve, 0.2) == 5.0
    assert crossing(curve, 0.95) == 1.0
    assert crossing(curve.assign(fsc=[0.143, 0.5, 0.143, 0.1429])) == pytest.approx(4.0)
    assert inspect.signature(fsc).parameters["criterion"].default == 0.143


def test_a_thousandth_of_noise_makes_no_second_acquisition():
    data, other = noise((16, 16, 16)), noise((16, 16, 16), 1)
    least = {}
    for share in (0.02, 0.05):
        p, q = (windowed(v)[0] for v in (data, data + share * other))
        terms = (p * q.conj()).real, np.abs(p) ** 2, np.abs(q) ** 2
        sums = joined(shell_sums(data.shape, (1, 1, 1), *terms)["all"]).T
        least[share] = (sums[2] / np.sqrt(sums[3] * sums[4])).min()
    assert least[0.05] < 0.999 < least[0.02]
    fsc(data, data + 0.05 * other, spacing=(1, 1, 1))
    with pytest.raises(AcuityError) as error:
        fsc(data, -data - 0.02 * other, spacing=(1, 1, 1))
    assert str(error.value) == (
        "fsc: the two volumes correlate by more than 0.999 at every frequency, so they are no "
        "independent acquisitions; Fourier shell correlation needs two."
    )
    with pytest.raises(AcuityError) as error:
        fsc(data, data[1:], spacing=(1, 1, 1))
    assert str(error.value) == (
        "fsc: the volumes have the shapes (16, 16, 16) and (15, 16, 16); one (z, y, x) is needed."
    )
    for criterion in (0.0, 1.0, 1):
        with pytest.raises(AcuityError) as error:
            fsc(data, other, spacing=(1, 1, 1), criterion=criterion)
        assert str(error.value) == (
            f"fsc: criterion is {criterion}, allowed are numbers between 0 and 1."
        )


def test_without_power_there_is_nothing_in_common(monkeypatch):
    """Of a shell in which one volume holds nothing at all."""
    plain = correlation.spectrum

    def filtered(volume, name):
        found, squares = plain(volume, name)
        if "first" in name:
            found[3:] = 0
        return found, squares

    monkeypatch.setattr(correlation, "spectrum", filtered)
    shape = (24, 8, 8)
    _, curves = fsc(noise(shape), noise(shape, 1), spacing=(1, 3, 3))
    last = curves[curves["subset"] == "z"].iloc[-1]
    assert last["fsc"] == 0


def grid(shape, origin, spacing=(4.0, 2.0, 3.0)):
    return Grid(shape, spacing, origin, "nm")


def test_volumes_share_the_box_that_both_cover():
    own = grid((10, 12, 14), (40.0, 20.0, 30.0))
    for origin, shape, expected in (
        ((48.0, 10.0, 30.0), (4, 9, 14), ((2, 6), (0, 4), (0, 14))),
        ((32.0, 24.4, 33.0), (20, 30, 3), ((0, 10), (2, 12), (1, 4))),
        # One voxel of the first and of the last, and no contact along z and y.
        ((40.0, 42.0, 30.0 - 39.0), (1, 5, 14), ((0, 1), (11, 12), (0, 1))),
        ((80.0, 10.0, 69.0), (1, 5, 14), ((None, None), (None, None), (13, 14))),
    ):
        box = correlation._shared(own, grid(shape, origin))
        assert [(part.start, part.stop) for part in box] == list(expected)


def test_volumes_are_correlated_where_both_are():
    data, other = (noise((12, 14, 16), n).astype(np.float32) for n in (0, 1))
    one, two = (
        Volume(v, grid(v.shape, (0.0, 0.0, 0.0)))
        for v in (data + other, data + noise(data.shape, 2))
    )
    parts = (
        one.crop((slice(1, 12), slice(0, 13), slice(2, 16))),
        two.crop((slice(0, 11), slice(1, 14), slice(0, 15))),
    )
    rows, curves = volume_fsc(*parts)
    box = (slice(1, 11), slice(1, 13), slice(2, 15))
    expected, others = fsc(one.data[box], two.data[box], spacing=(4.0, 2.0, 3.0))
    assert rows == expected
    pd.testing.assert_frame_equal(curves, others)


@pytest.mark.parametrize(("shape", "spacing"), BOXES)
def test_scattering_is_the_power_over_the_shells(shape, spacing):
    data = noise(shape)
    for threshold, values in ((None, data), (20.0, (data > 20.0).astype(float))):
        full, squares = windowed(values)
        power = np.abs(full) ** 2 * np.prod(spacing) / squares
        curve = scattering(
            data, spacing=[d / 1000 for d in spacing], unit="um", threshold=threshold
        )
        assert list(curve.columns) == ["subset", "q", "intensity", "n"]
        for name, sums in shell_sums(shape, spacing, power).items():
            own = curve[curve["subset"] == name]
            count, frequency, total = sums[sums[:, 0] > 0].T
            np.testing.assert_array_equal(own["n"], count)
            np.testing.assert_allclose(own["q"], 2 * np.pi * frequency / count, rtol=1e-9)
            np.testing.assert_allclose(own["intensity"], total / count, rtol=2e-5)


def test_a_phase_is_what_lies_above_the_threshold():
    data = np.random.default_rng(0).integers(0, 3, (8, 9, 10)).astype(np.float32)
    curves = [scattering(v, spacing=(1, 1, 1), threshold=t) for v, t in ((data, 1), (data > 1, 0))]
    pd.testing.assert_frame_equal(*curves)
    data[0, 0, 0] = np.nan
    with pytest.raises(
        AcuityError, match=r"^scattering: the volume holds NaN or infinite voxels\.$"
    ):
        scattering(data, spacing=(1, 1, 1), threshold=0)


def test_scattering_is_compared_shell_by_shell_in_decades():
    one, two = (
        pd.DataFrame({"subset": name, "q": q, "intensity": power})
        for name, q, power in (
            (["all"] * 3 + ["z"] * 2 + ["xy"], [1.0, 2, 3, 1, 2, 1], [10.0, 1, 1000, 1, 1, 0]),
            (["all"] * 3 + ["z"] * 2 + ["xy"], [1.0, 2, 3, 1, 2, 1], [1.0, 10, 10, 1, 10, 1]),
        )
    )
    tiny = np.log10(np.finfo(float).tiny)
    expected = [
        ("scattering_log_rms", "all", np.sqrt(2), 3), ("scattering_log_bias", "all", 2 / 3, 3),
        ("scattering_log_rms", "z", np.sqrt(0.5), 2), ("scattering_log_bias", "z", -0.5, 2),
        ("scattering_log_rms", "xy", -tiny, 1), ("scattering_log_bias", "xy", tiny, 1),
    ]  # fmt: skip
    assert scattering_rows(one, two) == [
        {"metric": m, "subset": s, "value": pytest.approx(v), "unit": "decade", "n": n}
        for m, s, v, n in expected
    ]
    assert scattering_rows(two, one)[1]["value"] == pytest.approx(-2 / 3)
    near = two.assign(q=two["q"] * (1 + 5e-7))
    assert scattering_rows(one, near) == scattering_rows(one, two)
    for other, counts in ((two.assign(q=two["q"] * (1 + 5e-6)), "3 and 3"), (two[1:], "3 and 2")):
        with pytest.raises(AcuityError) as error:
            scattering_rows(one, other)
        assert str(error.value) == (
            f"scattering: the curves ({counts} shells of 'all') are not of volumes on one grid."
        )


def test_volumes_scatter_with_and_without_a_truth():
    data, other = (noise((10, 14, 11), n).astype(np.float32) for n in (0, 1))
    image = Volume(data, grid(data.shape, (0.0, 0.0, 0.0))).crop(
        (slice(1, 10), slice(0, 12), slice(2, 11))
    )
    truth = Volume(other, grid(other.shape, (0.0, 0.0, 0.0)))
    how = {"spacing": (4.0, 2.0, 3.0)}
    curve = scattering(data[1:10, :12, 2:], **how)
    rows, found = volume_scattering(image)
    assert rows == []
    pd.testing.assert_frame_equal(found, curve)
    rows, found = volume_scattering(image, truth)
    pd.testing.assert_frame_equal(found, curve)
    assert rows == scattering_rows(curve, scattering(other[1:10, :12, 2:], **how))


# --- rings of an image


def reference_spectrum(image, truth, size, low):
    """The rings of `spectrum` from full transforms in double precision."""
    shape = image.shape[1:]
    step = 1 / min(n * d for n, d in zip(shape, size, strict=True))
    nyquist = 0.5 / max(size)
    whole = int(low / max(nyquist / 64, 4 * step) + 1e-9)
    width = low / max(1, whole)
    last = int(nyquist / width + 1e-9)
    distance, _ = lengths(shape, size)
    ring = np.ceil(distance / width - 1e-9).astype(int)
    table, total = {"frequency": [], "n": []}, {}
    kept = [(ring == k) & (distance >= 1.5 * step) for k in range(1, last + 1)]
    full = [k for k in kept if k.any()]
    table["frequency"] = [distance[k].mean() for k in full]
    table["n"] = [k.sum() for k in full]
    for end, data in (("", image), ("_truth", truth)):
        power = [np.abs(f) ** 2 * np.prod(size) / squares for f, squares in map(windowed, data)]
        total[end] = np.mean([p.sum() for p in power])
        table[f"power{end}"] = [np.mean([p[k].mean() for p in power]) for k in full]
        table[f"magnitude{end}"] = [np.mean([np.sqrt(p[k]).mean() for p in power]) for k in full]
    table = pd.DataFrame(table)
    ends = width * np.array([n for n, k in enumerate(kept, 1) if k.any()])
    bands = ends < low + width / 2, (ends > low + width / 2) & (ends < 0.8 * nyquist * (1 + 1e-6))
    return table, bands, np.sqrt(total[""] / total["_truth"])


@pytest.mark.parametrize(
    ("shape", "size", "factor"),
    [
        ((1, 40, 33), (5.0, 7.1), 2.0),  # odd, coarser along x
        ((2, 37, 64), (3.0, 4.4), 2.0),  # even, with the last column in the last ring
        ((3, 48, 36), (7.1, 5.0), 1.6),  # coarser along y
        ((1, 300, 290), (7.1, 7.1), 2.5),  # as many rings as there are
        ((1, 33, 32), (7.1, 7.1), 9.0),  # few steps of the spectrum below the low frequency
    ],
)
def test_rings_are_those_of_the_full_transform(shape, size, factor):
    image, truth = noise(shape), 0.8 * noise(shape) + 0.5 * noise(shape, 1)
    low = 0.5 / (factor * max(size))
    rows, curve = spectrum(
        image, truth, spacing=[0.1, *(d / 1000 for d in size)], unit="um", low_nyquist=low
    )
    expected, bands, contrast = reference_spectrum(image, truth, size, low)
    assert list(curve.columns) == [
        "frequency", "power", "power_truth", "ratio", "magnitude", "magnitude_truth", "n",
    ]  # fmt: skip
    np.testing.assert_array_equal(curve["n"], expected["n"])
    np.testing.assert_allclose(curve["frequency"], expected["frequency"], rtol=1e-9)
    for name in ("power", "power_truth", "magnitude", "magnitude_truth"):
        np.testing.assert_allclose(curve[name], expected[name], rtol=2e-5)
    ratio = (expected["magnitude"] / expected["magnitude_truth"]).to_numpy()
    np.testing.assert_allclose(curve["ratio"], ratio, rtol=4e-5)
    wanted = []
    for name, band in zip((BELOW, ALIASED), bands, strict=True):
        own, n = ratio[band], int(band.sum())
        if n:
            wanted += [
                ("spectrum_ratio_error", name, np.abs(own - 1).max(), "", n),
                ("spectrum_ratio_log_rms", name, np.sqrt((np.log10(own) ** 2).mean()), "decade", n),
                ("spectrum_ratio_log_bias", name, np.log10(own).mean(), "decade", n),
            ]
    wanted.append(("spectrum_contrast", "all", contrast, "", None))
    found = [row for row in rows if row["metric"] != "spectrum_signal_limit"]
    assert [row["value"] for row in found] == pytest.approx([w[2] for w in wanted], rel=1e-3)
    for row, (metric, subset, _, unit, n) in zip(found, wanted, strict=True):
        assert (row["metric"], row["subset"], row["unit"], row.get("n")) == (
            metric,
            subset,
            unit,
            n,
        )
    assert found[-1]["value"] == pytest.approx(contrast, rel=2e-5)


def test_images_of_one_slice_need_no_axis_of_their_own():
    image, truth = noise((1, 40, 33)), noise((1, 40, 33), 1)
    how = {"low_nyquist": 0.03}
    flat = spectrum(image[0], truth[0], spacing=(5.0, 7.1), **how)
    deep = spectrum(image, truth, spacing=(99.0, 5.0, 7.1), **how)
    assert flat[0] == deep[0]
    pd.testing.assert_frame_equal(flat[1], deep[1])


def floor_curve(nyquist=10.0, count=100, slope=0.0, level=2.0):
    """A signal that falls to a floor; a slope of the logarithm from 0.6 to 0.8 of the end."""
    frequency = nyquist * (np.arange(count) + 0.5) / count
    power = level * np.exp(slope * (frequency / nyquist - 0.7) / 0.2)
    power[frequency < 0.3 * nyquist] = 50.0
    return pd.DataFrame({"frequency": frequency, "power_truth": power, "n": np.arange(count) + 1})


def test_noise_is_flat_where_it_changes_by_less_than_a_quarter():
    for slope in (0.249, -0.249):
        assert signal_limit(floor_curve(slope=slope), 10.0) == pytest.approx(2.95)
    for slope in (0.251, -0.251):
        assert signal_limit(floor_curve(slope=slope), 10.0) is None
    # Half the rings, of another unit.
    assert signal_limit(floor_curve(0.05, 50, 0.249), 0.05) == pytest.approx(0.05 * 0.29)
    # What lies beyond 0.6 and 0.8 does not weigh.
    curve = floor_curve()
    curve.loc[(curve["frequency"] < 5.9) & (curve["frequency"] > 3), "power_truth"] = 2.5
    curve.loc[curve["frequency"] > 8.1, "power_truth"] = 3.0
    assert signal_limit(curve, 10.0) == pytest.approx(2.95)


def test_the_floor_is_the_mean_of_all_frequencies_and_the_signal_twice_it():
    curve = floor_curve()
    end = curve["frequency"].between(6.0, 8.0)
    curve.loc[end, "power_truth"] = np.where(np.arange(end.sum()) % 4, 2.0, 2.2)
    curve.loc[end, "n"] = np.where(np.arange(end.sum()) % 4, 1, 7)
    floor = np.average(curve["power_truth"][end], weights=curve["n"][end])
    assert floor == pytest.approx(2.14)
    curve.loc[curve["frequency"] < 3, "power_truth"] = 2 * floor
    assert signal_limit(curve, 10.0) == pytest.approx(2.95)
    curve.loc[curve["frequency"] == 2.95, "power_truth"] = 2 * floor * (1 - 1e-9)
    assert signal_limit(curve, 10.0) == pytest.approx(2.85)
    curve.loc[0, "power_truth"] = 0.0
    assert signal_limit(curve, 10.0) is None
    level = floor_curve()
    level.loc[~level["frequency"].between(6.0, 8.0), "power_truth"] = 50.0
    assert signal_limit(level, 10.0) == pytest.approx(5.95)


def test_three_rings_tell_a_floor_and_two_do_not():
    curve = pd.DataFrame(
        {"frequency": [1.0, 2.0, 6.0, 7.0, 8.0, 9.0], "power_truth": [9.0, 9, 1, 1, 1, 9], "n": 5}
    )
    assert signal_limit(curve, 10.0) == 2.0
    assert signal_limit(curve[curve["frequency"] != 7], 10.0) is None
    assert signal_limit(curve.assign(power_truth=9.0), 10.0) is None
    assert signal_limit(curve.assign(power_truth=[0, 0, 0, 0, 0, 0.0]), 10.0) is None


def test_signal_over_white_noise_is_told_in_the_rows():
    shape = (3, 120, 130)
    distance, _ = lengths(shape[1:], (7.1, 7.1))
    signal = np.fft.ifft2(
        np.fft.fft2(noise(shape) - 20) * 2 * (0.02 / np.maximum(distance, 2e-3)) ** 2
    ).real
    truth = signal + 2 * (noise(shape, 1) - 20)
    rows, curve = spectrum(signal, truth, spacing=(1, 7.1, 7.1), low_nyquist=0.035)
    assert rows[-1] == {
        "metric": "spectrum_signal_limit", "subset": "all", "unit": "1/nm",
        "value": signal_limit(curve, 0.5 / 7.1),
    }  # fmt: skip


def test_sides_and_frequencies_at_their_limits():
    def measured(shape, other=None, low=0.03, spacing=(7.1, 7.1)):
        return spectrum(noise(shape), noise(other or shape, 1), spacing=spacing, low_nyquist=low)

    for shape in ((31, 40), (40, 31)):
        with pytest.raises(AcuityError) as error:
            measured(shape)
        assert str(error.value) == (
            f"spectrum: the image has {shape[0]} x {shape[1]} pixels (y, x); its spectrum needs at "
            "least 32 along both."
        )
    top = 0.8 * 0.5 / 7.1
    assert TOP == 0.8
    measured((32, 32), low=top * (1 - 1e-9))
    for low in (0.0, -0.01, top):
        with pytest.raises(AcuityError) as error:
            measured((32, 32), low=low)
        assert str(error.value) == (
            f"spectrum: low_nyquist is {low:.6g} 1/nm, allowed is a frequency above 0 and below 0.8 "
            f"of the image's own Nyquist frequency, {top:.6g} 1/nm."
        )
    for one, other, spacing in (
        ((32, 32), (1, 32, 32), (1, 1)),
        ((32, 32), (33, 32), (1, 1)),
        ((1, 1, 32, 32), (1, 1, 32, 32), (1, 1, 1)),
        ((2, 32, 32), (2, 32, 32), (1, 1)),
    ):
        if one == (32, 32) and other == (1, 32, 32):
            measured(one, other)  # one slice, with its axis and without
            continue
        with pytest.raises(AcuityError) as error:
            measured(one, other, spacing=spacing)
        assert str(error.value) == (
            f"spectrum: the image has the shape {one}, the truth {other}; one (z, y, x) or (y, x) "
            "is needed."
        )


def test_the_low_frequency_of_volumes_is_that_of_the_coarser_axis():
    data, other = (noise((1, 50, 44), n).astype(np.float32) for n in (0, 1))
    for sides in ((0.0071, 0.006), (0.006, 0.0071)):
        volumes = [Volume(v, Grid(v.shape, (0.05, *sides), unit="um")) for v in (data, other)]
        image = volumes[0].crop((slice(None), slice(3, 50), slice(0, 40)))
        rows, curve = volume_spectrum(image, volumes[1], factor=2.5)
        expected, table = spectrum(
            data[:, 3:, :40], other[:, 3:, :40], spacing=(0.05, *sides), unit="um",
            low_nyquist=0.5 / (2.5 * 7.1),
        )  # fmt: skip
        assert rows == expected
        pd.testing.assert_frame_equal(curve, table)
