"""Matching against its definition, object by object, and the census of tiny volumes."""

import io
import json
import math
import zipfile
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.measure import recovery, slices
from acuity.measure.census import CLASSES as UNSTATED
from acuity.measure.census import census, count, read_counts, write_counts
from acuity.measure.pool import counts_of, recovery_rows, size_classes
from acuity.measure.pores import pore_rows, pore_sums, pore_table, solid_voxels
from acuity.measure.recovery import (
    STATUS_COLUMNS,
    add_overlaps,
    found_ratio,
    overlaps,
    recover,
)
from acuity.volume import Grid, Volume

SPACING = (2.0, 1.0, 3.0)
CLASSES = (4, 10, 16)
NAMES = ["4-10 um", "10-16 um"]


def class_of(diameter):
    found = [
        name for name, a, b in zip(NAMES, CLASSES, CLASSES[1:], strict=False) if a <= diameter < b
    ]
    return found[0] if found else ""


def definition(truth, image, pairs):
    """Status of each object of the truth and of the image, as the docstring of `recover` says."""
    t_of, d_of = ({row["label"]: row for row in side} for side in (truth, image))
    shared = {(t, d): n for t, d, n in pairs}
    union = {(t, d): t_of[t]["voxels"] + d_of[d]["voxels"] - n for (t, d), n in shared.items()}
    iou = {pair: n / union[pair] for pair, n in shared.items()}
    strict = {pair for pair, n in shared.items() if 2 * n > union[pair]}
    loose, taken = set(strict), {("t", t) for t, _ in strict} | {("d", d) for _, d in strict}
    for t, d in sorted(shared, key=lambda pair: -iou[pair]):
        apart = [(t_of[t][a] - d_of[d][a]) * h for a, h in zip("zyx", SPACING, strict=True)]
        if (
            10 * shared[t, d] >= union[t, d]
            and math.hypot(*apart) <= t_of[t]["diameter"] / 2
            and not taken & {("t", t), ("d", d)}
        ):
            loose.add((t, d))
            taken |= {("t", t), ("d", d)}
    covers = {(t, d) for (t, d), n in shared.items() if 2 * n >= t_of[t]["voxels"]}
    mostly = {(t, d) for (t, d), n in shared.items() if 2 * n > d_of[d]["voxels"]}
    merging = {d for d in d_of if len([t for t, e in covers if e == d]) > 1}
    status = {}
    for t, row in t_of.items():
        parts = [d for s, d in mostly if s == t and 10 * shared[t, d] >= row["voxels"]]
        together = 2 * sum(shared[t, d] for d in parts) >= row["voxels"]
        if any(s == t for s, _ in strict):
            status["t", t] = "found"
        elif any((t, d) in covers for d in merging):
            status["t", t] = "merged"
        else:
            status["t", t] = "split" if len(parts) > 1 and together else "missed"
    for d in d_of:
        within = [t for t, e in mostly if e == d]
        if any(e == d for _, e in strict):
            status["d", d] = "found"
        elif d in merging:
            status["d", d] = "merged"
        else:
            piece = any(status["t", t] in ("split", "found") for t in within)
            status["d", d] = "split" if piece else "false"
    rows = []
    for kind, own in (("truth", t_of), ("detection", d_of)):
        side = 0 if kind == "truth" else 1
        for label, row in own.items():
            partners = [
                next((pair for pair in chosen if pair[side] == label), None)
                for chosen in (strict, loose)
            ]
            best = max([value for pair, value in iou.items() if pair[side] == label], default=0)
            edge, size = row["edge"], class_of(row["diameter"])
            if kind == "detection":
                edge = edge or any(t_of[t]["edge"] for t, d in mostly if d == label)
                if partners[1]:
                    edge, size = (
                        t_of[partners[1][0]]["edge"],
                        class_of(t_of[partners[1][0]]["diameter"]),
                    )
            figures = [
                figure
                for pair in partners
                for figure in ((pair[1 - side], iou[pair]) if pair else (0, best))
            ]
            place = [row[axis] for axis in "zyx"]
            rows.append(
                (
                    kind,
                    label,
                    row["diameter"],
                    size,
                    *place,
                    edge,
                    status[kind[0], label],
                    *figures,
                    row["rim"],
                )
            )
    return pd.DataFrame(rows, columns=STATUS_COLUMNS)


