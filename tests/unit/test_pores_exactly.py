"""The pore table against its definitions, written out voxel by voxel and cell by cell."""

import zlib
from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage as ndi

from acuity.errors import AcuityError
from acuity.measure import pores
from acuity.measure.pores import (
    COLUMNS,
    classes_of,
    pore_rows,
    pore_sums,
    pore_table,
    porosity,
    solid_voxels,
    table_of_sums,
)

SPACING = (0.7, 1.3, 2.1)
# Lindblad 2005, table 1, in 1/10000: a configuration of each kind that rotations, reflections and
# swapping inside with outside leave apart, by its inner corners (bits z, y, x).
LINDBLAD = {
    (0,): 6360,
    (0, 1): 6690,
    (0, 3): 12720,
    (0, 7): 12720,
    (0, 1, 2): 5540,
    (0, 1, 6): 13050,
    (0, 3, 5): 19080,
    (0, 1, 2, 3): 9270,
    (0, 1, 2, 4): 4210,
    (0, 1, 3, 7): 15730,
    (0, 1, 6, 7): 13380,
    (0, 1, 2, 7): 11900,
    (0, 3, 5, 6): 25450,
}


def test_lindblads_weights_by_kind():
    expected = np.zeros(256, int)
    for kind, weight in LINDBLAD.items():
        for order, flip in product(permutations(range(3)), range(8)):
            turned = [sum((c >> i & 1) << j for i, j in enumerate(order)) ^ flip for c in kind]
            code = sum(1 << c for c in turned)
            assert expected[code] in (0, weight)
            expected[code] = expected[255 - code] = weight
    np.testing.assert_array_equal(pores._AREA, expected)
    assert (expected[1:-1] > 0).all()


def test_triangles_of_marching_cubes():
    corners = [(0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 3), (2, 6), (3, 7), (4, 5), (4, 6), (5, 7), (6, 7)]  # fmt: skip
    assert pores._EDGES.tolist() == [list(pair) for pair in corners]
    assert pores._TRIANGLES.shape == (256, 5, 3)
    # Pins: where a loop is cut into fans decides where the surface bends.
    assert zlib.crc32(pores._COUNT.tobytes()) == 2502808203
    assert zlib.crc32(pores._TRIANGLES.tobytes()) == 3591746543


# --- sums over slices


def cells(field):
    """The eight corners of each cell, (8, z, y, x)."""
    nz, ny, nx = (n - 1 for n in field.shape)
    return np.array([field[z : z + nz, y : y + ny, x : x + nx] for z, y, x in np.ndindex(2, 2, 2)])


def codes(inside):
    return sum(corner.astype(int) << c for c, corner in enumerate(inside))


def smoothed(mask):
    """The object under a Gaussian of one voxel, cut at four."""
    kernel = np.exp(-0.5 * np.arange(-4, 5.0) ** 2)
    for axis in range(3):
        mask = ndi.correlate1d(mask, kernel / kernel.sum(), axis, mode="constant")
    return mask


CORNERS = np.array(list(np.ndindex(2, 2, 2)))


def surface(mask, spacing, z0, z1):
    """Area and volume of the part of the surface between two slices, triangle by triangle."""
    values = cells(smoothed(np.pad(mask.astype(float), 1)))
    kinds = codes(values > 0.5)
    place = np.argwhere(pores._COUNT[kinds] > 0) - 1
    place = place[(place[:, 0] >= z0) & (place[:, 0] < z1)]
    values, kinds = (array[(..., *(place + 1).T)] for array in (values, kinds))
    points = []  # where each cell's surface crosses each of its edges
    for i, j in pores._EDGES:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (0.5 - values[i]) / (values[j] - values[i])
            points.append((place + CORNERS[i] + np.outer(t, CORNERS[j] - CORNERS[i])) * spacing)
    cell, number = np.nonzero(np.arange(5) < pores._COUNT[kinds][:, None])
    p, q, r = np.array(points)[pores._TRIANGLES[kinds][cell, number].T, cell]
    normal = np.cross(q - p, r - p)
    return np.linalg.norm(normal, axis=1).sum() / 2, (p * normal).sum() / 6


def rim_of(shape, radius):
    """Positions in a slice with a neighbour, in y or x, that is no sample."""
    y, x = np.indices(shape[1:])
    y, x = y - (shape[1] - 1) / 2, x - (shape[2] - 1) / 2
    sample = np.ones(shape[1:], bool) if radius is None else np.hypot(y, x) <= radius
    return ~ndi.binary_erosion(sample)


