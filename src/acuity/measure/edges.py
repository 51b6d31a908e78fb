"""Edge spread: over what distance an image rises across the straight, isolated edges of its truth."""

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.special import bdtr

from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.measure.volumes import Spacing, read_on
from acuity.tables import tidy_row
from acuity.units import convert
from acuity.volume import Volume

_LINES = np.arange(-2.0, 3.0)  # pixels along the edge over which a profile is averaged
_STEP = 0.1  # pixels across the edge
_SMOOTH = 1.0  # pixels; edges are looked for in the truth under this Gaussian
_STRONG = 0.25  # of the strongest gradients
_APART = 5  # pixels between two edges, so that no profile counts twice
_NEAR = 2.5  # pixels between two places that are looked at more closely
_BENT, _RAGGED = 0.5, 0.25  # pixels; sagitta, and root mean square off the bent line
_CONTRAST = 0.3  # of the truth's grey range; of the edge's own in the truth, for an image
_LEVEL = 0.2  # of an edge's contrast by which the sides may depart from their levels
_STEEP = 0.5  # of an edge's contrast that lies within a quarter of the reach
SPANS = {"edge_spread": (0.2, 0.8), "edge_spread_10_90": (0.1, 0.9)}
_COLUMNS = [
    "z", "y", "x", "normal_y", "normal_x", "contrast", "spread", "spread_truth", "spread_10_90",
]  # fmt: skip


def edges(
    image: np.ndarray,
    truth: np.ndarray,
    *,
    spacing: Spacing,
    unit: str = "nm",
    valid: np.ndarray | None = None,
    repeated: int = 1,
    reach: int = 8,
    most: int = 1000,
):
    """Edge spread of an image, at edges that are found in its truth.

    Edges are where the truth's gradient is strong and the largest across the edge, over 5 pixels
    along which the edge is straight or bends by at most half a pixel (it is followed), and on
    either side of which the grey value is level for half of `reach` (isolated) while half of the step lies within a quarter of it (sharp). They depend on the
    truth alone: every image of a table is measured at the same ones. Across each, the image is
    sampled every tenth of a pixel along 5 lines that are averaged (cubic splines), its two levels
    are the means of the outer halves, and the spread is the distance between the places where the
    profile crosses 20 and 80 % (10 and 90 %) of the step, the nearest ones on either side of the
    half. A Gaussian blur of standard deviation s gives a step a spread of 1.6832 s (2.5631 s).

    Parameters
    ----------
    image, truth : numpy.ndarray
        (z, y, x) or (y, x), of one shape.
    spacing : tuple of float
        Pixel size along the axes; the same along y and x.
    unit : str
        Its unit.
    valid : numpy.ndarray, optional
        Of the same shape; edges are looked for where it is above 0.
    repeated : int
        Side of the blocks in which `image` repeats its pixels, as the unrestored input does. It is
        then sampled between the middles of the blocks; the steps of the blocks are no edges.
    reach : int
        Pixels on either side of an edge, at least 4. A spread of half of it reads 4 % too small,
        wider ones more.
    most : int
        Edges at most in a slice, the strongest.

    Returns
    -------
    rows : list of dict
        ``edge_spread`` (nm), the median over the edges with its 95 % interval, ``edge_spread_q25``
        and ``edge_spread_q75``, the same figures of 10 to 90 % under ``edge_spread_10_90``,
        ``edge_spread_truth``, the truth's own median, ``edges_found``, and ``edges_lost``: those
        at which the image has no such step (less than 0.3 of the truth's contrast, or 20 or 80 %
        not reached). Lost edges count as wider than all others, so that they cannot make a median
        better; a median among them is infinite. NaN where the truth has no such edge.
    table : pandas.DataFrame
        The edges: ``z y x`` (pixels), ``normal_y normal_x`` (towards the bright side),
        ``contrast`` (grey values), ``spread spread_truth spread_10_90`` (nm; infinite where lost).

    Raises
    ------
    AcuityError
        If shapes differ, a pixel is not finite, pixels are not square, or `repeated` does not
        divide the image.
    """
    a, b = (np.asarray(part) for part in (image, truth))
    mask = None if valid is None else np.asarray(valid) > 0
    if a.ndim == 2:
        a, b, spacing = a[None], b[None] if b.ndim == 2 else b, (spacing[0], *spacing)
        mask = mask[None] if mask is not None and mask.ndim == 2 else mask
    shapes = [part.shape for part in (b, mask) if part is not None]
    if a.ndim != 3 or len(spacing) != 3 or set(shapes) != {a.shape}:
        raise AcuityError(
            f"edges: the image has the shape {np.shape(image)}, the others "
            f"{', '.join(map(str, shapes))}; one (z, y, x) or (y, x) is needed."
        )
    for name, part in (("image", a), ("truth", b)):
        if not np.isfinite(part.sum(dtype=np.float64)):
            raise AcuityError(f"edges: the {name} holds NaN or infinite pixels.")
    size = [convert(length, unit, "nm") for length in spacing[1:]]
    if not np.isclose(size[0], size[1], rtol=1e-3):
        raise AcuityError(
            f"edges: the pixels are {size[0]:g} x {size[1]:g} nm (y, x); allowed are square ones."
        )
    if any(count % repeated for count in a.shape[1:]):
        raise AcuityError(
            f"edges: {a.shape[1]} x {a.shape[2]} pixels (y, x) are no whole blocks of {repeated}."
        )
    found = []
    for z in range(len(b)):
        places = _places(b[z], None if mask is None else mask[z], reach, most)
        if places is not None:
            found.append(_measured(a[z], b[z], places, repeated, reach, size[0]).assign(z=z))
    full = [part for part in found if len(part)]
    table = pd.concat(full, ignore_index=True) if full else pd.DataFrame(columns=_COLUMNS)
    return _rows(table), table[_COLUMNS]