def line(rng, most):
    """Objects along a line, one after the other, under numbers in no order."""
    numbers = iter(rng.permutation(200) + 1)
    return np.concatenate(
        [
            np.full(rng.integers(1, most), next(numbers) if rng.random() < 0.8 else 0)
            for _ in range(180)
        ]
    )[:180]


def sides(rng, lines):
    tables = []
    for labels in lines:
        found = np.unique(labels[labels > 0])
        tables.append(
            [
                {
                    "label": int(k),
                    "voxels": int((labels == k).sum()),
                    "diameter": float(2 * rng.integers(1, 9)),
                    **{axis: float(rng.integers(0, 3)) for axis in "zyx"},
                    "edge": bool(rng.random() < 0.2),
                    "rim": bool(rng.random() < 0.3),
                }
                for k in rng.permutation(found)
            ]
        )
    return tables


def test_matching_is_its_definition():
    seen = set()
    for seed in range(24):
        rng = np.random.default_rng(seed)
        lines = line(rng, rng.choice([8, 16, 30])), line(rng, rng.choice([6, 16, 40]))
        truth, image = sides(rng, lines)
        both = np.transpose(lines)
        pairs, n = np.unique(both[both.all(axis=1)], axis=0, return_counts=True)
        pairs = np.column_stack([pairs, n])
        rows, status = recover(
            pd.DataFrame(image),
            pd.DataFrame(truth),
            pairs,
            spacing=SPACING,
            unit="um",
            classes=CLASSES,
        )
        expected = definition(truth, image, pairs.tolist())
        pd.testing.assert_frame_equal(status, expected, check_exact=True, check_dtype=False)
        figures = recovery_rows(counts_of(status))
        for name in size_classes(status):
            figures += recovery_rows(counts_of(status, name), name)
        pd.testing.assert_frame_equal(pd.DataFrame(rows), pd.DataFrame(figures))
        loose = status["matched_iou10"] > 0
        seen |= set(zip(status["kind"], status["status"], loose, status["edge"], strict=True))
    for kind, others in (("truth", ["missed"]), ("detection", ["false"])):
        for status in ("merged", "split", *others):
            assert {(kind, status, loose, edge) for loose in (0, 1) for edge in (0, 1)} <= seen


def row(label, voxels, diameter=10.0, z=0.0, y=0.0, x=0.0, edge=False, **more):
    return dict(label=label, voxels=voxels, diameter=diameter, z=z, y=y, x=x, edge=edge, **more)


def one(truth, image, n, **options):
    status = recover(
        pd.DataFrame([image]), pd.DataFrame([truth]), np.array([[1, 2, n]]), **options
    )[1]
    return status.iloc[0], status.iloc[1]


def test_bounds_of_both_matchings():
    for shared, voxels, strict in ((10, 20, False), (11, 20, True), (10, 19, True)):
        found = one(row(1, voxels), row(2, 10 + shared - 10), shared)
        assert [side["matched"] for side in found] == ([2, 1] if strict else [0, 0])
        assert [side["iou"] for side in found] == [shared / voxels] * 2
    # A tenth in common, and a centroid as far as the radius.
    for shared, loose in ((2, True), (1, False)):
        found = one(row(1, 11), row(2, 11 if shared == 2 else 10), shared)
        assert [side["matched_iou10"] for side in found] == ([2, 1] if loose else [0, 0])
    for z, loose in ((1.5, True), (1.500001, False)):
        near = row(2, 11, z=3 + z, y=4.0)
        found = one(row(1, 11, z=3.0), near, 2, spacing=(2.0, 1.0, 3.0))
        assert [side["matched_iou10"] for side in found] == ([2, 1] if loose else [0, 0])
        # without a voxel size, in voxels
        found = one(row(1, 11), row(2, 11, z=2 * z, x=4.0), 2)
        assert [side["matched_iou10"] for side in found] == ([2, 1] if loose else [0, 0])


