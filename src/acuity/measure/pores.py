"""The pore table: size, shape and place of each labelled object, and figures over all of them."""

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
from numba import get_num_threads, njit, prange
from numpy.typing import ArrayLike
from scipy import ndimage

from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.filters import gaussian_kernel, sum_shifts
from acuity.measure.intervals import mean_interval
from acuity.measure.slices import slices_at_a_time
from acuity.measure.volumes import Radius, Spacing, Voxels
from acuity.segment.boxes import grow, sizes_and_boxes
from acuity.tables import tidy_row
from acuity.volume import slabs

COLUMNS = [
    "label", "voxels", "volume", "diameter", "sphericity_mesh", "sphericity_lindblad",
    "z", "y", "x", "z0", "y0", "x0", "z1", "y1", "x1", "edge",
]  # fmt: skip


# By how many faces each of the (at most four) inside voxels shares with the others.
_LINDBLAD = {
    (0,): 6360,
    (1, 1): 6690,
    (0, 0): 12720,
    (1, 1, 2): 5540,
    (0, 1, 1): 13050,
    (0, 0, 0): 19080,
    (2, 2, 2, 2): 9270,  # a face of the cell
    (1, 1, 1, 3): 4210,  # three about a fourth
    (1, 1, 2, 2): 15730,  # a chain around the cell
    (0, 1, 1, 2): 11900,  # three in a corner and one apart
    (1, 1, 1, 1): 13380,  # two bars opposite
    (0, 0, 0, 0): 25450,
}


def _lindblad_weights():
    """Area of each of the 256 configurations of 2 x 2 x 2 voxels, in 1/10000 of a voxel face.

    Lindblad 2005 (doi:10.1016/j.imavis.2004.06.012), table 1: the weights of the five
    configurations that a plane can make are optimal for planes of all directions, those of
    the others sums of these. A configuration and its complement have the same area.
    """
    weights = np.zeros(256, np.int64)
    for code in range(1, 255):
        inside = [c for c in range(8) if code >> c & 1]
        if len(inside) > 4:
            inside = [c for c in range(8) if not code >> c & 1]
        shared = (sum((a ^ b).bit_count() == 1 for b in inside) for a in inside)
        weights[code] = _LINDBLAD[tuple(sorted(shared))]
    return weights


def _cell_polygons():
    """Triangles of marching cubes for each of the 256 sign patterns of a cell.

    Built, not tabulated: on each face of the cell the crossings are joined, around each inside
    corner by itself where the face is ambiguous (which makes neighbouring cells agree, so that
    surfaces are closed); the segments are chained to loops and the loops cut into fans.
    Each crossing is an edge of the cell: its two corners, (lower, higher).

    Returns
    -------
    (numpy.ndarray, numpy.ndarray, numpy.ndarray)
        Number of triangles of each pattern; their edges (256, most, 3); corners of each of the
        12 edges (12, 2).
    """
    edges = [(a, b) for a, b in combinations(range(8), 2) if (a ^ b).bit_count() == 1]
    number = {frozenset(edge): i for i, edge in enumerate(edges)}
    faces = []
    for axis in range(3):
        bit = 4 >> axis
        u, v = [4 >> i for i in range(3) if i != axis]
        for side in (0, bit):
            # Corners around the face, seen from outside, anticlockwise in one handedness.
            around = [side, side | v, side | u | v, side | u]
            if (side == 0) != (axis == 1):
                around.reverse()
            faces.append(around)
    fans = []
    for code in range(256):
        following = {}
        for around in faces:
            inside = [bool(code >> c & 1) for c in around]
            for i in range(4):
                if inside[i] and not inside[i - 1]:
                    # A run of inside corners begins at i: a segment from its end to its start.
                    j = i
                    while inside[(j + 1) % 4]:
                        j += 1
                    start = number[frozenset((around[i - 1], around[i]))]
                    following[start] = number[frozenset((around[j % 4], around[(j + 1) % 4]))]
        triangles = []
        while following:
            first, at = following.popitem()
            loop = [first]
            while at != first:
                loop.append(at)
                at = following.pop(at)
            triangles += [(first, *pair) for pair in pairwise(loop[1:])]
        fans.append(triangles)
    count = np.array([len(triangles) for triangles in fans], np.int8)
    table = np.zeros((256, count.max(), 3), np.int8)
    for code, triangles in enumerate(fans):
        table[code, : count[code]] = np.reshape(triangles, (-1, 3))
    return count, table, np.array(edges, np.int8)


