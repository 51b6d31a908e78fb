"""Gaps between neighbouring particles: which of them an image resolves, and how wide they are.

de Haan et al., Sci. Rep. 9 (2019) 12050: gaps between adjacent particles are looked up in the
high-resolution image; a gap exists where the lowest intensity between the particles is below 60 %
of the peak, and its width is the distance between the points where the intensity drops below 80 %
of the highest intensity of the two particles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import edt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import ndimage

from acuity.errors import require
from acuity.filters import gaussian
from acuity.measure.intervals import interval_row, wilson
from acuity.measure.pool import Tables
from acuity.measure.volumes import read_on
from acuity.segment.separate import components, drop_small, separate
from acuity.settings import call
from acuity.threshold import otsu
from acuity.units import convert
from acuity.volume import Volume

COLUMNS = [
    "gap", "kind", "y1", "x1", "y2", "x2", "uy", "ux", "width_truth", "width", "resolved",
    "touching", "chosen", "minimum_truth", "minimum",
]  # fmt: skip
_FEW = 200  # resamples where each one is ranked
_STEP = 0.2  # pixels between two samples of a profile


def particles(
    image: np.ndarray,
    *,
    smoothing: float = 1.0,
    groove: float = 0.2,
    seam: int = 5,
    split: float = 0.75,
    smallest: int = 9,
):
    """Find particles in a high-resolution image and separate those that lie close or touch.

    A pixel is particle where it is above Otsu's threshold and not in a dark groove: less than the
    grey-value closing by more than a share of the contrast. What is left in one piece is divided
    by the watershed of the distance map.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x).
    smoothing : float
        Standard deviation of the Gaussian that is applied first, pixels.
    groove : float
        Depth of a groove, as a share of the difference of the means of particles and background.
    seam : int
        Side of the closing, pixels: grooves wider than that are found by the threshold alone.
    split : float
        Maxima of the distance map that rise less above their saddle do not divide, pixels.
    smallest : int
        Particles of fewer pixels are left out.

    Returns
    -------
    (numpy.ndarray, int)
        Labels, uint32 (y, x), and their number.
    """
    smooth = gaussian(np.asarray(image, np.float32)[None], (0.0, smoothing, smoothing))[0]
    bright = smooth > otsu(smooth)
    contrast = smooth[bright].mean(dtype=float) - smooth[~bright].mean(dtype=float)
    closed = ndimage.grey_closing(smooth, size=(seam, seam))
    binary = bright & (closed - smooth < groove * contrast)
    labels, n = components(binary[None])
    n = separate(labels, n, split)
    n = drop_small(labels, n, smallest)
    return labels[0], n


def pairs(labels: np.ndarray, *, longest: float):
    """Find pairs of particles with nothing in between, and their closest points.

    A pixel of background belongs to the nearest particle; where the regions of two particles meet,
    the line from one's nearest pixel to the other's crosses no third. The pair's line goes through
    the middle of the shortest ones (up to a pixel longer) and has their mean direction, which is
    finer than that between two pixels, and right where particles touch.

    Parameters
    ----------
    labels : numpy.ndarray
        (y, x), 0 is background.
    longest : float
        Longest distance of two outlines, pixels.

    Returns
    -------
    pandas.DataFrame
        One row a pair: ``a b`` (labels), ``y x`` (middle), ``uy ux`` (unit vector from a to b),
        ``distance`` (of the outlines, pixels; 0 where they touch).
    """
    outside = labels == 0
    where = ndimage.distance_transform_edt(outside, return_distances=False, return_indices=True)
    owner = labels[where[0], where[1]].astype(np.int64)
    found = []
    for here, there in (np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:]):
        meet = owner[here] != owner[there]
        found.append([part[side][meet] for part in (owner, *where) for side in (here, there)])
    rows = np.concatenate(found, axis=1).T
    if len(rows) == 0:
        return pd.DataFrame(columns=["a", "b", "y", "x", "uy", "ux", "distance"], dtype=float)
    # Columns: a, b, y of a, y of b, x of a, x of b; a < b.
    turned = rows[:, 0] > rows[:, 1]
    rows[turned] = rows[turned][:, [1, 0, 3, 2, 5, 4]]
    a, b, ya, yb, xa, xb = rows.T
    length = np.hypot(yb - ya, xb - xa)
    key = a * (int(labels.max()) + 1) + b
    _, index = np.unique(key, return_inverse=True)
    shortest = np.full(index.max() + 1, np.inf)
    np.minimum.at(shortest, index, length)
    kept = length < shortest[index] + 1.0
    n = np.bincount(index[kept])
    y, x = 0.5 * (ya + yb), 0.5 * (xa + xb)
    uy, ux, middle_y, middle_x = (
        np.bincount(index[kept], weights=values[kept]) / n for values in (yb - ya, xb - xa, y, x)
    )
    norm = np.hypot(uy, ux)
    # The mean may lie beside a bent contact: the line that lies nearest to it is taken.
    away = np.where(kept, np.hypot(y - middle_y[index], x - middle_x[index]), np.inf)
    order = np.lexsort((away, index))
    best = order[np.searchsorted(index[order], np.arange(len(n)))]
    table = pd.DataFrame({"a": a, "b": b, "y": y, "x": x}).iloc[best].reset_index(drop=True)
    length = np.where(norm > 0, norm, 1.0)
    table = table.assign(uy=uy / length, ux=ux / length, distance=shortest - 1.0)
    return table[(norm > 0) & (shortest - 1.0 <= longest)].reset_index(drop=True)


def _lines(pairs, *, longest, depth, width):
    """Points along and beside each pair's line: t (sample), y, x (pair, line, sample), pixels."""
    half = int(np.ceil((0.5 * longest + depth + 1.0) / _STEP))
    t = _STEP * np.arange(-half, half + 1)
    count = 2 * max(1, int(np.ceil(width))) + 1 if width else 1
    beside = np.linspace(-0.5, 0.5, count)[:, None] * width
    y, x, uy, ux = (pairs[c].to_numpy()[:, None, None] for c in ("y", "x", "uy", "ux"))
    return t, y + t * uy + beside * ux, x + t * ux - beside * uy


