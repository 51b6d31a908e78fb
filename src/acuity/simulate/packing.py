"""Random places for balls that neither overlap nor leave their room."""

import math

import numba
import numpy as np


def pack_balls(
    radii: np.ndarray,
    candidates: np.ndarray,
    room: np.ndarray,
    obstacles: np.ndarray | None = None,
    *,
    gap: float = 0.0,
    tries: int = 30,
) -> np.ndarray:
    """Place balls one after the other at the first candidate that admits them.

    Parameters
    ----------
    radii : numpy.ndarray
        (ball,), in the order of placement; the largest first fill best.
    candidates : numpy.ndarray
        (point, 3), places in the order of trial, each used once.
    room : numpy.ndarray
        (point,), largest radius that the walls admit at each.
    obstacles : numpy.ndarray, optional
        (ball, 4), z, y, x, radius of balls that are there already.
    gap : float
        Least distance between two surfaces.
    tries : int
        Candidates tried for a ball before it is given up.

    Returns
    -------
    numpy.ndarray
        (placed, 4), z, y, x, radius.
    """
    radii = np.asarray(radii, np.float64)
    there = np.empty((0, 4)) if obstacles is None else np.asarray(obstacles, np.float64)
    if not (radii.size and len(candidates)):
        return np.empty((0, 4))
    cell = 2.0 * float(np.median(radii)) + gap + 1e-9
    low = candidates.min(axis=0) - radii.max() - gap
    shape = np.ceil((candidates.max(axis=0) + radii.max() + gap - low) / cell).astype(np.int64) + 1
    spans = np.floor(2 * (np.concatenate([radii, there[:, 3]]) + gap) / cell) + 2
    entries = int((spans**3).sum())
    return _pack(radii, candidates, room, there, gap, tries, cell, low, shape, entries)


@numba.njit(cache=True)
def _enter(ball, number, reach, cell, low, shape, heads, nexts, balls, used):
    """Enter a ball in every cell that a box around it touches."""
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    for a in range(3):
        first[a] = max(0, math.floor((ball[a] - reach - low[a]) / cell))
        last[a] = min(shape[a] - 1, math.floor((ball[a] + reach - low[a]) / cell))
    for k in range(first[0], last[0] + 1):
        for j in range(first[1], last[1] + 1):
            for i in range(first[2], last[2] + 1):
                at = (k * shape[1] + j) * shape[2] + i
                nexts[used] = heads[at]
                balls[used] = number
                heads[at] = used
                used += 1
    return used


@numba.njit(cache=True)
def _free(point, r, placed, gap, cell, low, shape, heads, nexts, balls):
    """Whether a ball at a point keeps its distance from all that are entered."""
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    for a in range(3):
        first[a] = max(0, math.floor((point[a] - r - low[a]) / cell))
        last[a] = min(shape[a] - 1, math.floor((point[a] + r - low[a]) / cell))
    for k in range(first[0], last[0] + 1):
        for j in range(first[1], last[1] + 1):
            for i in range(first[2], last[2] + 1):
                entry = heads[(k * shape[1] + j) * shape[2] + i]
                while entry >= 0:
                    other = placed[balls[entry]]
                    dz, dy, dx = point[0] - other[0], point[1] - other[1], point[2] - other[2]
                    if dz * dz + dy * dy + dx * dx < (r + other[3] + gap) ** 2:
                        return False
                    entry = nexts[entry]
    return True


@numba.njit(cache=True)
def _pack(radii, candidates, room, obstacles, gap, tries, cell, low, shape, entries):
    heads = np.full(shape[0] * shape[1] * shape[2], -1, np.int64)
    nexts = np.empty(entries, np.int64)
    balls = np.empty(entries, np.int64)
    placed = np.empty((obstacles.shape[0] + radii.size, 4))
    used = 0
    count = 0
    for n in range(obstacles.shape[0]):
        placed[count] = obstacles[n]
        reach = obstacles[n, 3] + gap
        used = _enter(placed[count], count, reach, cell, low, shape, heads, nexts, balls, used)
        count += 1
    at = 0
    for n in range(radii.size):
        r = radii[n]
        for _ in range(tries):
            if at == candidates.shape[0]:
                return placed[obstacles.shape[0] : count].copy()
            point = candidates[at]
            here = room[at] >= r
            at += 1
            if here and _free(point, r, placed, gap, cell, low, shape, heads, nexts, balls):
                placed[count, :3] = point
                placed[count, 3] = r
                used = _enter(
                    placed[count], count, r + gap, cell, low, shape, heads, nexts, balls, used
                )
                count += 1
                break
    return placed[obstacles.shape[0] : count].copy()
