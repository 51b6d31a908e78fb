"""Each step of the segmentation against a few lines that do the same, on oblong little volumes."""

import itertools
import logging

import edt
import numpy as np
import pytest
import scipy.ndimage as ndi

from acuity import threshold as threshold_module
from acuity.errors import AcuityError
from acuity.field_of_view import cylinder, inscribed_box, values_inside
from acuity.segment import nlm as nlm_module
from acuity.segment import segment as segment_module
from acuity.segment.blocks import RADIUS, Blocks, radius_in_voxels
from acuity.segment.boxes import sizes_and_boxes
from acuity.segment.nlm import nlm, noise_sigma, smooth
from acuity.segment.objects import Objects, _blocks_of, _number, _roots, _unite, closing_ball
from acuity.segment.segment import choose_threshold, find_objects, number_objects, segment
from acuity.segment.separate import components, divide, drop_small, relabel, root, separate
from acuity.threshold import otsu, otsu_inside, otsu_of_parts
from acuity.volume import Grid, Volume, open_volume, write_volume


def random(shape, seed=0):
    return np.random.default_rng(seed).random(shape)


# --- masks


@pytest.mark.parametrize("shape", [(5, 8), (3, 7, 4)])
@pytest.mark.parametrize("radius", [0.1, 0.5, 1, 2.5, 30])
def test_a_cylinder_holds_the_voxels_up_to_its_radius(shape, radius):
    ny, nx = shape[-2:]
    expected = np.array(
        [
            [(y - (ny - 1) / 2) ** 2 + (x - (nx - 1) / 2) ** 2 <= radius**2 for x in range(nx)]
            for y in range(ny)
        ]
    )
    np.testing.assert_array_equal(cylinder(shape, radius), expected)
    part = slice(1, 4), slice(2, None)
    np.testing.assert_array_equal(cylinder(shape, radius, part), expected[part])
    np.testing.assert_array_equal(cylinder(shape, None, part), np.ones_like(expected[part]))


@pytest.mark.parametrize("radius", [0, -1.5, np.nan])
def test_a_mask_without_a_radius_is_refused(radius):
    with pytest.raises(AcuityError) as error:
        cylinder((5, 8), radius)
    assert str(error.value) == f"mask radius is {radius}; it must be a number of voxels above 0"


@pytest.mark.parametrize(
    ("radius", "y", "x"),
    [
        (None, (0, 9), (0, 12)),
        (100, (0, 9), (0, 12)),
        (3, (2, 7), (4, 8)),
        (2 * 2**0.5, (2, 7), (4, 8)),  # half a side of 2 to the last digit
        (2.5 * 2**0.5, (2, 7), (3, 9)),
        (0.72, (4, 5), (5, 7)),
        (6.4, (0, 9), (1, 11)),
    ],
)
def test_the_inscribed_box(radius, y, x):
    assert inscribed_box((3, 9, 12), radius) == (slice(0, 3), slice(*y), slice(*x))


def test_a_circle_between_voxels_has_no_box():
    with pytest.raises(AcuityError) as error:
        inscribed_box((3, 9, 12), 0.3)
    assert str(error.value) == "mask radius is 0.3 voxels; no voxel lies within it"


@pytest.mark.parametrize(("row_bytes", "depth"), [(2**29, 16), (4 * 5 * 6 * 3, 2), (1, 2)])
def test_values_in_a_mask_come_in_parts_of_an_even_number_of_slices(monkeypatch, row_bytes, depth):
    monkeypatch.setattr("acuity.volume.ROW_BYTES", row_bytes)
    data = random((19, 5, 6))
    for radius in (None, 2.0):
        mask = cylinder((5, 6), radius)
        parts = list(values_inside(data, radius))
        assert [len(part) for part in parts] == [
            min(depth, 19 - z) * mask.sum() for z in range(0, 19, depth)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), data[:, mask].ravel().astype("f4"))
        assert all(part.dtype == np.float32 and part.ndim == 1 for part in parts)


# --- threshold


def otsu_by_formula(values, bins, step=1):
    """Every cut between two bins tried; the middle of those that are best."""
    low, high = np.percentile(values[::step], [0.01, 99.99])
    counts, edges = np.histogram(values, bins, range=(low, high))
    centre = (edges[1:] + edges[:-1]) / 2
    between = []
    for cut in range(1, bins):
        lower, upper = counts[:cut], counts[cut:]
        if lower.sum() and upper.sum():
            apart = np.average(centre[:cut], weights=lower) - np.average(
                centre[cut:], weights=upper
            )
            between.append((lower.sum() * upper.sum() * apart**2, edges[cut]))
    best = max(value for value, _ in between)
    cuts = [edge for value, edge in between if value >= best * (1 - 1e-12)]
    return (cuts[0] + cuts[-1]) / 2


@pytest.mark.parametrize("bins", [3, 5, 16, None])
@pytest.mark.parametrize("seed", range(3))
def test_otsu_by_its_formula(bins, seed):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(-3, 1, 150), rng.normal(2, 1, 60), [7.0]])
    rng.shuffle(values)
    found = otsu(values.reshape(-1, 1)) if bins is None else otsu(values, bins)
    assert found == pytest.approx(otsu_by_formula(values, bins or 1024), rel=1e-10)
    parts = [values[:50], values[:0], values[50:]]
    settings = () if bins is None else (bins,)
    assert otsu_of_parts(lambda: parts, len(values), *settings) == found


def test_the_middle_of_a_gap_is_the_threshold():
    # the percentiles of so few values lie inside them
    values = np.repeat([1.0, 4.0], [300, 100])
    assert otsu(values) == pytest.approx(2.5, abs=1e-12)
    assert otsu(np.arange(4.0), 4) == pytest.approx(1.5, abs=1e-12)