def _sides(pairs, labels, valid, t, y, x, depth):
    """Samples that belong to each pair's two particles and the space between, and usable pairs.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        (pair, sample) bool: from the first particle's inside, through the gap, to the second's; it
        ends where a particle ends, or `depth` behind its outline. And (pair,) bool: the line
        reaches both particles, meets no third, and stays in the image and its valid part.
    """
    ny, nx = labels.shape
    row, col = np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)
    inside = (row >= 0) & (row < ny) & (col >= 0) & (col < nx)
    at = (np.clip(row, 0, ny - 1), np.clip(col, 0, nx - 1))
    met = np.where(inside, labels[at].astype(np.int64), -1)
    allowed = inside if valid is None else inside & (valid[at] != 0)
    middle = len(t) // 2
    reach = 0.5 * pairs["distance"].to_numpy()[:, None] + 0.5 + depth
    used = np.zeros(met.shape, bool)
    good = np.ones(len(pairs), bool)
    ends = (pairs[name].to_numpy()[:, None] for name in ("a", "b"))
    for part, (own, other) in zip(
        (slice(middle, None, -1), slice(middle, None)), permutations(ends), strict=True
    ):
        seen = met[:, part]
        entered = np.maximum.accumulate(seen == own, axis=1)
        ended = np.maximum.accumulate(entered & (seen != own), axis=1)
        kept = ~ended & (np.abs(t[part]) <= reach)
        used[:, part] |= kept
        third = kept & (seen > 0) & (seen != own) & (seen != other)
        good &= (kept & entered).any(axis=1) & ~third.any(axis=1)
        good &= (allowed[:, part] | ~kept).all(axis=1)
    return used, good


