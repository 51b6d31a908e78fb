"""The figures of a study in one Markdown table, for a terminal or a page."""

import os
from pathlib import Path

import pandas as pd

from acuity.errors import AcuityError
from acuity.measure.collect import POOLED
from acuity.measure.spectrum import ALIASED, BELOW
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
    # maybe a file of the user's own: nothing is said of removing it
    if not seal_path(path).exists():
        with open(path, "rb") as file:
            head = file.readline(_LONGEST).decode(errors="replace").rstrip("\r\n").split("\t")
        _check_columns(path, [name for name in COLUMNS if name not in head])
    metrics = read_table(path, dtype={"variant": str, "subset": str})
    _check_columns(path, [name for name in COLUMNS if name not in metrics])
    words = [name for name in FIGURES if not pd.api.types.is_numeric_dtype(metrics[name])]
    if words:
        raise _another_table(path, f"words in the column {words[0]!r}")
    metrics = metrics[metrics["sample"].astype(str) == sample]
    # The truth has no level, and NaN is no key.
    metrics = metrics.assign(level=metrics["level"].fillna(0), method=_names(metrics))
    if metrics.empty:
        raise AcuityError(f"{path}: no figures of sample {sample!r}")
    if by_size is not None:
        sizes = metrics["subset"].str.match(r"\d", na=False)
        rows = metrics[(metrics["metric"] == by_size) & sizes]
        if rows.empty:
            raise AcuityError(f"{path}: metric {by_size!r} is not given by size class")
        order = sorted(rows["subset"].unique(), key=lambda name: float(name.split("-")[0]))
        columns = [(name, name) for name in order]
        cells = {
            (row.level, row.method, row.subset): f"{row.value:.3f} ({row.n:.0f})"
            for row in rows.itertuples()
        }
    else:
        rows = metrics[metrics["subset"].isin(SUBSETS)]
        part = (", " + rows["subset"]).where(rows["subset"] != "all", "")
        rows = rows.assign(metric=rows["metric"] + part)
        there = set(rows["metric"])
        columns = [(metric, heading) for metric, heading, _, _ in SHOWN if metric in there]
        style = {metric: (digits, interval) for metric, _, digits, interval in SHOWN}
        cells = {
            (row.level, row.method, row.metric): _cell(row, *style[row.metric])
            for row in rows.itertuples()
            if row.metric in style
        }
        # Where there is no wall, or nothing lies at it, its column would say the same again.
        if all(cells.get((*i, "pore_f1")) == t for (*i, m), t in cells.items() if m == OFF_WALL):
            columns = [column for column in columns if column[0] != OFF_WALL]
    lines = [["level", "method", *(heading for _, heading in columns)]]
    lines.append(["---"] * len(lines[0]))
    images = rows[["level", "method"]].drop_duplicates().sort_values("level", kind="stable")
    for level, method in images.itertuples(index=False):
        named = f"{level:g}" if level else ""
        lines.append([named, method, *(cells.get((level, method, key), "") for key, _ in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _check_columns(path, missing):
    if missing:
        raise _another_table(path, f"no column {missing[0]!r}")


def _another_table(path, found):
    return AcuityError(
        f"{path}: is not the table of a study's figures, it has {found}; allowed are "
        "results/STUDY/metrics.tsv, its folder and the study file"
    )


def find_metrics(path):
    """Find the table of a study's figures.

    Parameters
    ----------
    path : path
        The table, the folder that it lies in, or the study file.

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
        table, how = path / "metrics.tsv", "name the folder results/STUDY"
    elif path.suffix.lower() in (".yaml", ".yml"):
        keys = read_keys(path)
        name = keys.get("study") if isinstance(keys, dict) else None
        if not isinstance(name, str) or "/" in name:
            raise AcuityError(f"{path}: is no study file; it has no key 'study' with a name")
        table = Path("results", name, "metrics.tsv")
        how = f"run it first, in this folder: snakemake --configfile {path}"
    else:
        table, how = path, "name results/STUDY/metrics.tsv or the study file"
    if not os.path.isfile(table):
        raise AcuityError(f"{table}: no such table; {how}")
    return table


def _names(metrics):
    """NAME or NAME@VARIANT; the number of scales of MS-SSIM is no variant of the method."""
    variants = metrics["variant"].fillna("").str.replace(r"(, )?\d+ scales?$", "", regex=True)
    return metrics["method"] + ("@" + variants).where(variants != "", "")


def _cell(row, digits, interval):
    text = f"{row.value:.{digits}f}"
    if interval and row.low == row.low:
        text += f" ({row.low:.{digits}f}-{row.high:.{digits}f})"
    return text