def test_settings_without_more():
    tables = pd.DataFrame([row(k + 1, 5, d) for k, d in enumerate([5, 6, 10, 15, 20, 30, 50, 70])])
    rows, status = recover(tables, tables, np.array([[k, k, 5] for k in range(1, 9)]))
    expected = ["", *(f"{a}-{b} voxel" for a, b in [(6, 10), (10, 15), (15, 20), (20, 30), (30, 50), (50, 70)]), ""]  # fmt: skip
    assert status["size_class"].tolist() == 2 * expected
    assert not status["rim"].any()
    assert status["rim"].dtype == bool
    assert len(rows) == 7 * len(recovery_rows(counts_of(status)))


def test_labels_that_no_table_has():
    table = pd.DataFrame([row(3, 5), row(7, 5)])
    for missing in (2, 5, 8):
        for pair in ([missing, 7, 1], [7, missing, 1]):
            with pytest.raises(AcuityError, match=r"^recover: a label of the volume is absent from its pore table$"):  # fmt: skip
                recover(table, table, np.array([pair]))
    with pytest.raises(AcuityError, match="absent"):
        recover(table.iloc[:0], table, np.array([[3, 3, 1]]))
    nothing = np.zeros((0, 3), np.int64)
    kinds = [recover(a, b, nothing)[1]["kind"].tolist() for a, b in ((table, table.iloc[:0]), (table.iloc[:0], table), (table.iloc[:0], table.iloc[:0]))]  # fmt: skip
    assert kinds == [["detection"] * 2, ["truth"] * 2, []]


def test_found_ratio_is_of_inner_objects():
    image, truth = (pd.DataFrame({"edge": edge}) for edge in ([0, 0, 1, 0], [1, 1, 0, 0, 1]))
    found = found_ratio(image, truth)
    assert {k: found[k] for k in ("metric", "subset", "value", "unit", "n")} == {
        "metric": "pores_found_ratio", "subset": "all", "value": 1.5, "unit": "", "n": 2,
    }  # fmt: skip
    assert found["low"] < 1.5 < found["high"]


@pytest.mark.parametrize("plain", [False, True])
def test_overlaps_count_each_pair(monkeypatch, plain):
    if plain:
        monkeypatch.setattr(recovery, "_overlap_keys", recovery._overlap_keys.py_func)
    rng = np.random.default_rng(1)
    labels, truth = (rng.integers(0, 3, (3, 4, 5)).astype(np.uint32) for _ in range(2))
    labels[labels == 2] = 2**32 - 1
    truth[truth == 1] = 2**32 - 2
    found = overlaps(labels, truth)
    assert found.tolist() == [
        [t, d, ((truth == t) & (labels == d)).sum()] for t in (2, 2**32 - 2) for d in (1, 2**32 - 1)
    ]
    assert found.dtype == np.int64
    np.testing.assert_array_equal(add_overlaps([found[1:], found, found[:0]])[:, 2], found[:, 2] * [1, 2, 2, 2])  # fmt: skip
    # More runs than there is room for at first, all of one voxel.
    labels = np.arange(1, 1201, dtype=np.uint32).reshape(2, 20, 30)
    pairs = overlaps(labels, labels[::-1])
    assert pairs.tolist() == [[k, (k + 599) % 1200 + 1, 1] for k in range(1, 1201)]


def test_room_for_runs(monkeypatch):
    rooms, kernel = [], recovery._overlap_keys

    def watched(labels, truth, keys, counts):
        rooms.append((len(keys), len(counts)))
        return kernel(labels, truth, keys, counts)

    monkeypatch.setattr(recovery, "_overlap_keys", watched)
    for shape in ((2, 80, 100), (2, 100, 100)):
        overlaps(np.zeros(shape, np.uint32), np.zeros(shape, np.uint32))
    labels = np.arange(1, 1201, dtype=np.uint32).reshape(2, 20, 30)
    overlaps(labels, labels)
    # A sixteenth of the voxels, 1024 at least, and as many as there are where that was too few.
    assert rooms == [(n, n) for n in (1024, 1250, 1024, 1200)]


# --- census


