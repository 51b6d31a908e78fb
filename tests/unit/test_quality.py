import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.measure import quality as module
from acuity.measure.quality import WEIGHTS, compare, contrast, quality_rows, scales, settle
from acuity.slabs import join
from acuity.threshold import otsu
from acuity.volume import Grid, Volume, open_volume
from tests.unit.test_slabs import shards


def pair(shape=(48, 50, 52), noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    truth = (ndi.gaussian_filter(rng.random(shape), 3.0) > 0.5).astype(np.float32)
    image = ndi.gaussian_filter(truth, 1.0) + rng.normal(0, noise, shape).astype(np.float32)
    return image.astype(np.float32), truth


def reference_terms(a, b, data_range):
    """Wang 2004, by SciPy in float64."""
    sigma = [1.5 if n > 1 else 0 for n in a.shape]

    def mean(v):
        return ndi.gaussian_filter(v, sigma, mode="reflect", truncate=3.5)

    ma, mb = mean(a), mean(b)
    va, vb, ab = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    return (2 * ma * mb + c1) / (ma**2 + mb**2 + c1), (2 * ab + c2) / (va + vb + c2)


def reference_ms_ssim(a, b, data_range, weights, count):
    a, b = a.astype(float), b.astype(float)
    weights = np.array(weights[:count]) / sum(weights[:count])
    index = 1.0
    for i, w in enumerate(weights):
        luminance, structure = reference_terms(a, b, data_range)
        term = structure * luminance if i == count - 1 else structure
        index *= max(0.0, term.mean()) ** w
        a, b = (
            v[tuple(slice(0, n // 2 * 2) for n in v.shape)]
            .reshape(v.shape[0] // 2, 2, v.shape[1] // 2, 2, v.shape[2] // 2, 2)
            .mean(axis=(1, 3, 5))
            for v in (a, b)
        )
    return index


def quality(image, truth, mask_radius=None, data_range=None):
    """Rows and map of arrays, as one block."""
    settled = settle(image, truth, mask_radius=mask_radius, data_range=data_range)
    local, sums = compare(image, truth, settled, mask_radius=mask_radius)
    return quality_rows([{"settled": settled, "parts": [sums]}]), local


def values(rows):
    return {r["metric"]: r["value"] for r in rows}


def of_skimage(image, truth):
    """SSIM at each voxel."""
    _, local = structural_similarity(
        image.astype(float),
        truth.astype(float),
        data_range=0.9,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return local


def test_ssim_equals_skimage():
    image, truth = pair()
    expected = of_skimage(image, truth)
    rows, _ = quality(image, truth, data_range=0.9)
    assert values(rows)["ssim"] == pytest.approx(expected.mean(), abs=1e-6)
    # A volume of one scale has the SSIM at each voxel for its map.
    image, truth = pair((20, 21, 22))
    expected = of_skimage(image, truth)
    _, local = quality(image, truth, data_range=0.9)
    np.testing.assert_allclose(local, np.maximum(expected, 0), atol=2e-5)


def test_ssim_survives_a_large_offset():
    image, truth = pair((20, 21, 22))
    a, b = image + 1000, truth + 1000
    luminance, structure = reference_terms(a.astype(float), b.astype(float), 1.0)
    _, local = quality(a, b, data_range=1.0)
    np.testing.assert_allclose(local, np.maximum(luminance * structure, 0), atol=2e-3)


@pytest.mark.parametrize(
    ("side", "count"), [(10, 1), (20, 1), (21, 2), (80, 3), (160, 4), (161, 5)]
)
def test_scales(side, count):
    assert scales((side, 300, 300)) == count
    assert scales((1, side, 300)) == count


@pytest.mark.parametrize("name", list(WEIGHTS))
@pytest.mark.parametrize(("shape", "count"), [((48, 50, 52), 3), ((21, 25, 90), 2)])
def test_ms_ssim_equals_reference(name, shape, count):
    image, truth = pair(shape)
    rows, local = quality(image, truth, data_range=1.0)
    v = values(rows)
    assert scales(shape) == count
    expected = reference_ms_ssim(image, truth, 1.0, WEIGHTS[name], count)
    assert v[f"ms_ssim_{name}"] == pytest.approx(expected, abs=1e-5)
    luminance, structure = reference_terms(image.astype(float), truth.astype(float), 1.0)
    assert v["ssim"] == pytest.approx((luminance * structure).mean(), abs=1e-5)
    assert local.shape == shape
    assert local.dtype == np.float32


def test_weights_are_the_named_ones():
    assert sum(WEIGHTS["wang"]) == pytest.approx(1.0, abs=2e-4)
    gauss = np.exp(-0.5 * np.arange(-2, 3) ** 2)
    np.testing.assert_allclose(WEIGHTS["matlab"], gauss / gauss.sum(), atol=5e-5)


def test_identity():
    _, truth = pair()
    rows, local = quality(truth, truth, data_range=1.0)
    v = values(rows)
    assert v["mse"] == 0
    assert v["psnr"] == np.inf
    for name in ("ssim", "ms_ssim_matlab", "ms_ssim_wang", "ms_ssim_matlab_local"):
        assert v[name] == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(local, 1.0, atol=1e-5)


def test_constant_offset_in_closed_form():
    truth = np.full((24, 24, 24), 2.0, np.float32)
    v = values(quality(truth + 0.5, truth, data_range=4.0)[0])
    assert v["mse"] == pytest.approx(0.25 / 16)  # in squared data ranges
    assert v["psnr"] == pytest.approx(10 * np.log10(16 / 0.25))
    c1 = 0.04**2
    assert v["ssim"] == pytest.approx((2 * 2.5 * 2 + c1) / (2.5**2 + 2**2 + c1), rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(factor=st.floats(0.01, 1000.0), seed=st.integers(0, 5))
def test_scaling_grey_values_and_range_changes_nothing(factor, seed):
    image, truth = pair((22, 24, 26), seed=seed)
    a = values(quality(image, truth, data_range=1.0)[0])
    b = values(quality(factor * image, factor * truth, data_range=factor)[0])
    for name in ("psnr", "ssim", "ms_ssim_matlab", "ms_ssim_wang"):
        assert b[name] == pytest.approx(a[name], rel=1e-4)


def test_worse_images_score_less():
    image, truth = pair(noise=0.05)
    worse, _ = pair(noise=0.2)
    a, b = (
        values(quality(image, truth, data_range=1)[0]),
        values(quality(worse, truth, data_range=1)[0]),
    )
    for name in ("psnr", "ssim", "ms_ssim_matlab", "ms_ssim_wang", "ms_ssim_matlab_local"):
        assert b[name] < a[name]
    assert b["mse"] > a["mse"]


def test_mask_leaves_out_what_lies_beyond():
    image, truth = pair((48, 64, 64))
    radius = 20.0
    outside = ~cylinder((64, 64), radius)
    a = values(quality(image, truth, mask_radius=radius, data_range=1)[0])
    assert a["mse"] == pytest.approx(((image - truth)[:, ~outside] ** 2).mean(), rel=1e-5)
    far = ~cylinder((64, 64), radius + 8)
    spoiled = image.copy()
    spoiled[:, far] += 3.0
    b = values(quality(spoiled, truth, mask_radius=radius, data_range=1)[0])
    assert b["mse"] == a["mse"]
    assert b["ssim"] == pytest.approx(a["ssim"], abs=1e-6)
    assert values(quality(spoiled, truth, data_range=1)[0])["mse"] > 2 * a["mse"]


def test_map_shows_where_it_is_wrong():
    _, truth = pair((48, 48, 48))
    image = truth.copy()
    image[20:28, 20:28, 20:28] = 1.0 - image[20:28, 20:28, 20:28]
    rows, local = quality(image, truth, data_range=1.0)
    assert local[24, 24, 24] < 0.3
    assert local[4, 4, 4] > 0.99
    by_name = {r["metric"]: r for r in rows}
    assert by_name["data_range"]["value"] == 1.0
    assert by_name["ms_ssim_matlab"]["variant"] == "3 scales"
    assert by_name["ms_ssim_matlab_local"]["value"] == pytest.approx(local.mean(), rel=1e-5)


def test_one_slice():
    image, truth = pair((1, 64, 64))
    rows, local = quality(image, truth, data_range=1.0)
    assert values(rows)["ssim"] == pytest.approx(
        structural_similarity(
            image[0], truth[0], data_range=1.0, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, full=True,
        )[1].mean(),
        abs=1e-5,
    )  # fmt: skip
    assert local.shape == (1, 64, 64)


def test_contrast():
    rng = np.random.default_rng(0)
    truth = np.where(rng.random((30, 40, 40)) < 0.2, 1.0, 3.5) + rng.normal(0, 0.1, (30, 40, 40))
    assert contrast(truth) == pytest.approx(2.5, abs=0.02)
    truth[:, ~cylinder((40, 40), 15.0)] = -50.0
    assert contrast(truth, 15.0) == pytest.approx(2.5, abs=0.02)
    assert contrast(truth) > 10


@pytest.mark.parametrize(
    ("image", "truth", "data_range", "match"),
    [
        (np.zeros((4, 4, 4)), np.zeros((4, 4, 5)), 1.0, "shape"),
        (np.zeros((4, 4, 4)), np.zeros((4, 4, 4)), 0.0, "range"),
        (np.full((4, 4, 4), np.nan), np.zeros((4, 4, 4)), 1.0, "NaN"),
    ],
)
def test_mistakes(image, truth, data_range, match):
    with pytest.raises(AcuityError, match=match):
        quality(image, truth, data_range=data_range)


# --- in blocks and slabs


def blockwise(image, truth, sides, radius=None):
    """Rows and map, in blocks of these sides."""
    settled = settle(image, truth, mask_radius=radius, data_range=1.0)
    local, parts = np.empty(truth.shape, np.float32), []
    for corner in np.ndindex(*(-(-n // s) for n, s in zip(truth.shape, sides, strict=True))):
        box = tuple(
            slice(i * s, min((i + 1) * s, n))
            for i, s, n in zip(corner, sides, truth.shape, strict=True)
        )
        local[box], sums = compare(image, truth, settled, box, mask_radius=radius)
        parts.append(sums)
    return quality_rows([{"settled": settled, "parts": parts}]), local


@pytest.mark.parametrize("radius", [None, 17.0])
def test_blocks_are_the_whole(radius):
    image, truth = pair((50, 41, 61))
    whole, expected = quality(image, truth, mask_radius=radius, data_range=1.0)
    rows, local = blockwise(image, truth, (16, 16, 32), radius)
    np.testing.assert_array_equal(local, expected)
    assert values(rows) == pytest.approx(values(whole), rel=1e-12)


def test_a_window_one_voxel_short_is_not_the_whole(monkeypatch):
    image, truth = pair((50, 41, 45))
    expected = quality(image, truth, data_range=1.0)[1]
    monkeypatch.setattr(module, "_WINDOW", 9)
    assert not np.array_equal(blockwise(image, truth, (16, 41, 45))[1], expected)


def test_slabs_are_the_whole(tmp_path):
    image, truth = (Volume(v, Grid(v.shape, (1, 1, 1))) for v in pair((150, 24, 22)))
    found = module.quality(image, truth, tmp_path / "whole.ome.zarr", data_range=1.0)
    whole = shards(tmp_path / "whole.ome.zarr")
    for count in (1, 3, 7):
        path = tmp_path / f"{count}.ome.zarr"
        for number in (0, *range(count, 0, -1)):
            module.quality(image, truth, path, part=(number, count), data_range=1.0)
        assert quality_rows(join(path)) == quality_rows([found])
        assert shards(path) == whole
    assert open_volume(path).intensity == "local MS-SSIM"


@pytest.mark.parametrize(
    ("dtype", "stated", "expected"),
    [
        (np.uint8, (), 255),
        (np.uint16, (), 65535),
        (np.float32, ({"grey_values": "uint16"}, {"step": "later"}), 65535),
        (np.float32, ({"grey_values": "float32"},), None),
        (np.float32, ({"grey_values": ["uint8"]},), None),  # from a user's file
        (np.float32, ({"grey_values": "uint16"}, {"step": "ingest"}), None),
        (np.int16, (), 32767),
        (np.float32, (), None),
    ],
)
def test_the_data_range_is_that_of_the_grey_values(tmp_path, dtype, stated, expected):
    image, truth = pair((1, 30, 40))
    image, truth = (100 * v.clip(0, 2) for v in (image, truth))
    grid = Grid(truth.shape, (1, 1, 1))
    volumes = Volume(image, grid), Volume(truth.astype(dtype), grid, provenance=stated)
    found = module.quality(*volumes, tmp_path / "map.ome.zarr")
    assert found["settled"]["data_range"] == (expected or contrast(truth.astype(dtype)))
    given = module.quality(*volumes, tmp_path / "given.ome.zarr", data_range=7.0)
    assert given["settled"]["data_range"] == 7.0


@pytest.mark.parametrize("radius", [None, 20.0])
def test_contrast_is_that_of_medians(radius):
    rng = np.random.default_rng(0)
    truth = np.where(rng.random((37, 45, 44)) < 0.2, 1.0, 3.5) + rng.normal(0, 0.1, (37, 45, 44))
    truth = truth.astype(np.float32)
    values = truth[:, cylinder(truth.shape, radius)]
    dark = values <= otsu(values)
    assert contrast(truth, radius) == float(np.median(values[~dark]) - np.median(values[dark]))