_FEW = 4096  # labels, for which rows of sums cost less than numbers of their own
_GAUSSIAN = gaussian_kernel(1.0)
_AREA = _lindblad_weights()
_COUNT, _TRIANGLES, _EDGES = _cell_polygons()


# One pass over the rows: runs of a label give volume, centroid, box and edge, cells of 2 x 2 x 2
# voxels (with a border of background around the volume) the area. Sums are of integers, so
# that they do not depend on how the slices are shared out. `labels` are those of the slices from
# `bottom` on of a volume of `nz`; slices `z0` to `z1` are counted, each with the cells above it.
@njit(cache=True, parallel=True, error_model="numpy")
def _sums(labels, bottom, nz, z0, z1, n, rim, area_of, shares):
    _, ny, nx = labels.shape
    sums = np.zeros((shares, n + 1, 6), np.int64)  # voxels, z, y, x, area, edge
    boxes = np.empty((shares, n + 1, 6), np.int32)
    if z0 == 0:
        z0 = -1
    for share in prange(shares):
        s = sums[share]
        b = boxes[share]
        b[:] = np.array([nz, ny, nx, 0, 0, 0])
        cell = np.zeros(8, np.int64)
        nothing = np.zeros(nx, labels.dtype)
        first = z0 + share * (z1 - z0) // shares
        last = z0 + (share + 1) * (z1 - z0) // shares
        for z in range(first, last):
            for y in range(-1, ny):
                low = z >= 0
                high = z + 1 < nz
                at = z - bottom
                r0 = labels[at, y] if low and y >= 0 else nothing
                r1 = labels[at, y + 1] if low and y + 1 < ny else nothing
                r2 = labels[at + 1, y] if high and y >= 0 else nothing
                r3 = labels[at + 1, y + 1] if high and y + 1 < ny else nothing
                x = 0
                while x < nx:
                    k = r0[x]
                    start = x
                    x += 1
                    while x < nx and r0[x] == k:
                        x += 1
                    if k == 0:
                        continue
                    t = s[k]
                    run = x - start
                    t[0] += run
                    t[1] += run * z
                    t[2] += run * y
                    t[3] += (start + x - 1) * run // 2
                    if z == 0 or z == nz - 1:
                        t[5] = 1
                    elif t[5] == 0:
                        for i in range(start, x):
                            if rim[y, i]:
                                t[5] = 1
                    grow(b[k], z, y, start, x)
                p0 = p1 = p2 = p3 = labels.dtype.type(0)
                for x in range(nx + 1):
                    q0 = q1 = q2 = q3 = labels.dtype.type(0)
                    if x < nx:
                        q0 = r0[x]
                        q1 = r1[x]
                        q2 = r2[x]
                        q3 = r3[x]
                    same = q0 == q1 and q0 == q2 and q0 == q3
                    if same and q0 == p0 and q0 == p1 and q0 == p2 and q0 == p3:
                        continue
                    cell[0], cell[2], cell[4], cell[6] = p0, p1, p2, p3
                    cell[1], cell[3], cell[5], cell[7] = q0, q1, q2, q3
                    p0, p1, p2, p3 = q0, q1, q2, q3
                    for j in range(8):
                        k = cell[j]
                        if k == 0:
                            continue
                        seen = False
                        code = 0
                        for i in range(8):
                            if cell[i] == k:
                                if i < j:
                                    seen = True
                                code |= 1 << i
                        if not seen:
                            s[k, 4] += area_of[code]
    return sums, boxes