def test_percentiles_are_those_of_every_kth_value(monkeypatch):
    values = np.random.default_rng(5).normal(0, 1, 57)
    values[::5] /= 4  # those that are looked at span less than all
    monkeypatch.setattr(threshold_module, "_SAMPLE", 10)
    expected = otsu_by_formula(values, 16, step=5)
    assert expected != otsu_by_formula(values, 16)
    assert otsu(values, 16) == pytest.approx(expected, rel=1e-10)
    for cuts in ([], [3, 4, 4, 19, 56], [5, 10], [1, 2, 3]):
        parts = np.split(values, cuts)
        assert otsu_of_parts(lambda parts=parts: parts, 57, 16) == otsu(values, 16)


def test_from_two_million_values_on_only_every_second_one_is_sampled():
    values = np.full(40, 90.0)
    values[::2] = np.arange(20)
    assert otsu_of_parts(lambda: [values], 1_999_999, 8) == otsu(values, 8)
    every_second = otsu_by_formula(values, 8, step=2)
    assert otsu_of_parts(lambda: [values], 2_000_000, 8) == pytest.approx(every_second, rel=1e-12)
    assert every_second < 19 < otsu(values, 8)


def test_where_the_sample_is_constant_least_and_most_are_the_span(monkeypatch):
    monkeypatch.setattr(threshold_module, "_SAMPLE", 4)
    values = np.zeros(20)
    values[3], values[7] = 3, -5
    # counts at -5, 0 and 3: the widest gap is the one below
    assert otsu(values, 16) == pytest.approx(-2.5, abs=0.3)
    values[7] = 0
    assert otsu(values, 16) == pytest.approx(1.5, abs=1e-12)
    values[[3, 7]] = 0, -5
    assert otsu(values, 16) == pytest.approx(-2.5, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "there are no voxels in the mask"),
        ([1.0, np.nan, 2.0], "the volume holds NaN or infinite voxels"),
        ([1.0, np.inf, 2.0], "the volume holds NaN or infinite voxels"),
        ([-np.inf, 1.0, 2.0], "the volume holds NaN or infinite voxels"),
        ([2.5, 2.5], "every voxel in the mask is 2.5; two classes are needed"),
        ([7.0], "every voxel in the mask is 7; two classes are needed"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_values_without_a_threshold(values, said):
    with pytest.raises(AcuityError) as error:
        otsu(np.array(values))
    assert str(error.value) == f"Otsu's threshold: {said}"


def test_the_mask_of_a_threshold():
    data = random((3, 5, 8)).astype(np.float32)
    data[:, 1:4, 2:6] += 3
    inside = cylinder(data.shape, 2.5)
    assert otsu_inside(data, 2.5) == otsu(data[:, inside])
    assert otsu_inside(data) == otsu(data)
    assert otsu_inside(data, 2.5) != otsu_inside(data)


@pytest.mark.parametrize(
    ("data", "settings", "said"),
    [
        (None, {"threshold": "yen"}, "threshold is 'yen'; allowed are 'otsu' or a number"),
        (None, {"threshold": True}, "threshold is True; allowed are 'otsu' or a number"),
        (None, {"threshold": None}, "threshold is None; allowed are 'otsu' or a number"),
        (None, {"mask_radius": 0.4}, "no voxel lies in the mask of radius 0.4"),
        (np.nan, {}, "the volume holds NaN or infinite voxels"),
        (np.inf, {}, "the volume holds NaN or infinite voxels"),
        (-np.inf, {"threshold": 1}, "the volume holds NaN or infinite voxels"),
        (np.zeros((3, 4, 6)), {"threshold": 1}, "every voxel is 0; a constant volume has no"),
    ],
)
def test_thresholds_refused(data, settings, said):
    volume = random((3, 4, 6))
    if isinstance(data, float):
        volume[2, 1, 3] = data
    elif data is not None:
        volume = data
    with pytest.raises(AcuityError) as error:
        choose_threshold(volume, **settings)
    assert str(error.value).startswith(f"segment: {said}")


def test_a_threshold_is_stated_or_otsus():
    volume = random((3, 4, 6))
    assert choose_threshold(volume, 2) == 2.0
    assert isinstance(choose_threshold(volume, 2), float)
    assert choose_threshold(volume, 0.25) == 0.25
    assert choose_threshold(volume) == otsu_inside(volume)
    volume[:, 0, 0] = 50.0
    assert choose_threshold(volume, "otsu", 2.0) == otsu_inside(volume, 2.0)
    assert choose_threshold(volume, "otsu", 2.0) < 1 < choose_threshold(volume)
    # what lies outside the mask may be anything
    volume[0, 0, 0] = np.nan
    assert choose_threshold(volume, mask_radius=2.0) == otsu_inside(volume, 2.0)


# --- noise


def haar(volume):
    volume = volume.astype(np.float64)
    for axis in range(3):
        half = volume.shape[axis] // 2
        if half:
            even, odd = (volume.take(range(k, 2 * half, 2), axis) for k in (0, 1))
            volume = (odd - even) / np.sqrt(2)
    return np.median(np.abs(volume)) / 0.6744897501960817


@pytest.mark.parametrize(
    "shape", [(1, 5, 6), (2, 3, 9), (3, 1, 7), (4, 6, 1), (17, 5, 6), (33, 4, 3), (1, 1, 1)]
)
def test_the_noise_is_the_median_of_the_finest_details(shape):
    data = random(shape)
    assert noise_sigma(data) == pytest.approx(haar(data), rel=2e-6)


def test_the_noise_of_slices_so_large_that_a_row_holds_one(monkeypatch):
    monkeypatch.setattr("acuity.volume.ROW_BYTES", 1)
    data = random((7, 5, 6))
    assert noise_sigma(data) == pytest.approx(haar(data), rel=2e-6)


def nlm_by_formula(volume, sigma, h, patch, search):
    """Patch by patch, with the library's polynomial in place of the exponential function."""
    flat = len(volume) == 1
    pad, depth = patch + search, (0, 0) if flat else (patch + search,) * 2
    padded = np.pad(volume.astype(np.float64), [depth, (pad, pad), (pad, pad)], mode="symmetric")
    out = np.zeros(volume.shape)
    reach, half = [(0 if flat else n, n, n) for n in (search, patch)]

    def block(centre):
        return padded[tuple(slice(c - p, c + p + 1) for c, p in zip(centre, half, strict=True))]

    for place in np.ndindex(volume.shape):
        centre = np.array(place) + [depth[0], pad, pad]
        total = weight = 0.0
        for shift in itertools.product(*(range(-n, n + 1) for n in reach)):
            d = np.mean((block(centre) - block(centre + shift)) ** 2)
            u = max(d - 2 * sigma**2, 0) / h**2
            if u <= 5:
                v = -u / 8
                w = (1 + v + v**2 / 2 + v**3 / 6 + v**4 / 24 + v**5 / 120) ** 8
                total += w * padded[tuple(centre + shift)]
                weight += w
        out[place] = total / weight
    return out


@pytest.mark.parametrize(
    ("shape", "patch", "search", "sigma", "h"),
    [
        ((9, 17, 3), 1, 1, 0.05, 0.22),  # more than a tile of 8 x 16
        ((3, 4, 5), 2, 1, 0.0, 0.19),
        ((2, 3, 4), 1, 2, 0.15, 0.2),
        ((1, 18, 5), 1, 2, 0.0, 0.2),
    ],
)
def test_nlm_patch_by_patch(shape, patch, search, sigma, h):
    volume = random(shape, 3).astype(np.float32)
    out, used = nlm(volume, sigma=sigma, h=h, patch=patch, search=search)
    assert used == sigma
    assert out.dtype == np.float32
    expected = nlm_by_formula(volume, sigma, h, patch, search)
    np.testing.assert_allclose(out, expected, rtol=2e-6)


def test_a_weight_counts_to_an_exponent_of_5():
    volume = np.zeros((1, 1, 2), np.float32)
    volume[0, 0, 1] = 1
    for u, counts in ((4.99, True), (5.01, False)):
        # patches of one voxel: the square of a difference of 1
        out, _ = nlm(volume, sigma=0, h=u**-0.5, patch=0, search=1)
        weight = np.exp(-u) if counts else 0.0
        # the voxel itself and its mirror image along y and x; the other one along y
        expected = 3 * weight / (6 + 3 * weight)
        assert out[0, 0, 0] == pytest.approx(expected, rel=2e-3)


def test_nlm_by_default():
    volume = random((3, 2, 4), 8).astype(np.float32)
    sigma = noise_sigma(volume)
    out, used = nlm(volume)
    assert used == sigma
    np.testing.assert_array_equal(out, nlm(volume, sigma=sigma, h=sigma, patch=1, search=3)[0])
    np.testing.assert_allclose(
        nlm(volume, sigma=0.1)[0], nlm_by_formula(volume, 0.1, 0.1, 1, 3), rtol=2e-6
    )
    for patch, search in ((1, 2), (2, 3), (1, 4)):
        assert not np.array_equal(out, nlm(volume, patch=patch, search=search)[0])


def test_nlm_without_a_strength_copies():
    volume = random((3, 4, 5)).astype(np.float32)
    for h in (0, -1, np.nan):
        out, used = nlm(volume, sigma=0.5, h=h)
        np.testing.assert_array_equal(out, volume)
        assert out is not volume
        assert used == 0.5
    # patches of 125 voxels are hardly ever alike within so little
    assert nlm(volume, sigma=0.0, h=1e-3)[0] == pytest.approx(volume, rel=1e-6)


@pytest.mark.parametrize("shape", [(4, 5), (0, 4, 5), (2, 2, 2, 2)])
def test_nlm_of_another_shape(shape):
    with pytest.raises(AcuityError) as error:
        nlm(np.zeros(shape))
    assert str(error.value) == f"nlm: the volume has shape {shape}; (z, y, x) is needed"


def test_smooth_keeps_what_the_volume_is(tmp_path, monkeypatch):
    monkeypatch.setattr("acuity.volume.ROW_DEPTH", 4)
    grid = Grid((6, 2, 3), (3, 2, 1), (5, 6, 7), "nm")
    volume = Volume(random(grid.shape).astype(np.float32), grid, "counts", ({"step": "x"},))
    sigma = smooth(volume, tmp_path / "a.ome.zarr")
    found = open_volume(tmp_path / "a.ome.zarr")
    expected, used = nlm(volume.data)
    assert sigma == used == noise_sigma(volume.data)
    np.testing.assert_array_equal(found.read(), expected)
    assert (found.grid, found.dtype, found.intensity) == (grid, np.float32, "counts")
    assert found.provenance == ({"step": "x"}, {"step": "nlm", "patch": 1, "search": 3})
    smooth(volume, tmp_path / "b.ome.zarr", patch=2, search=1)
    found = open_volume(tmp_path / "b.ome.zarr")
    np.testing.assert_array_equal(found.read(), nlm(volume.data, patch=2, search=1)[0])
    assert found.provenance[-1] == {"step": "nlm", "patch": 2, "search": 1}


def test_smooth_reads_no_more_than_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr("acuity.volume.ROW_DEPTH", 4)
    grid = Grid((21, 3, 3), (1, 1, 1))
    volume = Volume(random(grid.shape).astype(np.float32), grid)
    depths = []
    whole = nlm_module.nlm
    monkeypatch.setattr(
        nlm_module, "nlm", lambda block, **said: depths.append(len(block)) or whole(block, **said)
    )
    smooth(volume, tmp_path / "a.ome.zarr", patch=1, search=2)
    assert depths == [7, 10, 10, 10, 8, 4]


# --- labels


def test_sizes_and_boxes():
    labels = np.random.default_rng(1).integers(0, 6, (4, 5, 7)).astype(np.uint32)
    labels[2, 3] = [0, 3, 3, 3, 0, 7, 7]
    labels[labels == 5] = 0
    sizes, boxes = sizes_and_boxes(labels, 8)
    for k in range(9):
        where = np.argwhere(labels == k)
        if k in (0, 5, 6, 8):
            assert sizes[k] == 0
            assert boxes[k].tolist() == [4, 5, 7, 0, 0, 0]
        else:
            assert sizes[k] == len(where)
            assert boxes[k].tolist() == [*where.min(0), *(where.max(0) + 1)]
    assert sizes.dtype == boxes.dtype == np.int64
    only = np.zeros((3, 4, 5), np.uint32)
    only[1, 2, 3] = 1
    assert sizes_and_boxes(only, 1)[1][1].tolist() == [1, 2, 3, 2, 3, 4]


def test_voxels_that_share_a_corner_are_one_component():
    binary = np.zeros((3, 4, 5), bool)
    binary[0, 0, 0] = binary[1, 1, 1] = binary[0, 3, 4] = True
    labels, n = components(binary)
    assert n == 2
    assert labels.dtype == np.uint32
    assert labels[0, 0, 0] == labels[1, 1, 1] == 1
    assert labels[0, 3, 4] == 2
    assert components(np.zeros((2, 2, 2), bool))[1] == 0


def test_relabel_by_a_table():
    labels = np.random.default_rng(1).integers(0, 4, (2, 3, 5)).astype(np.uint32)
    table = np.array([9, 3, 0, 7], np.uint32)  # what it says of 0 does not count
    expected = np.array([0, 3, 0, 7])[labels]
    relabel(labels, table)
    np.testing.assert_array_equal(labels, expected)


def test_the_root_of_a_node_and_a_shorter_path_to_it():
    parent = np.array([0, 0, 1, 2, 3, 4, 6], np.int64)
    assert [int(root(parent.copy(), i)) for i in range(7)] == [0, 0, 0, 0, 0, 0, 6]
    root(parent, 5)
    assert parent.tolist() == [0, 0, 1, 1, 3, 3, 6]
    nodes = np.array([5, 6, 0], np.int64)
    assert _roots(parent, nodes).tolist() == [0, 6, 0]
    assert nodes.tolist() == [5, 6, 0]


@pytest.mark.parametrize(
    ("smallest", "expected"),
    [
        (0, [1, 1, 1, 0, 2, 0, 3, 3, 3, 3]),
        (1, [1, 1, 1, 0, 2, 0, 3, 3, 3, 3]),
        (3, [1, 1, 1, 0, 0, 0, 2, 2, 2, 2]),
        (4, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]),
        (5, [0] * 10),
    ],
)
def test_drop_small(smallest, expected):
    labels = np.array([[[1, 1, 1, 0, 3, 0, 4, 4, 4, 4]]], np.uint32)  # there is no 2
    assert drop_small(labels, 4, smallest) == max(expected)
    assert labels.ravel().tolist() == expected


