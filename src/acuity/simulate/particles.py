"""Gold nanoparticles on carbon: where they lie, their outlines, and the electrons they give off."""

import math

import numba
import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from acuity.filters import gaussian
from acuity.simulate.specimens.base import check
from acuity.simulate.specimens.gold import Layout, Surface

# Outlines are r (1 + sum of a_k cos(k (theta - phase_k))) for these k.
_HARMONICS = (2, 3, 4, 5, 6)
_TRIES = 40


def layout(field, settings: Layout, *, seed):
    """Place particles in a monolayer: dense, in clusters, with small gaps between them.

    Particles are added beside those that are there already, at a gap that is drawn: half of them
    have their gap from the distribution, the gap to every further neighbour is what is left, and
    never below the smallest. A share touches its neighbour. Regions stay bare, so that the others
    look like clusters.

    Parameters
    ----------
    field : (float, float, float, float)
        y0, x0, y1, x1 of the field to fill, nm.
    settings : Layout
        Sizes, gaps and shares.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    pandas.DataFrame
        One row a particle: ``y x`` (centre, nm), ``diameter_nm``, ``brightness`` (1 for most),
        and the outline's ``c2 s2`` to ``c6 s6``: r(theta) = d / 2 (1 + sum c_k cos(k theta) + s_k
        sin(k theta)), theta from the x axis towards y.

    Raises
    ------
    AcuityError
        If a number is out of its range.
    """
    _check_layout(settings)
    y0, x0, y1, x1 = field
    random = np.random.Generator(np.random.Philox(key=[seed, 11]))

    # Where the field may be filled: a smooth random map, cut at the share that is wanted.
    step = settings.bare_size / 8
    size = (math.ceil((y1 - y0) / step) + 2, math.ceil((x1 - x0) / step) + 2)
    map_ = gaussian(random.standard_normal((1, *size)).astype(np.float32), (0, 3, 3))[0]
    free = map_ <= np.quantile(map_, settings.covered)

    low, high, least, mean = (float(d) for d in (*settings.diameter, *settings.gap))
    table = _grow(
        (y0, x0, y1, x1), free, step, low, high, math.log(settings.typical), settings.spread, least,
        mean, settings.touching, settings.facets, random,
    )  # fmt: skip
    names = [f"{part}{k}" for k in _HARMONICS for part in "cs"]
    return pd.DataFrame(table, columns=["y", "x", "diameter_nm", "brightness", *names])


def _check_layout(settings):
    low, high = (float(d) for d in settings.diameter)
    typical, gap = settings.typical, settings.gap
    check(0 < low < high, f"diameter is {low:g} to {high:g} nm; 0 < smallest < largest is needed")
    check(low <= typical <= high, f"typical is {typical} nm; {low:g} to {high:g} is allowed")
    check(settings.spread > 0, f"spread is {settings.spread}; numbers above 0 are allowed")
    check(min(gap) > 0, f"gap is {tuple(gap)} nm; two numbers above 0 are needed")
    touching, covered = settings.touching, settings.covered
    check(0 <= touching < 1, f"touching is {touching}; 0 to below 1 is allowed")
    check(0 < covered <= 1, f"covered is {covered}; above 0 to 1 is allowed")
    check(0 <= settings.facets <= 1, f"facets is {settings.facets}; 0 to 1 is allowed")
    bare = settings.bare_size
    check(bare > 0, f"bare_size is {bare} nm; numbers above 0 are allowed")


@numba.njit(cache=True)
def _radius(row, uy, ux):
    """Radius of an outline in the direction of a unit vector."""
    total = 1.0
    c, s = ux, uy
    for k in range(5):
        # cos and sin of (k + 2) theta
        c, s = c * ux - s * uy, s * ux + c * uy
        total += row[4 + 2 * k] * c + row[5 + 2 * k] * s
    return 0.5 * row[2] * total


@numba.njit(cache=True)
def _shape(row, facets, random):
    """Draw brightness and outline of a particle into its row."""
    row[3] = 1.0 + 0.07 * random.standard_normal()
    # A circle with one harmonic k of 1 / (k^2 - 1) has straight sides.
    corner = random.integers(3, 7)
    for k in range(2, 7):
        phase = 2.0 * math.pi * random.random()
        if k == corner:
            a = facets * (0.7 + 0.3 * random.random()) / (k * k - 1)
        elif k == 2:
            a = facets * 0.12 * random.random()
        else:
            a = facets * 0.25 * random.random() / (k * k - 1)
        row[2 * k] = a * math.cos(phase)
        row[2 * k + 1] = a * math.sin(phase)


@numba.njit(cache=True)
def _between(a, b):
    """Distance of two outlines along the line through their centres, negative where they overlap."""
    dy, dx = b[0] - a[0], b[1] - a[1]
    away = math.hypot(dy, dx)
    if away == 0.0:
        return -0.5 * (a[2] + b[2])
    uy, ux = dy / away, dx / away
    return away - _radius(a, uy, ux) - _radius(b, -uy, -ux)