def _measure(profiles, used, base, t, pixel_size, exists, level):
    """Lowest point between the peaks over the higher one, and width at a level of it, nm."""
    count, middle = profiles.shape[1], profiles.shape[1] // 2
    rows, sample = np.arange(len(profiles)), np.arange(count)
    inside = np.where(used, profiles - base, -np.inf)
    first = np.argmax(inside[:, : middle + 1], axis=1)
    second = middle + np.argmax(inside[:, middle:], axis=1)
    peak = np.maximum(inside[rows, first], inside[rows, second])
    good = np.isfinite(peak) & (peak > 0)
    relative = (profiles - base) / np.where(good, peak, 1.0)[:, None]
    between = (sample >= first[:, None]) & (sample <= second[:, None])
    lowest = np.argmin(np.where(between, relative, np.inf), axis=1)
    minimum = np.where(good, relative[rows, lowest], np.nan)

    high = between & (relative >= level)
    right = high & (sample > lowest[:, None])
    left = high & (sample < lowest[:, None])
    reached = right.any(axis=1) & left.any(axis=1) & good
    r = np.where(reached, np.argmax(right, axis=1), middle)
    lo = np.where(reached, count - 1 - np.argmax(left[:, ::-1], axis=1), middle)
    # The crossing lies between the first sample that is high again and the one before it.
    ends = []
    for outer, inner in ((r, r - 1), (lo, lo + 1)):
        a, b = relative[rows, inner], relative[rows, outer]
        part = (level - a) / np.where(b > a, b - a, 1.0)
        ends.append(t[inner] + np.clip(part, 0.0, 1.0) * (t[outer] - t[inner]))
    resolved = good & (minimum < exists)
    width = np.where(resolved & reached, (ends[0] - ends[1]) * pixel_size, np.nan)
    return minimum, resolved, width


@dataclass(frozen=True)
class GapSettings:
    """What counts as a gap, and where it is looked for.

    Attributes
    ----------
    baseline : {"background", "zero"}
        What intensities are counted from. ``background``: the median of the image's pixels away
        from particles, so that brightness and contrast, which a microscope sets automatically and
        differently in every image, do not count. ``zero``: grey value 0, the paper's wording.
    exists : float
        A gap exists where the lowest value falls below this share of the peak.
    level : float
        Its width is measured where the intensity drops below this share of the peak.
    longest : float
        Longest distance of two particles' outlines, nm.
    depth : float
        How far behind its outline a particle's peak is looked for, nm.
    line_width : float
        Width of the line, pixels.
    chosen : int
        So many gaps are drawn at random, as in the paper.
    smoothing, smallest
        As in `particles`.
    """

    baseline: str = "background"
    exists: float = 0.6
    level: float = 0.8
    longest: float = 40.0
    depth: float = 20.0
    line_width: float = 1.0
    chosen: int = 300
    smoothing: float = 1.0
    smallest: int = 9


def gaps(
    image: np.ndarray,
    truth: np.ndarray,
    settings: GapSettings,
    *,
    pixel_size: float,
    valid: np.ndarray | None = None,
    seed: int = 0,
):
    """Find the gaps that the high-resolution image shows, and what another image shows of them.

    Intensities are read along the line through the closest points of two particles, by cubic
    splines, averaged over the line's width. On that line the peak is the highest value of the two
    particles down to some depth behind their outlines, in the image that is judged.

    Parameters
    ----------
    image, truth : numpy.ndarray
        (y, x), or (1, y, x), on one grid: the image to judge and the high-resolution one.
    settings : GapSettings
        What counts as a gap.
    pixel_size : float
        nm.
    valid : numpy.ndarray, optional
        As `truth`; pairs whose line meets a zero are left out.
    seed : int
        Seed of the gaps that are chosen, which do not depend on the image.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, one row a pair of particles, in an order that does not depend on the
        image. ``kind``: ``gap`` or, where the truth's minimum is too high for one, ``touching``
        (also as 1 and 0). ``y1 x1 y2 x2``: ends of the line at the two outlines, nm from the first
        pixel's centre. ``uy ux``: direction of the line, of length 1, also where the outlines meet.
        ``width_truth``, ``width``: nm; NaN where there is no gap, or where the
        fainter particle stays below the level. ``resolved``, ``chosen``: 1 or 0.
        ``minimum_truth``, ``minimum``: lowest value over the peak. Pairs whose gap in the truth has
        no width, because one of them is so much fainter, are left out.

    Raises
    ------
    AcuityError
        If shapes differ, a value is not finite, or a setting is out of its range.
    """
    image, truth = (_plane(a, n) for a, n in ((image, "image"), (truth, "truth")))
    valid = _check_planes(image, truth, valid)
    _check_settings(settings, pixel_size)
    labels, _ = particles(truth, smoothing=settings.smoothing, smallest=settings.smallest)
    longest, depth = settings.longest / pixel_size, settings.depth / pixel_size
    found = pairs(labels, longest=longest)
    t, y, x = _lines(found, longest=longest, depth=depth, width=settings.line_width)
    middle = y.shape[1] // 2
    used, good = _sides(found, labels, valid, t, y[:, middle], x[:, middle], depth)
    found, lines, used = found[good].reset_index(drop=True), (y[good], x[good]), used[good]
    away = _background(labels, valid)
    measured = []
    for values in (truth, image):
        background = settings.baseline == "background" and away.any()
        base = float(np.median(values[away])) if background else 0.0
        profiles = _profiles(values, lines)
        measured.append(
            _measure(profiles, used, base, t, pixel_size, settings.exists, settings.level)
        )
    table = _table(found, measured, pixel_size)
    table["chosen"] = _choose(table, settings.chosen, seed)
    return table[COLUMNS]