# --- separation


def flooded(labels, n, h, anisotropy):
    """Basins of the distance map, voxel by voxel as `_split` says: parts, deepest, labels."""
    distance = edt.edt(labels, anisotropy=anisotropy, black_border=False)
    shape, h = labels.shape, np.float32(h)
    out, parts, deepest = np.zeros(shape, np.uint32), [0], [-1]
    for k in range(1, n + 1):
        voxels = [tuple(map(int, v)) for v in np.argwhere(labels == k)]
        if len(voxels) < 8:
            parts.append(1)
            deepest.append(np.ravel_multi_index(voxels[0], shape))
            out[labels == k] = sum(parts)
            continue
        basin, parent, peak, seat = {}, [], [], []

        def top(i, parent=parent):
            return i if parent[i] == i else top(parent[i])

        for v in sorted(voxels, key=lambda v: -distance[v]):
            near = [
                (d, u)
                for d in itertools.product((-1, 0, 1), repeat=3)
                if (u := tuple(np.add(v, d).tolist())) in basin
            ]
            tops = list(dict.fromkeys(top(basin[u]) for _, u in near))
            if not tops:
                basin[v] = len(parent)
                parent.append(len(parent))
                peak.append(distance[v])
                seat.append(v)
                continue
            rises = [
                (distance[u] - distance[v]) / np.sqrt(np.float32(np.dot(d, d))) for d, u in near
            ]
            basin[v] = basin[near[int(np.argmax(rises))][1]]
            best = max(tops, key=lambda r: peak[r])
            for r in tops:
                if r != best and peak[r] - distance[v] < h:
                    parent[r] = best
        tops = [r for r in range(len(parent)) if parent[r] == r]
        for v, r in basin.items():
            out[v] = sum(parts) + 1 + tops.index(top(r))
        parts.append(len(tops))
        deepest += [np.ravel_multi_index(seat[r], shape) for r in tops]
    return parts, deepest, out


