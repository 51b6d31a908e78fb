"""Sizes and bounding boxes of labels."""

import numpy as np
from numba import njit


@njit(cache=True)
def grow(box, z, y, start, stop):
    """Grow a box, z0 y0 x0 z1 y1 x1, by a run along x."""
    box[0] = min(box[0], z)
    box[1] = min(box[1], y)
    box[2] = min(box[2], start)
    box[3] = max(box[3], z + 1)
    box[4] = max(box[4], y + 1)
    box[5] = max(box[5], stop)


@njit(cache=True)
def sizes_and_boxes(labels, n):
    """Voxel count and bounding box of each label, by runs along x.

    Parameters
    ----------
    labels : numpy.ndarray
        (z, y, x), integers from 0 to `n`.
    n : int
        The largest label.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        (n + 1,) and (n + 1, 6): z0 y0 x0 z1 y1 x1, half open. Nothing is counted for label 0.
    """
    nz, ny, nx = labels.shape
    size = np.zeros(n + 1, np.int64)
    box = np.zeros((n + 1, 6), np.int64)
    box[:, 0] = nz
    box[:, 1] = ny
    box[:, 2] = nx
    for z in range(nz):
        for y in range(ny):
            x = 0
            while x < nx:
                k = labels[z, y, x]
                start = x
                while x < nx and labels[z, y, x] == k:
                    x += 1
                if k == 0:
                    continue
                size[k] += x - start
                grow(box[k], z, y, start, x)
    return size, box
