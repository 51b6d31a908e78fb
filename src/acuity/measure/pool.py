"""Intervals of counts and means, and the pooling of figures over several samples."""

import numpy as np
import pandas as pd
from scipy.stats import norm, t

# Each proportion, with the sums of counts that it is the quotient of.
PROPORTIONS = {
    "pore_recall": ("found", "truth"),
    "pore_precision": ("found", "detected"),
    "pore_recall_iou10": ("found_iou10", "truth"),
    "pore_precision_iou10": ("found_iou10", "detected"),
}
COUNTS = ("missed", "false", "split", "merged")


def wilson(successes, trials, level=0.95):
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
        return float("nan"), float("nan")
    q = norm.ppf(0.5 + 0.5 * level)
    p = successes / trials
    centre = p + q * q / (2 * trials)
    half = q * np.sqrt(p * (1 - p) / trials + q * q / (4 * trials * trials))
    scale = 1 + q * q / trials
    # At 0 and 1 rounding alone would leave the proportion outside its own interval.
    return float(min(p, max(0.0, (centre - half) / scale))), float(
        max(p, min(1.0, (centre + half) / scale))
    )


def mean_interval(values, level=0.95):
    """Mean of some values with Student's interval.

    Parameters
    ----------
    values : array-like
        Independent values; not finite ones are left out.
    level : float
        Confidence level.

    Returns
    -------
    dict
        value, low, high, n; low and high are NaN for fewer than two values.
    """
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    n = len(values)
    if n == 0:
        return {"value": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0}
    mean = float(values.mean())
    if n == 1:
        return {"value": mean, "low": float("nan"), "high": float("nan"), "n": 1}
    half = float(t.ppf(0.5 + 0.5 * level, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return {"value": mean, "low": mean - half, "high": mean + half, "n": n}


def f1_interval(found, detected, truth, level=0.95):
    """F1 = 2 found / (detected + truth) with an interval carried over from Wilson's.

    F1 / (2 - F1) = found / (detected + truth - found) is the Jaccard index, a proportion of
    the union; its Wilson interval maps to one for F1.
    """
    union = detected + truth - found
    if detected + truth == 0:
        return float("nan"), float("nan"), float("nan")
    low, high = wilson(found, union, level)
    value = 2.0 * found / (detected + truth)
    return value, 2 * low / (1 + low), 2 * high / (1 + high)


def counts_of(status, subset=None):
    """Sums of the per-pore status table of `acuity.measure.recovery.recover`, without edge pores.

    Parameters
    ----------
    status : pandas.DataFrame
        One table, or those of several samples under each other.
    subset : str, optional
        A size class; None for all.

    Returns
    -------
    dict
        truth, detected, found, found_iou10, missed, false, split, merged: counts.
    """
    status = status[~status["edge"].astype(bool)]
    if subset is not None:
        status = status[status["size_class"] == subset]
    truth = status[status["kind"] == "truth"]
    detected = status[status["kind"] == "detection"]
    return {
        "truth": len(truth),
        "detected": len(detected),
        "found": int((truth["status"] == "found").sum()),
        "found_iou10": int((truth["matched_iou10"] > 0).sum()),
        "missed": int((truth["status"] == "missed").sum()),
        "split": int((truth["status"] == "split").sum()),
        "merged": int((truth["status"] == "merged").sum()),
        "false": int((detected["status"] == "false").sum()),
    }


def size_classes(status):
    """Size classes that occur in a status table, by rising size."""
    names = [c for c in status["size_class"].dropna().unique() if c]
    return sorted(names, key=lambda name: float(name.split("-")[0]))


def recovery_rows(counts, subset="all"):
    """Rows of recall, precision, F1 with 95 % intervals, and of the counts.

    Parameters
    ----------
    counts : dict
        By `counts_of`, possibly summed over samples.
    subset : str
        Name of the size class.

    Returns
    -------
    list of dict
        metric, subset, value, unit, low, high, n.
    """
    rows = []
    for metric, (part, whole) in PROPORTIONS.items():
        n = counts[whole]
        low, high = wilson(counts[part], n)
        value = counts[part] / n if n else float("nan")
        rows.append(_row(metric, subset, value, low, high, n))
    for metric, part in (("pore_f1", "found"), ("pore_f1_iou10", "found_iou10")):
        value, low, high = f1_interval(counts[part], counts["detected"], counts["truth"])
        rows.append(_row(metric, subset, value, low, high, counts["truth"]))
    for name in COUNTS:
        rows.append(_row(f"pores_{name}", subset, counts[name]))
    return rows


def _row(metric, subset, value, low=float("nan"), high=float("nan"), n=None):
    return {
        "metric": metric,
        "subset": subset,
        "value": float(value),
        "unit": "",
        "low": low,
        "high": high,
        "n": n,
    }


def pool_recovery(tables):
    """Recovery over several samples: rows from their summed counts.

    Pores of all samples count alike, so that the interval is that of one larger sample.

    Parameters
    ----------
    tables : sequence of pandas.DataFrame
        Status tables of `acuity.measure.recovery.recover`, of one method and level.

    Returns
    -------
    list of dict
        metric, subset ("all" and each size class), value, unit, low, high, n.
    """
    status = pd.concat(list(tables), ignore_index=True)
    rows = recovery_rows(counts_of(status))
    for name in size_classes(status):
        rows += recovery_rows(counts_of(status, name), name)
    return rows


def pool_means(values):
    """Means over samples of one figure a sample (PSNR, porosity), with Student's intervals.

    Parameters
    ----------
    values : pandas.DataFrame
        Tidy rows of several samples: metric, subset, value, unit, and optionally variant.

    Returns
    -------
    list of dict
        metric, subset, variant, value, unit, low, high, n (samples). With few samples the
        interval is wide: it is that of the mean over samples, not over pores.
    """
    values = values.copy()
    if "variant" not in values:
        values["variant"] = ""
    values["variant"] = values["variant"].fillna("")
    values["unit"] = values["unit"].fillna("")
    rows = []
    keys = ["metric", "subset", "variant", "unit"]
    for key, group in values.groupby(keys, sort=False):
        rows.append(dict(zip(keys, key, strict=True)) | mean_interval(group["value"]))
    return rows


def pool_ratio(parts, wholes):
    """Ratio of two sums of counts with a 95 % interval, both taken as Poisson counts.

    For pores_found_ratio, which may exceed 1: given their sum, the first count is binomial, and
    Wilson's interval of its share p maps to the ratio p / (1 - p).

    Parameters
    ----------
    parts, wholes : sequence of int
        Counts of each sample.

    Returns
    -------
    dict
        value, low, high, n (the sum of wholes).
    """
    part, whole = int(np.sum(parts)), int(np.sum(wholes))
    low, high = wilson(part, part + whole)
    return {
        "value": part / whole if whole else float("nan"),
        "low": low / (1 - low) if low < 1 else float("nan"),
        "high": high / (1 - high) if high < 1 else float("nan"),
        "n": whole,
    }
