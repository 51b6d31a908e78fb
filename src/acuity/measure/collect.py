"""The tables of a whole study: every measure of every image, and the unseen samples pooled."""

import pandas as pd

from acuity.errors import AcuityError
from acuity.measure.pool import counts_of, mean_interval, recovery_rows

KEYS = ["study", "sample", "method", "variant", "level"]
COLUMNS = [*KEYS, "metric", "subset", "value", "unit", "low", "high", "n"]
POOLED = "unseen"


def collect(images, *, study, unseen):
    """Gather the tables of all images of a study.

    Parameters
    ----------
    images : list of dict
        One for each image: ``sample``, ``method`` (NAME or NAME@VARIANT), ``level`` (None for the
        truth), ``tables`` (tidy tables with metric, subset, value, unit and possibly variant, low,
        high, n), ``pores`` (its pore table) and ``status`` (what became of each pore).
    study : str
        Name of the study.
    unseen : list of str
        Samples that no model has learned from. They are pooled under the sample name ``unseen``:
        recall, precision and F1 from the sums of the counts, the other measures as means, both
        with 95 % intervals.

    Returns
    -------
    metrics : pandas.DataFrame
        Columns `COLUMNS`; one row a figure.
    pores : pandas.DataFrame
        The pores of all images, under each other.

    Raises
    ------
    AcuityError
        If there is no image.
    """
    if not images:
        raise AcuityError(f"study {study}: no image was measured")
    metrics, pores, status = [], [], []
    for image in images:
        keys = _keys(study, image)
        metrics += [_keyed(table, keys) for table in image["tables"]]
        pores.append(_keyed(image["pores"], keys))
        status.append(_keyed(image["status"], keys))
    metrics = _concat(metrics)
    seen = metrics["sample"].isin(unseen)
    pooled = _pool(metrics[seen], _concat(status), unseen)
    metrics = pd.concat([metrics, pooled], ignore_index=True).reindex(columns=COLUMNS)
    return metrics, _concat(pores)


def _keys(study, image):
    method, _, variant = image["method"].partition("@")
    return {
        "study": study,
        "sample": image["sample"],
        "method": method,
        "variant": variant,
        "level": image["level"],
    }


def _keyed(table, keys):
    """Put the keys in front; a table's own variant is joined to the method's."""
    table = table.copy()
    own = table.pop("variant").fillna("").astype(str) if "variant" in table else None
    joined = keys["variant"]
    if own is not None:
        joined = own.map(lambda text: ", ".join(part for part in (keys["variant"], text) if part))
    for position, (key, value) in enumerate(keys.items()):
        table.insert(position, key, joined if key == "variant" else value)
    return table


def _concat(tables):
    # Empty tables would blur the column types of the others.
    full = [table for table in tables if len(table)]
    return pd.concat(full, ignore_index=True) if full else tables[0]


def _pool(metrics, status, unseen):
    rows = []
    status = status[status["sample"].isin(unseen)]
    counted = set()
    for keys, table in status.groupby(["study", "method", "variant", "level"], dropna=False):
        here = dict(zip(["study", "method", "variant", "level"], keys, strict=True))
        for subset in [None, *sorted(table["size_class"].dropna().unique())]:
            pooled = recovery_rows(counts_of(table, subset), subset or "all")
            counted |= {row["metric"] for row in pooled}
            rows += [here | row for row in pooled]
    by = ["study", "method", "variant", "level", "metric", "subset", "unit"]
    rest = metrics[~metrics["metric"].isin(counted)]
    for keys, table in rest.groupby(by, dropna=False, sort=False):
        rows.append(dict(zip(by, keys, strict=True)) | mean_interval(table["value"]))
    pooled = pd.DataFrame(rows)
    pooled.insert(1, "sample", POOLED)
    return pooled