def _check_planes(image, truth, valid):
    """Check that all are of one shape; return the mask as (y, x)."""
    if valid is not None:
        valid = np.asarray(valid).reshape(np.shape(valid)[-2:])
    for name, part in (("image", image), ("valid", valid)):
        same = part is None or part.shape == truth.shape
        _check(same, f"{name} is {np.shape(part)}, truth {truth.shape}; one shape is needed")
    return valid


def _check_settings(settings, pixel_size):
    s = settings
    _check(0 < pixel_size < np.inf, f"pixel_size is {pixel_size}; numbers above 0 are allowed")
    known = s.baseline in ("background", "zero")
    _check(known, f"baseline is {s.baseline!r}; background or zero is allowed")
    both = f"exists is {s.exists} and level {s.level}"
    _check(0 < s.exists <= s.level < 1, f"{both}; 0 < exists <= level < 1 is needed")
    both = f"longest is {s.longest} and depth {s.depth} nm"
    _check(min(s.longest, s.depth) > 0, f"{both}; numbers above 0 are allowed")
    _check(s.line_width >= 0, f"line_width is {s.line_width} pixels; numbers from 0 up are allowed")
    _check(s.chosen >= 0, f"chosen is {s.chosen}; whole numbers from 0 up are allowed")


def _background(labels, valid):
    """Return the pixels away from particles, (y, x) bool, that a background is taken from."""
    away = edt.edt(labels == 0) > 3.0
    if valid is not None:
        away &= valid != 0
    return away if away.sum() >= 100 else labels == 0


def _profiles(values, lines):
    """Return an image's intensities along lines y, x (pair, line, sample), averaged: (pair, sample)."""
    spline = ndimage.spline_filter(values.astype(np.float64), order=3, mode="mirror")
    profiles = ndimage.map_coordinates(spline, lines, order=3, mode="mirror", prefilter=False)
    return profiles.mean(axis=1)


def _table(found, measured, pixel_size):
    """Return the table of `gaps` from pairs and what `_measure` gives of truth and image."""
    (minimum_truth, open_truth, width_truth), (minimum, resolved, width) = measured
    half = 0.5 * found["distance"].to_numpy()
    place = {
        f"{axis}{end}": pixel_size * (found[axis] + sign * half * found[f"u{axis}"])
        for end, sign in ((1, -1), (2, 1))
        for axis in "yx"
    }
    table = pd.DataFrame(
        {
            "kind": np.where(open_truth, "gap", "touching"),
            **place,
            "uy": found["uy"].to_numpy(),
            "ux": found["ux"].to_numpy(),
            "width_truth": width_truth,
            "width": width,
            "resolved": resolved.astype(int),
            "touching": (~open_truth).astype(int),
            "minimum_truth": minimum_truth,
            "minimum": minimum,
        }
    )
    table = table[np.isfinite(width_truth) | (~open_truth & np.isfinite(minimum_truth))]
    return table.assign(gap=np.arange(1, len(table) + 1)).reset_index(drop=True)