@numba.njit(cache=True)
def _fits(row, parent, placed, cells, filled, j, i, least):
    """Tell whether a particle in cell j, i keeps the smallest gap to all but its parent."""
    for b in range(max(0, j - 1), min(cells.shape[0], j + 2)):
        for a in range(max(0, i - 1), min(cells.shape[1], i + 2)):
            for n in range(filled[b, a]):
                other = cells[b, a, n]
                if other == parent:
                    continue
                away = math.hypot(row[0] - placed[other, 0], row[1] - placed[other, 1])
                # No outline reaches farther out than 0.7 of the diameter.
                if away - 0.7 * (row[2] + placed[other, 2]) >= least:
                    continue
                if _between(placed[other], row) < least:
                    return False
    return True


@numba.njit(cache=True)
def _grow(field, free, step, low, high, middle, spread, least, mean, touching, facets, random):
    y0, x0, y1, x1 = field
    reach = 1.5 * high + least
    rows_, cols = int((y1 - y0) / reach) + 1, int((x1 - x0) / reach) + 1
    cells = np.full((rows_, cols, 64), -1, np.int64)
    filled = np.zeros((rows_, cols), np.int64)
    out = np.empty((4096, 14))
    count = 0
    active = np.empty(1 << 20, np.int64)
    live = 0
    starts = 0
    wanted = max(4, int((y1 - y0) * (x1 - x0) / (1000.0 * 1000.0)))
    while starts < wanted or live > 0:
        placed = False
        parent = -1
        slot = 0
        if starts < wanted:
            starts += 1
        else:
            slot = random.integers(0, live)
            parent = active[slot]
        row = np.zeros(14)
        _shape(row, facets, random)
        for _ in range(_TRIES):
            row[2] = 0.0
            while not low <= row[2] <= high:
                row[2] = math.exp(middle + spread * random.standard_normal())
            touch = random.random() < touching
            gap = -0.02 * row[2] * random.random() if touch else least + mean * random.exponential()
            if parent < 0:
                row[0] = y0 + (y1 - y0) * random.random()
                row[1] = x0 + (x1 - x0) * random.random()
            else:
                angle = 2.0 * math.pi * random.random()
                uy, ux = math.sin(angle), math.cos(angle)
                away = _radius(out[parent], uy, ux) + _radius(row, -uy, -ux) + gap
                row[0] = out[parent, 0] + away * uy
                row[1] = out[parent, 1] + away * ux
            if not (y0 <= row[0] < y1 and x0 <= row[1] < x1):
                continue
            if not free[int((row[0] - y0) / step), int((row[1] - x0) / step)]:
                continue
            j, i = int((row[0] - y0) / reach), int((row[1] - x0) / reach)
            if not _fits(row, parent, out, cells, filled, j, i, least):
                continue
            if count == out.shape[0]:
                out = np.concatenate((out, np.empty_like(out)))
            if filled[j, i] == cells.shape[2]:
                cells = np.concatenate((cells, np.full_like(cells, -1)), axis=2)
            out[count] = row
            cells[j, i, filled[j, i]] = count
            filled[j, i] += 1
            active[live] = count
            live += 1
            count += 1
            placed = True
            break
        if not placed and parent >= 0:
            live -= 1
            active[slot] = active[live]
    return out[:count].copy()


def partners(table, *, nearer=0.5):
    """Find the particles that touch.

    Parameters
    ----------
    table : pandas.DataFrame
        Table of `layout`.
    nearer : float
        Particles at less than this distance (along the line through their centres) touch, nm.

    Returns
    -------
    list of str
        For each particle the rows of those that it touches, separated by commas.
    """
    rows = table.to_numpy(np.float64)
    found = [[] for _ in rows]
    if len(rows) > 1:
        tree = cKDTree(rows[:, :2])
        pairs = tree.query_pairs(1.4 * rows[:, 2].max() + nearer, output_type="ndarray")
        for a, b in pairs[_near(rows, pairs, nearer)]:
            found[a].append(b)
            found[b].append(a)
    return [",".join(str(n) for n in sorted(others)) for others in found]


