"""Separation of touching objects: a watershed of the distance map without its shallow basins."""

import cc3d
import edt
import numba
import numpy as np
from numba import njit, prange

from acuity.segment.boxes import sizes_and_boxes


def components(binary):
    """Connected components (26 neighbours) of a binary volume.

    Returns
    -------
    (numpy.ndarray, int)
        Labels, uint32 (z, y, x), 1 to n without gaps, and n.
    """
    labels, n = cc3d.connected_components(
        np.ascontiguousarray(binary, np.uint8), connectivity=26, return_N=True, out_dtype=np.uint32
    )
    return labels, int(n)


def relabel(labels, table):
    """Replace each label but 0 by ``table[label]`` in place."""
    np.copyto(labels, table[labels], where=labels > 0)


@njit(cache=True)
def root(parent, i):
    """Find the root of a node in a forest of parents; the path to it becomes shorter."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True)
def _longer(values):
    """Return some values in an array twice as long."""
    return np.concatenate((values, np.zeros_like(values)))


@njit(cache=True)
def _split(labels, distance, component, box, size, h, part):
    """Divide one component; write its parts (1, 2, ...) into `part` and return their number.

    The deepest voxel of each part, the first in order where several are, is marked by turning the
    sign of its distance.

    Voxels are visited from the deepest outwards. One without visited neighbours starts a basin;
    one between basins is the saddle where they meet. There a basin less than h deeper than the
    saddle is merged into the deepest one, so that the basins that remain are those of the
    h-maxima transform; the voxel itself follows its steepest visited neighbour.
    """
    z0, y0, x0, z1, y1, x1 = box[0], box[1], box[2], box[3], box[4], box[5]
    ny = y1 - y0
    nx = x1 - x0
    depth = np.empty(size, np.float32)
    where = np.empty(size, np.int64)
    m = 0
    for z in range(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                if labels[z, y, x] == component:
                    depth[m] = -distance[z, y, x]
                    where[m] = ((z - z0) * ny + (y - y0)) * nx + (x - x0)
                    m += 1
    order = np.argsort(depth, kind="mergesort")  # stable: ties keep their place, so do the bytes
    basin = np.zeros(((z1 - z0), ny, nx), np.int32)
    parent = np.zeros(64, np.int32)
    peak = np.zeros(64, np.float32)
    seat = np.zeros(64, np.int64)
    n = 0
    around = np.empty(26, np.int32)
    for i in order:
        level = -depth[i]
        flat = where[i]
        x = flat % nx
        y = (flat // nx) % ny
        z = flat // (nx * ny)
        count = 0
        last = 0
        for dz in range(max(-1, -z), min(2, z1 - z0 - z)):
            for dy in range(max(-1, -y), min(2, ny - y)):
                for dx in range(max(-1, -x), min(2, nx - x)):
                    k = basin[z + dz, y + dy, x + dx]
                    if k == 0 or k == last:
                        continue
                    last = k
                    r = root(parent, k)
                    known = False
                    for j in range(count):
                        if around[j] == r:
                            known = True
                    if not known:
                        around[count] = r
                        count += 1
        if count == 0:
            n += 1
            if n >= parent.shape[0]:
                parent, peak, seat = _longer(parent), _longer(peak), _longer(seat)
            parent[n] = n
            peak[n] = level
            seat[n] = flat
            basin[z, y, x] = n
            continue
        basin[z, y, x] = around[0]
        if count > 1:
            steepest = np.float32(-1.0)
            for dz in range(max(-1, -z), min(2, z1 - z0 - z)):
                for dy in range(max(-1, -y), min(2, ny - y)):
                    for dx in range(max(-1, -x), min(2, nx - x)):
                        k = basin[z + dz, y + dy, x + dx]
                        if k == 0 or (dz == 0 and dy == 0 and dx == 0):
                            continue
                        step = np.sqrt(np.float32(dz * dz + dy * dy + dx * dx))
                        rise = (distance[z0 + z + dz, y0 + y + dy, x0 + x + dx] - level) / step
                        if rise > steepest:
                            steepest = rise
                            basin[z, y, x] = k
            best = around[0]
            for j in range(1, count):
                if peak[around[j]] > peak[best]:
                    best = around[j]
            for j in range(count):
                r = around[j]
                if r != best and peak[r] - level < h:
                    parent[r] = best
    number = np.zeros(n + 1, np.int32)
    parts = 0
    for k in range(1, n + 1):
        if root(parent, k) == k:
            parts += 1
            number[k] = parts
            x = seat[k] % nx
            y = (seat[k] // nx) % ny
            z = seat[k] // (nx * ny)
            distance[z0 + z, y0 + y, x0 + x] *= np.float32(-1.0)
    if parts > 1:
        for i in range(size):
            flat = where[i]
            x = flat % nx
            y = (flat // nx) % ny
            z = flat // (nx * ny)
            k = number[root(parent, basin[z, y, x])]
            part[z0 + z, y0 + y, x0 + x] = k
    return parts


@njit(cache=True, parallel=True)
def _split_all(labels, distance, which, boxes, sizes, h, part):
    parts = np.ones(which.shape[0], np.int64)
    for i in prange(which.shape[0]):
        k = which[i]
        parts[i] = _split(labels, distance, k, boxes[k], sizes[k], h, part)
    return parts


@njit(cache=True, parallel=True)
def _combine(labels, part, first):
    """Final labels: the component's first label plus the part's number less one."""
    nz, ny, nx = labels.shape
    for z in prange(nz):
        for y in range(ny):
            for x in range(nx):
                k = labels[z, y, x]
                if k:
                    p = part[z, y, x]
                    labels[z, y, x] = first[k] + (p - 1 if p > 0 else 0)


def drop_small(labels, n, smallest):
    """Remove labels of fewer than `smallest` voxels in place and close the gaps.

    Returns
    -------
    int
        The number of labels that remain, 1 to that number.
    """
    size, _ = sizes_and_boxes(labels, n)
    keep = size >= max(1, smallest)
    keep[0] = False
    table = np.zeros(n + 1, labels.dtype)
    table[keep] = np.arange(1, keep.sum() + 1, dtype=labels.dtype)
    if not keep[1:].all():
        relabel(labels, table)
    return int(keep.sum())


@njit(cache=True)
def _deepest(labels, distance, n):
    """Flat index of each object's marked voxel; of its first one where none is marked."""
    nz, ny, nx = labels.shape
    out = np.full(n + 1, -1, np.int64)
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                k = labels[z, y, x]
                if k == 0:
                    continue
                if out[k] < 0 or distance[z, y, x] < 0:
                    out[k] = (z * ny + y) * nx + x
    return out