def _check(condition, message):
    require(condition, f"gaps: {message}")


def _plane(array, name):
    array = np.asarray(array)
    flat = array.ndim == 2 or (array.ndim == 3 and array.shape[0] == 1)
    _check(flat, f"the {name} has the shape {array.shape}; (y, x) or (1, y, x) is needed")
    array = array.reshape(array.shape[-2:])
    _check(bool(np.isfinite(array).all()), f"the {name} holds values that are not finite")
    return array


def _choose(table, count, seed):
    """1 for gaps drawn at random, 0 for the others."""
    open_ = np.flatnonzero(table["kind"] == "gap")
    random = np.random.Generator(np.random.Philox(key=[seed, 31]))
    out = np.zeros(len(table), int)
    out[random.permutation(open_)[:count]] = 1
    return out


def bootstrap(
    groups: Sequence[np.ndarray], *, resamples: int = 2000, seed: int = 0, level: float = 0.95
):
    """Interval of the mean of all values by the bootstrap over groups and the values in them.

    Groups (images) are drawn with replacement, and in each one drawn its values (gaps). Of one
    group the values alone are drawn: the interval then holds for that image.

    Parameters
    ----------
    groups : list of numpy.ndarray
        Values by group; empty groups are left out.
    resamples : int
        How often is drawn.
    seed : int
        Seed.
    level : float
        Confidence level.

    Returns
    -------
    (float, float)
        Low and high; NaN without values.
    """
    groups = [np.asarray(g, np.float64) for g in groups if len(g)]
    if not groups:
        return float("nan"), float("nan")
    sums = _drawn_sums([np.column_stack([g, np.ones(len(g))]) for g in groups], resamples, seed)
    return _interval(sums[:, 0] / sums[:, 1], level)


def _drawn_rows(groups, resamples, seed):
    """Rows drawn with replacement from groups that are drawn so, `resamples` times."""
    random = np.random.Generator(np.random.Philox(key=[seed, 32]))
    groups = [group for group in groups if len(group)]
    for _ in range(resamples if groups else 0):
        which = random.integers(0, len(groups), len(groups)) if len(groups) > 1 else [0]
        drawn = (groups[k] for k in which)
        yield np.vstack([rows[random.integers(0, len(rows), len(rows))] for rows in drawn])


def _drawn_sums(groups, resamples, seed):
    """Sums over rows that are drawn: (resamples, columns)."""
    return np.array([rows.sum(axis=0) for rows in _drawn_rows(groups, resamples, seed)])


def _interval(values, level=0.95):
    bounds = np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level])
    values = np.sort(values[~np.isnan(values)])
    if np.isfinite(values).all():
        low, high = np.quantile(values, bounds)
    else:  # a quotient by nothing is infinite, and between two values nothing is interpolated
        low, high = values[np.rint(bounds * (len(values) - 1)).astype(int)]
    return float(low), float(high)


def histogram(widths: ArrayLike, *, bin_width: float = 2.0, last: float = 80.0):
    """Histogram of gap widths, with the Gaussian that fits its counts best (least squares).

    Parameters
    ----------
    widths : array
        nm; not finite ones are left out.
    bin_width, last : float
        Width of a bin and end of the last one, nm; wider gaps count in the last bin.

    Returns
    -------
    (pandas.DataFrame, dict)
        ``width`` (centre, nm), ``count``, ``fit``; and ``mean``, ``sd`` (nm), ``height`` of the
        Gaussian, NaN where fewer than 10 widths or 3 bins leave it undetermined.
    """
    known = np.asarray(widths, np.float64)
    known = known[np.isfinite(known)]
    edges = np.arange(0.0, last + 0.5 * bin_width, bin_width)
    count, _ = np.histogram(np.minimum(known, edges[-1] - 1e-9), edges)
    centre = 0.5 * (edges[1:] + edges[:-1])
    fit = dict.fromkeys(("mean", "sd", "height"), float("nan"))
    if len(known) >= 10 and (count > 0).sum() >= 3:
        from scipy.optimize import curve_fit

        start = (float(count.max()), float(np.median(known)), max(float(known.std()), bin_width))
        try:
            best, _ = curve_fit(_bell, centre, count, p0=start, maxfev=5000)
            fit = {"mean": float(best[1]), "sd": float(abs(best[2])), "height": float(best[0])}
        except RuntimeError:
            pass
    curve = _bell(centre, fit["height"], fit["mean"], fit["sd"])
    return pd.DataFrame({"width": centre, "count": count, "fit": curve}), fit