@pytest.mark.parametrize(
    ("shape", "kind", "h", "anisotropy"),
    [
        ((9, 11, 13), "dense", 0.0, (1.0, 1.0, 1.0)),
        ((9, 11, 13), "dense", 0.3, (2.0, 1.0, 1.5)),
        ((8, 15, 11), "blobs", 0.25, (1.0, 1.3, 1.7)),
        ((12, 9, 10), "blobs", 0.5, (1.0, 1.0, 1.0)),
        ((16, 20, 24), "sparse", 0.0, (1.0, 1.0, 1.0)),  # more than 128 basins of a component
    ],
)
def test_separation_voxel_by_voxel(shape, kind, h, anisotropy):
    noise = random(shape, 4)
    if kind == "dense":
        binary = noise < 0.75
    elif kind == "sparse":
        binary = noise < 0.15
    else:
        binary = ndi.gaussian_filter(noise, 1.0) > 0.5
    labels, n = components(binary)
    parts, deepest, expected = flooded(labels, n, h, anisotropy)
    assert max(parts) > (128 if kind == "sparse" else 1)
    found = labels.copy()
    number, seats = divide(found, n, h, anisotropy)
    assert number.tolist() == parts
    assert seats.tolist() == deepest
    np.testing.assert_array_equal(found, expected)
    assert separate(labels, n, h, anisotropy) == sum(parts)
    np.testing.assert_array_equal(labels, expected)


