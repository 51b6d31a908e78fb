"""Multi-scale SSIM beside a plain computation in double precision, windows beside their definition."""

import inspect
import math

import numpy as np
import pytest
import scipy.ndimage as ndi

from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.measure import quality as module
from acuity.measure.quality import WEIGHTS, compare, contrast, quality_rows, scales, settle
from acuity.volume import Grid, Volume

# One slice of five scales; a volume of two with odd sides.
SHAPES = {5: (1, 161, 170), 2: (21, 23, 26)}


def pair(shape, seed=0):
    random = np.random.default_rng(seed)
    axes = [1.5 if n > 1 else 0 for n in shape]
    truth = 2 + 3 * ndi.gaussian_filter(random.normal(size=shape), axes)
    image = 0.9 * ndi.gaussian_filter(truth, [a / 2 for a in axes]) + 0.3
    image += random.normal(0, 0.3, shape)
    return image.astype(np.float32), truth.astype(np.float32)


def terms(a, b, data_range):
    def mean(v):
        axes = [1.5 if n > 1 else 0 for n in v.shape]
        return ndi.gaussian_filter(v, axes, mode="reflect", truncate=3.5)

    p, q = mean(a), mean(b)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    structure = 2 * (mean(a * b) - p * q) + c2
    structure /= mean(a * a) - p * p + mean(b * b) - q * q + c2
    return (2 * p * q + c1) / (p * p + q * q + c1), structure