def _bell(x, height, mean, sd):
    return height * np.exp(-0.5 * ((x - mean) / sd) ** 2)


def gap_rows(
    tables: pd.DataFrame | Tables,
    *,
    resamples: int = 2000,
    seed: int = 0,
    subsets: Sequence[str] = ("all", "chosen"),
):
    """Figures of one or several gap tables.

    Parameters
    ----------
    tables : pandas.DataFrame or list of pandas.DataFrame
        Tables of `gaps`: of one image, or of several images by one method.
    resamples, seed
        As in `bootstrap`.
    subsets : sequence of str
        ``all`` gaps, and those ``chosen`` at random.

    Returns
    -------
    list of dict
        metric, subset, value, unit, low, high, n. ``gaps_unresolved`` (share of the truth's gaps
        that the image does not resolve; Wilson interval), ``gaps_unresolved_bootstrap`` (the same
        with the bootstrap's), ``gap_error`` (mean absolute difference of widths over gaps resolved
        in both, nm; bootstrap), ``gap_bias`` (the mean difference, nm; bootstrap), ``gap_width``
        and ``gap_width_truth`` (means over those gaps, nm), ``gap_fit_mean``, ``gap_fit_sd`` and
        the same with ``_truth`` (Gaussian fitted to the histogram of all widths of an image, nm),
        ``gaps_invented`` (share of the truth's touching pairs that show a gap; Wilson),
        ``gaps_invented_bootstrap``, ``gaps_invented_count``; ``gap_auc``, of `separation`, with the
        bootstrap's interval.
    """
    tables = [tables] if isinstance(tables, pd.DataFrame) else list(tables)
    _check(len(tables) > 0, "there is no table to pool")
    rows = []
    for subset in subsets:
        part = [t[t["kind"] == "gap"] for t in tables]
        if subset == "chosen":
            part = [t[t["chosen"] == 1] for t in part]
        rows += _gap_rows(part, subset, resamples, seed)
    shown = [t.loc[t["kind"] == "touching", "resolved"].to_numpy() for t in tables]
    rows += _share_rows("gaps_invented", shown, "all", resamples, seed)
    invented = sum(int(one.sum()) for one in shown)
    rows.append(interval_row("gaps_invented_count", invented, n=sum(map(len, shown))))
    pairs = _minima(tables)
    drawn = [separation(*pair.T) for pair in _drawn_rows(pairs, _FEW, seed)]
    rows.append(_interval_row("gap_auc", separation(*np.vstack(pairs).T), drawn, pairs))
    return rows


def separation(gap: ArrayLike, minimum: ArrayLike):
    """How well an image tells gaps from particles that touch, whatever its contrast.

    The area under the receiver operating characteristic (Hanley and McNeil 1982,
    doi:10.1148/radiology.143.1.7063747): the chance that the lowest value between two particles,
    over their peak, is lower at a gap of the truth than at a pair that touches; ties count half.
    Unlike the share of unresolved gaps it does not move with the threshold of 60 %, which every
    change of contrast crosses in both directions.

    Parameters
    ----------
    gap : array_like
        1 for a gap of the truth, 0 for a pair that touches.
    minimum : array_like
        Lowest value over the peak in the image; NaN where no particle is seen, and so no gap.

    Returns
    -------
    float
        0.5 by chance, 1 at best; NaN where one kind is missing.
    """
    gap = np.asarray(gap, bool)
    n, m = int(gap.sum()), int((~gap).sum())
    if not n or not m:
        return float("nan")
    from scipy.stats import rankdata

    ranks = rankdata(-_closed(minimum))
    return float((ranks[gap].sum() - n * (n + 1) / 2) / (n * m))