def volumes():
    """Objects at each face, one inside and one at the wall; half of them in the truth."""
    labels = np.zeros((10, 13, 15), np.uint32)
    labels[3:6, 5:8, 6:9] = 1
    labels[3:6, 0:2, 6:9] = 2
    labels[3:6, 11:, 6:9] = 3
    labels[3:6, 5:8, 0:2] = 4
    labels[3:6, 5:8, 13:] = 5
    labels[0:2, 5:8, 6:8] = 6
    labels[8:, 5:8, 6:8] = 7
    labels[3:8, 2:4, 3:5] = 8  # at the wall of a cylinder, at no face
    truth = np.where(labels % 2, labels + 20, 0).astype(np.uint32)
    truth[truth == 23] = 0
    reference = np.where(labels == 1, 5, 0).astype(np.uint32)
    grid = Grid(labels.shape, (1.5, 2.0, 2.5), unit="nm")
    return [Volume(array, grid) for array in (labels, truth, reference)]


RADIUS = 6.0


@pytest.mark.parametrize("several", [1, 2])
def test_a_census_counts_slab_by_slab(monkeypatch, several):
    monkeypatch.setattr(slices, "SLICES", 4)
    own = volumes()
    labels, truth, reference = (volume.data for volume in own)
    counts = [count(*own, part=(k, several), mask_radius=RADIUS) for k in range(1, several + 1)]
    rows, pores, status = census(counts, size_bin=3.0, size_classes=(2, 6, 9))
    spacing = own[0].grid.spacing
    edge = [False, True, True, True, True, True, True, False]
    expected = pore_table(labels, spacing, mask_radius=RADIUS).assign(rim=[False] * 7 + [True])
    expected["edge"] = edge
    pd.testing.assert_frame_equal(pores, expected, rtol=1e-9)
    real = pore_table(truth, spacing, shape=False).assign(edge=[False, True, True], rim=False)
    counted = pore_table(reference, spacing, shape=False).assign(edge=False)
    matched, expected = recover(
        pores, real, overlaps(labels, truth), spacing=spacing, unit="nm", classes=(2, 6, 9)
    )
    pd.testing.assert_frame_equal(status, expected)
    share, true = (n / m for n, m in (solid_voxels(v, 0, 10, RADIUS) for v in (labels, truth)))
    figures = pore_rows(share, pores, unit="nm", truth_porosity=true, bin_width=3.0)
    figures += [found_ratio(pores, counted), *matched]
    assert "found_ratio" in figures[len(figures) - len(matched) - 1]["metric"]
    pd.testing.assert_frame_equal(pd.DataFrame(rows), pd.DataFrame(figures), rtol=1e-9)
    bright = census(counts, objects="bright", size_bin=3.0, size_classes=(2, 6, 9))[0]
    assert bright[0]["value"] == pytest.approx(1 - share)
    assert bright[1]["value"] == pytest.approx((1 - share) / (1 - true) - 1)


@pytest.mark.parametrize(
    ("spacing", "unit", "grid", "expected"),
    [
        ((5, 5, 5), "um", None, ["35-50 um", "75-100 um", "150-250 um"]),
        # a voxel of 8 um^3 is as large as a cube of 2 um
        ((1, 2, 4), "um", None, ["14-20 um", "30-40 um", "60-100 um"]),
        # a study has one set: that of the voxels named, in the unit of the volume itself
        ((5, 5, 5), "um", Grid((1, 1, 1), (2000, 2000, 2000), unit="nm"), ["40-60 um", "60-100 um", "140-200 um"]),
        # far more than a thousand, and far less than one: no exponents
        ((3e5, 3e5, 3e5), "nm", None, ["2100000-3000000 nm", "4500000-6000000 nm", "9000000-15000000 nm"]),
        ((1e-6, 1e-6, 1e-6), "mm", None, ["0.000007-0.00001 mm", "0.000015-0.00002 mm", "0.00003-0.00005 mm"]),
    ],
)  # fmt: skip
def test_size_classes_are_multiples_of_the_voxel(spacing, unit, grid, expected):
    labels = np.zeros((40, 64, 120), np.uint32)
    corner = 2
    for label, side in enumerate((7, 15, 30), 1):  # equivalent diameters of 8.7, 18.6, 37.2 voxels
        labels[3 : 3 + side, 3 : 3 + side, corner : corner + side] = label
        corner += side + 3
    volume = Volume(labels, Grid(labels.shape, spacing, unit=unit))
    rows, _, status = census([count(volume, volume, volume)], grid=grid)
    assert status["size_class"].tolist() == 2 * expected
    found = {row["subset"]: row["value"] for row in rows if row["metric"] == "pore_recall"}
    assert found == dict.fromkeys(["all", *expected], 1.0)
    assert size_classes(status) == expected
    bins = [row["value"] for row in rows if row["metric"] == "pores_histogram"]
    assert sum(bins) == 3
    # The control: sizes that are stated stay, whatever the voxel.
    rows = census([count(volume, volume, volume)], grid=grid, size_classes=(0, 1e9))[0]
    found = [row["subset"] for row in rows if row["metric"] == "pore_recall"]
    assert found == ["all", f"0-1000000000 {unit}"]


