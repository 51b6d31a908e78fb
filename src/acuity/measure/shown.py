"""The figures of a study that a table shows, in rows of text: for a terminal, a page, or the docs."""

from acuity.measure.spectrum import ALIASED, BELOW
from acuity.measure.trainings import spread

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
    over = named(spread(table))
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
    return image_rows(rows, columns, cells)


def image_rows(rows, columns, cells):
    """Arrange cells as rows of text: a heading, and a row a level and method.

    Parameters
    ----------
    rows : pandas.DataFrame
        With the columns ``level`` and ``method``.
    columns : list of (str, str)
        Key and heading of each column behind those two.
    cells : dict of (float, str, str) to str
        By level, method and key.

    Returns
    -------
    list of list of str
    """
    found = [["level", "method", *(heading for _, heading in columns)]]
    for level, method in _images(rows):
        named = f"{level:g}" if level else ""
        found.append([named, method, *(cells.get((level, method, key), "") for key, _ in columns)])
    return found


def _images(rows):
    """Level and method of each image, by level."""
    images = rows[["level", "method"]].drop_duplicates().sort_values("level", kind="stable")
    return list(images.itertuples(index=False, name=None))


def named(metrics):
    """Give rows the method's whole name as its method, and the truth, which has no level, the level 0.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Rows of ``metrics.tsv``.

    Returns
    -------
    pandas.DataFrame
    """
    # NaN is no key.
    return metrics.assign(level=metrics["level"].fillna(0), method=_names(metrics))


def _names(metrics):
    """NAME or NAME@VARIANT; the number of scales of MS-SSIM is no variant of the method."""
    variants = metrics["variant"].fillna("").str.replace(r"(, )?\d+ scales?$", "", regex=True)
    return metrics["method"] + ("@" + variants).where(variants != "", "")


def _cell(row, digits, interval):
    text = f"{row.value:.{digits}f}"
    if interval and row.low == row.low:
        text += f" ({row.low:.{digits}f}-{row.high:.{digits}f})"
    return text