def expected_sums(labels, z0, z1, spacing, radius, shape):
    """What `pore_sums` promises, of each label that it names."""
    bottom = z0 if z0 else -1  # the cells below the first slice are counted with it
    corner = cells(np.pad(labels.astype(np.int64), 1))[:, bottom + 1 : z1 + 1]
    at_edge = np.zeros(labels.shape, bool)
    at_edge[0] = at_edge[-1] = True
    at_edge |= rim_of(labels.shape, radius)
    found = {}
    for k in np.unique(labels[labels > 0]):
        mask = labels == k
        where = np.argwhere(mask)
        own = where[(where[:, 0] >= z0) & (where[:, 0] < z1)]
        edge = any(at_edge[tuple(place)] for place in own)
        area = pores._AREA[codes(corner == k)].sum()
        box = [*own.min(0), *(own.max(0) + 1)] if len(own) else [*labels.shape, 0, 0, 0]
        mesh = surface(mask, spacing, bottom, z1) if shape else (0.0, 0.0)
        if len(own) or area or any(mesh):
            found[int(k)] = ([len(own), *own.sum(0), area, edge], box, mesh)
    return found


def blobs():
    """Objects that touch each other, some a border or the mask's, and a speck."""
    shape, rng = (9, 10, 13), np.random.default_rng(0)
    seeds = rng.uniform(0, shape, (9, 3))
    distance = np.linalg.norm(np.moveaxis(np.indices(shape), 0, -1)[..., None, :] - seeds, axis=-1)
    labels = np.where(distance.min(-1) < 2.9, distance.argmin(-1) + 1, 0)
    labels[labels == 9] = 0
    labels[4, 0, 0] = 9
    for k, radius in ((1, None), (3, 5.6), (7, None)):
        labels[(labels == k) & rim_of(shape, radius)] = 0
        if k != 7:
            labels[[0, -1]] *= labels[[0, -1]] != k
    return labels


@pytest.fixture(params=["compiled", "plain"])
def kernels(request, monkeypatch):
    """The kernels as they run, and as Python that checks each index and warns of each overflow."""
    if request.param == "plain":
        names = ["_sums", "_meshes", "_mesh", "_mesh_layer"]
        for name in (*names, "sum_shifts", "sizes_and_boxes"):
            monkeypatch.setattr(pores, name, getattr(pores, name).py_func)
    with np.errstate(over="ignore"):  # numbers that a kernel counts in wrap
        yield


@pytest.mark.parametrize(
    ("z0", "z1", "radius", "dtype", "shape"),
    [
        (0, 9, None, np.uint32, True),
        (0, 4, 5.6, np.int64, True),
        (4, 9, 5.6, np.uint8, True),
        (3, 6, None, np.uint16, False),
    ],
)
def test_sums_of_some_slices(kernels, z0, z1, radius, dtype, shape):
    labels = blobs().astype(dtype)
    found = pore_sums(labels, z0, z1, spacing=SPACING, mask_radius=radius, shape=shape)
    expected = expected_sums(labels, z0, z1, SPACING, radius, shape)
    assert len(expected) > 5
    assert found["label"].tolist() == list(expected)
    whole, box, mesh = (list(column) for column in zip(*expected.values(), strict=True))
    assert found["whole"].tolist() == whole
    assert found["box"].tolist() == box
    np.testing.assert_allclose(found["mesh"], mesh, rtol=2e-6, atol=1e-9)
    assert [found[name].dtype.name for name in ("label", "whole", "box", "mesh")] == [
        "int64", "int64", "int64", "float64",
    ]  # fmt: skip


