"""The figures of a study in one Markdown table, for a terminal or a page."""

import os
from pathlib import Path

import pandas as pd

from acuity.errors import AcuityError
from acuity.measure.collect import POOLED
from acuity.measure.spectrum import ALIASED, BELOW
from acuity.measure.trainings import COLUMNS as TRAINING_COLUMNS
from acuity.measure.trainings import spread
from acuity.seals import seal_path
from acuity.study import read_keys
from acuity.tables import read_table

OFF_WALL = "pore_f1_off_rim"
# Metric, heading, digits, and whether its 95 % interval is shown; of the subset "all", or SUBSETS.
SHOWN = (
    ("gaps_unresolved_bootstrap", "gaps unresolved (95 %)", 3, True),
    ("gaps_unresolved_factor", "times fewer (95 %)", 2, True),
    ("gap_error", "gap error (nm, 95 %)", 2, True),
    ("gap_error_factor", "times smaller (95 %)", 2, True),
    ("gaps_invented_bootstrap", "gaps invented (95 %)", 3, True),
    ("gaps_unresolved_matched", "unresolved at the input's invented (95 %)", 3, True),
    ("gap_auc", "gaps told from touching, AUC (95 %)", 3, True),
    (f"spectrum_ratio_error, {BELOW}", "spectrum off, below low Nyquist", 2, False),
    (f"spectrum_ratio_error, {ALIASED}", "spectrum off, aliased", 2, False),
    ("edge_spread", "edge spread (nm)", 2, False),
    ("psnr", "PSNR (dB)", 2, False),
    ("ssim", "SSIM", 3, False),
    ("ms_ssim_matlab", "MS-SSIM", 3, False),
    ("pores_found_ratio", "found ratio", 3, False),
    ("pore_recall", "recall (95 %)", 3, True),
    ("pore_precision", "precision (95 %)", 3, True),
    ("pore_f1", "F1", 3, False),
    (OFF_WALL, "F1 off the wall", 3, False),
    ("porosity_error", "porosity error", 3, False),
    ("sphericity_mesh", "sphericity", 4, False),
    ("resolution_fwhm", "FWHM", 2, False),
    ("rms", "RMS", 2, False),
    ("psnr_8bit", "PSNR, 8 bits (dB)", 2, False),
    ("rms_binary", "RMS, binary", 3, False),
    ("psnr_binary", "PSNR, binary (dB)", 2, False),
    ("wpsnr", "wPSNR (dB)", 2, False),
    ("wpsnr_code", "wPSNR, code (dB)", 2, False),
    ("scattering_log_rms", "scattering (decades)", 3, False),
)
SUBSETS = ("all", BELOW, ALIASED)
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
        Sample to show; by default the unseen ones, pooled.
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
    metrics = metrics[metrics["sample"].astype(str) == sample]
    metrics = _named(metrics)
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
    return _markdown(_rows(rows, [(name, name) for name in order], cells))


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


def training_rows(table):
    """Arrange mean and range over trainings as rows of text.

    Parameters
    ----------
    table : pandas.DataFrame
        As `acuity.measure.trainings.trainings` gives it.

    Returns
    -------
    list of list of str
        A heading, and a row a level and method: mean and, in brackets, the smallest and the largest.
    """
    over = _named(spread(table))
    rows = shown_rows(over, every_interval=True)
    number = over.groupby(["level", "method"], sort=False)["n"].max()
    images = _images(over)
    rows[0][2:2] = ["trainings"]
    for row, image in zip(rows[1:], images, strict=True):
        row[2:2] = [f"{number[image]:.0f}"]
    return rows


def shown_rows(metrics, *, every_interval=False):
    """Arrange the figures of `SHOWN` that were measured as rows of text.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Rows of ``metrics.tsv`` with the method's whole name.
    every_interval : bool
        Show ``low`` and ``high`` of all figures, and not of those alone whose heading says 95 %.

    Returns
    -------
    list of list of str
        A heading, and a row a level and method.
    """
    rows = metrics[metrics["subset"].isin(SUBSETS)]
    part = (", " + rows["subset"]).where(rows["subset"] != "all", "")
    rows = rows.assign(metric=rows["metric"] + part)
    there = set(rows["metric"])
    columns = [(metric, heading) for metric, heading, _, _ in SHOWN if metric in there]
    if every_interval:
        columns = [(m, h.replace(" (95 %)", "").replace(", 95 %", "")) for m, h in columns]
    style = {metric: (digits, interval) for metric, _, digits, interval in SHOWN}
    cells = {}
    for row in rows.itertuples():
        if row.metric in style:
            digits, interval = style[row.metric]
            key = (row.level, row.method, row.metric)
            cells[key] = _cell(row, digits, interval or every_interval)
    # Where there is no wall, or nothing lies at it, its column would say the same again.
    if all(cells.get((*i, "pore_f1")) == t for (*i, m), t in cells.items() if m == OFF_WALL):
        columns = [column for column in columns if column[0] != OFF_WALL]
    return _rows(rows, columns, cells)


def _rows(rows, columns, cells):
    found = [["level", "method", *(heading for _, heading in columns)]]
    for level, method in _images(rows):
        named = f"{level:g}" if level else ""
        found.append([named, method, *(cells.get((level, method, key), "") for key, _ in columns)])
    return found


def _images(rows):
    """Level and method of each image, by level."""
    images = rows[["level", "method"]].drop_duplicates().sort_values("level", kind="stable")
    return list(images.itertuples(index=False, name=None))


def _markdown(rows):
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _named(metrics):
    """Rows with the method's whole name as its method; the truth has no level, and NaN is no key."""
    return metrics.assign(level=metrics["level"].fillna(0), method=_names(metrics))


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


def _names(metrics):
    """NAME or NAME@VARIANT; the number of scales of MS-SSIM is no variant of the method."""
    variants = metrics["variant"].fillna("").str.replace(r"(, )?\d+ scales?$", "", regex=True)
    return metrics["method"] + ("@" + variants).where(variants != "", "")


def _cell(row, digits, interval):
    text = f"{row.value:.{digits}f}"
    if interval and row.low == row.low:
        text += f" ({row.low:.{digits}f}-{row.high:.{digits}f})"
    return text