def halved(v):
    """Means of blocks; what is left over at an end is left out."""
    for axis, n in enumerate(v.shape):
        if n > 1:
            v = (
                np.add.reduceat(np.take(v, range(n // 2 * 2), axis), range(0, n // 2 * 2, 2), axis)
                / 2
            )
    return v


def reference(a, b, data_range, radius, count):
    """Map and sums of `compare` of a whole volume."""
    weights = np.broadcast_to(cylinder(a.shape, radius), a.shape).astype(float)
    mask, own = weights, np.array(WEIGHTS["matlab"][:count])
    a, b = a.astype(float), b.astype(float)
    sums = {"terms": [], "weights": [], "square": ((a - b) ** 2 * mask).sum()}
    maps = []
    for i in range(count):
        light, structure = terms(a, b, data_range)
        if i == 0:
            sums["ssim"] = (light * structure * mask).sum()
        if i == count - 1:
            structure = structure * light
        sums["terms"].append((structure * weights).sum())
        sums["weights"].append(weights.sum())
        maps.append(np.maximum(structure, 0) ** (own[i] / own.sum()))
        a, b, weights = halved(a), halved(b), halved(weights)
    local = maps.pop()
    while maps:
        finer = maps.pop()
        places = [(np.arange(n) + 0.5) / 2 - 0.5 if n > 1 else np.zeros(1) for n in finer.shape]
        grid = np.meshgrid(*places, indexing="ij")
        local = finer * ndi.map_coordinates(local, grid, order=1, mode="nearest")
    sums["local"] = (local * mask).sum()
    return local, sums


@pytest.mark.parametrize("radius", [None, 9.3])
@pytest.mark.parametrize("count", SHAPES)
def test_map_and_sums_are_those_of_double_precision(count, radius):
    image, truth = pair(SHAPES[count])
    radius = radius and radius * (7 if count == 5 else 1)
    settled = settle(image, truth, data_range=3.0)
    local, sums = compare(image, truth, settled, mask_radius=radius)
    expected, figures = reference(image, truth, 3.0, radius, count)
    assert local.dtype == np.float32
    np.testing.assert_allclose(local, expected, atol=3e-5)
    assert sorted(sums) == sorted(figures)
    for name, values in figures.items():
        np.testing.assert_allclose(sums[name], values, rtol=3e-6, err_msg=name)
    assert expected.min() < 0.8  # not everywhere alike


@pytest.mark.parametrize("radius", [None, 70.0])
def test_blocks_of_five_scales_are_the_whole(radius):
    image, truth = pair(SHAPES[5])
    settled = settle(image, truth, data_range=3.0)
    whole, sums = compare(image, truth, settled, mask_radius=radius)
    parts = []
    for y, x in ((0, 0), (0, 64), (64, 0), (64, 64), (128, 0), (128, 64)):
        box = slice(0, 1), slice(y, min(y + 64, 161)), slice(x, 64 if x == 0 else 170)
        local, part = compare(image, truth, settled, box, mask_radius=radius)
        np.testing.assert_array_equal(local, whole[box])
        parts.append(part)
    for name in ("terms", "weights"):
        np.testing.assert_allclose(np.sum([p[name] for p in parts], axis=0), sums[name], rtol=1e-12)
    for name in ("square", "ssim", "local"):
        assert math.fsum(p[name] for p in parts) == pytest.approx(sums[name], rel=1e-12)


def needed(start, stop, n, factor, count):
    """Voxels that the scales hold, that the interpolation reads, and that the windows see."""
    own, reads = set(range(start, stop)), set(range(start, stop))
    out = []
    for i in range(count):
        if i:
            reads = {
                min(max(int(np.floor((v + 0.5) / factor - 0.5)) + k, 0), n // factor - 1)
                for v in reads
                for k in (0, 1)
            }
            own = {v // factor for v in own if v // factor < n // factor}
            n //= factor
        reach = 5 if n > 1 else 0
        seen = {min(max(v + k, 0), n - 1) for v in reads for k in (-reach, reach)}
        out.append((n, *((min(s), max(s) + 1) if s else (n, n) for s in (own, reads, seen))))
    return out


@pytest.mark.parametrize(
    ("start", "stop", "n", "factor", "count"),
    [
        (64, 96, 203, 2, 5), (0, 16, 203, 2, 5), (192, 203, 203, 2, 5), (0, 203, 203, 2, 5),
        (0, 1, 1, 1, 5), (32, 48, 61, 2, 3), (48, 61, 61, 2, 3),
    ],
)  # fmt: skip
def test_each_scale_needs_what_the_finer_one_reads(start, stop, n, factor, count):
    found = module._needed(slice(start, stop), n, factor, count)
    assert found == needed(start, stop, n, factor, count)


@pytest.mark.parametrize("corner", [(0, 0, 0), (32, 16, 48)])
def test_a_pyramid_holds_the_windows_of_the_whole_one(corner):
    shape, count = (53, 41, 67), 3
    data = np.random.default_rng(0).normal(5, 1, shape).astype(np.float32)
    box = [slice(c, min(c + 16, n)) for c, n in zip(corner, shape, strict=True)]
    axes = [module._needed(p, n, 2, count) for p, n in zip(box, shape, strict=True)]
    whole = data.astype(float) - 4.5
    for i, found in enumerate(module._pyramid(data, np.float32(4.5), axes, [2, 2, 2], count)):
        window = tuple(slice(*axis[i][3]) for axis in axes)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, whole[window], atol=2e-6)
        whole = halved(whole)


class Read:
    """An array that notes which parts of it are read."""

    def __init__(self, data):
        self.data, self.parts = data, []

    def __getitem__(self, part):
        self.parts.append([(p.start, p.stop) for p in part])
        return self.data[part]


@pytest.mark.parametrize("corner", [(0, 0, 0), (48, 16, 64)])
@pytest.mark.parametrize("count", [1, 3])
def test_a_pyramid_reads_no_more_than_whole_coarse_voxels_of_its_windows(corner, count):
    shape = (77, 61, 133)
    data = Read(np.zeros(shape, np.float32))
    box = [slice(c, min(c + 16, n)) for c, n in zip(corner, shape, strict=True)]
    axes = [module._needed(p, n, 2, count) for p, n in zip(box, shape, strict=True)]
    module._pyramid(data, np.float32(0), axes, [2, 2, 2], count)
    coarse = 2 ** (count - 1)
    expected = []
    for axis, n in zip(axes, shape, strict=True):
        first = min(window[0] * 2**i for i, (*_, window) in enumerate(axis))
        last = max(window[1] * 2**i for i, (*_, window) in enumerate(axis))
        expected.append((first // coarse * coarse, min(n, math.ceil(last / coarse) * coarse)))
    (z0, z1), *sides = expected
    assert data.parts == [[(z, min(z + 16, z1)), *sides] for z in range(z0, z1, 16)]


def test_weights_are_those_of_the_papers():
    assert WEIGHTS == {
        "wang": (0.0448, 0.2856, 0.3001, 0.2363, 0.1333),
        "matlab": (0.0545, 0.2442, 0.4026, 0.2442, 0.0545),
    }
    for function, names in ((settle, ("mask_radius", "data_range")), (module.quality, ("part",))):
        for name in names:
            assert inspect.signature(function).parameters[name].default is None


def test_a_single_voxel_has_no_scale():
    with pytest.raises(AcuityError) as error:
        scales((1, 1, 1))
    assert str(error.value) == "quality: the volume has shape (1, 1, 1); it is a single voxel"
    assert scales((1, 1, 40)) == 2
    assert scales((2, 400, 400)) == 1
    assert scales((1, 1, 161)) == scales((1, 1, 5000)) == 5
    assert scales((1, 41, 41)) == 3


@pytest.mark.parametrize(
    ("image", "truth", "data_range", "message"),
    [
        ((4, 4, 4), (4, 4, 5), 1.0, "the image has shape (4, 4, 4), the truth (4, 4, 5); one (z, y, x) is needed"),
        ((4, 4), (4, 4), 1.0, "the image has shape (4, 4), the truth (4, 4); one (z, y, x) is needed"),
        ((4, 0, 4), (4, 0, 4), 1.0, "the image has shape (4, 0, 4), the truth (4, 0, 4); one (z, y, x) is needed"),
        ((4, 4, 4), (4, 4, 4), 0.0, "the data range is 0.0; it must be above 0"),
        ((4, 4, 4), (4, 4, 4), -1.0, "the data range is -1.0; it must be above 0"),
        ((4, 4, 4), (4, 4, 4), np.inf, "the data range is inf; it must be above 0"),
    ],
)  # fmt: skip
def test_mistakes_are_named(image, truth, data_range, message):
    with pytest.raises(AcuityError) as error:
        settle(np.ones(image), np.ones(truth), data_range=data_range)
    assert str(error.value) == f"quality: {message}"


def test_what_is_settled_is_the_mean_of_the_truth_and_its_contrast():
    random = np.random.default_rng(0)
    truth = np.where(random.random((150, 5, 7)) < 0.3, 9.0, 2.0) + random.normal(
        0, 0.2, (150, 5, 7)
    )
    truth = truth.astype(np.float32)
    mean = float(np.float32(truth.mean(dtype=float)))
    found = settle(truth + 1, truth)
    assert found["middle"] == pytest.approx(mean, rel=1e-7)
    assert found["data_range"] == contrast(truth) == pytest.approx(7, abs=0.1)
    assert settle(truth + 1, truth, data_range=0.5) == {
        "data_range": 0.5,
        "middle": found["middle"],
    }
    truth[:, 0] = 400.0
    assert settle(truth, truth, mask_radius=1.5)["data_range"] == contrast(truth, 1.5) < 8
    for place in ((0, 0, 0), (149, 4, 6)):
        for name in ("image", "truth"):
            bad = {"image": truth, "truth": truth, name: truth.copy()}
            bad[name][place] = np.nan
            with pytest.raises(AcuityError) as error:
                settle(**bad, data_range=1.0)
            assert str(error.value) == f"quality: the {name} holds NaN or infinite voxels"


def test_rows_are_made_of_the_sums_of_all_parts():
    parts = [
        {"square": 3.0, "ssim": 6.0, "local": 5.0, "terms": [7.0, -1.0], "weights": [10.0, 2.0]},
        {"square": 1.0, "ssim": 9.0, "local": 9.0, "terms": [9.0, 2.0], "weights": [15.0, 3.0]},
    ]
    found = [{"settled": {"data_range": 2.0}, "parts": [part]} for part in parts]
    rows = quality_rows(found)
    fine, coarse = 16 / 25, 1 / 5
    index = {
        name: fine ** (w[0] / (w[0] + w[1])) * coarse ** (w[1] / (w[0] + w[1]))
        for name, w in WEIGHTS.items()
    }
    more = {"variant": "2 scales"}
    expected = [
        ("data_range", 2.0, "", {}), ("mse", 0.04, "range^2", {}),
        ("psnr", 10 * math.log10(25), "dB", {}), ("ssim", 0.6, "", {}),
        ("ms_ssim_matlab", index["matlab"], "", more), ("ms_ssim_wang", index["wang"], "", more),
        ("ms_ssim_matlab_local", 14 / 25, "", more),
    ]  # fmt: skip
    assert rows == [
        {"metric": m, "subset": "all", "value": pytest.approx(v, rel=1e-12), "unit": u, **kept}
        for m, v, u, kept in expected
    ]
    for part in parts:
        part.update(terms=part["terms"][:1], weights=part["weights"][:1], square=0.0)
    rows = {row["metric"]: row for row in quality_rows(found)}
    assert rows["psnr"]["value"] == np.inf
    assert rows["ms_ssim_wang"]["value"] == pytest.approx(fine, rel=1e-12)
    assert rows["ms_ssim_wang"]["variant"] == "1 scale"
    for part in parts:
        part["terms"] = [-3.0]
    assert {row["metric"]: row for row in quality_rows(found)}["ms_ssim_wang"]["value"] == 0


def test_shards_beside_each_other_are_the_whole(tmp_path, monkeypatch):
    """Blocks of 64 slices of columns of shards, here of 32 voxels along y and x."""
    image, truth = (Volume(v, Grid(v.shape, (1, 1, 1))) for v in pair((66, 21, 45)))
    seen, plain = [], compare

    def counted(a, b, settled, box, **options):
        seen.append([(part.start, part.stop) for part in box])
        return plain(a, b, settled, box, **options)

    monkeypatch.setattr(module, "compare", counted)
    monkeypatch.setattr("acuity.volume.CHUNK", (64, 16, 32))
    monkeypatch.setattr("acuity.volume.SHARD_BYTES", 16 * 32 * 32 * 4)
    found = module.quality(
        image, truth, tmp_path / "map.ome.zarr", mask_radius=12.0, data_range=3.0
    )
    sides = sorted(seen)
    assert sides == [
        [(z0, z1), (y0, y1), (x0, x1)]
        for z0, z1 in ((0, 64), (64, 66))
        for y0, y1 in ((0, 21),)
        for x0, x1 in ((0, 32), (32, 45))
    ]
    settled = settle(image.data, truth.data, mask_radius=12.0, data_range=3.0)
    assert found["settled"] == settled
    _, sums = plain(image.data, truth.data, settled, mask_radius=12.0)
    rows = quality_rows([{"settled": settled, "parts": [sums]}])
    for own, other in zip(quality_rows([found]), rows, strict=True):
        assert own == other | {"value": pytest.approx(other["value"], rel=1e-12)}
