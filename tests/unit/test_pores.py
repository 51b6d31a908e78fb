import numba
import numpy as np
import pandas as pd
import pytest
import scipy.ndimage as ndi
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import marching_cubes, mesh_surface_area

from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.measure import pores, slices
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


def ball(radius, centre=(0.0, 0.0, 0.0), stretch=(1.0, 1.0, 1.0)):
    n = int(radius) + 4
    grid = np.mgrid[-n : n + 1, -n : n + 1, -n : n + 1].astype(float)
    offset = [((g - c) / s) ** 2 for g, c, s in zip(grid, centre, stretch, strict=True)]
    return (sum(offset) <= radius**2).astype(np.uint32)


@pytest.mark.parametrize(
    ("radius", "mesh", "lindblad"),
    [(3, 0.985, 0.998), (5, 0.994, 1.001), (8, 0.996, 1.000), (12, 0.997, 1.0), (20, 0.997, 0.999)],
)
def test_spheres(radius, mesh, lindblad):
    rng = np.random.default_rng(radius)
    rows = [pore_table(ball(radius, rng.uniform(-0.5, 0.5, 3))).iloc[0] for _ in range(8)]
    assert np.mean([r["sphericity_mesh"] for r in rows]) == pytest.approx(mesh, abs=0.003)
    assert np.mean([r["sphericity_lindblad"] for r in rows]) == pytest.approx(lindblad, abs=0.006)
    assert np.mean([r["diameter"] for r in rows]) == pytest.approx(2 * radius, rel=0.01)


def test_other_shapes_are_less_round():
    cube = np.zeros((40, 40, 40), np.uint32)
    cube[8:32, 8:32, 8:32] = 1
    rod = np.zeros((12, 12, 80), np.uint32)
    rod[4:8, 4:8, 8:72] = 1
    a, b = pore_table(cube).iloc[0], pore_table(rod).iloc[0]
    assert a["sphericity_mesh"] == pytest.approx((np.pi / 6) ** (1 / 3), abs=0.06)
    assert b["sphericity_mesh"] < 0.65
    assert b["sphericity_lindblad"] < 0.65


def test_lindblad_is_right_for_planes_of_all_directions():
    # A ball of 40 voxels' radius shows planes of every direction.
    labels = ball(40.0, (0.2, 0.3, 0.4))
    row = pore_table(labels).iloc[0]
    area = np.cbrt(np.pi) * np.cbrt(6.0 * row["voxels"]) ** 2 / row["sphericity_lindblad"]
    assert area == pytest.approx(4 * np.pi * 40**2, rel=0.003)
    weights = pores._lindblad_weights()
    np.testing.assert_array_equal(weights, weights[::-1])  # a configuration and its complement
    assert weights[0] == weights[255] == 0
    assert (weights[1:255] > 0).all()
    # As many configurations of each kind as the cube's symmetry makes.
    kinds, counts = np.unique(weights[1:128], return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True))[9270] == 3


@pytest.mark.parametrize("seed", range(4))
def test_mesh_agrees_with_skimage(seed):
    rng = np.random.default_rng(seed)
    spacing = (1.0, 2.0, 0.5)
    rough = ndi.gaussian_filter(rng.random((20, 22, 24)), 1.5) > 0.5
    field = ndi.gaussian_filter(np.pad(rough, 6).astype(np.float32), 1.0)
    vertices, faces, _, _ = marching_cubes(field, 0.5, spacing=spacing)
    a, b, c = (vertices[faces[:, i]].astype(float) for i in range(3))
    volume = abs((a * np.cross(b, c)).sum()) / 6
    area = mesh_surface_area(vertices, faces)
    row = pore_table(rough.astype(np.uint32), spacing).iloc[0]
    expected = np.cbrt(np.pi) * np.cbrt(6 * volume) ** 2 / area
    assert row["sphericity_mesh"] == pytest.approx(expected, rel=5e-3)


def test_marching_cubes_table_is_closed():
    # Each triangle edge inside the cell is shared, in opposite directions: what is left lies on
    # the faces, and there each crossing has one segment in and one out.
    for code in range(256):
        count = pores._COUNT[code]
        edges = []
        for triangle in pores._TRIANGLES[code, :count].tolist():
            edges += list(zip(triangle, triangle[1:] + triangle[:1], strict=True))
        open_edges = [e for e in edges if e[::-1] not in edges]
        starts = sorted(a for a, _ in open_edges)
        crossed = sorted(
            i for i, (a, b) in enumerate(pores._EDGES.tolist()) if (code >> a ^ code >> b) & 1
        )
        assert starts == crossed
        assert sorted(b for _, b in open_edges) == crossed


