"""Order statistics of more values than fit in memory, exact, from counts that add up."""

from collections.abc import Callable, Iterable

import numpy as np

_SIGN = np.uint32(0x80000000)


def _keys(values: np.ndarray) -> np.ndarray:
    """Whole numbers, uint32, in the order of some float32 values."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _values(keys: np.ndarray) -> np.ndarray:
    bits = np.where(keys & _SIGN, keys ^ _SIGN, ~keys)
    return bits.astype(np.uint32).view(np.float32)


def medians(parts: Callable[[], Iterable[tuple[np.ndarray, ...]]]) -> list[np.float32]:
    """Medians of sets of float32 values that come in parts.

    The parts are read twice: counts over the upper half of the bits find the bin of the middle,
    counts over the lower half within it the value itself. Counts add up, so the result is that of
    ``numpy.median`` over all values, bit for bit, however they are cut.

    Parameters
    ----------
    parts : callable
        Called twice; gives an iterable of tuples of arrays of finite values, one array for each
        set.

    Returns
    -------
    list of numpy.float32
        The median of each set; NaN for one without values.
    """
    high = None
    for arrays in parts():
        high = high or [np.zeros(65536, np.int64) for _ in arrays]
        for counts, array in zip(high, arrays, strict=True):
            counts += np.bincount(_keys(array) >> 16, minlength=65536)
    below = [np.cumsum(counts) for counts in high or []]
    middle = [((total[-1] - 1) // 2, total[-1] // 2) for total in below]
    bins = [
        np.searchsorted(total, ranks, side="right")
        for total, ranks in zip(below, middle, strict=True)
    ]
    low = [{int(b): np.zeros(65536, np.int64) for b in own if b < 65536} for own in bins]
    for arrays in parts():
        for counts, array in zip(low, arrays, strict=True):
            keys = _keys(array)
            for b in counts:
                inside = keys[(keys >> 16) == b] & np.uint32(0xFFFF)
                counts[b] += np.bincount(inside, minlength=65536)
    out = []
    for total, counts, ranks, own in zip(below, low, middle, bins, strict=True):
        if not total[-1]:
            out.append(np.float32(np.nan))
            continue
        found = []
        for rank, b in zip(ranks, map(int, own), strict=True):
            before = total[b - 1] if b else 0
            place = np.searchsorted(np.cumsum(counts[b]), rank - before, "right")
            found.append(b << 16 | int(place))
        out.append(np.median(_values(np.array(found, np.uint32))))
    return out
