"""Confidence intervals of proportions, means and ratios of counts."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from acuity.tables import tidy_row

_UNKNOWN = {"low": math.nan, "high": math.nan, "n": None}


def interval_row(metric: str, value: float, unit: str = "", subset: str = "all", **more: Any):
    """Return a row of a table with ``low high n``: `acuity.tables.tidy_row`; NaN where not given."""
    return tidy_row(metric, value, unit, subset, **(_UNKNOWN | more))


def wilson(successes: int, trials: int, level: float = 0.95):
    """Interval of a proportion (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Parameters
    ----------
    successes, trials : int
        Counts.
    level : float
        Confidence level.

    Returns
    -------
    (float, float)
        Low and high; NaN without trials.
    """
    if trials <= 0:
        return math.nan, math.nan
    q = ndtri(0.5 + 0.5 * level)
    p = successes / trials
    centre = p + q * q / (2 * trials)
    half = q * np.sqrt(p * (1 - p) / trials + q * q / (4 * trials * trials))
    scale = 1 + q * q / trials
    low, high = max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
    # At 0 and 1 rounding alone would leave the proportion outside its own interval.
    return float(min(p, low)), float(max(p, high))


def mean_interval(values: ArrayLike, level: float = 0.95):
    """Mean of some values with Student's interval.

    Parameters
    ----------
    values : array-like
        Independent values; NaN is left out. One that is infinite (an edge spread where most edges
        are lost) makes the mean infinite.
    level : float
        Confidence level.

    Returns
    -------
    dict
        value, low, high, n; low and high are NaN for fewer than two values.
    """
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    n, half = len(known), math.nan
    mean = float(known.mean()) if n else math.nan
    if n > 1 and math.isfinite(mean):
        half = float(stdtrit(n - 1, 0.5 + 0.5 * level) * known.std(ddof=1) / np.sqrt(n))
    return {"value": mean, "low": mean - half, "high": mean + half, "n": n}


def f1_interval(found: int, detected: int, truth: int, level: float = 0.95):
    """F1 = 2 found / (detected + truth) with an interval carried over from Wilson's.

    F1 / (2 - F1) = found / (detected + truth - found) is the Jaccard index, a proportion of
    the union; its Wilson interval maps to one for F1.
    """
    union = detected + truth - found
    if detected + truth == 0:
        return math.nan, math.nan, math.nan
    low, high = wilson(found, union, level)
    value = 2.0 * found / (detected + truth)
    return value, 2 * low / (1 + low), 2 * high / (1 + high)


def ratio_interval(part: int, whole: int):
    """Ratio of two counts, each taken as Poisson, with its 95 % interval.

    For a ratio that may exceed 1: given their sum, the first count is binomial, and Wilson's
    interval of its share p maps to the ratio p / (1 - p). Counts that come from the same pores
    vary less than that: the interval is then wider than need be.

    Parameters
    ----------
    part, whole : int
        Counts; sums over samples, to pool them.

    Returns
    -------
    dict
        value, low, high, n (`whole`); NaN where the whole is nothing.
    """
    if not whole:
        return {"value": math.nan, "low": math.nan, "high": math.nan, "n": 0}
    low, high = (p / (1 - p) if p < 1 else math.nan for p in wilson(part, part + whole))
    return {"value": part / whole, "low": low, "high": high, "n": int(whole)}