def test_unstated_size_classes_reach_further_than_any_object():
    assert all(3 * a < 3 * b <= 5 * a for a, b in pairwise(UNSTATED[3:]))
    assert UNSTATED[-1] >= 2048 * (6 / np.pi) ** (1 / 3)  # a volume that is one object


def test_what_is_counted(monkeypatch):
    monkeypatch.setattr(slices, "SLICES", 4)
    own = volumes()
    for volume, digest in zip(own, "abc", strict=True):
        volume.digest = digest
    whole, part = count(*own), count(*own, part=(2, 2), mask_radius=RADIUS)
    about = {
        "version": 1, "z": [0, 10], "shape": [10, 13, 15], "spacing": [1.5, 2.0, 2.5], "unit": "nm",
        "mask_radius": None, "digests": {"labels": "a", "truth": "b", "reference": "c"},
    }  # fmt: skip
    assert json.loads(str(whole["about"])) == about
    assert json.loads(str(part["about"])) == about | {"z": [4, 10], "mask_radius": RADIUS}
    for found, start, radius in ((whole, 0, None), (part, 4, RADIUS)):
        solid = [solid_voxels(volume.data, start, 10, radius) for volume in own[:2]]
        assert found["solid"].tolist() == [number for pair in solid for number in pair]
        np.testing.assert_array_equal(
            found["pairs"], overlaps(own[0].data[start:], own[1].data[start:])
        )
        for name, volume in zip(("labels", "truth", "reference"), own, strict=True):
            cuts = [(a, min(a + 4, 10)) for a in range(start, 10, 4)]
            parts = [
                pore_sums(volume.data, *cut, spacing=(1.5, 2.0, 2.5), mask_radius=radius, shape=name == "labels")
                for cut in cuts
            ]  # fmt: skip
            for key in ("label", "whole", "box", "mesh"):
                expected = np.concatenate([piece[key] for piece in parts])
                np.testing.assert_array_equal(found[f"{name}.{key}"], expected)
    assert set(whole) == {"about", "solid", "pairs"} | {
        f"{name}.{key}"
        for name in ("labels", "truth", "reference")
        for key in ("label", "whole", "box", "mesh")
    }
    # A slab that has no slices.
    empty = count(*own, part=(1, 5))
    assert json.loads(str(empty["about"]))["z"] == [0, 0]
    assert [empty[key].shape for key in ("pairs", "labels.whole", "labels.mesh")] == [(0, 3), (0, 6), (0, 2)]  # fmt: skip
    assert empty["solid"].tolist() == [0] * 4


def test_volumes_of_one_shape_are_counted():
    own = volumes()
    own[2] = Volume(np.zeros((10, 13, 14), np.uint32), Grid((10, 13, 14), (1, 1, 1)))
    message = (
        r"^label volumes differ in shape: \[\(10, 13, 14\), \(10, 13, 15\)\]; they must be equal$"
    )
    with pytest.raises(AcuityError, match=message):
        count(*own)


def saved(**about):
    """The bytes of a file of counts that says this of itself."""
    file = io.BytesIO()
    np.savez_compressed(file, about=np.array(json.dumps(about)))
    return file.getvalue()