def test_components_away_from_the_border_are_divided_as_well():
    # boxes that begin at odd places: an offset must be added, and to each axis its own
    noise = ndi.gaussian_filter(random((17, 19, 23), 7), (1.0, 1.2, 1.1))
    noise[:3] = noise[:, :3] = noise[:, :, :3] = 0
    labels, n = components(noise > np.quantile(noise, 0.86))
    parts, deepest, expected = flooded(labels, n, 0.1, (1.0, 1.2, 1.1))
    _, boxes = sizes_and_boxes(labels, n)
    divided = np.array(parts) > 1
    assert divided.sum() >= 3
    assert boxes[divided, :3].min() >= 3
    number, seats = divide(labels, n, 0.1, (1.0, 1.2, 1.1))
    assert (number.tolist(), seats.tolist()) == (parts, deepest)
    np.testing.assert_array_equal(labels, expected)


def test_separation_by_default_is_that_of_cubes():
    labels, n = components(ndi.gaussian_filter(random((8, 15, 11), 4), 1.0) > 0.5)
    first, second = labels.copy(), labels.copy()
    assert separate(first, n, 0.25) == sum(flooded(labels, n, 0.25, (1.0, 1.0, 1.0))[0])
    assert divide(second, n, 0.25)[0].sum() == first.max()
    np.testing.assert_array_equal(first, second)


def test_below_eight_voxels_nothing_is_divided():
    for arms, parts in ((3, 1), (4, 2)):
        # two arms that start apart and meet: seven voxels and nine
        labels = np.zeros((1, arms + 1, 2 * arms + 1), np.uint32)
        for k in range(arms + 1):
            labels[0, k, k] = labels[0, k, -1 - k] = 1
        found, seats = divide(labels, 1, 0.0)
        assert found.tolist() == [0, parts]
        assert seats.tolist() == [-1, 0, *([2 * arms] if parts == 2 else [])]
    # eight in an arm of five and one of three
    labels = np.zeros((1, 4, 8), np.uint32)
    labels[0, [0, 1, 2, 3, 2, 1, 0, 0], [0, 1, 2, 3, 4, 5, 6, 7]] = 1
    assert divide(labels, 1, 0.0)[0].tolist() == [0, 2]


def test_nothing_is_divided_where_nothing_is():
    number, seats = divide(np.zeros((2, 3, 4), np.uint32), 0, 0.75)
    assert (number.tolist(), seats.tolist()) == ([0], [-1])


# --- closing


@pytest.mark.parametrize("radius", [1, 2**0.5, 3**0.5, 2.3, 3])
def test_closing_of_oblong_volumes(radius):
    binary = random((7, 12, 9), 6) < 0.12
    r = int(radius)
    grid = np.mgrid[-r : r + 1, -r : r + 1, -r : r + 1]
    element = (grid**2).sum(0) <= radius**2 + 1e-6  # a root that was rounded down counts
    grown = ndi.binary_dilation(binary, element)
    expected = ndi.binary_erosion(grown, element, border_value=1)
    before = binary.copy()
    closed = closing_ball(binary, radius)
    assert closed.dtype == bool
    np.testing.assert_array_equal(closed, expected)
    np.testing.assert_array_equal(binary, before)
    assert closed.sum() > binary.sum()


def test_the_radius_of_a_closing():
    binary = random((2, 2, 3)) < 0.3
    assert closing_ball(binary, 0.99) is binary
    assert closing_ball(binary, 1) is not binary
    assert closing_ball(binary, 64).all()
    with pytest.raises(AcuityError) as error:
        closing_ball(binary, 64.5)
    assert str(error.value) == "segment: closing is 64.5 voxels; allowed are 0 to 64"


# --- blocks


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, (12.0, 24.0, 16.0)),
        ("20 nm", (0.01, 0.02, 0.02 / 1.5)),
        ("3 um", (1.5, 3.0, 2.0)),
        ("3 3 3 um", (1.5, 3.0, 2.0)),
    ],
)
def test_the_largest_radius_in_voxels(said, expected):
    grid = Grid((5, 6, 7), (2.0, 1.0, 1.5), unit="um")
    assert radius_in_voxels(said, grid) == pytest.approx(expected, rel=1e-12)
    assert Blocks(grid, largest_radius=said).radius == radius_in_voxels(said, grid)
    assert RADIUS == 24


