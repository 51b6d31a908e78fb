"""The figures of a study in one Markdown table, for a terminal or a page."""

import os
from pathlib import Path

import pandas as pd

from acuity.errors import AcuityError
from acuity.measure.collect import JUDGED, POOLED
from acuity.measure.trainings import COLUMNS as TRAINING_COLUMNS
from acuity.report.shown import image_rows, named, shown_rows, training_rows
from acuity.seals import seal_path
from acuity.study.reading import read_keys
from acuity.tables import read_table

FIGURES = ("level", "value", "n", "low", "high")
_LONGEST = 2**16  # bytes of a heading
COLUMNS = ("sample", "method", "variant", "metric", "subset", *FIGURES)


def summary(path, *, sample=POOLED, by_size=None):
    """Summarise metrics.tsv.

    Parameters
    ----------
    path : path
        ``metrics.tsv`` of a study, its folder, or the study file.
    sample : str
        Sample to show; by default the unseen ones, pooled, or else all that are judged.
    by_size : str, optional
        Show this one metric by size class instead.

    Returns
    -------
    str
        A Markdown table, one row a level and method; only what was measured.

    Raises
    ------
    AcuityError
        If there is no such table yet, it is another one, or the sample or the metric is not in it.
    """
    path = find_metrics(path)
    metrics = _read(path, COLUMNS, FIGURES)
    names = metrics["sample"].astype(str)
    if sample == POOLED and POOLED not in set(names) and JUDGED in set(names):
        sample = JUDGED
    metrics = named(metrics[names == sample])
    if metrics.empty:
        raise AcuityError(f"{path}: no figures of sample {sample!r}")
    if by_size is None:
        return _markdown(shown_rows(metrics))
    sizes = metrics["subset"].str.match(r"\d", na=False)
    rows = metrics[(metrics["metric"] == by_size) & sizes]
    if rows.empty:
        raise AcuityError(f"{path}: metric {by_size!r} is not given by size class")
    order = sorted(rows["subset"].unique(), key=lambda name: float(name.split("-")[0]))
    cells = {
        (row.level, row.method, row.subset): f"{row.value:.3f} ({row.n:.0f})"
        for row in rows.itertuples()
    }
    return _markdown(image_rows(rows, [(name, name) for name in order], cells))


def training_summary(path):
    """Summarise trainings.tsv: mean and range of each figure over the trainings of a method.

    Parameters
    ----------
    path : path
        ``trainings.tsv`` of a study, its folder, or the study file.

    Returns
    -------
    str
        A Markdown table, one row a level and method.

    Raises
    ------
    AcuityError
        If there is no such table, or it is another one.
    """
    path = find_metrics(path, "trainings.tsv")
    return _markdown(training_rows(_read(path, TRAINING_COLUMNS, ("level", "value"))))


def _markdown(rows):
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _read(path, columns, figures):
    # maybe a file of the user's own: nothing is said of removing it
    if not seal_path(path).exists():
        with open(path, "rb") as file:
            head = file.readline(_LONGEST).decode(errors="replace").rstrip("\r\n").split("\t")
        _check_columns(path, [name for name in columns if name not in head])
    metrics = read_table(path, dtype={"variant": str, "subset": str})
    _check_columns(path, [name for name in columns if name not in metrics])
    words = [name for name in figures if not pd.api.types.is_numeric_dtype(metrics[name])]
    if words:
        raise _another_table(path, f"words in the column {words[0]!r}")
    return metrics


def _check_columns(path, missing):
    if missing:
        raise _another_table(path, f"no column {missing[0]!r}")


def _another_table(path, found):
    return AcuityError(
        f"{path}: is not the table of a study's figures, it has {found}; allowed are "
        "results/STUDY/metrics.tsv, its folder and the study file"
    )


def find_metrics(path, table="metrics.tsv"):
    """Find the table of a study's figures.

    Parameters
    ----------
    path : path
        The table, the folder that it lies in, or the study file.
    table : str
        Which of the study's tables.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    AcuityError
        If the study has none yet, in this folder.
    """
    path = Path(path)
    if os.path.isdir(path):
        found, how = path / table, "name the folder results/STUDY"
    elif path.suffix.lower() in (".yaml", ".yml"):
        keys = read_keys(path)
        name = keys.get("study") if isinstance(keys, dict) else None
        if not isinstance(name, str) or "/" in name:
            raise AcuityError(f"{path}: is no study file; it has no key 'study' with a name")
        found = Path("results", name, table)
        how = f"run it first, in this folder: snakemake --configfile {path}"
    else:
        found, how = path, f"name results/STUDY/{table} or the study file"
    if not os.path.isfile(found):
        raise AcuityError(f"{found}: no such table; {how}")
    return found
