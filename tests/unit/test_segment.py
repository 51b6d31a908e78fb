import tempfile
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import threshold_otsu
from skimage.morphology import ball, h_maxima
from skimage.restoration import denoise_nl_means
from skimage.segmentation import watershed

from acuity.errors import AcuityError
from acuity.field_of_view import cylinder, inscribed_box
from acuity.segment.nlm import nlm, noise_sigma, smooth
from acuity.segment.objects import Objects, closing_ball
from acuity.segment.segment import find_objects, number_objects, segment
from acuity.segment.separate import components, drop_small, separate
from acuity.slabs import join
from acuity.streaming_median import medians
from acuity.threshold import otsu, otsu_inside
from acuity.volume import Grid, Volume, open_volume
from tests.unit.test_slabs import shards


def spheres(shape, balls):
    """Labels of spheres (z, y, x, radius); where they overlap, those of the nearer centre."""
    grid = np.indices(shape, dtype=float)
    depth = np.stack(
        [r - np.sqrt(((grid - np.reshape(c, (3, 1, 1, 1))) ** 2).sum(0)) for *c, r in balls]
    )
    return np.where(depth.max(0) >= 0, depth.argmax(0) + 1, 0)


def segment_array(image, spacing=(1.0, 1.0, 1.0), **settings):
    """Labels and report of an array."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.ome.zarr"
        report = segment(Volume(image, Grid(image.shape, spacing)), path, **settings)
        assert [p.name for p in Path(folder).iterdir()] == [path.name]
        return open_volume(path).read(), report


# --- masks


def test_cylinder():
    mask = cylinder((5, 21, 21), 4.0)
    assert mask.shape == (21, 21)
    assert mask[10, 14]
    assert not mask[10, 15]
    np.testing.assert_array_equal(mask, mask[::-1, ::-1].T)
    assert cylinder((5, 6), None).all()
    assert cylinder((301, 301), 140.0).sum() == pytest.approx(np.pi * 140**2, rel=1e-3)
    with pytest.raises(AcuityError, match="radius"):
        cylinder((5, 6), 0.0)


@settings(deadline=None)
@given(ny=st.integers(1, 60), nx=st.integers(1, 60), radius=st.floats(1.0, 50.0))
def test_inscribed_box_lies_inside(ny, nx, radius):
    box = inscribed_box((7, ny, nx), radius)
    inside = cylinder((ny, nx), radius)[box[1], box[2]]
    assert inside.size
    assert inside.all()
    assert box[0] == slice(0, 7)


# --- non-local means


def noisy_ball(n=24, sigma=0.1, seed=0):
    grid = np.indices((n, n, n)) - 0.5 * (n - 1)
    clean = ((grid**2).sum(0) < (0.3 * n) ** 2).astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, sigma, clean.shape).astype(np.float32)
    return clean, clean + noise


def test_nlm_equals_its_formula():
    _, noisy = noisy_ball()
    sigma, h, p, q = 0.1, 0.08, 1, 3
    padded = np.pad(noisy.astype(float), p + q, mode="symmetric")
    n = len(noisy) + 2 * p
    core = padded[q:-q, q:-q, q:-q]
    total, weight = np.zeros(noisy.shape), np.zeros(noisy.shape)
    for shift in np.ndindex(7, 7, 7):
        other = padded[tuple(slice(s, s + n) for s in shift)]
        mean = ndi.uniform_filter((core - other) ** 2, 2 * p + 1)[p:-p, p:-p, p:-p]
        u = np.maximum(mean - 2 * sigma**2, 0) / h**2
        w = np.where(u <= 5, np.exp(-u), 0)
        total += w * other[p:-p, p:-p, p:-p]
        weight += w
    out, used = nlm(noisy, sigma=sigma, h=h)
    assert used == sigma
    np.testing.assert_allclose(out, total / weight, atol=3e-5)


def test_nlm_denoises_as_well_as_skimage():
    clean, noisy = noisy_ball(32)
    clean = ndi.gaussian_filter(clean, 1.0)  # edges as an instrument leaves them
    noisy = clean + noisy - noisy_ball(32)[0]
    ours, sigma = nlm(noisy)
    assert sigma == pytest.approx(0.1, rel=0.05)
    theirs = denoise_nl_means(
        noisy, patch_size=3, patch_distance=3, h=0.1, sigma=0.1, fast_mode=True
    )
    error = np.std(ours - clean)
    assert error < 1.05 * np.std(theirs - clean)
    assert error < 0.4 * np.std(noisy - clean)


def test_nlm_without_noise_and_of_one_slice():
    clean, noisy = noisy_ball(24)
    out, sigma = nlm(np.ones((5, 5, 5), np.float32))
    assert sigma == 0
    assert (out == 1).all()
    flat, _ = nlm(noisy[12:13], sigma=0.1)
    assert np.std(flat - clean[12:13]) < 0.6 * np.std(noisy[12:13] - clean[12:13])


@pytest.mark.parametrize("sigma", [0.02, 0.5])
def test_noise_sigma(sigma):
    _, noisy = noisy_ball(40, sigma)
    assert noise_sigma(noisy) == pytest.approx(sigma, rel=0.05)


# --- threshold and closing


def test_otsu_agrees_with_skimage():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(1, 0.2, 30000), rng.normal(3, 0.4, 10000)])
    assert otsu(values) == pytest.approx(threshold_otsu(values, 1024), abs=0.02)
    assert otsu(3 * values + 7) == pytest.approx(3 * otsu(values) + 7, rel=1e-6)
    assert otsu(np.repeat([0.0, 1.0], 50)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("radius", [1, 1.5, 2, 3])
def test_closing_equals_scipy(radius):
    rng = np.random.default_rng(2)
    binary = ndi.gaussian_filter(rng.random((20, 21, 22)), 1.0) > 0.51
    r = int(radius)
    grid = np.mgrid[-r : r + 1, -r : r + 1, -r : r + 1]
    element = (grid**2).sum(0) <= radius**2
    if radius == r:
        np.testing.assert_array_equal(element, ball(r).astype(bool))
    grown = ndi.binary_dilation(binary, element)
    expected = ndi.binary_erosion(grown, element, border_value=1)
    closed = closing_ball(binary, radius)
    np.testing.assert_array_equal(closed, expected)
    assert closed[binary].all()
    assert closing_ball(binary, 0) is binary


# --- separation


def test_separates_two_overlapping_spheres_at_the_plane_between():
    truth = spheres((30, 30, 50), [(15, 15, 15, 10), (15, 15, 33, 10)])
    labels, n = components(truth > 0)
    assert n == 1
    assert separate(labels, n, 0.75) == 2
    mirrored = labels if labels[15, 15, 15] == 1 else 3 - labels
    differ = (mirrored != truth) & (truth > 0)
    assert differ.sum() < 0.01 * (truth > 0).sum()
    assert ((labels > 0) == (truth > 0)).all()


def test_shallow_maxima_stay_together():
    truth = spheres((30, 30, 50), [(15, 15, 15, 10), (15, 15, 33, 10)])
    labels, n = components(truth > 0)
    assert separate(labels, n, 20.0) == 1
    single, n = components(spheres((30, 30, 30), [(15, 15, 15, 11)]) > 0)
    assert separate(single, n, 0.75) == 1


@pytest.mark.parametrize("seed", range(3))
def test_separation_agrees_with_h_maxima_and_watershed(seed):
    rng = np.random.default_rng(seed)
    binary = np.zeros((48, 48, 48), bool)
    for _ in range(14):
        binary |= spheres(binary.shape, [(*rng.uniform(8, 40, 3), rng.uniform(4, 8))]) > 0
    h = 0.9
    distance = ndi.distance_transform_edt(np.pad(binary, 1, mode="edge"))[1:-1, 1:-1, 1:-1]
    distance = ndi.distance_transform_edt(binary)
    markers, _ = ndi.label(h_maxima(distance, h), np.ones((3, 3, 3)))
    theirs = watershed(-distance, markers, mask=binary, connectivity=3)
    labels, n = components(binary)
    n = separate(labels, n, h)
    assert n == theirs.max()
    assert set(np.unique(labels[binary])) == set(range(1, n + 1))
    # Every one of theirs has a partner of ours that is nearly the same.
    for k in range(1, n + 1):
        own = theirs == k
        partner = np.bincount(labels[own]).argmax()
        both = (labels == partner) & own
        assert both.sum() / ((labels == partner) | own).sum() > 0.85


def test_separation_across_the_border_is_that_of_the_middle():
    truth = spheres((30, 30, 50), [(15, 15, 15, 10), (15, 15, 33, 10)])
    half = np.ascontiguousarray(truth[15:])
    labels, n = components(half > 0)
    assert separate(labels, n, 0.75) == 2


def test_drop_small_closes_gaps():
    labels = np.zeros((1, 1, 12), np.uint32)
    labels[0, 0, :3] = 1
    labels[0, 0, 4] = 2
    labels[0, 0, 6:9] = 3
    assert drop_small(labels, 3, 2) == 2
    assert labels.ravel().tolist() == [1, 1, 1, 0, 0, 0, 2, 2, 2, 0, 0, 0]


# --- the route


FOAM = [(20, 20, 20, 9), (20, 20, 37, 9), (45, 40, 25, 6), (40, 15, 45, 4), (3, 40, 45, 7)]


def foam_image(noise=0.05, seed=0):
    truth = spheres((56, 56, 60), FOAM)
    image = ndi.gaussian_filter((truth == 0).astype(np.float32), 1.0)
    image += np.random.default_rng(seed).normal(0, noise, image.shape).astype(np.float32)
    return truth, image


@pytest.mark.parametrize("smoothed", [False, True])
def test_route_finds_all_pores(smoothed):
    truth, image = foam_image()
    labels, report = segment_array(nlm(image)[0] if smoothed else image)
    assert report["objects"] == len(FOAM) == labels.max()
    assert report["objects_before_separation"] == len(FOAM) - 1
    assert 0.4 < report["threshold"] < 0.6
    for k in range(1, len(FOAM) + 1):
        partner = np.bincount(labels[truth == k]).argmax()
        both = ((labels == partner) & (truth == k)).sum()
        assert both / ((labels == partner) | (truth == k)).sum() > 0.85


def test_bright_objects_are_the_negative():
    _, image = foam_image()
    dark, _ = segment_array(image)
    bright, _ = segment_array(-image, objects="bright")
    assert ((dark > 0) != (bright > 0)).mean() < 1e-3


def test_mask_smallest_and_threshold():
    _, image = foam_image()
    labels, report = segment_array(image, mask_radius=20.0, threshold=0.4)
    assert report["threshold"] == 0.4
    assert not labels[:, ~cylinder(image.shape, 20.0)].any()
    few, report = segment_array(image, smallest=1000)
    assert 0 < report["objects"] < len(FOAM)
    assert np.bincount(few.ravel())[1:].min() >= 1000
    together, report = segment_array(image, separation=None)
    assert together.max() == len(FOAM) - 1


def test_segment_writes_labels(tmp_path):
    _, image = foam_image()
    grid = Grid(image.shape, (2.0, 2.0, 2.0), (1.0, 2.0, 3.0), "um")
    report = segment(Volume(image, grid), tmp_path / "labels.ome.zarr")
    stored = open_volume(tmp_path / "labels.ome.zarr")
    assert stored.grid == grid
    assert stored.dtype == np.uint32
    expected, _ = segment_array(image)
    np.testing.assert_array_equal(stored.read(), expected)
    assert stored.provenance[-1]["threshold"] == report["threshold"]


@pytest.mark.parametrize(
    ("data", "settings", "match"),
    [
        (np.ones((8, 8, 8)), {}, "constant"),
        (np.full((8, 8, 8), np.nan), {}, "NaN"),
        (np.arange(512.0).reshape(8, 8, 8), {"objects": "grey"}, "objects"),
        (np.arange(512.0).reshape(8, 8, 8), {"threshold": "yen"}, "threshold"),
        (np.arange(512.0).reshape(8, 8, 8), {"mask_radius": 0.1}, "mask"),
        (np.arange(512.0).reshape(8, 8, 8), {"largest_radius": "3 2 2 um"}, "one length"),
    ],
)
def test_mistakes(data, settings, match, tmp_path):
    with pytest.raises(AcuityError, match=match):
        segment(Volume(data, Grid(data.shape, (1, 1, 1))), tmp_path / "x.ome.zarr", **settings)
    assert not list(tmp_path.iterdir())


# --- in parts, blocks and slabs


@pytest.mark.parametrize("count", [1, 2, 777, 5000])
def test_medians_are_those_of_numpy(count):
    rng = np.random.default_rng(count)
    values = rng.normal(0, 1, count).astype(np.float32)
    values[: count // 3] = np.float32(0.25)
    parts = np.array_split(values, 7)
    found = medians(lambda: ((part, -3 * part) for part in parts))
    assert found[0].tobytes() == np.median(values).tobytes()
    assert found[1] == np.median(-3 * values)


@pytest.mark.parametrize("radius", [None, 60.0])
def test_threshold_in_parts_is_that_of_all_values(radius):
    # More than two million voxels, so that the percentiles are those of every second or third.
    rng = np.random.default_rng(1)
    image = rng.normal(0, 1, (130, 130, 140)).astype(np.float32)
    image[rng.random(image.shape) < 0.2] += 5
    assert otsu_inside(image, radius) == otsu(image[:, cylinder(image.shape, radius)])


def whole(image, *, h=0.75, smallest=30, closing=1, spacing=(1.0, 1.0, 1.0)):
    """The route with the volume in memory; labels by first voxel."""
    binary = closing_ball(image <= np.float32(0.5), closing)
    labels, n = components(binary)
    if h:
        n = separate(labels, n, h, tuple(np.array(spacing) / min(spacing)))
    drop_small(labels, n, smallest)
    kept, first = np.unique(labels, return_index=True)
    order = kept[np.argsort(first)]
    table = np.zeros(kept.max() + 1, np.uint32)
    table[order[order > 0]] = np.arange(1, len(order[order > 0]) + 1)
    return table[labels]


def packed_foam(shape=(112, 40, 44), seed=0, step=10):
    """Spheres about a lattice that touch or overlap a little: a component through the volume."""
    rng = np.random.default_rng(seed)
    image = np.ones(shape, np.float32)
    for corner in np.ndindex(*(n // step + 1 for n in shape)):
        centre, radius = step * np.array(corner) + rng.uniform(-1, 1, 3), rng.uniform(4.6, 5.4)
        box = tuple(
            slice(max(0, int(c - 6)), min(n, int(c + 8)))
            for c, n in zip(centre, shape, strict=True)
        )
        grid = np.mgrid[box] - centre.reshape(3, 1, 1, 1)
        image[box][(grid**2).sum(0) <= radius**2] = 0
    return image


def blocks(image, tmp_path, count=None, spacing=(1.0, 1.0, 1.0), **settings):
    """Labels in blocks of one row of shards, by one job or by several."""
    settings = {"block": 16, "threshold": 0.5, **settings}
    volume = Volume(image, Grid(image.shape, spacing, unit="um"))
    if count is None:
        report = segment(volume, tmp_path / "labels.ome.zarr", **settings)
        return open_volume(tmp_path / "labels.ome.zarr").read(), report
    path = tmp_path / f"{count}.ome.zarr"
    smallest = settings.pop("smallest", 30)
    for number in (0, *range(count, 0, -1)):
        find_objects(volume, path, part=(number, count), **settings)
    found = join(path)
    out = tmp_path / f"labels{count}.ome.zarr"
    report = number_objects(open_volume(path), found, out, smallest=smallest, **settings)
    return shards(out), report


@pytest.mark.parametrize("closing", [0, 1])
def test_components_are_joined_across_blocks(tmp_path, closing):
    rng = np.random.default_rng(3)
    image = (ndi.gaussian_filter(rng.random((72, 40, 44)), 1.5) > 0.478).astype(np.float32)
    labels, report = blocks(image, tmp_path, separation=None, closing=closing, smallest=5)
    expected = whole(image, h=None, closing=closing, smallest=5)
    np.testing.assert_array_equal(labels, expected)
    assert report["objects"] == report["objects_before_separation"] == expected.max() > 10
    assert any(np.intersect1d(expected[15], expected[16])[1:])  # some do cross a face


def test_blocks_lie_in_the_plane_too(tmp_path, monkeypatch):
    # Shards of one chunk: 3 x 2 x 2 blocks, and components that meet at their edges and corners.
    monkeypatch.setattr("acuity.volume.CHUNK", (16, 16, 16))
    monkeypatch.setattr("acuity.volume.SHARD_BYTES", 16**3 * 4)
    rng = np.random.default_rng(4)
    image = (ndi.gaussian_filter(rng.random((40, 30, 31)), 1.0) > 0.46).astype(np.float32)
    plan = Objects(Grid(image.shape, (1, 1, 1)), separation=None, block=16)
    assert plan.count == (3, 2, 2)
    labels, _ = blocks(image, tmp_path, separation=None, smallest=2)
    np.testing.assert_array_equal(labels, whole(image, h=None, smallest=2))


def test_separation_in_blocks_is_that_of_the_whole(tmp_path):
    image = packed_foam()
    expected = whole(image)
    assert components(image == 0)[1] < 10 < 100 < expected.max()
    # Three blocks of 16 slices and more see less than the volume: the test is no tautology.
    plan = Objects(Grid(image.shape, (1, 1, 1)), largest_radius="8 um", block=16)
    assert plan.count[0] == 7
    assert plan.overlap[0] < 40
    labels, report = blocks(image, tmp_path, largest_radius="8 um")
    np.testing.assert_array_equal(labels, expected)
    assert report["objects"] == expected.max()
    assert report["objects_beyond_radius"] == 0


def test_an_overlap_too_small_is_not_the_whole_and_says_so(tmp_path, caplog):
    image = packed_foam()
    labels, report = blocks(image, tmp_path, largest_radius="1 um")
    assert not np.array_equal(labels, whole(image))
    assert report["objects_beyond_radius"] > 0
    assert "longer than twice the largest radius" in caplog.text
    assert "largest_radius" in caplog.text


@pytest.mark.parametrize("largest_radius", ["8 um", "1 um"])
def test_slabs_give_the_same_bytes(tmp_path, largest_radius):
    # Of objects that are too large as well: blocks do not depend on the number of jobs.
    image = packed_foam()
    settings = {"largest_radius": largest_radius, "smallest": 20}
    one, *others = (blocks(image, tmp_path, count, **settings) for count in (1, 3, 7))
    assert all(other == one for other in others)
    _, report = blocks(image, tmp_path, **settings)
    assert report == one[1]
    assert shards(tmp_path / "labels.ome.zarr") == one[0]


def test_smoothing_in_slabs_is_that_of_the_whole(tmp_path):
    image = noisy_ball(40)[1][:, :18, :20]
    volume = Volume(image, Grid(image.shape, (1, 1, 1)))
    sigma = smooth(volume, tmp_path / "whole.ome.zarr")
    expected, used = nlm(image)
    assert sigma == used
    np.testing.assert_array_equal(open_volume(tmp_path / "whole.ome.zarr").read(), expected)
    for count in (1, 3):
        path = tmp_path / f"{count}.ome.zarr"
        for number in (0, *range(count, 0, -1)):
            smooth(volume, path, part=(number, count))
        assert {note["sigma"] for note in join(path)} == {sigma}
        assert shards(path) == shards(tmp_path / "whole.ome.zarr")