def test_volume_of_the_mesh_does_not_move_with_the_pore():
    # An open surface, or one turned inside out, would give a volume that depends on the origin.
    rng = np.random.default_rng(1)
    rough = (ndi.gaussian_filter(rng.random((16, 16, 16)), 1.0) > 0.5).astype(np.uint32)
    near = np.pad(rough, 8)
    far = np.pad(rough, [(60, 8), (8, 8), (40, 8)])
    a, b = pore_table(near).iloc[0], pore_table(far).iloc[0]
    assert a["sphericity_mesh"] == pytest.approx(b["sphericity_mesh"], rel=1e-9)


def many(seed=0, shape=(30, 33, 36), share=0.52):
    rng = np.random.default_rng(seed)
    labels, _ = ndi.label(ndi.gaussian_filter(rng.random(shape), 1.2) > share)
    return labels.astype(np.uint32)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), share=st.sampled_from([0.5, 0.52, 0.56]))
def test_counts_centroids_and_boxes(seed, share):
    labels = many(seed, share=share)
    table = pore_table(labels, shape=False)
    wanted = np.unique(labels)[1:]
    assert table["label"].tolist() == wanted.tolist()
    assert table["voxels"].tolist() == np.bincount(labels.ravel())[wanted].tolist()
    boxes = ndi.find_objects(labels)
    for row in table.itertuples():
        where = np.argwhere(labels == row.label)
        np.testing.assert_allclose([row.z, row.y, row.x], where.mean(0), rtol=1e-12)
        box = boxes[row.label - 1]
        assert [row.z0, row.y0, row.x0] == [s.start for s in box]
        assert [row.z1, row.y1, row.x1] == [s.stop for s in box]
        touching = (where == 0).any() or (where == np.array(labels.shape) - 1).any()
        assert row.edge == touching


def test_lindblad_of_many_equals_each_alone():
    labels = many(3)
    table = pore_table(labels)
    for row in table.head(12).itertuples():
        alone = pore_table((labels == row.label).astype(np.uint32)).iloc[0]
        assert alone["sphericity_lindblad"] == row.sphericity_lindblad
        np.testing.assert_equal(alone["sphericity_mesh"], row.sphericity_mesh)


def test_threads_do_not_matter():
    labels = many(5)
    expected = pore_table(labels)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert pore_table(labels).equals(expected)
    finally:
        numba.set_num_threads(before)


def test_units_and_anisotropic_voxels():
    labels = ball(9)
    a, b = pore_table(labels).iloc[0], pore_table(labels, (2.0, 2.0, 2.0)).iloc[0]
    assert b["volume"] == pytest.approx(8 * a["volume"])
    assert b["diameter"] == pytest.approx(2 * a["diameter"])
    assert b["sphericity_mesh"] == pytest.approx(a["sphericity_mesh"])
    # The same sphere on voxels three times as long along z.
    flat = ball(18, stretch=(1 / 3, 1.0, 1.0))
    row = pore_table(flat, (3.0, 1.0, 1.0)).iloc[0]
    assert row["diameter"] == pytest.approx(36, rel=0.01)
    assert row["sphericity_mesh"] == pytest.approx(0.99, abs=0.02)
    assert np.isnan(row["sphericity_lindblad"])


def test_edge_by_mask():
    labels = np.zeros((20, 41, 41), np.uint32)
    labels[8:12, 18:22, 18:22] = 1
    labels[8:12, 18:22, 2:6] = 2
    labels[0:3, 18:22, 26:30] = 3
    assert pore_table(labels)["edge"].tolist() == [False, False, True]
    assert pore_table(labels, mask_radius=18.0)["edge"].tolist() == [False, True, True]


def test_sparse_labels_specks_and_nothing():
    labels = np.zeros((6, 6, 6), np.uint32)
    labels[2, 2, 2] = 4_000_000_000
    labels[4:, 4:, 4:] = 7
    table = pore_table(labels)
    assert table["label"].tolist() == [7, 4_000_000_000]
    assert table["voxels"].tolist() == [8, 1]
    assert np.isnan(table["sphericity_mesh"].iloc[1])  # nothing is left at half height
    empty = pore_table(np.zeros((6, 6, 6), np.uint32))
    assert len(empty) == 0
    assert list(empty.columns) == COLUMNS


@pytest.mark.parametrize(
    "labels", [np.zeros((4, 4), np.uint32), np.zeros((4, 4, 4)), np.full((4, 4, 4), -1)]
)
def test_mistakes(labels):
    with pytest.raises(AcuityError, match="pore_table"):
        pore_table(labels)


