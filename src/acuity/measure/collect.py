"""The tables of a whole study: every measure of every image, and the unseen samples pooled."""

from collections.abc import Mapping, Sequence

import pandas as pd

from acuity.assumptions import TOLD, WARNING
from acuity.errors import require
from acuity.measure.gaps import gain_rows, pool_gaps
from acuity.measure.pool import pool_means, pool_recovery, poolable
from acuity.tables import TIDY, read_table

KEYS = ["study", "sample", "method", "variant", "level"]
WARNED = [*KEYS, *TOLD]
COLUMNS = [*KEYS, "metric", "subset", "value", "unit", "low", "high", "n"]
POOLED = "unseen"
JUDGED = "judged"  # the same, where models may have learned from some of them
SINGLE = ("pores", "status", "curves", "spaces", "gaps")


def read_images(files: Mapping[str, Mapping]):
    """Read the tables of all images.

    Parameters
    ----------
    files : dict of str to dict of Key to path or list of path
        The files of all images by kind and key (`acuity.keys.by_kind`): ``tables``, several of each
        image, and one of each of `SINGLE` where an image has it.

    Returns
    -------
    list of dict
        As `collect` takes them, in the order of ``tables``.
    """
    found = []
    for key, tables in files.get("tables", {}).items():
        single = {name: files[name][key] for name in SINGLE if key in files.get(name, {})}
        read = {name: read_table(path) for name, path in single.items()}
        found.append({**key._asdict(), **read, "tables": [read_table(path) for path in tables]})
    return found


def collect(images: Sequence[dict], *, study: str, unseen: Sequence[str], pooled: str = POOLED):
    """Gather the tables of all images of a study.

    Parameters
    ----------
    images : list of dict
        One for each image: ``sample``, ``method`` (NAME or NAME@VARIANT), ``level`` (None for the
        truth), ``tables`` (tidy tables with metric, subset, value, unit and possibly variant, low,
        high, n), ``pores`` (its pore table), ``status`` (what became of each pore) and, where they
        were measured, ``curves`` (Gaussian fit), ``spaces`` (two-point correlation) and ``gaps``
        (what became of each gap between particles).
    study : str
        Name of the study.
    unseen : list of str
        Samples that no model has learned from. They are pooled under the sample name ``unseen``:
        recall, precision and F1 from the sums of the counts, gaps from all of them together (and
        how many times fewer are unresolved than in the input), the other measures as means, all
        with 95 % intervals.
    pooled : str
        Another name for them together, where some of them may have been learned from.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``metrics``: columns `COLUMNS`, one row a figure; ``pores``, ``curves``, ``spaces``,
        ``gaps``: those of all images, under each other; ``warnings``: columns `WARNED`, one row for
        each thing that is not as a measure assumes it (`acuity.assumptions`). Figures that follow
        the data range are pooled over one range alone (`poolable`).

    Raises
    ------
    AcuityError
        If there is no image.
    """
    require(len(images) > 0, f"study {study}: no image was measured")
    found: dict[str, list] = {name: [] for name in ("tables", *SINGLE)}
    for image in images:
        keys = _keys(study, image)
        found["tables"] += [_keyed(table, keys) for table in image["tables"]]
        for name in SINGLE:
            if image.get(name) is not None:
                found[name].append(_keyed(image[name], keys))
    gathered = {name: _concat(tables) for name, tables in found.items()}
    metrics, warnings = _without_warnings(gathered.pop("tables"))
    status = gathered.pop("status")
    # Of samples without truth there may be no figure at all.
    lacking = [name for name in (*TIDY, "row_variant") if name not in metrics]
    metrics = metrics.assign(**dict.fromkeys(lacking, ""))
    # An alignment and a registration are a sample's own; nothing is pooled of them.
    images = metrics["sample"].isin(unseen) & ~metrics["method"].isin(["align", "pair"])
    counted = [table[table["sample"].isin(unseen)] for table in (status, gathered["gaps"])]
    figures, split = poolable(metrics[images])
    together = _pool(figures, *counted).assign(sample=pooled)
    warnings += [{"study": study, "sample": pooled, **row} for row in split]
    metrics = pd.concat([metrics, together], ignore_index=True)
    own = metrics.pop("row_variant").fillna("").astype(str)
    both = zip(metrics["variant"], own, strict=True)
    metrics["variant"] = [", ".join(filter(None, pair)) for pair in both]
    said = pd.DataFrame(warnings, columns=WARNED)
    return {"metrics": metrics.reindex(columns=COLUMNS), **gathered, "warnings": said}


def method_names(metrics: pd.DataFrame):
    """Return the whole name of each row's method, NAME or NAME@VARIANT.

    The number of scales of MS-SSIM, which the column ``variant`` holds too, is no variant of the method.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Rows of ``metrics.tsv``.

    Returns
    -------
    pandas.Series
    """
    variants = metrics["variant"].fillna("").str.replace(r"(, )?\d+ scales?$", "", regex=True)
    return metrics["method"] + ("@" + variants).where(variants != "", "")


def _without_warnings(metrics):
    """The rows that are figures, and those that are findings."""
    if TOLD[0] not in metrics:
        return metrics, []
    found = metrics["metric"] == WARNING
    figures = metrics[~found].drop(columns=list(TOLD)).reset_index(drop=True)
    return figures, metrics[found].reindex(columns=WARNED).to_dict("records")


def _keys(study, image):
    method, _, variant = image["method"].partition("@")
    level = None if image["level"] is None else float(image["level"])
    return dict(zip(KEYS, (study, image["sample"], method, variant, level), strict=True))


def _keyed(table, keys):
    """Put the keys in front; a row's own variant (the scales of MS-SSIM) is kept beside."""
    table = table.rename(columns={"variant": "row_variant"})
    table = table.drop(columns=[key for key in keys if key in table])
    own = pd.DataFrame([keys] * len(table), index=table.index, columns=list(keys))
    return pd.concat([own, table], axis=1)


def _concat(tables):
    # Empty tables would blur the column types of the others.
    full = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(full, ignore_index=True) if full else pd.DataFrame(columns=KEYS)


def _pool(metrics, status, gaps):
    """Rows of the unseen samples together, image by image."""
    keys = ["study", "method", "variant", "level"]
    rows = []
    for key, group in metrics.groupby(keys, dropna=False, sort=False):
        here = dict(zip(keys, key, strict=True))
        tables = _alike(status, here)
        recovered = pool_recovery([pd.concat(tables)]) if tables else []
        if seen := _alike(gaps, here):
            recovered += pool_gaps(seen)
            before = _alike(gaps, here | {"method": "input", "variant": ""})
            if before and here["method"] not in ("input", "truth"):
                recovered += gain_rows(seen, before)
        counted = {row["metric"] for row in recovered}
        values = group[~group["metric"].isin(counted)]
        values = values.drop(columns="variant").rename(columns={"row_variant": "variant"})
        means = [row | {"row_variant": row.pop("variant")} for row in pool_means(values)]
        rows += [here | row for row in recovered + means]
    return pd.DataFrame(rows)


def _alike(table, here):
    """Return the rows of one method, variant and level: a table for each sample."""
    level = here["level"]
    same = table["level"].isna() if pd.isna(level) else table["level"] == level
    same &= (table["method"] == here["method"]) & (table["variant"] == here["variant"])
    return [part for _, part in table[same].groupby("sample", sort=False)]