def matched(gap: ArrayLike, minimum: ArrayLike, invented: float):
    """Share of gaps unresolved, were the threshold such that so many touching pairs show one.

    Parameters
    ----------
    gap, minimum : array_like
        As for `separation`.
    invented : float
        Share of the touching pairs.

    Returns
    -------
    float
        NaN where one kind is missing.
    """
    gap, lowest = np.asarray(gap, bool), _closed(minimum)
    if gap.all() or not gap.any():
        return float("nan")
    return float(np.mean(lowest[gap] >= np.quantile(lowest[~gap], invented)))


def _closed(minimum):
    """Lowest values over the peak; above all others where no particle is seen."""
    minimum = np.asarray(minimum, float)
    return np.where(np.isnan(minimum), np.fmax.reduce(minimum, initial=0.0) + 1.0, minimum)


def _minima(tables):
    """One array a table: 1 for a gap and 0 for a touching pair, and the lowest value over the peak."""
    return [np.column_stack([t["kind"] == "gap", t["minimum"]]).astype(float) for t in tables]


def _interval_row(name, value, drawn, groups):
    drawn = np.asarray(drawn, float)
    low, high = (np.nan, np.nan) if np.isnan(drawn).all() else _interval(drawn)
    return interval_row(name, value, low=low, high=high, n=sum(map(len, groups)))


def _gap_rows(part, subset, resamples, seed):
    missed = [1 - t["resolved"].to_numpy() for t in part]
    rows = _share_rows("gaps_unresolved", missed, subset, resamples, seed)
    both = [t[np.isfinite(t["width"].astype(float))] for t in part]
    change = [(t["width"] - t["width_truth"]).to_numpy() for t in both]
    n = sum(map(len, both))
    for name, values in (("gap_error", [np.abs(c) for c in change]), ("gap_bias", change)):
        low, high = bootstrap(values, resamples=resamples, seed=seed)
        rows.append(interval_row(name, _mean(values), "nm", subset, low=low, high=high, n=n))
    for column in ("width", "width_truth"):
        value = _mean([t[column].to_numpy() for t in both])
        rows.append(interval_row(f"gap_{column}", value, "nm", subset, n=n))
    for suffix in ("", "_truth"):
        widths = np.concatenate([t[f"width{suffix}"].to_numpy(float) for t in part])
        _, fit = histogram(widths)
        n = int(np.isfinite(widths).sum())
        for key in ("mean", "sd"):
            rows.append(interval_row(f"gap_fit_{key}{suffix}", fit[key], "nm", subset, n=n))
    return rows


def _share_rows(name, groups, subset, resamples, seed):
    n, hits = sum(map(len, groups)), int(sum(g.sum() for g in groups))
    value = hits / n if n else float("nan")
    drawn = bootstrap(groups, resamples=resamples, seed=seed)
    return [
        interval_row(key, value, subset=subset, low=low, high=high, n=n)
        for key, (low, high) in ((name, wilson(hits, n)), (f"{name}_bootstrap", drawn))
    ]


def _mean(groups):
    values = np.concatenate(groups)
    return float(values.mean()) if len(values) else float("nan")


def pool_gaps(
    tables: Tables, *, chosen: int = GapSettings.chosen, resamples: int = 2000, seed: int = 0
):
    """Figures over the gaps of several images by one method.

    Shares and means are those of all gaps together. Bootstrap intervals draw images, and in each
    image its gaps: they hold for further images of the same kind of specimen, as far as the number
    of images lets them. Wilson's intervals take all gaps for independent.

    Parameters
    ----------
    tables : list of pandas.DataFrame
        Tables of `gaps`, one an image.
    chosen : int
        So many gaps are drawn at random from all images together, for the subset ``chosen``.
    resamples, seed
        As in `bootstrap`; the seed is also that of the choice.

    Returns
    -------
    list of dict
        As `gap_rows`.

    Raises
    ------
    AcuityError
        If there is no table.
    """
    tables = [t.assign(image=n) for n, t in enumerate(tables)]
    _check(len(tables) > 0, "there is no table to pool")
    whole = pd.concat(tables, ignore_index=True)
    whole["chosen"] = _choose(whole, chosen, seed)
    parts = [whole[whole["image"] == n] for n in range(len(tables))]
    return gap_rows(parts, resamples=resamples, seed=seed)