class Watched:
    """Labels that say which slices were asked for."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.asked = array, array.shape, array.dtype, []

    def __getitem__(self, key):
        self.asked.append((key.start, key.stop))
        return self.array[key]


def test_slices_that_are_read():
    labels = Watched(np.zeros((30, 2, 2), np.uint32))
    for (z0, z1), shape in (((10, 12), True), ((10, 12), False), ((0, 28), True), ((3, 30), True)):
        pore_sums(labels, z0, z1, shape=shape)
    # Cells reach into the slice above, and the Gaussian four farther on either side.
    assert labels.asked == [(6, 17), (10, 13), (0, 30), (0, 30)]


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        ([0, 7, 4096], 4096),  # few: their own
        ([0, 7, 4097], 4091),  # a span from the lowest on
        ([7, 4097, 4098], 4092),
        ([0, 1, 5097], 5097),
        ([0, 1, 5098], 2),  # far apart: numbered anew
        ([0, 90, 5090], 5001),
        ([0, 90, 2**32 - 1], 2),
        ([90, 91, 2**32 - 1], 3),
        ([0, 0, 0], 0),
    ],
)
def test_numbers_that_objects_are_counted_under(monkeypatch, labels, numbers):
    counted = []

    def sums(window, start, nz, z0, z1, n, *rest):
        counted.append((n, window.dtype.name, int(window.max())))
        return kernel(window, start, nz, z0, z1, n, *rest)

    kernel = pores._sums
    monkeypatch.setattr(pores, "_sums", sums)
    volume = np.full((1, 1, 25600), labels[0], np.uint32)  # 1000, and 16 for each hundred voxels
    volume[0, 0, -2:] = labels[1:]
    found = pore_sums(volume, 0, 1, shape=False)
    assert found["label"].tolist() == [k for k in labels if k]
    assert found["whole"][:, 0].tolist() == [(volume == k).sum() for k in labels if k]
    assert counted == [(numbers, "uint32", numbers)]


@pytest.mark.parametrize(("span", "numbers"), [(1016, 1017), (1017, 2)])
def test_numbers_are_packed_where_the_span_is_long(monkeypatch, span, numbers):
    monkeypatch.setattr(pores, "_FEW", 0)
    counted = []
    kernel = pores._sums
    monkeypatch.setattr(pores, "_sums", lambda *a: counted.append(a[5]) or kernel(*a))
    labels = np.zeros((1, 1, 100), np.uint32)
    labels[0, 0, [3, 5]] = 50, 50 + span
    assert pore_sums(labels, 0, 1, shape=False)["label"].tolist() == [50, 50 + span]
    assert counted == [numbers]


def test_how_work_is_shared_out(monkeypatch):
    shares, dealt = [], []
    kernels = pores._sums, pores._meshes

    def sums(*arguments):
        shares.append(arguments[-1])
        if shares[-1] > 8:
            raise NotImplementedError
        return kernels[0](*arguments)

    def meshes(window, which, *rest):
        dealt.append(which.tolist())
        return kernels[1](window, which, *rest)

    monkeypatch.setattr(pores, "_sums", sums)
    monkeypatch.setattr(pores, "_meshes", meshes)
    monkeypatch.setattr(pores, "get_num_threads", lambda: 2)
    labels = np.zeros((20, 3, 12), np.uint32)
    for k, (start, stop) in enumerate([(0, 1), (2, 5), (6, 8), (9, 13), (14, 19)], 1):
        labels[start:stop, 1, k] = k
    pore_sums(labels, 2, 14)
    # By falling size and in turns, with those beside the slices, whose surface may reach into them.
    assert dealt == [[5, 2, 4, 3]]
    pore_sums(labels, 2, 5, shape=False)
    pore_sums(labels, 5, 5, shape=False)
    monkeypatch.setattr(pores, "get_num_threads", lambda: 10_000)
    labels = np.zeros((5100, 5, 1), np.uint32)
    labels[7] = 3999
    with pytest.raises(NotImplementedError):
        pore_sums(labels, 0, 5100, shape=False)
    # Four a thread, at most one a slice, and 20 million rows in all.
    assert shares == [8, 4, 1, 5000]


def test_objects_at_either_end_of_the_slices_are_meshed(monkeypatch):
    dealt = []
    kernel = pores._meshes
    monkeypatch.setattr(
        pores, "_meshes", lambda *a: dealt.append(sorted(a[1].tolist())) or kernel(*a)
    )
    labels = np.zeros((12, 1, 5), np.uint32)
    for k, (start, stop) in enumerate([(1, 3), (1, 4), (5, 6), (7, 9), (8, 9)]):
        labels[start:stop, 0, k] = k + 1
    pore_sums(labels, 3, 7)
    assert dealt == [[2, 3, 4]]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((4, 4), np.uint32), r"shape \(4, 4\) and type uint32; \(z, y, x\) integers are"),
        (np.zeros((4, 4, 4, 4), np.uint32), r"shape \(4, 4, 4, 4\) and type"),
        (np.zeros((4, 4, 4)), r"shape \(4, 4, 4\) and type float64"),
        (np.zeros((4, 4, 4), bool), r"shape \(4, 4, 4\) and type bool"),
        (np.full((4, 4, 4), -1), "the labels hold a negative number$"),
    ],
)
def test_what_is_no_volume_of_labels(labels, words):
    with pytest.raises(AcuityError, match=f"^pore_table: (the labels have )?{words}"):
        pore_sums(labels, 0, 4)


@pytest.mark.parametrize(
    "spacing", [(1, 1), (1, 1, 1, 1), (1, 0, 1), (1, 1, -0.5), (np.nan, 1, 1), (1, np.nan, 1)]
)
def test_what_is_no_voxel_size(spacing):
    with pytest.raises(
        AcuityError, match=r"^pore_table: the voxel size is .*; three numbers above 0"
    ):
        pore_sums(np.zeros((1, 1, 1), np.uint32), 0, 1, spacing=spacing)
    # and what is one, however small
    assert len(pore_sums(np.zeros((1, 1, 1), np.int8), 0, 1, spacing=(1, 0.25, 1))["label"]) == 0


def test_voxels_of_one_without_more():
    """A table without a voxel size is that of cubes of one."""
    labels = blobs().astype(np.uint32)
    table = pore_table(labels)
    pd.testing.assert_frame_equal(table, pore_table(labels, (1.0, 1.0, 1.0)), check_exact=True)
    parts = [pore_sums(labels, 0, len(labels))]
    pd.testing.assert_frame_equal(table, table_of_sums(parts), check_exact=True)
    assert table["volume"].tolist() == table["voxels"].tolist()
    assert table.loc[:7, ["sphericity_mesh", "sphericity_lindblad"]].notna().all(axis=None)
    assert (
        pore_table(labels, shape=False)[["sphericity_mesh", "sphericity_lindblad"]]
        .isna()
        .all(axis=None)
    )


# --- the table of sums


def part(label, whole, box, mesh):
    return {"label": np.array(label), "whole": np.array(whole), "box": np.array(box), "mesh": np.array(mesh)}  # fmt: skip


PARTS = [
    part(
        [3, 8],
        [[10, 20, 35, 45, 100_000, 0], [4, 0, 8, 6, 60_000, 1]],
        [[1, 3, 2, 3, 6, 7], [0, 1, 4, 1, 5, 6]],
        [[3.0, -2.0], [0.0, 0.0]],
    ),
    part([2], [[2, 6, 3, 4, 50_000, 0]], [[3, 1, 2, 4, 2, 3]], [[7.0, 1.5]]),
    part(
        [3, 8],
        [[5, 20, 10, 15, 40_000, 0], [1, 5, 2, 1, 30_000, 0]],
        [[3, 2, 3, 5, 5, 8], [5, 2, 1, 6, 3, 2]],
        [[9.0, -3.0], [0.0, 0.0]],
    ),
]


def roundness(volume, area):
    return np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (2.0, 3.0, 0.5)])
def test_a_table_of_sums(spacing):
    table = table_of_sums(iter(PARTS), spacing)
    voxel = np.prod(spacing)
    volume = np.array([2, 15, 5]) * voxel
    expected = {
        "label": [2, 3, 8],
        "voxels": [2, 15, 5],
        "volume": volume,
        "diameter": (6 * volume / np.pi) ** (1 / 3),
        "sphericity_mesh": [roundness(1.5, 7), roundness(5, 12), np.nan],
        "sphericity_lindblad": [roundness(2, 5), roundness(15, 14), roundness(5, 9)],
        "z": [3, 40 / 15, 1],
        "y": [1.5, 3, 2],
        "x": [2, 4, 7 / 5],
        "z0": [3, 1, 0], "y0": [1, 2, 1], "x0": [2, 2, 1],
        "z1": [4, 5, 6], "y1": [2, 6, 5], "x1": [3, 8, 6],
        "edge": [False, False, True],
    }  # fmt: skip
    if spacing[0] != spacing[1]:
        expected["sphericity_lindblad"] = [np.nan] * 3
    assert list(table.columns) == COLUMNS == list(expected)
    pd.testing.assert_frame_equal(table, pd.DataFrame(expected), rtol=1e-12, atol=0)
    plain = table_of_sums(PARTS, spacing, shape=False)
    shapes = ["sphericity_mesh", "sphericity_lindblad"]
    assert plain[shapes].isna().all(axis=None)
    pd.testing.assert_frame_equal(plain.drop(columns=shapes), table.drop(columns=shapes))


@pytest.mark.parametrize(
    ("spacing", "cubes"),
    [((1, 1, 1 + 0.9e-6), True), ((1, 1, 1 + 1.1e-6), False), ((1e3, 1e3 + 9e-4, 1e3), True)],
)
def test_voxels_are_cubes_to_a_millionth(spacing, cubes):
    assert table_of_sums(PARTS, spacing)["sphericity_lindblad"].notna().tolist() == [cubes] * 3


# --- figures over all objects


def test_solid_voxels_inside_the_mask():
    labels = np.zeros((4, 5, 7), np.int16)
    labels[1, 2, 3] = 9
    labels[2, 0, 0] = -1  # any number that is not 0
    labels[2:, 2, 2:5] = 2
    assert solid_voxels(labels, 0, 4) == (8, 140)
    assert solid_voxels(labels, 1, 3) == (5, 70)
    assert solid_voxels(labels, 1, 3, 1.0) == (4, 10)
    assert solid_voxels(labels, 1, 3, 0.9) == (2, 2)


def test_porosity_is_the_quotient_of_sums():
    counts = iter([(3, 10), (4, 18)])
    assert porosity(counts) == 7 / 28
    assert porosity([(3, 10), (4, 18)], objects="bright") == 1 - 7 / 28


def test_size_classes_have_names_and_bounds():
    names, index = classes_of([0.4, 0.5, 1.5, 2.25, 9, 10], [0.5, 2.25, 10], "")
    assert names == ["0.5-2.25", "2.25-10"]
    assert index.tolist() == [-1, 0, 0, 1, 1, -1]
    names, index = classes_of([1, 2], (1, 2), "nm")
    assert (names, index.tolist()) == (["1-2 nm"], [0, -1])
    for edges in ([], [1], [1, 1], [2, 1], [1, 3, 2], [[1, 2], [3, 4]]):
        with pytest.raises(
            AcuityError, match=r"^size classes are .*; two or more rising numbers are"
        ):
            classes_of([1], edges, "um")


def objects(**columns):
    table = pd.DataFrame({"diameter": [4.0, 10.0, 11.0, 3.0], "edge": [False, False, False, True]})
    return table.assign(
        sphericity_mesh=[0.5, np.nan, 0.7, 0.1], sphericity_lindblad=np.inf, **columns
    )


def test_rows_in_full():
    rows = pore_rows(0.3, objects(), unit="um", truth_porosity=0.4)
    t = 4.302652729911275  # Student's for two degrees of freedom, and 12.7062 for one
    spread = t * np.std([4, 10, 11], ddof=1) / np.sqrt(3)
    one = 12.706204736432095 * np.std([0.5, 0.7], ddof=1) / np.sqrt(2)
    expected = [
        ("porosity", "all", 0.3, ""),
        ("porosity_error", "all", -0.25, ""),
        ("pores_inner", "all", 3.0, ""),
        ("pores_edge", "all", 1.0, ""),
        ("diameter_mean", "all", 25 / 3, "um", 25 / 3 - spread, 25 / 3 + spread, 3),
        ("sphericity_mesh", "all", 0.6, "", 0.6 - one, 0.6 + one, 2),
        ("pores_histogram", "0-5 um", 1.0, ""),
        ("pores_histogram", "5-10 um", 0.0, ""),
        ("pores_histogram", "10-15 um", 2.0, ""),
    ]
    names = ("metric", "subset", "value", "unit", "low", "high", "n")
    assert len(rows) == len(expected)
    for row, figures in zip(rows, expected, strict=True):
        wanted = dict(zip(names, figures, strict=False))
        assert row == {
            k: v if isinstance(v, str) else pytest.approx(v, rel=1e-9) for k, v in wanted.items()
        }
    assert all(isinstance(row["value"], float) for row in rows)


def test_rows_of_other_bins_and_of_nothing():
    rows = pore_rows(0.3, objects(), unit="um", bin_width=2.5)
    bins = {row["subset"]: row["value"] for row in rows if row["metric"] == "pores_histogram"}
    assert bins == {
        "0-2.5 um": 0, "2.5-5 um": 1, "5-7.5 um": 0, "7.5-10 um": 0, "10-12.5 um": 2,
    }  # fmt: skip
    rows = pore_rows(0.0, objects().iloc[3:], unit="um", truth_porosity=0.0)
    assert [(row["metric"], row["value"]) for row in rows] == [
        ("porosity", 0.0), ("pores_inner", 0.0), ("pores_edge", 1.0),
    ]  # fmt: skip
