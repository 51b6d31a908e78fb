"""Recall, precision and F1 from counts, and the pooling of figures over several samples."""

from collections.abc import Mapping, Sequence

import pandas as pd

from acuity.assumptions import TOLD
from acuity.measure.intervals import f1_interval, interval_row, mean_interval, wilson

# Each proportion, with the sums of counts that it is the quotient of.
PROPORTIONS = {
    "pore_recall": ("found", "truth"),
    "pore_precision": ("found", "detected"),
    "pore_precision_off_rim": ("found", "detected_off_rim"),
    "pore_recall_iou10": ("found_iou10", "truth"),
    "pore_precision_iou10": ("found_iou10", "detected"),
}
F1 = {
    "pore_f1": ("found", "detected"),
    "pore_f1_off_rim": ("found", "detected_off_rim"),
    "pore_f1_iou10": ("found_iou10", "detected"),
}
# Figures in grey values, or judged by a data range.
RANGED = (
    "data_range", "mse", "psnr", "ssim", "ms_ssim_matlab", "ms_ssim_wang", "ms_ssim_matlab_local",
    "rms", "rms_relative", "rms_sd", "rms_relative_sd", "psnr_8bit", "psnr_8bit_sd",
    "wpsnr", "wpsnr_code", "resolution_offset", "resolution_mse", "segment_threshold", "nlm_sigma",
)  # fmt: skip
_SAME = 1.25  # ranges that are measured of like samples differ by less: 2 dB
Tables = Sequence[pd.DataFrame]  # of one image each
COUNTS = ("missed", "false", "split", "merged")


def counts_of(status: pd.DataFrame, subset: str | None = None):
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
        truth, detected, found, found_iou10, missed, false, split, merged: counts; detected_off_rim:
        those detected without the unmatched ones that touch the rim.
    """
    status = status[~status["edge"].astype(bool)]
    if subset is not None:
        status = status[status["size_class"] == subset]
    truth = status[status["kind"] == "truth"]
    detected = status[status["kind"] == "detection"]
    unmatched = detected["status"] != "found"
    # Tables of before have no such column.
    rim = detected["rim"].astype(bool) if "rim" in detected else False
    fates = ("found", "missed", "split", "merged")
    became = {name: int((truth["status"] == name).sum()) for name in fates}
    return {
        "truth": len(truth),
        "detected": len(detected),
        "detected_off_rim": len(detected) - int((unmatched & rim).sum()),
        "found_iou10": int((truth["matched_iou10"] > 0).sum()),
        "false": int((detected["status"] == "false").sum()),
        **became,
    }


def size_classes(status: pd.DataFrame):
    """Size classes of the inner pores of a status table, by rising size."""
    inner = status.loc[~status["edge"].astype(bool), "size_class"]
    names = [c for c in inner.dropna().unique() if c]
    return sorted(names, key=lambda name: float(name.split("-")[0]))


def recovery_rows(counts: Mapping[str, int], subset: str = "all"):
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
    found = []
    for metric, (part, whole) in PROPORTIONS.items():
        n = counts[whole]
        value = counts[part] / n if n else float("nan")
        found.append((metric, value, *wilson(counts[part], n), n))
    n = counts["truth"]
    for metric, (part, whole) in F1.items():
        found.append((metric, *f1_interval(counts[part], counts[whole], n), n))
    return [
        interval_row(metric, value, subset=subset, low=low, high=high, n=n)
        for metric, value, low, high, n in found
    ] + [interval_row(f"pores_{name}", counts[name], subset=subset) for name in COUNTS]


def pool_recovery(tables: Tables):
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


def pool_means(values: pd.DataFrame):
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
    keys = ["metric", "subset", "variant", "unit"]
    if "variant" not in values:
        values = values.assign(variant="")
    values = values.fillna({"variant": "", "unit": ""})
    return [
        dict(zip(keys, key, strict=True)) | mean_interval(group["value"])
        for key, group in values.groupby(keys, sort=False)
    ]


def poolable(values: pd.DataFrame):
    """Leave out figures that follow the data range where samples have different ones.

    Parameters
    ----------
    values : pandas.DataFrame
        Tidy rows of several samples, with the column sample; ranges are the metric ``data_range``.

    Returns
    -------
    (pandas.DataFrame, list of dict)
        The rows without those of `RANGED`, and a finding (volume, finding, effect) that says so; or
        all rows and no finding, where the greatest range is at most 1.25 times the least.
    """
    ranges = values[values["metric"] == "data_range"].drop_duplicates("sample")
    if ranges.empty or ranges["value"].max() <= _SAME * ranges["value"].min():
        return values, []
    each = [
        f"{value:,.6g} ({', '.join(map(str, rows['sample']))})"
        for value, rows in ranges.groupby("value", sort=True)
    ]
    found = f"the data ranges of its samples are {' and '.join(each)}"
    effect = "PSNR, SSIM and what else follows them is given of each sample and not pooled"
    row = dict(zip(TOLD, ("samples", found, effect), strict=True))
    return values[~values["metric"].isin(RANGED)], [row]