def test_a_largest_radius_of_several_lengths_is_refused():
    with pytest.raises(AcuityError) as error:
        radius_in_voxels("3 2 2 um", Grid((5, 6, 7), (2, 1, 1)))
    assert str(error.value) == (
        "segment.largest_radius is '3 2 2 um'; allowed is one length with a unit"
    )
    with pytest.raises(AcuityError, match=r"^segment\.largest_radius: found '3'"):
        radius_in_voxels("3", Grid((5, 6, 7), (2, 1, 1)))


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of 4 x 6 x 5 voxels, one chunk each."""
    monkeypatch.setattr("acuity.volume.CHUNK", (4, 6, 5))
    monkeypatch.setattr("acuity.volume.ROW_DEPTH", 4)
    monkeypatch.setattr("acuity.volume.SHARD_BYTES", 4 * 4 * 49)


SPACING = (2.0, 1.0, 1.5)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize(
    ("shape", "settings", "overlap", "size", "count"),
    [
        ((13, 14, 21), {"largest_radius": "1 um"}, (3, 5, 4), (8, 6, 10), (2, 3, 3)),
        # up to an overlap more than a core an axis is taken whole
        ((11, 11, 14), {"largest_radius": "1 um"}, (3, 5, 4), (12, 12, 15), (1, 1, 1)),
        ((12, 12, 15), {"largest_radius": "1 um"}, (3, 5, 4), (8, 6, 10), (2, 2, 2)),
        ((13, 14, 21), {"separation": None}, (0, 0, 0), (8, 6, 10), (2, 3, 3)),
        ((13, 14, 21), {"separation": 0}, (0, 0, 0), (8, 6, 10), (2, 3, 3)),
        ((13, 14, 21), {"block": 1, "separation": None}, (0, 0, 0), (4, 6, 5), (4, 3, 5)),
        ((13, 14, 21), {}, (49, 97, 65), (16, 18, 25), (1, 1, 1)),
        ((40, 30, 27), {"block": 12, "separation": None}, (0, 0, 0), (12, 12, 10), (4, 3, 3)),
    ],
)
def test_blocks(shape, settings, overlap, size, count):
    plan = Blocks(Grid(shape, SPACING, unit="um"), **{"block": 8, **settings})
    assert (plan.overlap, plan.size, plan.count) == (overlap, size, count)
    expected = [
        tuple(slice(i * s, min(n, i * s + s)) for i, s, n in zip(place, size, shape, strict=True))
        for place in np.ndindex(count)
    ]
    boxes = list(plan.boxes(0, shape[0]))
    assert boxes == list(enumerate(expected))
    # those that start in some slices
    for z0, z1 in itertools.combinations(range(shape[0] + 1), 2):
        some = [(b, box) for b, box in enumerate(expected) if z0 <= box[0].start < z1]
        assert list(plan.boxes(z0, z1)) == some


def test_blocks_by_default():
    plan = Blocks(Grid((3, 4, 5), (1, 1, 1)))
    assert (plan.closing, plan.separation, plan.largest_radius, plan.block) == (1, 0.75, None, 256)
    assert plan.overlap == (97, 97, 97)
    plan = Objects(plan.grid)
    assert (plan.objects, plan.mask_radius) == ("dark", None)
    with pytest.raises(AttributeError):
        plan.block = 3


def test_the_blocks_of_some_slices():
    for size, count in ((4, 13), (5, 13), (1, 3), (20, 13)):
        for start, stop in itertools.combinations(range(count + 1), 2):
            starts = [z for z in range(0, count, size) if z < stop and z + size > start]
            expected = starts[0], min(count, starts[-1] + size)
            assert _blocks_of(slice(start, stop), size, count) == expected


def test_numbers_of_a_core():
    objects = np.random.default_rng(2).choice([0, 0, 2, 3, 5], (3, 4, 5)).astype(np.uint32)
    out = np.full(objects.shape, 99, np.uint32)
    which, voxels, first = _number(objects, 6, out)
    order = list(dict.fromkeys(objects[objects > 0].tolist()))
    assert which.tolist() == order
    assert voxels.tolist() == [(objects == k).sum() for k in order]
    assert first.tolist() == [np.flatnonzero(objects.ravel() == k)[0] for k in order]
    np.testing.assert_array_equal(out, np.vectorize([0, *order].index)(objects))


@pytest.mark.parametrize("seed", range(4))
def test_planes_that_touch_are_united(seed):
    rng = np.random.default_rng(seed)
    low, high = (rng.choice([0, 0, 0, *range(k, k + 5)], (5, 7)).astype(np.int64) for k in (1, 6))
    parent = np.arange(11)
    _unite(parent, low, high)
    expected = [{k} for k in range(11)]
    for y, x in np.ndindex(low.shape):
        for j, i in np.ndindex(low.shape):
            if abs(j - y) < 2 and abs(i - x) < 2 and low[y, x] and high[j, i]:
                both = expected[low[y, x]] | expected[high[j, i]]
                for k in both:
                    expected[k] = both
    # the least node of a component is its root
    assert [int(root(parent, k)) for k in range(11)] == [min(own) for own in expected]
    assert len({min(own) for own in expected}) > 1


# --- objects of blocks


def objects_of(image, threshold, *, dark=True, mask_radius=None, closing=1):
    mask = cylinder(image.shape, mask_radius)
    binary = (image <= threshold if dark else image > threshold) & mask
    return closing_ball(np.ascontiguousarray(binary), closing) & mask


def table_of(binary, plan, box, shape):
    """What a block has to tell, from the objects of the whole volume, by sets of voxels."""
    seen = tuple(
        slice(max(0, part.start - m), min(n, part.stop + m))
        for part, m, n in zip(box, plan.overlap, shape, strict=True)
    )
    labels, n = components(binary[seen])
    parts, deepest = [0] + [1] * n, None
    if plan.separation:
        spacing = np.array(plan.grid.spacing)
        parts, deepest = divide(labels, n, plan.separation, tuple(spacing / spacing.min()))
    whole = np.zeros(shape, np.int64)
    whole[seen] = labels
    component = [k for k in range(n + 1) for _ in range(parts[k])]
    core = np.zeros(shape, bool)
    core[box] = True
    own = [k for k in dict.fromkeys(whole[core].tolist()) if k]
    flat = [np.flatnonzero((whole == k) & core) for k in own]
    numbers = np.zeros(shape, np.uint32)
    for number, where in enumerate(flat, 1):
        numbers.ravel()[where] = number
    sides = [np.ptp(np.argwhere(whole == k), axis=0) + 1 for k in own]
    cuts = plan.separation and len(list(plan.boxes(0, shape[0]))) > 1
    table = {
        "solid": int(binary[box].sum()),
        "voxels": [len(where) for where in flat],
        "first": [int(where[0]) for where in flat],
        "component": [component[k - 1] for k in own],
        "large": [
            number
            for number, side in enumerate(sides, 1)
            if cuts and any(s > 2 * r + 1 for s, r in zip(side, plan.radius, strict=True))
        ],
    }
    if deepest is not None:
        places = np.unravel_index(np.array([deepest[k] for k in own], int), labels.shape)
        moved = [p + part.start for p, part in zip(places, seen, strict=True)]
        table["deepest"] = np.ravel_multi_index(moved, shape).tolist()
    return numbers[box], table


SETTINGS = [
    {"largest_radius": "1 um", "closing": 1},
    {"largest_radius": "1 um", "closing": 0, "objects": "bright", "mask_radius": 7.5},
    {"separation": None, "closing": 2.3, "mask_radius": 8.0},
    {"largest_radius": "20 um", "closing": 1, "separation": 0.4},
]


def parts_of(settings):
    shape = (13, 14, 21)
    image = ndi.gaussian_filter(random(shape, 12), (0.7, 1.0, 0.9)).astype(np.float32)
    plan = Objects(Grid(shape, SPACING, unit="um"), block=8, **settings)
    dark = plan.objects == "dark"
    # one value is the threshold itself
    share = 0.3 if plan.separation else 0.1
    threshold = float(np.sort(image.ravel())[int((share if dark else 1 - share) * image.size)])
    binary = objects_of(
        image, threshold, dark=dark, mask_radius=plan.mask_radius, closing=plan.closing
    )
    numbers, tables = np.zeros(shape, np.uint32), {}
    for b, box in plan.boxes(0, shape[0]):
        numbers[box], tables[b] = plan.find(image, box, threshold)
    return plan, binary, numbers, tables


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_block_tells_what_lies_in_it(settings):
    plan, binary, numbers, tables = parts_of(settings)
    assert len(tables) == (1 if settings.get("largest_radius") == "20 um" else 18)
    large = 0
    for b, box in plan.boxes(0, len(binary)):
        expected, table = table_of(binary, plan, box, binary.shape)
        np.testing.assert_array_equal(numbers[box], expected)
        assert {key: tables[b][key] for key in table} == table
        assert numbers.dtype == np.uint32
        large += len(table["large"])
    assert (large > 0) == (settings.get("largest_radius") == "1 um")


class Stored:
    """Gives copies, as what is read from a disk."""

    def __init__(self, data):
        self.data = data

    def __getitem__(self, box):
        return self.data[box].copy()


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("smallest", [0, 1, 12])
def test_components_of_all_blocks_are_those_of_the_whole(smallest):
    plan, binary, numbers, tables = parts_of(SETTINGS[2])
    lookup, report = plan.join(numbers, tables, smallest)
    labels, n = components(binary)
    kept = [k for k in range(1, n + 1) if (labels == k).sum() >= max(1, smallest)]
    kept.sort(key=lambda k: np.flatnonzero(labels.ravel() == k)[0])
    expected = np.zeros(labels.shape, int)
    for number, k in enumerate(kept, 1):
        expected[labels == k] = number
    found = np.full(labels.shape, 99, np.uint32)
    rows = list(plan.relabel(Stored(numbers), lookup, 0, len(labels)))
    for box, own in rows:
        assert own.dtype == np.uint32
        found[box] = own
    np.testing.assert_array_equal(found, expected)
    # a row of shards at a time, block after block
    assert [box for box, _ in rows] == [
        (slice(z, min(z + 4, box[0].stop)), *box[1:])
        for _, box in plan.boxes(0, len(labels))
        for z in range(box[0].start, box[0].stop, 4)
    ]
    assert report == {
        "objects": len(kept),
        "objects_before_separation": len(kept),
        "fraction": binary.sum() / (13 * cylinder((14, 21), 8.0).sum()),
        "large": [],
    }
    assert all(table.dtype == np.uint32 for table in lookup.values())
    assert 1 < len(kept) < n if smallest == 12 else len(kept) == n > 3


def test_tables_of_blocks_are_joined_by_the_deepest_voxel(monkeypatch):
    """By hand: two blocks along x, in which three objects are seen and one of them twice."""
    monkeypatch.setattr("acuity.volume.CHUNK", (1, 1, 4))
    monkeypatch.setattr("acuity.volume.ROW_DEPTH", 1)
    monkeypatch.setattr("acuity.volume.SHARD_BYTES", 4 * 16)
    plan = Objects(Grid((1, 2, 8), (1, 1, 1)), block=4, largest_radius="0.0001 um")
    assert plan.size[2] == 4
    monkeypatch.setattr(Objects, "size", property(lambda self: (1, 2, 4)))
    numbers = np.array([[[0, 0, 1, 1, 1, 1, 0, 2], [2, 0, 1, 1, 1, 0, 0, 2]]], np.uint32)
    tables = {
        1: {"solid": 5, "voxels": [3, 2], "first": [4, 7], "deepest": [3, 15], "component": [1, 2],
            "large": [1]},
        0: {"solid": 6, "voxels": [4, 1], "first": [2, 8], "deepest": [3, 8], "component": [1, 2],
            "large": [2]},
    }  # fmt: skip
    lookup, report = plan.join(numbers, tables, 2)
    assert {b: table.tolist() for b, table in lookup.items()} == {0: [0, 1, 0], 1: [0, 1, 2]}
    assert report == {
        "objects": 2,
        "objects_before_separation": 2,
        "fraction": 11 / 16,
        "large": [1],
    }
    # of two objects of one component each counts by itself
    tables[0]["deepest"][0] = 2
    lookup, report = plan.join(numbers, tables, 1)
    assert {b: table.tolist() for b, table in lookup.items()} == {0: [0, 1, 4], 1: [0, 2, 3]}
    assert (report["objects"], report["objects_before_separation"]) == (4, 3)
    assert report["large"] == [2, 4]


def test_in_a_single_block_no_object_is_too_large():
    plan = Objects(Grid((3, 4, 40), (1, 1, 1)), largest_radius="2 um", closing=0)
    image = np.ones(plan.grid.shape, np.float32)
    image[1, 1:3, 2:39] = 0
    assert plan.count == (1, 1, 1)
    (box,) = (box for _, box in plan.boxes(0, 3))
    _, table = plan.find(image, box, 0.5)
    assert table == {
        "solid": 74, "voxels": [74], "first": [202], "deepest": [202], "component": [1], "large": []
    }  # fmt: skip


def test_no_objects_in_any_block():
    plan = Objects(Grid((3, 4, 5), (1, 1, 1)))
    numbers, table = plan.find(np.ones(plan.grid.shape), (slice(0, 3), slice(0, 4), slice(0, 5)), 0)
    assert not numbers.any()
    assert table == {
        "solid": 0, "voxels": [], "first": [], "deepest": [], "component": [], "large": []
    }  # fmt: skip
    lookup, report = plan.join(numbers, {0: table}, 0)
    assert lookup[0].tolist() == [0]
    assert report == {"objects": 0, "objects_before_separation": 0, "fraction": 0.0, "large": []}


# --- the route


@pytest.mark.usefixtures("small_shards")
def test_find_and_number_objects(tmp_path):
    shape = (13, 14, 21)
    image = ndi.gaussian_filter(random(shape, 12), (0.7, 1.0, 0.9)).astype(np.float32)
    grid = Grid(shape, SPACING, (5, 6, 7), "um")
    volume = Volume(image, grid, "counts", ({"step": "x"},))
    settings = {"closing": 0, "separation": None, "mask_radius": 8.0, "block": 8}
    path = tmp_path / "numbers.ome.zarr"
    found = find_objects(volume, path, threshold=0.46, **settings)
    plan = Objects(grid, **settings)
    tables = {str(b): plan.find(image, box, 0.46)[1] for b, box in plan.boxes(0, 13)}
    assert found == {"threshold": 0.46, "blocks": tables}
    numbers = open_volume(path)
    own = {
        "objects": "dark",
        "closing": 0,
        "separation": None,
        "mask_radius": 8.0,
        "largest_radius": None,
    }
    assert numbers.provenance == ({"step": "x"}, {"step": "find_objects"} | own)
    assert (numbers.intensity, numbers.grid) == ("object of a block", grid)
    # parts in any order; one that had no block to fill has none
    halves = [
        {"threshold": 9.0, "blocks": {}},
        {"threshold": 0.46, "blocks": {b: t for b, t in tables.items() if int(b) > 7}},
        {"threshold": 0.46, "blocks": {b: t for b, t in tables.items() if int(b) <= 7}},
    ]
    report = number_objects(
        numbers, halves, tmp_path / "labels.ome.zarr", smallest=3, threshold="otsu", **settings
    )
    labels = open_volume(tmp_path / "labels.ome.zarr")
    binary = objects_of(image, 0.46, mask_radius=8.0, closing=0)
    own_labels, n = components(binary)
    sizes = np.bincount(own_labels.ravel())[1:]
    assert report == {
        "threshold": 0.46,
        "objects": (sizes >= 3).sum(),
        "objects_before_separation": (sizes >= 3).sum(),
        "objects_beyond_radius": 0,
        "fraction": binary.sum() / (13 * cylinder((14, 21), 8.0).sum()),
    }
    assert 0 < report["objects"] < n
    assert labels.read().max() == report["objects"]
    assert (labels.dtype, labels.intensity, labels.grid) == (np.uint32, "label", grid)
    step = {"step": "segment", "threshold": 0.46, "smallest": 3} | own
    assert labels.provenance == ({"step": "x"}, step)
    both = segment(volume, tmp_path / "both.ome.zarr", smallest=3, threshold=0.46, **settings)
    assert both == report
    assert open_volume(tmp_path / "both.ome.zarr").digest == labels.digest
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "both.ome.zarr", "labels.ome.zarr", "numbers.ome.zarr"
    ]  # fmt: skip


def test_segment_by_default(tmp_path):
    image = ndi.gaussian_filter(random((9, 14, 21), 12), 1.2).astype(np.float32)
    volume = Volume(image, Grid(image.shape, (1, 1, 1)))
    report = segment(volume, tmp_path / "a.ome.zarr")
    settings = {
        "objects": "dark",
        "threshold": "otsu",
        "closing": 1,
        "separation": 0.75,
        "mask_radius": None,
        "largest_radius": None,
        "block": 256,
    }
    assert report == segment(volume, tmp_path / "b.ome.zarr", smallest=27, **settings)
    assert report["threshold"] == otsu_inside(image)
    assert report["objects_beyond_radius"] is None
    a, b = (open_volume(tmp_path / f"{name}.ome.zarr") for name in "ab")
    assert a.digest == b.digest
    assert np.bincount(a.read().ravel()).min() >= 27
    step = {key: value for key, value in settings.items() if key != "block"}
    assert a.provenance[-1] == step | {
        "step": "segment", "smallest": 27, "threshold": report["threshold"]
    }  # fmt: skip
    numbers = tmp_path / "numbers.ome.zarr"
    found = find_objects(volume, numbers)
    by_default = number_objects(open_volume(numbers), [found], tmp_path / "c.ome.zarr")
    assert by_default == report
    few = segment(volume, tmp_path / "d.ome.zarr", smallest=26)
    more = segment(volume, tmp_path / "e.ome.zarr", smallest=200)
    assert more["objects"] < report["objects"] <= few["objects"]


def test_other_objects_are_refused(tmp_path):
    volume = Volume(random((2, 3, 4)), Grid((2, 3, 4), (1, 1, 1)))
    with pytest.raises(AcuityError) as error:
        find_objects(volume, tmp_path / "a.ome.zarr", objects="grey")
    assert str(error.value) == "segment: objects is 'grey'; allowed are 'dark' and 'bright'"


@pytest.mark.parametrize(
    ("many", "said"),
    [(1, "5"), (20, ", 24"), (21, ", 24 and 1 more"), (23, ", 24 and 3 more")],
)
def test_objects_that_may_be_cut_are_named(tmp_path, monkeypatch, caplog, many, said):
    grid = Grid((2, 3, 4), (2.0, 1.0, 3.0), unit="um")
    write_volume(
        tmp_path / "a.ome.zarr",
        Volume(np.zeros(grid.shape, np.uint32), grid, "", ({"step": "find_objects"},)),
    )
    report = {"objects": 30, "objects_before_separation": 2, "fraction": 0.5}
    large = list(range(5, 5 + many))
    monkeypatch.setattr(
        segment_module.Objects,
        "join",
        lambda *_: ({0: np.zeros(1, np.uint32)}, report | {"large": large}),
    )
    found = [{"threshold": 0.5, "blocks": {"0": {}}}]
    with caplog.at_level(logging.WARNING, "acuity.segment"):
        numbers = open_volume(tmp_path / "a.ome.zarr")
        number_objects(numbers, found, tmp_path / "b.ome.zarr", largest_radius="1 um")
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"{many} objects are longer than twice the largest radius (0.5 1 0.3333 voxels along "
        "z, y, x) and may be cut at the borders of blocks: labels 5"
    )
    assert record.getMessage().endswith(f"{said}; state a larger segment.largest_radius")
    assert record.getMessage().count(", ") == 1 + min(many, 20)