def _rows(table):
    rows, count = [], len(table)
    for metric, column in zip(SPANS, ("spread", "spread_10_90"), strict=True):
        values = np.sort(table[column].to_numpy(float))
        quarter, half, three = (_quantile(values, q) for q in (0.25, 0.5, 0.75))
        low, high = _median_interval(values)
        rows += [
            tidy_row(metric, half, "nm", low=low, high=high, n=count),
            tidy_row(f"{metric}_q25", quarter, "nm", n=count),
            tidy_row(f"{metric}_q75", three, "nm", n=count),
        ]
    own = np.sort(table["spread_truth"].to_numpy(float))
    lost = np.isinf(table["spread"].to_numpy(float)).sum()
    return [
        *rows,
        tidy_row("edge_spread_truth", _quantile(own, 0.5), "nm", n=count),
        tidy_row("edges_found", count),
        tidy_row("edges_lost", lost, n=count),
    ]


def _quantile(values, share):
    """Between two values that were measured, on a line; infinite where one was not."""
    if not len(values):
        return np.nan
    place = share * (len(values) - 1)
    low, high, part = values[math.floor(place)], values[math.ceil(place)], place % 1
    return low if part == 0 else (1 - part) * low + part * high


def _median_interval(values):
    """95 % interval of the median from the order of the values (binomial)."""
    count = len(values)
    # The k-th smallest value is above the median in at most 2.5 % of all samples.
    k = np.count_nonzero(bdtr(np.arange(count // 2), count, 0.5) <= 0.025)
    return (values[k - 1], values[count - k]) if k else (np.nan, np.nan)


# Edges of the truth


def _places(truth, mask, reach, most):
    """Middles, directions and bends of the edges of a slice, the strongest first.

    Rows y, x, angle (from y towards x, towards the bright side), bend (s = bend t^2); or None.
    """
    smooth = gaussian(truth[None], (0, _SMOOTH, _SMOOTH))[0].astype(np.float64)
    places = _candidates(smooth, reach + _LINES[-1] + 2, mask)
    if not len(places):
        return None
    coefficients = ndimage.spline_filter(smooth)
    places = _thinned(places, smooth.shape, _NEAR)
    for _ in range(2):
        places, ragged = _settle(coefficients, places)
        good = (np.abs(places[:, 3]) * _LINES[-1] ** 2 <= _BENT) & (ragged <= _RAGGED)
        places = places[good]
    low, high = np.quantile(smooth, [0.02, 0.98])
    s = np.arange(-2 * reach, 2 * reach + 1) / 2
    profile = _profiles(coefficients, places, s).mean(axis=1)
    dark, bright = _levels(profile, s, reach)
    contrast = bright - dark
    inner = [np.flatnonzero(s == side * (reach // 4))[0] for side in (-1, 1)]
    steep = (profile[:, inner[1]] - profile[:, inner[0]]) >= _STEEP * contrast
    outer = np.abs(s) >= reach / 2
    level = np.where(s < 0, dark[:, None], bright[:, None])
    off = np.abs(profile - level)[:, outer].max(axis=1)
    good = (contrast >= _CONTRAST * (high - low)) & (off <= _LEVEL * contrast) & steep
    if mask is not None:
        away = _away(places, s)
        inside = ndimage.map_coordinates(mask.astype(np.uint8), away, order=0, mode="constant")
        good &= inside.reshape(len(places), -1).all(axis=1)
    places = _thinned(places[good], truth.shape, _APART)
    return places[:most] if len(places) else None


def _candidates(smooth, margin, mask):
    """Pixels whose gradient is strong and the largest across the edge, the strongest first."""
    gy, gx = np.gradient(smooth)
    strength = np.hypot(gy, gx)
    wide = [gaussian(part[None], (0, 2, 2))[0] for part in (gy * gy, gx * gx, gy * gx)]
    angle = 0.5 * np.arctan2(2 * wide[2], wide[0] - wide[1]).astype(np.float64)
    # The tensor tells no sign.
    angle = np.where(gy * np.cos(angle) + gx * np.sin(angle) < 0, angle + np.pi, angle)
    margin = int(np.ceil(margin))
    strong = np.zeros(smooth.shape, bool)
    middle = (slice(margin, -margin),) * 2
    strong[middle] = (strength > _STRONG * np.quantile(strength, 0.999))[middle]
    if mask is not None:
        strong &= mask
    y, x = np.nonzero(strong)
    own, turn = strength[y, x], angle[y, x]
    for side in (-1, 1):
        beside = [y + side * np.cos(turn), x + side * np.sin(turn)]
        largest = own >= ndimage.map_coordinates(strength, beside, order=1)
        y, x, own, turn = y[largest], x[largest], own[largest], turn[largest]
    order = np.lexsort((x, y, -own))
    return np.stack([y, x, turn, np.zeros(len(y))], axis=1)[order].astype(np.float64)


def _settle(coefficients, places):
    """Put places onto the edge and turn them across it; what is left of the line's raggedness."""
    s = np.arange(-3, 3.01, 0.25)
    profile = _profiles(coefficients, places, s)
    rise = np.maximum(np.diff(profile, axis=2), 0)
    total = np.maximum(rise.sum(axis=2), np.finfo(float).tiny)
    middle = (rise * (0.5 * (s[1:] + s[:-1]))).sum(axis=2) / total
    terms = np.stack([np.ones_like(_LINES), _LINES, _LINES**2])
    shift, slope, bend = np.linalg.lstsq(terms.T, middle.T, rcond=None)[0]
    fitted = np.stack([shift, slope, bend], axis=1) @ terms
    ragged = np.sqrt(np.mean((middle - fitted) ** 2, axis=1))
    y, x, angle, before = places.T
    # Lines run along (-sin, cos): an edge that leans by `slope` against them is turned back.
    y, x = y + shift * np.cos(angle), x + shift * np.sin(angle)
    return np.stack([y, x, angle - np.arctan(slope), before + bend], axis=1), ragged


def _thinned(places, shape, apart):
    """Keep places that are far enough from all stronger ones."""
    taken = np.zeros(shape, bool)
    span = np.arange(-int(apart), int(apart) + 1)
    dy, dx = (part.ravel() for part in np.meshgrid(span, span, indexing="ij"))
    disc = np.hypot(dy, dx) < apart
    dy, dx = dy[disc], dx[disc]
    kept = []
    for number, (y, x) in enumerate(np.rint(places[:, :2]).astype(int)):
        if not taken[y, x]:
            kept.append(number)
            taken[np.clip(y + dy, 0, shape[0] - 1), np.clip(x + dx, 0, shape[1] - 1)] = True
    return places[kept]


# Profiles


def _across(reach):
    return np.arange(-round(reach / _STEP), round(reach / _STEP) + 1) * _STEP


def _away(places, s):
    """Where the samples lie: (2, place * line * sample)."""
    y, x, angle, bend = (part[:, None, None] for part in places.T)
    t = _LINES[:, None]
    along = s + bend * t**2
    y = y + along * np.cos(angle) - t * np.sin(angle)
    x = x + along * np.sin(angle) + t * np.cos(angle)
    return np.stack([y.ravel(), x.ravel()])


def _profiles(coefficients, places, s, repeated=1):
    """Profiles across edges (place, line, sample) from the coefficients of a cubic spline."""
    # The middle of a block of f pixels lies (f - 1) / 2 pixels from its first one.
    away = (_away(places, s) - (repeated - 1) / 2) / repeated
    found = ndimage.map_coordinates(coefficients, away, prefilter=False, mode="mirror")
    return found.reshape(len(places), len(_LINES), len(s))


def _levels(profile, s, reach):
    return profile[:, s <= -reach / 2].mean(axis=1), profile[:, s >= reach / 2].mean(axis=1)


def _measured(image, truth, places, repeated, reach, size):
    """Spreads of the image and of the truth at the places, in nm."""
    s = _across(reach)
    found = {}
    for name, plane, block in (("image", image, repeated), ("truth", truth, 1)):
        plane = np.asarray(plane, np.float64)[::block, ::block]
        profile = _profiles(ndimage.spline_filter(plane), places, s, block).mean(axis=1)
        dark, bright = _levels(profile, s, reach)
        found[name] = profile, dark, bright - dark
    contrast = found["truth"][2]
    spread = {}
    for name, (profile, dark, step) in found.items():
        there = step >= _CONTRAST * contrast
        share = (profile - dark[:, None]) / np.where(there, step, 1.0)[:, None]
        for metric, span in SPANS.items():
            rises = [_rise(line, s, *span) for line in share]
            spread[name, metric] = size * np.where(there, rises, np.inf)
    y, x, angle, _ = places.T
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "normal_y": np.cos(angle),
            "normal_x": np.sin(angle),
            "contrast": contrast,
            "spread": spread["image", "edge_spread"],
            "spread_truth": spread["truth", "edge_spread"],
            "spread_10_90": spread["image", "edge_spread_10_90"],
        }
    )


def _rise(line, s, low, high):
    """Distance between the crossings of two shares on either side of the half, or infinity."""
    half = np.flatnonzero((line[:-1] < 0.5) & (line[1:] >= 0.5))
    if not len(half):
        return np.inf
    at = half[np.argmin(np.abs(s[half]))]
    below, above = np.flatnonzero(line[: at + 1] <= low), np.flatnonzero(line[at:] >= high)
    if not (len(below) and len(above)):
        return np.inf
    i, j = below[-1], at + above[0]
    # Where a step skips the half, the last sample below it is at or before the first above.
    left = s[i] + _STEP * (low - line[i]) / (line[i + 1] - line[i])
    right = s[j] - _STEP * (line[j] - high) / (line[j] - line[j - 1])
    return right - left


def volume_edges(image: Volume, truth: Volume, *, valid: Volume | None = None, **options: Any):
    """Edge spread of an image on its truth's grid.

    Parameters
    ----------
    image, truth : acuity.volume.Volume
        The image, and the true one, of which the part is taken that `image` covers.
    valid : acuity.volume.Volume, optional
        Where the truth is valid; its part likewise.
    **options
        As for `edges`.

    Returns
    -------
    rows : list of dict
    table : pandas.DataFrame
        As `edges` gives.

    Raises
    ------
    AcuityError
        If the grids do not go together, or as for `edges`.
    """
    return edges(**read_on(image.grid, image=image, truth=truth, valid=valid), **options)
