"""How many pores of the truth an image shows: one-to-one matching of labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit

from acuity.errors import AcuityError
from acuity.measure.intervals import ratio_interval
from acuity.measure.pool import pool_recovery
from acuity.measure.pores import classes_of
from acuity.measure.volumes import Spacing
from acuity.tables import tidy_row

STATUS_COLUMNS = [
    "kind", "label", "diameter", "size_class", "z", "y", "x", "edge",
    "status", "matched", "iou", "matched_iou10", "iou10", "rim",
]  # fmt: skip


@njit(cache=True)
def _overlap_keys(labels, truth, keys, counts):
    """Runs along x of equal pairs of labels, as key and length; the number of runs."""
    nz, ny, nx = labels.shape
    n = 0
    for z in range(nz):
        for y in range(ny):
            x = 0
            while x < nx:
                a = labels[z, y, x]
                b = truth[z, y, x]
                start = x
                x += 1
                while x < nx and labels[z, y, x] == a and truth[z, y, x] == b:
                    x += 1
                if a and b:
                    if n < keys.shape[0]:
                        keys[n] = (np.uint64(b) << np.uint64(32)) | np.uint64(a)
                        counts[n] = x - start
                    n += 1
    return n


def overlaps(labels: np.ndarray, truth_labels: np.ndarray):
    """Voxels that each pair of labels shares.

    Parameters
    ----------
    labels, truth_labels : numpy.ndarray
        (z, y, x), integers up to 2^32 - 1: some slices of two volumes, or all.

    Returns
    -------
    numpy.ndarray
        (n, 3), int64, a row for each pair that overlaps, sorted: label of the truth, label, number
        of voxels.
    """
    a, b = (np.ascontiguousarray(v) for v in (labels, truth_labels))
    room = max(1024, a.size // 16)
    while True:
        keys = np.empty(room, np.uint64)
        counts = np.empty(room, np.int64)
        n = _overlap_keys(a, b, keys, counts)
        if n <= room:
            break
        room = n
    return _added(keys[:n], counts[:n])


def add_overlaps(parts: Sequence[np.ndarray]):
    """Add up what `overlaps` gave for parts of a volume.

    Parameters
    ----------
    parts : list of numpy.ndarray
        Of `overlaps`.

    Returns
    -------
    numpy.ndarray
        As of the whole volume.
    """
    pairs = np.concatenate(parts)
    keys = pairs.astype(np.uint64)
    return _added((keys[:, 0] << np.uint64(32)) | keys[:, 1], pairs[:, 2])


def _added(keys, counts):
    keys, at = np.unique(keys, return_inverse=True)
    shared = np.zeros(len(keys), np.int64)
    np.add.at(shared, at, counts)
    pairs = (keys >> np.uint64(32), keys & np.uint64(2**32 - 1), shared)
    return np.column_stack([column.astype(np.int64) for column in pairs])


def recover(
    table: pd.DataFrame,
    truth_table: pd.DataFrame,
    pairs: np.ndarray,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    unit: str = "voxel",
    classes: Sequence[float] = (6, 10, 15, 20, 30, 50, 70),
):
    """Match the objects of an image one to one with those of the truth.

    Two matchings: strict, IoU > 0.5, where a partner is unique; and loose (iou10), which adds to
    it, by falling IoU, the pairs with IoU >= 0.1 whose centroids lie within the radius of
    the truth's pore, each object at most once (a one-voxel shift leaves a pore of four
    voxels' diameter an IoU of 0.47, so that the strict one punishes small pores).

    All objects take part in the matching; edge objects are dropped afterwards, by the truth's
    status: an object matched with an edge pore of the truth goes with it. An unmatched one is
    dropped if it touches the edge itself, or if more than half of it lies in an edge pore.

    A pore of the truth is *found* (strict match); else *merged*, if an object that covers half of
    it also covers half of another one; else *split*, if at least two objects that lie mostly
    in it cover half of it together, each at least a tenth; else *missed*. An object without
    strict match is *merged*, if it covers half of several pores; *split*, if it lies mostly
    in one pore that is split or matched by another; else *false*.

    Parameters
    ----------
    table, truth_table : pandas.DataFrame
        Pore tables of the two (columns label, voxels, diameter, z, y, x, edge; and rim, where
        objects may touch the wall of what they were sought in).
    pairs : numpy.ndarray
        Their `overlaps`.
    spacing : (float, float, float)
        Voxel size along z, y, x in `unit`.
    unit : str
        Unit of length of diameters and classes.
    classes : sequence of float
        Edges of the size classes, in `unit`: those of the truth's diameter; for an object without
        a partner, of its own.

    Returns
    -------
    (list of dict, pandas.DataFrame)
        Rows (metric, subset, value, unit, low, high, n) for all and each size class:
        pore_recall, pore_precision, pore_f1, the same with _iou10, pores_missed, pores_false,
        pores_split, pores_merged, with 95 % intervals; pore_precision_off_rim and pore_f1_off_rim,
        without the unmatched objects that touch the rim. Then one row a pore of the truth and one an
        object, edge ones included and marked: kind (truth or detection), label, diameter,
        size_class, z, y, x (centroid, voxels), edge, status, matched and iou, matched_iou10
        and iou10 (label of the partner, 0 for none; without a partner the largest IoU), rim.

    Raises
    ------
    AcuityError
        If a label of the pairs is in no table.
    """
    truth, image = _Objects.of(truth_table), _Objects.of(table)
    both = _Pairs.of(truth, image, pairs)
    (strict_t, strict_d), (loose_t, loose_d) = _match(truth, image, both, spacing)
    status_t, status_d = _statuses(truth, image, both, strict_t, strict_d)
    edge_d = _edges_of_image(truth, image, both, loose_d)
    names, class_t = classes_of(truth.table["diameter"], classes, unit)
    class_d = classes_of(image.table["diameter"], classes, unit)[1]
    partner = loose_d >= 0
    class_d[partner] = class_t[both.t[loose_d[partner]]]
    names = np.array(names + [""], object)
    sides = [
        _side("truth", truth, both.t, image.labels[both.d], both.iou, (strict_t, loose_t)),
        _side("detection", image, both.d, truth.labels[both.t], both.iou, (strict_d, loose_d)),
    ]
    judged = ((class_t, truth.edge, status_t), (class_d, edge_d, status_d))
    for side, (size_class, edge, status) in zip(sides, judged, strict=True):
        side["size_class"], side["edge"] = names[size_class], edge
        side["status"] = status.astype(object)
    status = pd.concat([s for s in sides if len(s)] or sides[:1], ignore_index=True)
    return pool_recovery([status]), status


@dataclass(frozen=True)
class _Objects:
    """Objects of one side: their pore table, labels, voxels and whether the edge cuts them."""

    table: pd.DataFrame
    labels: np.ndarray
    voxels: np.ndarray
    edge: np.ndarray

    @classmethod
    def of(cls, table):
        labels, voxels = (table[key].to_numpy(np.int64) for key in ("label", "voxels"))
        return cls(table, labels, voxels, table["edge"].to_numpy(bool))

    def __len__(self):
        return len(self.table)


@dataclass(frozen=True)
class _Pairs:
    """Pairs of objects that overlap: rows t of the truth's table and d of the image's."""

    t: np.ndarray
    d: np.ndarray
    shared: np.ndarray
    iou: np.ndarray

    @classmethod
    def of(cls, truth, image, pairs):
        t, d, shared = np.transpose(pairs)
        # Work with row numbers instead of labels.
        t, d = _rows_of(truth.labels, t), _rows_of(image.labels, d)
        return cls(t, d, shared, shared / (truth.voxels[t] + image.voxels[d] - shared))


def _match(truth, image, pairs, spacing):
    """Return who is in which pair, or -1, as (of the truth, of the image): strictly, and loosely."""
    t, d, iou = pairs.t, pairs.d, pairs.iou
    strict_t, strict_d = np.full(len(truth), -1), np.full(len(image), -1)
    strict = iou > 0.5
    strict_t[t[strict]] = strict_d[d[strict]] = np.flatnonzero(strict)
    loose_t, loose_d = strict_t.copy(), strict_d.copy()
    ct, cd = (side.table[["z", "y", "x"]].to_numpy(float) * spacing for side in (truth, image))
    radius = 0.5 * truth.table["diameter"].to_numpy()[t]
    near = np.linalg.norm(ct[t] - cd[d], axis=1) <= radius
    candidates = np.flatnonzero((iou >= 0.1) & near & ~strict)
    for i in candidates[np.argsort(-iou[candidates], kind="stable")]:
        if loose_t[t[i]] < 0 and loose_d[d[i]] < 0:
            loose_t[t[i]] = loose_d[d[i]] = i
    return (strict_t, strict_d), (loose_t, loose_d)


def _mostly(image, pairs):
    """Return which pairs are of an object that lies mostly in the pore."""
    return pairs.shared > 0.5 * image.voxels[pairs.d]


def _statuses(truth, image, pairs, strict_t, strict_d):
    """Return what became of each pore, and what each object is.

    Objects that cover half of several pores merge those; objects mostly in one are its parts.
    """
    t, d, shared, nt, nd = pairs.t, pairs.d, pairs.shared, len(truth), len(image)
    covers = shared >= 0.5 * truth.voxels[t]
    covered = np.bincount(d[covers], minlength=nd)
    merged = np.zeros(nt, bool)
    merged[t[covers & (covered[d] > 1)]] = True
    mostly = _mostly(image, pairs)
    part = mostly & (10 * shared >= truth.voxels[t])  # exact: 0.1 * 70 is more than 7
    parts = np.bincount(t[part], minlength=nt)
    together = np.bincount(t[part], weights=shared[part], minlength=nt)
    split = (parts > 1) & (together >= 0.5 * truth.voxels)
    status_t = np.select([strict_t >= 0, merged, split], ["found", "merged", "split"], "missed")
    piece = np.zeros(nd, bool)
    piece[d[mostly & ((status_t[t] == "split") | (status_t[t] == "found"))]] = True
    status_d = np.select([strict_d >= 0, covered > 1, piece], ["found", "merged", "split"], "false")
    return status_t, status_d


def _edges_of_image(truth, image, pairs, loose_d):
    """Return which objects count as cut by the edge: with a partner, those whose partner is."""
    mostly = _mostly(image, pairs)
    in_edge = np.zeros(len(image), bool)
    in_edge[pairs.d[mostly & truth.edge[pairs.t]]] = True
    edge = image.edge | in_edge
    partner = loose_d >= 0
    edge[partner] = truth.edge[pairs.t[loose_d[partner]]]
    return edge


def _side(kind, own, rows, partners, iou, matches):
    """Return the status table of one side; class, edge and status are set by the caller.

    Of each pair `rows` is the row of this side and `partners` the label of the other one; `matches`
    have for each object the pair that it is in, or -1.
    """
    table, columns = own.table, {}
    best = np.zeros(len(own))
    np.maximum.at(best, rows, iou)
    names = ("matched", "iou"), ("matched_iou10", "iou10")
    for (label, value), pair in zip(names, matches, strict=True):
        # Number -1 is the 0 behind the last pair.
        columns[label] = np.append(partners, 0)[pair]
        columns[value] = np.where(pair >= 0, np.append(iou, 0)[pair], best)
    places = {axis: table[axis].to_numpy(float) for axis in ("diameter", "z", "y", "x")}
    rim = table["rim"].to_numpy(bool) if "rim" in table else False
    columns = {"kind": kind, "label": own.labels, **places, **columns, "rim": rim}
    return pd.DataFrame(columns, columns=STATUS_COLUMNS)


def _rows_of(labels, wanted):
    """Positions of some labels in a column of labels."""
    position = pd.Index(labels).get_indexer(wanted)
    if np.any(position < 0):
        raise AcuityError("recover: a label of the volume is absent from its pore table")
    return position


def found_ratio(table: pd.DataFrame, truth_table: pd.DataFrame):
    """Pores found, as a ratio of counts (Bukka et al. 2025, figure 5).

    Inner objects of the image over inner objects of the truth's own segmentation, each without
    those that its own edge cuts. Invented pores hide missed ones: recall and precision do not
    let them.

    Parameters
    ----------
    table, truth_table : pandas.DataFrame
        Pore tables of the image and of the many-view truth, segmented alike.

    Returns
    -------
    dict
        One row: pores_found_ratio; NaN where the truth has no inner object.
    """
    inner, truth = (int((~t["edge"].astype(bool)).sum()) for t in (table, truth_table))
    return tidy_row("pores_found_ratio", **ratio_interval(inner, truth))