def divide(labels, n, h, anisotropy=(1.0, 1.0, 1.0)):
    """Divide touching objects where the distance map has several maxima.

    Each component is divided by the watershed of its Euclidean distance map; maxima that rise
    less than `h` above the saddle to a higher one do not count (h-maxima: Soille, Morphological
    Image Analysis, 2nd edition, 2004, section 6.3.4). The map is taken of the whole array at
    once, and each component is flooded by itself, all of them in parallel.

    Parameters
    ----------
    labels : numpy.ndarray
        (z, y, x), uint32, components numbered 1 to `n`; changed in place, objects of a component
        follow each other.
    n : int
        Number of components.
    h : float
        In units of the smallest voxel side; 0.5 to 1 is usual, 0 keeps every maximum.
    anisotropy : (float, float, float)
        Relative voxel sides along z, y, x.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        Number of objects of each component, (n + 1,), the first 0; and the flat index of each
        object's deepest voxel, its first one where it was too small to be divided, by label from 1.
    """
    parts = np.ones(n + 1, np.int64)
    parts[0] = 0
    if n == 0:
        return parts, np.full(1, -1)
    threads = numba.get_num_threads()
    distance = edt.edt(labels, anisotropy=tuple(anisotropy), black_border=False, parallel=threads)
    sizes, boxes = sizes_and_boxes(labels, n)
    # An object of a few voxels has one maximum; largest first keeps the threads evenly loaded.
    which = np.flatnonzero(sizes >= 8)
    which = which[which > 0]
    which = which[np.argsort(-sizes[which], kind="stable")]
    part = np.zeros(labels.shape, np.uint32)
    if len(which):
        # Threads take consecutive pieces: deal the components out like cards.
        dealt = np.concatenate([which[t::threads] for t in range(threads)])
        parts[dealt] = _split_all(labels, distance, dealt, boxes, sizes, np.float32(h), part)
    first = np.zeros(n + 1, np.uint32)
    first[1:] = 1 + np.cumsum(parts)[:-1]
    _combine(labels, part, first)
    return parts, _deepest(labels, distance, int(parts.sum()))


def separate(labels, n, h, anisotropy=(1.0, 1.0, 1.0)):
    """Divide touching objects of an array in memory; see `divide`.

    Returns
    -------
    int
        Number of objects; `labels` then holds 1 to that number.
    """
    return int(divide(labels, n, h, anisotropy)[0].sum())