@numba.njit(cache=True)
def _near(rows, pairs, nearer):
    out = np.zeros(len(pairs), np.bool_)
    for n in range(len(pairs)):
        out[n] = _between(rows[pairs[n, 0]], rows[pairs[n, 1]]) < nearer
    return out


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _depths(rows, origin, step, beyond, shape):
    """Nearest two particles of each point: depth inside the outline (negative outside), and row."""
    ny, nx = shape
    first = np.full((ny, nx), -1e9, np.float32)
    second = np.full((ny, nx), -1e9, np.float32)
    which = np.full((ny, nx), -1, np.int32)
    strip = 64
    for part in numba.prange((ny + strip - 1) // strip):
        top, end = part * strip, min(ny, (part + 1) * strip)
        for n in range(rows.shape[0]):
            row = rows[n]
            furthest = 1.0
            for k in range(4, 14, 2):
                furthest += math.hypot(row[k], row[k + 1])
            furthest *= 0.5 * row[2]
            extent = furthest + beyond
            j0 = max(top, math.ceil((row[0] - extent - origin[0]) / step))
            j1 = min(end - 1, math.floor((row[0] + extent - origin[0]) / step))
            i0 = max(0, math.ceil((row[1] - extent - origin[1]) / step))
            i1 = min(nx - 1, math.floor((row[1] + extent - origin[1]) / step))
            for j in range(j0, j1 + 1):
                dy = origin[0] + j * step - row[0]
                for i in range(i0, i1 + 1):
                    dx = origin[1] + i * step - row[1]
                    away = math.sqrt(dy * dy + dx * dx)
                    if away > extent or furthest - away <= second[j, i]:
                        continue
                    if away > 0.0:
                        depth = _radius(row, dy / away, dx / away) - away
                    else:
                        depth = 0.5 * row[2]
                    if depth > first[j, i]:
                        second[j, i] = first[j, i]
                        first[j, i] = depth
                        which[j, i] = n
                    elif depth > second[j, i]:
                        second[j, i] = depth
    return first, second, which


@numba.njit(cache=True, parallel=True, error_model="numpy", fastmath={"contract"})
def _compose(
    first, second, which, rows, grain, ratio, step, carbon, grains, rim, rim_length, shadow,
    shadow_length, groove, out,
):  # fmt: skip
    ny, nx = out.shape
    for j in numba.prange(ny):
        gy = j * ratio
        jy = int(gy)
        ty = np.float32(gy - jy)
        for i in range(nx):
            gx = i * ratio
            ix = int(gx)
            tx = np.float32(gx - ix)
            texture = (1 - ty) * ((1 - tx) * grain[jy, ix] + tx * grain[jy, ix + 1]) + ty * (
                (1 - tx) * grain[jy + 1, ix] + tx * grain[jy + 1, ix + 1]
            )
            s1, s2 = first[j, i], second[j, i]
            inside = min(max(s1 / step + 0.5, 0.0), 1.0)
            value = 0.0
            if inside < 1.0:
                dark = shadow * math.exp(min(s1, 0.0) / shadow_length)
                dark2 = shadow * math.exp(min(s2, 0.0) / shadow_length)
                value += (
                    (1.0 - inside)
                    * carbon
                    * max(0.0, 1.0 + grains * texture)
                    * (1.0 - dark)
                    * (1.0 - dark2)
                )
            if inside > 0.0:
                row = rows[which[j, i]]
                depth = max(s1, 0.0)
                gold = row[3] * (1.0 + rim * math.exp(-depth / rim_length) + 0.02 * texture)
                # Small particles are thinner than the depth that electrons come from.
                gold *= 1.0 - math.exp(-row[2] / 15.0)
                if s2 > -6.0:
                    near = min(1.0, (s2 + 6.0) / 6.0)
                    t = (s1 - s2) / 6.0
                    gold *= 1.0 - groove * near * math.exp(-t * t)
                value += inside * max(gold, carbon)
            out[j, i] = value


def render(table, settings: Surface, *, origin, shape, step, seed):
    """Return the secondary electrons from every point of gold particles on carbon, 1 on flat gold.

    Parameters
    ----------
    table : pandas.DataFrame
        Table of `layout`.
    settings : Surface
        Yields, rims and shadows.
    origin : (float, float)
        y, x of the first point, nm.
    shape : (int, int)
        Points along y, x.
    step : float
        Distance of two points, nm.
    seed : int
        Seed of the carbon's grain.

    Returns
    -------
    numpy.ndarray
        (y, x), float32.
    """
    reach = 2.5 * settings.shadow_length
    rows = table.to_numpy(np.float64)
    first, second, which = _depths(rows, tuple(origin), step, reach, tuple(shape))
    coarse = max(step, settings.grain_size / 3)
    ratio = step / coarse
    random = np.random.Generator(np.random.Philox(key=[seed, 12]))
    size = [int((n - 1) * ratio) + 2 for n in shape]
    grain = random.standard_normal((1, *size), np.float32)
    grain = gaussian(grain, (0, settings.grain_size / coarse, settings.grain_size / coarse))[0]
    grain /= grain.std()
    out = np.empty(shape, np.float32)
    _compose(
        first, second, which, rows, grain, ratio, step, settings.carbon, settings.carbon_grain,
        settings.rim, settings.rim_length, settings.shadow, settings.shadow_length, settings.groove,
        out,
    )  # fmt: skip
    return out
