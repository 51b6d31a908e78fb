"""Slices that do not belong into a stack as they are: blank, doubled, exchanged, spoilt."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

FAULTS = ("blank", "duplicate", "swapped", "inverted", "saturated", "noisy")

# Blank: less contrast than this part of the stack's median.
_BLANK = 0.1
# Saturated: this much more of the slice at its two outermost values than is usual in the stack.
_SATURATED = 0.1
# Duplicate, where the bytes differ: this part of what neighbours usually lack in correlation.
_COPY, _COPY_PIXELS = 0.05, 0.05
# Noisy: the correlation falls below this part of what is usual at that distance, and is an outlier.
_NOISY, _OUTLIER = 0.8, 6.0
# Inverted: contrast is told by pairs that correlate about as well as is usual; what is unrelated
# has either sign.
_INVERTED, _INVERTED_USUAL = 0.3, 0.75
# Swapped: with the two exchanged, the order of the stack would be restored by this part of what
# the correlation usually loses from the first neighbour to the second.
_EXCHANGED = 0.3
# Slices over which a usual correlation is taken.
_WINDOW = 31


@dataclass(frozen=True)
class Figures:
    """What a slice says by itself.

    Attributes
    ----------
    sd : float
        Standard deviation of its values.
    share : float
        Share of the pixels at its smallest or its largest value.
    digest : str
        Of its bytes.
    """

    sd: float
    share: float
    digest: str


def figures(image):
    """Take the figures of a slice (y, x)."""
    low, high = image.min(), image.max()
    ends = np.count_nonzero(image == low) + np.count_nonzero(image == high)
    return Figures(
        sd=float(image.std(dtype=np.float64)),
        share=1.0 if low == high else ends / image.size,
        digest=hashlib.sha256(np.ascontiguousarray(image)).hexdigest(),
    )


def find_faults(slices, shifts):
    """Name the faulty slices of a stack.

    Slices by themselves come first, then its correlation with its neighbours; what was named
    before does not count in what follows. In this order: ``blank``: next to no contrast.
    ``duplicate``: equal to one of the slices just before it, byte for byte or in all but
    compression. ``saturated``: much of it at its outermost values, unlike the rest of the stack.
    ``noisy``: correlates less with all of its neighbours than is usual around it. ``inverted``: its
    contrast is against that of most slices. ``swapped``: it and the next slice are both more
    like the other's outer neighbours than like their own.

    A swap shows where the correlation with the second neighbour is clearly below that with the
    first; where noise is all that slices differ by, it cannot be seen and does no harm.

    Parameters
    ----------
    slices : list of Figures
        One of each slice.
    shifts : mapping
        ``{(a, b): Shift}`` for a < b up to the number of neighbours.

    Returns
    -------
    list of str
        A name for each slice, empty for a good one.
    """
    count = len(slices)
    flags = [""] * count
    reach = max(b - a for a, b in shifts)
    sd = np.array([part.sd for part in slices])
    usual_sd = np.median(sd[sd > 0]) if (sd > 0).any() else 0.0
    _name(flags, "blank", sd <= _BLANK * usual_sd)

    for z in range(count):
        before = range(max(0, z - reach), z)
        if not flags[z] and slices[z].digest in {slices[a].digest for a in before if not flags[a]}:
            flags[z] = "duplicate"

    share = np.array([part.share for part in slices])
    good = np.array([not flag for flag in flags])
    if good.any():
        _name(flags, "saturated", share > np.median(share[good]) + _SATURATED)

    lack = 1 - usual(shifts, count, flags)[1]
    for (a, b), shift in shifts.items():
        near = max(abs(shift.dy), abs(shift.dx)) < _COPY_PIXELS
        if b == a + 1 and near and not (flags[a] or flags[b]) and 1 - shift.ncc < _COPY * lack[a]:
            flags[b] = "duplicate"

    _name(flags, "noisy", _unlike(shifts, count, flags))
    _name(flags, "inverted", _against(shifts, count, flags))
    for z in _exchanged(_table(shifts, count, flags), count):
        if not (flags[z] or flags[z + 1]):
            flags[z] = flags[z + 1] = "swapped"
    return flags


def usual(shifts, count, flags):
    """Give the correlation that is usual around each slice, by distance.

    Parameters
    ----------
    shifts : mapping
        ``{(a, b): Shift}``.
    count : int
        Slices of the stack.
    flags : list of str
        Pairs with a flagged slice are left out.

    Returns
    -------
    dict of int to numpy.ndarray
        For each distance b - a the running median of the correlation at each a; 0 where there is
        none in all the stack.
    """
    lines = _table(shifts, count, flags)
    found = {}
    for distance in {b - a for a, b in shifts} | {1}:
        middle = pd.Series(lines[distance]).rolling(_WINDOW, center=True, min_periods=1).median()
        found[distance] = middle.ffill().bfill().fillna(0.0).to_numpy()
    return found


def _name(flags, name, found):
    for z in np.flatnonzero(found):
        flags[z] = flags[z] or name


def _table(shifts, count, flags):
    """Correlation of slice a with slice a + k in row k, NaN where there is none."""
    reach = max((b - a for a, b in shifts), default=1)
    ncc = np.full((reach + 1, count), np.nan)
    for (a, b), shift in shifts.items():
        if not (flags[a] or flags[b]):
            ncc[b - a, a] = shift.ncc
    return ncc


def _sd(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def _unlike(shifts, count, flags):
    """Slices that are like none around them."""
    expected = usual(shifts, count, flags)
    ratios = [[] for _ in range(count)]
    for (a, b), shift in shifts.items():
        if not (flags[a] or flags[b]):
            ratio = shift.ncc / max(expected[b - a][a], 1e-6)
            ratios[a].append(ratio)
            ratios[b].append(ratio)
    # A neighbour may be bad itself, so not the mean; one match may be chance, so the second best.
    quality = np.array([sorted(r)[-min(2, len(r))] if r else np.nan for r in ratios])
    known = quality[np.isfinite(quality)]
    if len(known) < 4:  # too few to tell which is the odd one
        return np.zeros(count, bool)
    limit = min(_NOISY, np.median(known) - _OUTLIER * _sd(known))
    return np.nan_to_num(quality, nan=1.0) < limit


def _against(shifts, count, flags):
    """Slices whose contrast is that of the smaller half."""
    expected = usual(shifts, count, flags)
    sign = np.zeros(count)
    for b in range(count):
        if flags[b]:
            continue
        vote = sum(
            shift.sign * sign[a] * shift.ncc**2
            for a in range(b)
            if (shift := shifts.get((a, b)))
            and shift.ncc > max(_INVERTED, _INVERTED_USUAL * expected[b - a][a])
        )
        sign[b] = -1 if vote < 0 else 1
    return sign == (-1 if (sign > 0).sum() >= (sign < 0).sum() else 1)


def _exchanged(ncc, count):
    """First slices of exchanged pairs."""
    reach = len(ncc) - 1
    # What z and z + 1 lose with the outer neighbours of their side if they change places.
    sides = np.full((2, count), np.nan)
    for z in range(count - 1):
        above = [ncc[k, z - k] - ncc[k + 1, z - k] for k in range(1, reach) if z - k >= 0]
        below = [ncc[k, z + 1] - ncc[k + 1, z] for k in range(1, reach) if z + 1 + k < count]
        for side, values in zip(sides, (above, below), strict=True):
            values = [value for value in values if np.isfinite(value)]
            if values:
                side[z] = np.mean(values)
    known = sides[np.isfinite(sides)]
    if len(known) < 6:
        return []
    order = max(float(np.median(known)), 0.0)
    # How quickly likeness is lost varies slowly along a stack; what varies quickly is noise.
    moves = np.diff(sides, axis=1)
    noise = _sd(moves[np.isfinite(moves)]) / np.sqrt(2)
    limit = -max(_EXCHANGED * order, 3 * noise - order)
    found = []
    for z, side in enumerate(sides.T):
        told = side[np.isfinite(side)]
        # where only one side tells, at an end, it has to be twice as clear
        if len(told) and told.max() < limit * (3 - len(told)):
            found.append(z)
    return found
