"""The pore table: size, shape and place of each labelled object, and figures over all of them."""

from itertools import pairwise

import numpy as np
import pandas as pd
from numba import get_num_threads, njit, prange

from acuity.errors import AcuityError
from acuity.filters import gaussian_kernel, sum_shifts
from acuity.measure.intervals import mean_interval
from acuity.segment.mask import cylinder

COLUMNS = [
    "label", "voxels", "volume", "diameter", "sphericity_mesh", "sphericity_lindblad",
    "z", "y", "x", "z0", "y0", "x0", "z1", "y1", "x1", "edge",
]  # fmt: skip

_CORNERS = [(c >> 2 & 1, c >> 1 & 1, c & 1) for c in range(8)]  # (z, y, x) of a cell's corners


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
        pairs = [
            bin(a ^ b).count("1") for i, a in enumerate(inside) for b in inside[i + 1 :]
        ]  # 1: share a face; 2: an edge; 3: a corner
        faces = pairs.count(1)
        if len(inside) == 1:
            w = 6360
        elif len(inside) == 2:
            w = 6690 if faces == 1 else 12720
        elif len(inside) == 3:
            w = {2: 5540, 1: 13050, 0: 19080}[faces]
        elif faces == 4:  # a face of the cell
            w = 9270
        elif faces == 3:  # three about a fourth, or a chain around the cell
            w = 4210 if max(sum(bin(a ^ b).count("1") == 1 for b in inside) for a in inside) == 3 \
                else 15730  # fmt: skip
        elif faces == 2:  # two bars opposite, or three in a corner and one apart
            degree = [sum(bin(a ^ b).count("1") == 1 for b in inside) for a in inside]
            w = 11900 if max(degree) == 2 else 13380
        else:
            w = 25450
        weights[code] = w
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
    edges = [(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1]
    number = {e: i for i, e in enumerate(edges)}

    def edge(a, b):
        return number[min(a, b), max(a, b)]

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
                    start = edge(around[i - 1], around[i])
                    end = edge(around[j % 4], around[(j + 1) % 4])
                    following[start] = end
        triangles = []
        left = dict(following)
        while left:
            first, at = left.popitem()
            loop = [first]
            while at != first:
                loop.append(at)
                at = left.pop(at)
            triangles += [(loop[0], loop[k], loop[k + 1]) for k in range(1, len(loop) - 1)]
        fans.append(triangles)
    most = max(map(len, fans))
    table = np.zeros((256, most, 3), np.int8)
    for code, triangles in enumerate(fans):
        for i, triangle in enumerate(triangles):
            table[code, i] = triangle
    return np.array([len(t) for t in fans], np.int8), table, np.array(edges, np.int8)


_AREA = _lindblad_weights()
_COUNT, _TRIANGLES, _EDGES = _cell_polygons()


# One pass over the rows: runs of a label give volume, centroid, box and edge, cells of 2 x 2 x 2
# voxels (with a border of background around the volume) the area. Sums are of integers, so
# that they do not depend on how the slices are shared out.
@njit(cache=True, parallel=True, error_model="numpy")
def _sums(labels, n, rim, area_of, shares):
    nz, ny, nx = labels.shape
    sums = np.zeros((shares, n + 1, 6), np.int64)  # voxels, z, y, x, area, edge
    boxes = np.empty((shares, n + 1, 6), np.int32)
    for share in prange(shares):
        s = sums[share]
        b = boxes[share]
        b[:, 0] = nz
        b[:, 1] = ny
        b[:, 2] = nx
        b[:, 3:] = 0
        cell = np.zeros(8, np.int64)
        nothing = np.zeros(nx, labels.dtype)
        first = -1 + share * (nz + 1) // shares
        last = -1 + (share + 1) * (nz + 1) // shares
        for z in range(first, last):
            for y in range(-1, ny):
                low = z >= 0
                high = z + 1 < nz
                r0 = labels[z, y] if low and y >= 0 else nothing
                r1 = labels[z, y + 1] if low and y + 1 < ny else nothing
                r2 = labels[z + 1, y] if high and y >= 0 else nothing
                r3 = labels[z + 1, y + 1] if high and y + 1 < ny else nothing
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
                    v = b[k]
                    v[0] = min(v[0], z)
                    v[1] = min(v[1], y)
                    v[2] = min(v[2], start)
                    v[3] = max(v[3], z + 1)
                    v[4] = max(v[4], y + 1)
                    v[5] = max(v[5], x)
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
def _mesh_layer(low, high, codes, shape, z, h, count, triangles, edges):
    """Area and volume of the 0.5 surface's part between two planes (marching cubes).

    The planes are flat, of `shape` (y, x); `codes` has the sign pattern of each cell.
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
                i = edges[e, 0]
                j = edges[e, 1]
                if (code >> i & 1) == (code >> j & 1):
                    continue
                t = (np.float32(0.5) - value[i]) / (value[j] - value[i])
                points[e, 0] = (z + (i >> 2) + t * ((j >> 2) - (i >> 2))) * h[0]
                points[e, 1] = (y + (i >> 1 & 1) + t * ((j >> 1 & 1) - (i >> 1 & 1))) * h[1]
                points[e, 2] = (x + (i & 1) + t * ((j & 1) - (i & 1))) * h[2]
            for i in range(count[code]):
                p = points[triangles[code, i, 0]]
                q = points[triangles[code, i, 1]]
                r = points[triangles[code, i, 2]]
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
def _mesh(labels, k, box, w, h, count, triangles, edges):
    """Area and volume of the 0.5 surface of one object under a Gaussian of half kernel `w`."""
    nz = box[3] - box[0]
    ny = box[4] - box[1]
    nx = box[5] - box[2]
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
    below = np.zeros(size, np.uint8)
    above = np.zeros(size, np.uint8)
    codes = np.empty(size - width - 1, np.uint8)
    shape = (ny + 2, nx + 2, width)
    area = 0.0
    volume = 0.0
    for z in range(nz + 2):
        sum_shifts(planes[z * size : (z + 1 + 2 * r) * size], w, size, high)
        for i in range(size):
            above[i] = high[i] > np.float32(0.5)
        if z:
            a, b, c, d = below[1:], above[1:], below[width:], above[width:]
            e, f = below[width + 1 :], above[width + 1 :]
            for i in range(codes.shape[0]):
                codes[i] = (
                    below[i]
                    | (a[i] << 1)
                    | (c[i] << 2)
                    | (e[i] << 3)
                    | (above[i] << 4)
                    | (b[i] << 5)
                    | (d[i] << 6)
                    | (f[i] << 7)
                )
            da, dv = _mesh_layer(low, high, codes, shape, z - 1, h, count, triangles, edges)
            area += da
            volume += dv
        low, high = high, low
        below, above = above, below
    return area, abs(volume)


@njit(cache=True, parallel=True, error_model="numpy")
def _meshes(labels, which, boxes, weights, spacing, count, triangles, edges):
    out = np.zeros((which.shape[0], 2))
    for i in prange(which.shape[0]):
        k = which[i]
        area, volume = _mesh(labels, k, boxes[k], weights, spacing, count, triangles, edges)
        out[i, 0] = area
        out[i, 1] = volume
    return out


def _rim(shape, mask_radius):
    """Slice positions at the volume's or the mask's lateral border, (y, x) bool."""
    mask = cylinder(shape, mask_radius)
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return ~(mask & inner)


def pore_table(labels, spacing=(1.0, 1.0, 1.0), *, mask_radius=None, shape=True):
    """Table of the labelled objects of a volume.

    Parameters
    ----------
    labels : numpy.ndarray
        (z, y, x), integers, 0 for background. Held in memory whole.
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
    labels = np.ascontiguousarray(labels)
    if labels.ndim != 3 or labels.dtype.kind not in "ui":
        raise AcuityError(
            f"pore_table: the labels have shape {labels.shape} and type {labels.dtype}; "
            "(z, y, x) integers are needed"
        )
    spacing = tuple(float(h) for h in spacing)
    if len(spacing) != 3 or not min(spacing) > 0:
        raise AcuityError(f"pore_table: the voxel size is {spacing}; three numbers above 0")
    if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
        raise AcuityError("pore_table: the labels hold a negative number")
    n = int(labels.max()) if labels.size else 0
    present = None
    if n > 16 * labels.size // 100 + 1000:  # sparse numbers: count them closely first
        present, packed = np.unique(labels, return_inverse=True)
        if present[0] != 0:
            present = np.concatenate([[0], present])
            packed = packed + 1
        labels = packed.reshape(labels.shape).astype(np.uint32)
        n = len(present) - 1
    # Each share has a full set of sums; many labels get fewer shares, to bound the memory.
    shares = int(max(1, min(4 * get_num_threads(), 20_000_000 // (n + 1), labels.shape[0] + 1)))
    sums, boxes = _sums(labels, n, _rim(labels.shape, mask_radius), _AREA, shares)
    edge = sums[:, :, 5].max(axis=0)
    total = sums.sum(axis=0)
    box = boxes.max(axis=0)
    box[:, :3] = boxes[:, :, :3].min(axis=0)
    which = np.flatnonzero(total[:, 0])
    voxels = total[which, 0]
    voxel = spacing[0] * spacing[1] * spacing[2]
    volume = voxels * voxel
    table = {
        "label": which if present is None else present[which],
        "voxels": voxels,
        "volume": volume,
        "diameter": np.cbrt(6.0 * volume / np.pi),
    }
    nothing = np.full(len(which), np.nan)
    table["sphericity_mesh"] = nothing
    table["sphericity_lindblad"] = nothing
    if shape and len(which):
        order = np.argsort(-voxels, kind="stable")
        threads = get_num_threads()
        dealt = np.concatenate([order[t::threads] for t in range(threads)])
        measured = np.empty((len(which), 2))
        measured[dealt] = _meshes(
            labels,
            which[dealt],
            box,
            gaussian_kernel(1.0),
            np.asarray(spacing),
            _COUNT,
            _TRIANGLES,
            _EDGES,
        )
        area, inside = measured.T
        # A speck of a few voxels has no surface at half height after smoothing.
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.cbrt(np.pi) * np.cbrt(6.0 * inside) ** 2 / area
        table["sphericity_mesh"] = np.where(area > 0, ratio, np.nan)
        if max(spacing) - min(spacing) < 1e-6 * max(spacing):
            area = total[which, 4] * 1e-4
            table["sphericity_lindblad"] = np.cbrt(np.pi) * np.cbrt(6.0 * voxels) ** 2 / area
    for i, axis in enumerate("zyx"):
        table[axis] = total[which, 1 + i] / voxels
    for i, name in enumerate(["z0", "y0", "x0", "z1", "y1", "x1"]):
        table[name] = box[which, i].astype(np.int64)
    table["edge"] = edge[which] > 0
    return pd.DataFrame(table, columns=COLUMNS)


def porosity(labels, mask_radius=None, *, objects="dark"):
    """Share of the mask's voxels that are pore.

    Parameters
    ----------
    labels : numpy.ndarray
        (z, y, x); labels or a binary volume.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample.
    objects : {"dark", "bright"}
        Whether the labels are the pores or, bright, what stands between them.

    Returns
    -------
    float
    """
    mask = cylinder(labels.shape, mask_radius)
    inside = np.count_nonzero(labels, axis=0)
    share = float(inside[mask].sum() / (mask.sum() * labels.shape[0]))
    return 1.0 - share if objects == "bright" else share


def classes_of(diameters, edges, unit):
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
    edges = np.asarray(edges, float)
    if edges.ndim != 1 or len(edges) < 2 or np.any(np.diff(edges) <= 0):
        raise AcuityError(f"size classes are {list(edges)}; two or more rising numbers are needed")
    names = [f"{a:g}-{b:g} {unit}".strip() for a, b in pairwise(edges)]
    index = np.searchsorted(edges, np.asarray(diameters, float), side="right") - 1
    index[(index < 0) | (index >= len(names))] = -1
    return names, index


def pore_rows(
    labels, table, *, unit, objects="dark", mask_radius=None, truth_porosity=None, bin_width=5.0
):
    """Rows over all objects of an image: porosity, counts, sizes, shapes.

    Means and histogram are over inner objects (not at the edge); porosity is over all.

    Parameters
    ----------
    labels : numpy.ndarray
        (z, y, x).
    table : pandas.DataFrame
        Of the same labels, by `pore_table`.
    unit : str
        Unit of length of the table.
    objects : {"dark", "bright"}
        Whether the objects are the pores or, bright, what stands between them.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample.
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
    value = porosity(labels, mask_radius, objects=objects)
    inner = table[~table["edge"].astype(bool)]
    rows = [{"metric": "porosity", "subset": "all", "value": value, "unit": ""}]
    if truth_porosity:
        error = value / truth_porosity - 1.0
        rows.append({"metric": "porosity_error", "subset": "all", "value": error, "unit": ""})
    rows += [
        {"metric": "pores_inner", "subset": "all", "value": float(len(inner)), "unit": ""},
        {
            "metric": "pores_edge",
            "subset": "all",
            "value": float(len(table) - len(inner)),
            "unit": "",
        },
    ]
    for metric, column, u in (
        ("diameter_mean", "diameter", unit),
        ("sphericity_mesh", "sphericity_mesh", ""),
        ("sphericity_lindblad", "sphericity_lindblad", ""),
    ):
        values = inner[column].to_numpy(float)
        values = values[np.isfinite(values)]
        if len(values):
            rows.append(
                {
                    "metric": metric,
                    "subset": "all",
                    "unit": u,
                    **mean_interval(values),
                }
            )
    if len(inner):
        top = int(np.floor(inner["diameter"].max() / bin_width)) + 1
        edges = bin_width * np.arange(top + 1)
        names, index = classes_of(inner["diameter"], edges, unit)
        for name, count in zip(names, np.bincount(index, minlength=len(names)), strict=True):
            rows.append(
                {
                    "metric": "pores_histogram",
                    "subset": name,
                    "value": float(count),
                    "unit": "",
                }
            )
    return rows