@njit(cache=True, error_model="numpy")
def _mesh_layer(low, high, codes, shape, corner, h):
    """Area and volume of the 0.5 surface's part between two planes (marching cubes).

    The planes are flat, of `shape` (y, x); `codes` has the sign pattern of each cell. The volume is
    a sum over the surface, and right where all its parts count positions from one origin: `corner`
    is where the lower plane begins (z, y, x).
    """
    ny, nx, width = shape
    value = np.empty(8, np.float32)
    points = np.empty((12, 3), np.float64)
    area = 0.0
    volume = 0.0
    for y in range(ny - 1):
        for x in range(nx - 1):
            o = y * width + x
            code = np.int64(codes[o])
            if code == 0 or code == 255:
                continue
            value[0], value[1], value[4], value[5] = low[o], low[o + 1], high[o], high[o + 1]
            o += width
            value[2], value[3], value[6], value[7] = low[o], low[o + 1], high[o], high[o + 1]
            for e in range(12):
                i, j = _EDGES[e]
                if (code >> i & 1) == (code >> j & 1):
                    continue
                t = (np.float32(0.5) - value[i]) / (value[j] - value[i])
                p0 = corner[0] + (i >> 2)
                p1 = corner[1] + y + (i >> 1 & 1)
                p2 = corner[2] + x + (i & 1)
                points[e, 0] = (p0 + t * ((j >> 2) - (i >> 2))) * h[0]
                points[e, 1] = (p1 + t * ((j >> 1 & 1) - (i >> 1 & 1))) * h[1]
                points[e, 2] = (p2 + t * ((j & 1) - (i & 1))) * h[2]
            for i in range(_COUNT[code]):
                p = points[_TRIANGLES[code, i, 0]]
                q = points[_TRIANGLES[code, i, 1]]
                r = points[_TRIANGLES[code, i, 2]]
                uz, uy, ux = q[0] - p[0], q[1] - p[1], q[2] - p[2]
                wz, wy, wx = r[0] - p[0], r[1] - p[1], r[2] - p[2]
                cz = uy * wx - ux * wy
                cy = ux * wz - uz * wx
                cx = uz * wy - uy * wz
                area += 0.5 * np.sqrt(cz * cz + cy * cy + cx * cx)
                volume += (p[0] * cz + p[1] * cy + p[2] * cx) / 6.0
    return area, volume


# At half height the smoothed object reaches less than one voxel beyond its box (a plane's first
# outer voxel has 0.31), so the field is needed on the box and one voxel around it. Planes are
# flat, with rows one radius apart, so that all three passes and the sign patterns are long
# loops that vectorise however small the object.
@njit(cache=True, error_model="numpy")
def _mesh(labels, k, box, start, z0, z1, w, h):
    """Area and volume of a part of the 0.5 surface of one object under a Gaussian of half kernel `w`.

    `labels` are those of the slices from `start` on of a volume, `box` that of the object in them;
    the part lies between slice `z0` and `z1` of the volume. Its parts add up to the whole.
    """
    nz, ny, nx = box[3] - box[0], box[4] - box[1], box[5] - box[2]
    r = w.shape[0] - 1
    width = nx + 1 + r
    size = (ny + 2) * width
    mask = np.zeros(size + 2 * r * width, np.float32)
    along_y = np.zeros(size + 2 * r, np.float32)
    planes = np.zeros((nz + 2 + 2 * r) * size, np.float32)
    for z in range(nz):
        for y in range(ny):
            source = labels[box[0] + z, box[1] + y, box[2] : box[5]]
            first = (r + 1 + y) * width + 1
            inside = mask[first : first + nx]
            for x in range(nx):
                inside[x] = np.float32(1.0) if source[x] == k else np.float32(0.0)
        sum_shifts(mask, w, width, along_y[r : r + size])
        first = (r + 1 + z) * size
        sum_shifts(along_y, w, 1, planes[first : first + size])
    low = np.empty(size, np.float32)
    high = np.empty(size, np.float32)
    signs = np.zeros(size, np.uint8)  # bit 0 that of the lower plane, bit 4 of the upper
    codes = np.empty(size - width - 1, np.uint8)
    shape = (ny + 2, nx + 2, width)
    area = 0.0
    volume = 0.0
    corner = np.array([0, box[1] - 1, box[2] - 1])
    bottom = start + box[0] - 1  # the slice of the first plane
    first = max(0, z0 - bottom)
    for z in range(first, min(nz + 2, z1 - bottom + 1)):
        sum_shifts(planes[z * size : (z + 1 + 2 * r) * size], w, size, high)
        for i in range(size):
            signs[i] = (signs[i] >> 4) | ((high[i] > np.float32(0.5)) << 4)
        if z > first:
            a, b, c = signs[1:], signs[width:], signs[width + 1 :]
            for i in range(codes.shape[0]):
                codes[i] = signs[i] | (a[i] << 1) | (b[i] << 2) | (c[i] << 3)
            corner[0] = bottom + z - 1
            da, dv = _mesh_layer(low, high, codes, shape, corner, h)
            area += da
            volume += dv
        low, high = high, low
    return area, volume


