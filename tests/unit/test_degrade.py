"""Degrading a volume: blur, averages over blocks, noise, and no trace of the slabs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from acuity.degrade.degrade import block_average, degrade, levels
from acuity.errors import AcuityError
from acuity.settings import call
from acuity.volume import Grid, Volume, open_volume, slabs


def made(data):
    return Volume(data, Grid(data.shape, (3, 2, 1), (10, 20, 30), "nm"), "density", ({"a": 1},))


def random(shape=(45, 30, 35), dtype="uint8"):
    return np.random.default_rng(2).integers(0, 255, shape).astype(dtype)


@pytest.fixture
def run(tmp_path):
    def run(volume, **options):
        call(degrade, volume, tmp_path / "v.ome.zarr", **({"sigma": 0, "seed": 1} | options))
        return open_volume(tmp_path / "v.ome.zarr")

    return run


def test_the_blur_is_a_gaussian_with_reflecting_borders(run):
    data = random()
    result = run(made(data), sigma=(2.0, 1.0, 0.5))
    expected = gaussian_filter(data.astype("f4"), (2.0, 1.0, 0.5), mode="reflect", truncate=4.0)
    assert np.allclose(result.read(), expected, atol=2e-3)
    assert result.dtype == np.float32
    assert result.grid == made(data).grid
    assert result.intensity == "density"
    assert result.provenance[0] == {"a": 1}
    assert result.provenance[1]["sigma"] == [2.0, 1.0, 0.5]


@pytest.mark.parametrize("downsample", [(1, 1, 1), (2, 1, 3), (3, 2, 2)])
def test_the_depth_of_the_slabs_leaves_no_trace(run, downsample):
    volume = made(random((75, 30, 35)))
    digests = {
        run(
            volume,
            sigma=2.3,
            photons=50,
            noise_sd=0.02,
            downsample=downsample,
            slab_depth=depth,
        ).digest
        for depth in (1, 7, 32, None)
    }
    assert len(digests) == 1
    # the figure above can change: other noise is another volume
    assert (
        run(volume, sigma=2.3, noise_sd=0.02, downsample=downsample, seed=2).digest not in digests
    )


@pytest.mark.parametrize("downsample", [(1, 1, 1), (2, 3, 2)])
def test_columns_leave_no_trace(run, monkeypatch, downsample):
    """Planes wider than a shard are blurred column by column, and get their noise row by row."""
    volume = made(random((9, 70, 90)))
    options = {"sigma": 2.3, "photons": 50, "noise_sd": 0.02, "downsample": downsample}
    whole = run(volume, **options)
    assert whole.data.layout.shard[1:] == whole.grid.shape[1:]
    monkeypatch.setattr("acuity.degrade.degrade._DRAWN", 64)
    cut = lambda count, depth: slabs(count, 16 if count == depth else depth)  # noqa: E731
    monkeypatch.setattr("acuity.degrade.degrade.slabs", cut)
    assert run(volume, **options).digest == whole.digest
    # the control: columns that do not see most of their halo
    real = Volume.read

    def blind(self, z=slice(None), y=slice(None), x=slice(None)):
        part = np.array(real(self, z, y, x))
        if x.start:
            part[:, :, :6] = 0
        return part

    monkeypatch.setattr(Volume, "read", blind)
    assert run(volume, **options).digest != whole.digest


def test_slabs_without_a_halo_would_show(run):
    data = random((64, 20, 20)).astype("f4")
    whole = run(made(data), sigma=2).read()
    halves = np.concatenate([gaussian_filter(half, 2) for half in np.split(data, 2)])
    assert np.abs(whole - halves)[32].max() > 1
    assert np.allclose(whole[:20], halves[:20], atol=2e-3)


@settings(deadline=None, max_examples=30)
@given(shape=st.tuples(*[st.integers(4, 13)] * 3), factors=st.tuples(*[st.integers(1, 4)] * 3))
def test_block_averages(shape, factors):
    data = random(shape, "float32")
    cut = data[tuple(slice(n // f * f) for n, f in zip(shape, factors, strict=True))]
    blocks = [part for n, f in zip(cut.shape, factors, strict=True) for part in (n // f, f)]
    expected = cut.astype("f8").reshape(blocks).mean(axis=(1, 3, 5))
    assert np.allclose(block_average(data, factors), expected, rtol=1e-6)


def test_down_sampling_moves_the_grid_to_the_centres_of_the_blocks(run):
    # a ramp in nanometres: the value of a voxel is where it lies
    grid = made(random((40, 12, 9))).grid
    place = grid.origin[0] + np.arange(40) * grid.spacing[0]
    data = np.broadcast_to(place[:, None, None], grid.shape).astype("f4")
    result = run(made(data), downsample=(4, 1, 3))
    assert result.grid.shape == (10, 12, 3)
    assert result.grid.spacing == (12, 2, 3)
    assert result.grid.origin == (10 + 1.5 * 3, 20, 30 + 1)
    there = result.grid.origin[0] + np.arange(10) * result.grid.spacing[0]
    assert np.allclose(result.read()[:, 0, 0], there)


def test_poisson_noise_has_the_variance_of_its_photons(run):
    data = np.full((40, 64, 64), 50, np.float32)
    data[:, :, 32:] = 200  # the 99.9th percentile
    result = run(made(data), photons=100).read()
    for part, value in ((result[:, :, :32], 50), (result[:, :, 32:], 200)):
        assert part.mean() == pytest.approx(value, rel=0.01)
        # n photons have the variance n; a photon is two grey values here
        assert part.var() == pytest.approx(value * 2, rel=0.03)


def test_gaussian_noise_is_a_fraction_of_the_range(run):
    data = random(dtype="int16") - 100
    noise = run(made(data), noise_sd=0.1).read() - data
    assert noise.std() == pytest.approx(0.1 * (data.max() - data.min()), rel=0.02)
    assert abs(noise.mean()) < 0.5
    # slices and seeds have noise of their own
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.1
    other = run(made(data), noise_sd=0.1, seed=2).read() - data
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_levels(dtype):
    data = random((40, 50, 50), dtype)
    low, high, bright = levels(made(data))
    assert (low, high) == (data.min(), data.max())
    assert bright == pytest.approx(np.percentile(data, 99.9), abs=0.01)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"sigma": -1}, "sigma is -1"),
        ({"sigma": (1, 2)}, "one or three"),
        ({"sigma": float("nan")}, "sigma"),
        ({"photons": 0}, "photons is 0"),
        ({"noise_sd": -0.1}, "noise_sd"),
        ({"downsample": (2, 2, 0)}, "downsample"),
        ({"downsample": (2, 2, 1.5)}, "downsample"),
        ({"downsample": (46, 1, 1)}, r"the volume's size \(45, 30, 35\)"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_parameter_out_of_range_is_refused(run, tmp_path, options, word):
    with pytest.raises(AcuityError, match=word):
        run(made(random()), **options)
    assert not (tmp_path / "v.ome.zarr").exists()


def test_poisson_noise_of_negative_values_is_refused(run, tmp_path):
    with pytest.raises(AcuityError, match="without negative values"):
        run(made(random(dtype="int16") - 1), photons=100)
    with pytest.raises(AcuityError, match="constant"):
        run(made(np.ones((3, 3, 3), np.uint8)), photons=100)
    assert not (tmp_path / "v.ome.zarr").exists()