ABOUT = {
    "version": 1,
    "shape": [9, 4, 4],
    "digests": {"labels": "a" * 20, "truth": "b"},
    "unit": "um",
}


def spoiled():
    whole = bytearray(saved(**ABOUT, z=[0, 9]))
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        info = file.infolist()[0]
    begin = info.header_offset + 30 + int.from_bytes(whole[info.header_offset + 26 : info.header_offset + 28], "little") + int.from_bytes(whole[info.header_offset + 28 : info.header_offset + 30], "little")  # fmt: skip
    whole[begin] |= 7  # a kind of block that deflate does not have
    return bytes(whole)


@pytest.mark.parametrize(
    "content",
    [
        saved(**ABOUT, z=[0, 9])[:-30],  # no end of a zip archive
        spoiled(),
        b"",
        b"text",
        saved(**ABOUT),  # does not say which slices
    ],
    ids=["cut", "spoiled", "empty", "text", "incomplete"],
)
def test_damaged_counts(tmp_path, content):
    file = tmp_path / "1.npz"
    file.write_bytes(content)
    with pytest.raises(AcuityError, match=r"^\S+1\.npz: is damaged; remove it and run again$"):
        read_counts([file], {})


def test_counts_that_are_no_file(tmp_path):
    with pytest.raises(AcuityError, match="is damaged"):
        read_counts([tmp_path], {})
    with pytest.raises(AcuityError, match=r"^\S+2\.npz: no such file; run again$"):
        read_counts([tmp_path / "2.npz"], {})


def test_counts_of_several_slabs(tmp_path):
    def read(*abouts, **digests):
        files = [tmp_path / f"{k}.npz" for k in range(len(abouts))]
        for file, about in zip(files, abouts, strict=True):
            file.write_bytes(saved(**(ABOUT | about)))
        return read_counts(files, digests)

    assert len(read({"z": [0, 4]}, {"z": [4, 4]}, {"z": [4, 9]}, labels="a" * 20, truth="b")) == 3
    assert list(read({"z": [0, 9]})[0]) == ["about"]
    tall = {"shape": [3000, 5, 6]}  # numbers that Python does not keep, as it does small ones
    assert len(read({"z": [0, 2000]} | tall, {"z": [2000, 3000]} | tall)) == 2
    for abouts, words in [
        ([{"z": [0, 4]}, {"z": [4, 8]}], "1.npz: counted slices 4 to 8, which do not follow those up to 4 of 9; remove it and run again"),
        ([{"z": [0, 4]}, {"z": [5, 9]}], "1.npz: counted slices 5 to 9, which do not follow those up to 4 of"),
        ([{"z": [0, 5]}, {"z": [4, 9]}], "1.npz: counted slices 4 to 9, which do not follow those up to 5 of"),
        ([{"z": [1, 9]}], "0.npz: counted slices 1 to 9, which do not follow those up to 0 of"),
        ([{"z": [0, 9], "version": 0}], "0.npz: was written by another version of Acuity; remove it and run again"),
        ([{"z": [0, 9], "version": 2}], "0.npz: was written by another version"),
        ([{"z": [0, 4]}, {"z": [4, 9], "unit": "nm"}], r"1.npz: counted with unit nm, and \S+0.npz with um; remove both and run again"),
    ]:  # fmt: skip
        with pytest.raises(AcuityError, match=words):
            read(*abouts)
    words = r"0.npz: counted other labels than those that are there \(digest a{12}, found c{12}\); remove it and run again"  # fmt: skip
    with pytest.raises(AcuityError, match=words):
        read({"z": [0, 9]}, labels="c" * 20)


def test_counts_are_written_as_they_are(tmp_path):
    counts = count(*volumes())
    write_counts(counts, tmp_path / "1.npz")
    (back,) = read_counts([tmp_path / "1.npz"], {"labels": ""})
    assert list(back) == list(counts)
    for key, array in counts.items():
        np.testing.assert_array_equal(back[key], array)
    assert [file.name for file in tmp_path.iterdir()] == ["1.npz"]