@njit(cache=True, parallel=True, error_model="numpy")
def _meshes(labels, which, boxes, start, z0, z1, weights, spacing):
    out = np.zeros((which.shape[0], 2))
    for i in prange(which.shape[0]):
        k = which[i]
        out[i, 0], out[i, 1] = _mesh(labels, k, boxes[k], start, z0, z1, weights, spacing)
    return out


def _numbered(window):
    """Return labels as numbers of this window's own, so that sums have one row an object.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        What each number stands for, from 0 for the background on; and the numbers, uint32.
    """
    unsigned = window.view(f"u{window.dtype.itemsize}")
    high = int(unsigned.max(initial=0))
    # Few labels keep theirs. Background less 1 is the greatest number of all.
    low = 1 if high <= _FEW else int((unsigned - 1).min()) + 1
    if high - low > 16 * window.size // 100 + 1000:
        present, packed = np.unique(window, return_inverse=True)
        if present[0] != 0:
            present, packed = np.concatenate([[0], present]), packed + 1
        return present, packed.reshape(window.shape).astype(np.uint32)
    less = unsigned.dtype.type(low - 1)
    numbers = window if low == 1 else np.maximum(unsigned, less) - less
    return np.arange(low - 1, high + 1), numbers.astype(np.uint32, copy=False)