def share(labels, mask_radius=None, objects="dark"):
    """Porosity of a volume in memory, added up over two pieces."""
    cuts = ((0, 3), (3, len(labels)))
    return porosity([solid_voxels(labels, *cut, mask_radius) for cut in cuts], objects=objects)


def test_porosity_counts_only_the_mask():
    labels = np.zeros((10, 41, 41), np.uint32)
    labels[:5, 15:25, 15:25] = 3
    mask = np.hypot(*(np.mgrid[:41, :41] - 20.0)) <= 15
    assert share(labels, 15.0) == pytest.approx(500 / (10 * mask.sum()))
    assert share(labels) == pytest.approx(500 / labels.size)
    assert share(labels, objects="bright") == pytest.approx(1 - 500 / labels.size)
    labels[:, 0, 0] = 1
    assert share(labels, 15.0) == pytest.approx(500 / (10 * mask.sum()))


def test_classes():
    names, index = classes_of([5, 6, 9.9, 10, 14, 15], [6, 10, 15], "um")
    assert names == ["6-10 um", "10-15 um"]
    assert index.tolist() == [-1, 0, 0, 1, 1, -1]
    with pytest.raises(AcuityError, match="size classes"):
        classes_of([1], [6, 6], "um")


def test_rows():
    labels = np.zeros((60, 60, 90), np.uint32)
    for k, (x, r) in enumerate([(20, 8), (45, 8), (70, 11)], 1):
        grid = np.indices(labels.shape) - np.reshape([30, 30, x], (3, 1, 1, 1))
        labels[(grid**2).sum(0) <= r * r] = k
    labels[0:4, 0:4, 0:4] = 4
    table = pore_table(labels)
    rows = pore_rows(share(labels), table, unit="um", truth_porosity=2 * share(labels))
    v = {(r["metric"], r["subset"]): r for r in rows}
    assert v["porosity", "all"]["value"] == share(labels)
    assert v["porosity_error", "all"]["value"] == pytest.approx(-0.5)
    assert v["pores_inner", "all"]["value"] == 3
    assert v["pores_edge", "all"]["value"] == 1
    assert v["pores_histogram", "15-20 um"]["value"] == 2
    assert v["pores_histogram", "20-25 um"]["value"] == 1
    assert sum(r["value"] for r in rows if r["metric"] == "pores_histogram") == 3
    mean = v["sphericity_mesh", "all"]
    assert mean["n"] == 3
    assert mean["low"] < mean["value"] < mean["high"]


# --- in pieces


def test_a_table_is_the_sum_of_its_slices(monkeypatch):
    labels = many(7, (75, 33, 36))
    monkeypatch.setattr(slices, "SLICES", 1000)
    whole = pore_table(labels, mask_radius=15.0)
    exact = [name for name in COLUMNS if name != "sphericity_mesh"]
    for depth in (32, 7, 1):
        monkeypatch.setattr(slices, "SLICES", depth)
        table = pore_table(labels, mask_radius=15.0)
        pd.testing.assert_frame_equal(table[exact], whole[exact], check_exact=True)
        np.testing.assert_allclose(
            table["sphericity_mesh"], whole["sphericity_mesh"], rtol=1e-9, atol=0
        )
    assert share(labels, 15.0) == np.count_nonzero(labels[:, cylinder((33, 36), 15.0)]) / (
        75 * cylinder((33, 36), 15.0).sum()
    )


def test_slices_that_do_not_see_their_neighbours_do_not_add_up():
    labels = many(7, (75, 33, 36))
    parts = [pore_sums(part, 0, len(part)) for part in (labels[:32], labels[32:])]
    blind, whole = table_of_sums(parts), pore_table(labels)
    assert blind["voxels"].equals(whole["voxels"])
    assert not np.allclose(blind["sphericity_lindblad"], whole["sphericity_lindblad"])
    assert not np.allclose(blind["sphericity_mesh"], whole["sphericity_mesh"], equal_nan=True)


@pytest.mark.parametrize("dtype", ["uint32", "int64", "uint8"])
def test_labels_are_left_as_they_are(dtype):
    labels = np.minimum(many(3), 200).astype(dtype)
    before = labels.copy()
    pore_sums(labels, 5, 20)
    np.testing.assert_array_equal(labels, before)


def test_labels_of_their_own_and_new_numbers_give_one_table(monkeypatch):
    labels = many(5, (60, 33, 36))
    labels[labels > 0] += 1000
    kept = pore_table(labels)
    monkeypatch.setattr(pores, "_FEW", 0)
    pd.testing.assert_frame_equal(pore_table(labels), kept, check_exact=True)
    pd.testing.assert_frame_equal(pore_table(labels.astype(np.uint16)), kept, check_exact=True)