def gain_rows(tables: Tables, before: Tables, *, resamples: int = 2000, seed: int = 0):
    """What an image gained: how many times fewer gaps are unresolved, and at what price.

    Both images show the same pairs, so the bootstrap is paired: images are drawn, and in each its
    pairs, and both methods are asked for the same ones.

    Parameters
    ----------
    tables, before : list of pandas.DataFrame
        Tables of `gaps` of a method and of what it is compared with, an image each, in one order.
    resamples, seed
        As in `bootstrap`.

    Returns
    -------
    list of dict
        metric, subset, value, unit, low, high, n. ``gaps_unresolved_factor`` and
        ``gap_error_factor``: above 1 where the method is the better one, infinite where nothing is
        left. ``gaps_unresolved_matched``: the method's share, were its threshold such that it
        invents as many gaps as `before` does (`matched`).

    Raises
    ------
    AcuityError
        If the two do not show the same pairs.
    """
    groups, pairs = [], []
    for after, first in zip(tables, before, strict=True):
        after, first = (t.reset_index(drop=True) for t in (after, first))
        _check(
            np.array_equal(after["width_truth"], first["width_truth"], equal_nan=True),
            f"one image was compared at {len(after)} pairs and the other at {len(first)}, or not "
            "at the same ones",
        )
        invented = (first["resolved"] * (first["kind"] != "gap")).to_numpy(float)
        pairs.append(np.column_stack([*_minima([after]), invented]))
        gap = (first["kind"] == "gap").to_numpy()
        groups.append(np.column_stack([_outcomes(first[gap]), _outcomes(after[gap])]))
    if not any(map(len, groups)):
        return []
    sums = np.vstack([np.vstack(groups).sum(axis=0), _drawn_sums(groups, resamples, seed)])
    with np.errstate(divide="ignore", invalid="ignore"):
        missed = sums[:, 0] / sums[:, 3]
        error = (sums[:, 1] / sums[:, 2]) / (sums[:, 4] / sums[:, 5])

    def share(rows):
        gap, minimum, invented = rows.T
        return matched(gap, minimum, invented[gap == 0].mean() if (gap == 0).any() else 0.0)

    drawn = [share(rows) for rows in _drawn_rows(pairs, _FEW, seed)]
    return [
        _interval_row("gaps_unresolved_factor", missed[0], missed[1:], groups),
        _interval_row("gap_error_factor", error[0], error[1:], groups),
        _interval_row("gaps_unresolved_matched", share(np.vstack(pairs)), drawn, pairs),
    ]


def _outcomes(gaps):
    """Of each gap: 1 where it is missed, the error of its width, and 1 where that is known."""
    error = (gaps["width"] - gaps["width_truth"]).abs().to_numpy(float)
    known = np.isfinite(error)
    return np.column_stack([1 - gaps["resolved"].to_numpy(float), np.where(known, error, 0), known])


def volume_gaps(image: Volume, truth: Volume, *, valid: Volume | None = None, **settings: Any):
    """Measure the gaps of one volume of one slice.

    Parameters
    ----------
    image, truth : acuity.volume.Volume
        On one grid; the image may cover a part of the truth.
    valid : acuity.volume.Volume, optional
        Zero where nothing is compared.
    **settings
        Passed to `gaps`.

    Returns
    -------
    rows : list of dict
        As `gap_rows` gives.
    table : pandas.DataFrame
        As `gaps` gives.

    Raises
    ------
    AcuityError
        If the volumes do not go together, or have more than one slice or oblong pixels.
    """
    slices = image.grid.shape[0]
    _check(slices == 1, f"the image has {slices} slices; a volume of one slice is needed")
    _, dy, dx = image.grid.spacing
    _check(np.isclose(dy, dx), f"pixels are {dy:g} x {dx:g} {image.grid.unit}; squares are needed")
    parts = read_on(image.grid, image=image, truth=truth, valid=valid)
    given = {"valid": parts.get("valid"), "pixel_size": convert(dy, image.grid.unit, "nm")}
    table = call(gaps, parts["image"], parts["truth"], **given, **settings)
    return gap_rows(table, seed=settings.get("seed", 0)), table