def pore_sums(
    labels: Voxels,
    z0: int,
    z1: int,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    mask_radius: Radius = None,
    shape: bool = True,
):
    """Sums over some slices, of which `table_of_sums` makes the table of a volume's objects.

    Parameters
    ----------
    labels : array
        (z, y, x), integers, 0 for background; in memory or read part by part. Read are the slices
        with four more on either side.
    z0, z1 : int
        The first of the slices and the one behind the last.
    spacing, mask_radius, shape
        As for `pore_table`.

    Returns
    -------
    dict of str to numpy.ndarray
        Of each object that is in the slices or touches them: ``label``; ``whole``, (n, 6): voxels,
        their z, y and x added up, area (Lindblad) in 1/10000 of a voxel face, edge (0 or 1);
        ``box``, (n, 6): z0 to x1; ``mesh``, (n, 2): area and signed volume of its surface between
        slice `z0` and `z1`.

    Raises
    ------
    AcuityError
        If `labels` is not a volume of integers from 0 up.
    """
    if len(labels.shape) != 3 or np.dtype(labels.dtype).kind not in "ui":
        raise AcuityError(
            f"pore_table: the labels have shape {tuple(labels.shape)} and type {labels.dtype}; "
            "(z, y, x) integers are needed"
        )
    spacing = tuple(float(h) for h in spacing)
    if len(spacing) != 3 or not all(h > 0 for h in spacing):
        raise AcuityError(f"pore_table: the voxel size is {spacing}; three numbers above 0")
    nz = labels.shape[0]
    halo = len(_GAUSSIAN) - 1 if shape else 0
    start = max(0, z0 - halo)
    window = np.ascontiguousarray(labels[start : min(nz, z1 + 1 + halo)])
    if window.dtype.kind == "i" and window.size and window.min() < 0:
        raise AcuityError("pore_table: the labels hold a negative number")
    present, window = _numbered(window)
    n = len(present) - 1
    # Each share has a full set of sums; many labels get fewer shares, to bound the memory.
    shares = int(max(1, min(4 * get_num_threads(), 20_000_000 // (n + 1), z1 - z0 + 1)))
    rim = ~ndimage.binary_erosion(cylinder(labels.shape, mask_radius))  # the border's too
    sums, boxes = _sums(window, start, nz, z0, z1, n, rim, _AREA, shares)
    whole = sums.sum(axis=0)
    whole[:, 5] = sums[:, :, 5].max(axis=0)
    box = boxes.max(axis=0)
    box[:, :3] = boxes[:, :, :3].min(axis=0)
    mesh = np.zeros((n + 1, 2))
    if shape:
        sizes, inner = sizes_and_boxes(window, n)
        # The surface reaches less than a voxel beyond the object.
        inside = (inner[:, 0] + start <= z1) & (inner[:, 3] + start > z0) & (sizes > 0)
        which = np.flatnonzero(inside)
        which = which[np.argsort(-sizes[which], kind="stable")]
        threads = get_num_threads()
        dealt = np.concatenate([which[t::threads] for t in range(threads)])
        begin, size = z0 or -1, np.asarray(spacing)
        mesh[dealt] = _meshes(window, dealt, inner, start, begin, z1, _GAUSSIAN, size)
    kept = np.flatnonzero((whole[:, 0] > 0) | (whole[:, 4] > 0) | mesh.any(axis=1))
    return {
        "label": present[kept].astype(np.int64),
        "whole": whole[kept],
        "box": box[kept].astype(np.int64),
        "mesh": mesh[kept],
    }


def table_of_sums(parts: Iterable[dict], spacing: Spacing = (1.0, 1.0, 1.0), *, shape: bool = True):
    """Make the table of a volume's objects from the sums over all of its slices.

    Parameters
    ----------
    parts : iterable of dict
        Of `pore_sums`, in order along z.
    spacing, shape
        As for `pore_table`.

    Returns
    -------
    pandas.DataFrame
        See `pore_table`.
    """
    parts = list(parts)
    label, whole, boxes, mesh = (
        np.concatenate([part[name] for part in parts]) for name in ("label", "whole", "box", "mesh")
    )
    label, at = np.unique(label, return_inverse=True)
    total = np.zeros((len(label), 6), np.int64)
    np.add.at(total, at, whole)
    first = np.full((len(label), 3), np.iinfo(np.int64).max)
    np.minimum.at(first, at, boxes[:, :3])
    last = np.zeros((len(label), 3), np.int64)
    np.maximum.at(last, at, boxes[:, 3:])
    surface = np.zeros((len(label), 2))
    np.add.at(surface, at, mesh)
    voxels = total[:, 0]
    volume = voxels * (spacing[0] * spacing[1] * spacing[2])
    diameter = np.cbrt(6.0 * volume / np.pi)
    table = {"label": label, "voxels": voxels, "volume": volume, "diameter": diameter}
    table["sphericity_mesh"] = table["sphericity_lindblad"] = np.full(len(label), np.nan)
    if shape and len(label):
        # A speck of a few voxels has no surface at half height after smoothing.
        table["sphericity_mesh"] = _sphericity(np.abs(surface[:, 1]), surface[:, 0])
        if max(spacing) - min(spacing) < 1e-6 * max(spacing):
            table["sphericity_lindblad"] = _sphericity(voxels, total[:, 4] * 1e-4)
    for i, axis in enumerate("zyx"):
        table[axis] = total[:, 1 + i] / voxels
        table[f"{axis}0"], table[f"{axis}1"] = first[:, i], last[:, i]
    table["edge"] = total[:, 5] > 0
    return pd.DataFrame(table, columns=COLUMNS)


def _sphericity(volume, area):
    """Return the surface of spheres of some volumes over an area, NaN where that is nothing."""
    sphere = np.cbrt(np.pi) * np.cbrt(6.0 * volume) ** 2
    return np.divide(sphere, area, out=np.full(len(area), np.nan), where=area > 0)


def pore_table(
    labels: Voxels,
    spacing: Spacing = (1.0, 1.0, 1.0),
    *,
    mask_radius: Radius = None,
    shape: bool = True,
):
    """Table of the labelled objects of a volume.

    Some slices are read at a time (`slices_at_a_time`), with a few more on either side. Counts,
    centroids, boxes and Lindblad's areas are sums of integers, the same however a volume is cut;
    those of the mesh differ by less than 1e-9.

    Parameters
    ----------
    labels : array
        (z, y, x), integers, 0 for background; in memory or read part by part.
    spacing : (float, float, float)
        Voxel size along z, y, x, in the unit of the table.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample: objects at its rim are edge
        objects. None for the volume's own faces.
    shape : bool
        Compute the sphericities too.

    Returns
    -------
    pandas.DataFrame
        One row an object, by label:

        - label; voxels (count); volume (unit^3); diameter (unit) of the sphere of that volume;
        - sphericity_mesh: pi^(1/3) (6 V)^(2/3) / A with V and A of the marching-cubes surface at
          0.5 of the object under a Gaussian of one voxel (spheres read 0.985 at a radius of 3
          voxels, 0.997 from 12 up);
        - sphericity_lindblad: V of the voxels, A by Lindblad's 2005 local configurations (spheres
          read 1.00; roughness shows); empty where voxels are not cubes;
        - z, y, x: centroid in voxels (0 is the first voxel's centre);
        - z0 ... x1: bounding box, half open, in voxels;
        - edge: whether it touches the first or last slice, or the lateral border.

    Raises
    ------
    AcuityError
        If `labels` is not a volume of integers.

    Notes
    -----
    Sphericity: Wadell 1935 (doi:10.1086/624298), as in Bukka et al. 2025, section 3.1.2.
    """
    parts = [
        pore_sums(labels, z0, z1, spacing=spacing, mask_radius=mask_radius, shape=shape)
        for z0, z1 in slabs(labels.shape[0], slices_at_a_time(labels.shape))
    ]
    return table_of_sums(parts, spacing, shape=shape)


def tell_rim(table: pd.DataFrame, shape: Sequence[int]):
    """Tell objects that the volume's own faces cut from those at the wall of a cylinder.

    Parameters
    ----------
    table : pandas.DataFrame
        By `pore_table`.
    shape : sequence of int
        Voxels of the volume (z, y, x).

    Returns
    -------
    pandas.DataFrame
        The same table: ``edge``, whether a face cuts an object, and ``rim``, whether it touches the wall of
        the cylinder in which objects were sought, and no face.
    """
    cut = np.zeros(len(table), bool)
    for axis, n in zip("zyx", shape, strict=True):
        cut |= (table[f"{axis}0"] == 0) | (table[f"{axis}1"] == n)
    return table.assign(rim=table["edge"] & ~cut, edge=cut)


def solid_voxels(labels: Voxels, z0: int, z1: int, mask_radius: Radius = None):
    """Count the voxels of some slices that are object, and all of them.

    Parameters
    ----------
    labels : array
        (z, y, x); labels or a binary volume, in memory or read part by part.
    z0, z1 : int
        The first of the slices and the one behind the last.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample: others do not count.

    Returns
    -------
    (int, int)
    """
    mask = cylinder(labels.shape, mask_radius)
    inside = np.count_nonzero(np.asarray(labels[z0:z1])[:, mask])
    return int(inside), int(mask.sum()) * (z1 - z0)


def porosity(voxels: Iterable[tuple[int, int]], *, objects: str = "dark"):
    """Share of the mask's voxels that are pore.

    Parameters
    ----------
    voxels : iterable of (int, int)
        Of `solid_voxels`, over all slices of a volume.
    objects : {"dark", "bright"}
        Whether the labels are the pores or, bright, what stands between them.

    Returns
    -------
    float
    """
    solid, total = np.sum(list(voxels), axis=0)
    share = float(solid / total)
    return 1.0 - share if objects == "bright" else share


def classes_of(diameters: ArrayLike, edges: ArrayLike, unit: str):
    """Find the size class of each diameter.

    Parameters
    ----------
    diameters : numpy.ndarray
        (n,), in `unit`.
    edges : sequence of float
        Edges of the classes, rising; the lower one belongs to a class, the upper one to the next.
    unit : str
        Unit of length, for the names.

    Returns
    -------
    names : list of str
        Of the classes, like "15-20 um".
    index : numpy.ndarray
        (n,), int: the class of each diameter, -1 for none.

    Raises
    ------
    AcuityError
        If there are less than two edges or they do not rise.
    """
    ends = np.asarray(edges, float)
    if ends.ndim != 1 or len(ends) < 2 or np.any(np.diff(ends) <= 0):
        raise AcuityError(f"size classes are {list(ends)}; two or more rising numbers are needed")
    words = [np.format_float_positional(float(f"{end:g}"), trim="-") for end in ends]
    names = [f"{a}-{b} {unit}".strip() for a, b in pairwise(words)]
    index = np.searchsorted(ends, np.asarray(diameters, float), side="right") - 1
    index[(index < 0) | (index >= len(names))] = -1
    return names, index


def pore_rows(
    share: float,
    table: pd.DataFrame,
    *,
    unit: str,
    truth_porosity: float | None = None,
    bin_width: float = 5.0,
):
    """Rows over all objects of an image: porosity, counts, sizes, shapes.

    Means and histogram are over inner objects (not at the edge); porosity is over all.

    Parameters
    ----------
    share : float
        Porosity of the image: `porosity`.
    table : pandas.DataFrame
        Its objects, by `pore_table`.
    unit : str
        Unit of length of the table.
    truth_porosity : float, optional
        Adds porosity_error, the relative difference from it.
    bin_width : float
        Width of the histogram's bins, in `unit`.

    Returns
    -------
    list of dict
        metric, subset, value, unit (and low, high, n for the means): porosity, porosity_error,
        pores_inner, pores_edge, diameter_mean, sphericity_mesh, sphericity_lindblad, and
        pores_histogram with subsets like "15-20 um".
    """
    inner = table[~table["edge"].astype(bool)]
    rows = [tidy_row("porosity", share)]
    if truth_porosity:
        rows.append(tidy_row("porosity_error", share / truth_porosity - 1.0))
    rows.append(tidy_row("pores_inner", len(inner)))
    rows.append(tidy_row("pores_edge", len(table) - len(inner)))
    for metric, column, u in (
        ("diameter_mean", "diameter", unit),
        ("sphericity_mesh", "sphericity_mesh", ""),
        ("sphericity_lindblad", "sphericity_lindblad", ""),
    ):
        values = inner[column].to_numpy(float)
        values = values[np.isfinite(values)]
        if len(values):
            rows.append(tidy_row(metric, unit=u, **mean_interval(values)))
    if len(inner):
        top = int(np.floor(inner["diameter"].max() / bin_width)) + 1
        names, index = classes_of(inner["diameter"], bin_width * np.arange(top + 1), unit)
        counts = np.bincount(index, minlength=len(names))
        rows += [
            tidy_row("pores_histogram", count, subset=name)
            for name, count in zip(names, counts, strict=True)
        ]
    return rows
