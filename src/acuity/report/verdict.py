"""What the metrics say, in one row a sample, level and method, and in one plain sentence a sample."""

import itertools
import math
import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from acuity.errors import AcuityError
from acuity.measures.base import ALL, declared
from acuity.report.style import PLAIN, look, ordered

# The sample name of rows pooled over the samples that no model has seen.
POOLED = "unseen"
_JUDGED = "judged"  # the same in the tables of studies that judge what models may have learned from

# A size class, and a result, is judged by these limits; the report states them beside the verdict.
TRUSTED_RECALL = 0.9
GOOD = {"recall": 0.95, "precision": 0.95, "porosity": 0.03}
CARE = {"recall": 0.85, "precision": 0.85, "porosity": 0.10}
# A class of fewer pores than this neither confirms nor refutes anything.
FEWEST = 3

GRADES = {
    "good": "Good",
    "care": "With care",
    "poor": "Unreliable",
    "measured": "Measured",  # figures against a truth, and no limits that grade them
    "none": "Not judged",
}
UNMEASURED = "Nothing was measured against a truth."

_TEXT = ("study", "sample", "method", "variant", "metric", "subset", "unit")
_NUMBERS = ("level", "value", "low", "high", "n")


def tidy(table, *, text=_TEXT, numbers=_NUMBERS):
    """Bring a tidy table into the shape that the report reads.

    Missing columns are added, numbers become floats (NaN where empty), and a method's variant
    joins its name as ``method@variant``. MS-SSIM's number of scales, also kept in the variant, is
    not part of it.

    Parameters
    ----------
    table : pandas.DataFrame or None
        As ``metrics.tsv``, or a curve, history or pore table with some of its columns.
    text, numbers : tuple of str
        The columns that matter.

    Returns
    -------
    pandas.DataFrame
        A copy.
    """
    table = pd.DataFrame() if table is None else table.copy()
    for column in text:
        values = table[column] if column in table else pd.Series("", index=table.index)
        table[column] = values.astype(object).where(values.notna(), "").astype(str)
    for column in numbers:
        values = table[column] if column in table else pd.Series(np.nan, index=table.index)
        table[column] = pd.to_numeric(values, errors="coerce").astype(float)
    if "sample" in text:
        table["sample"] = table["sample"].replace({_JUDGED: POOLED})
    variant = table["variant"].str.replace(r"(?:, )?\d+ scales?$", "", regex=True)
    joins = (variant != "") & ~table["method"].str.contains("@", regex=False)
    table.loc[joins, "method"] += "@" + variant[joins]
    return table


def check_tables(metrics):
    """Refuse a metrics table that the report can't read.

    Parameters
    ----------
    metrics : pandas.DataFrame

    Raises
    ------
    AcuityError
        If a needed column is missing.
    """
    missing = {"sample", "method", "level", "metric", "value"} - set(metrics)
    if missing:
        raise AcuityError(
            f"metrics table: column {sorted(missing)[0]!r} is missing; found "
            f"{', '.join(map(str, metrics.columns)) or 'none'}"
        )


def rows_of(metrics, samples=None):
    """The rows of some samples.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``.
    samples : str or list of str, optional
        By default the rows pooled over the unseen samples where there are any, or else all.

    Returns
    -------
    pandas.DataFrame
        Tidied.
    """
    metrics = tidy(metrics)
    if samples is None:
        pooled = metrics["sample"] == POOLED
        return metrics[pooled] if pooled.any() else metrics
    names = {samples} if isinstance(samples, str) else set(samples)
    return metrics[metrics["sample"].isin(names)]


def size_class(subset):
    """Read the bounds of a size class from the name of its subset.

    Parameters
    ----------
    subset : str
        Such as ``"10-15 um"``, ``"<10 um"`` or ``">=50 um"``.

    Returns
    -------
    tuple of float, or None
        Lower and upper equivalent diameter; infinite where a class is so wide that it stands for
        all above. None where the subset is no size class.
    """
    numbers = [float(n) for n in re.findall(r"\d+(?:\.\d+)?", subset)]
    if len(numbers) == 2 and numbers[0] < numbers[1]:
        wide = numbers[0] and numbers[1] >= max(1000, 10 * numbers[0])
        return numbers[0], math.inf if wide else numbers[1]
    if len(numbers) == 1 and re.match(r"\s*(<|below|under)", subset):
        return 0.0, numbers[0]
    if len(numbers) == 1 and re.match(r"\s*(>|≥|above|over|from)|.*\+\s*$", subset):
        return numbers[0], math.inf
    return None


def by_size(metrics, metric):
    """Pick one metric's rows that belong to size classes.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Tidied.
    metric : str
        For example ``pore_recall``.

    Returns
    -------
    pandas.DataFrame
        The rows, with the columns ``lower`` and ``upper``, from small to large.
    """
    rows = metrics[(metrics["metric"] == metric) & (metrics["subset"] != "all")]
    bounds = rows["subset"].map(size_class)
    rows = rows[bounds.notna()].copy()
    rows["lower"] = [b[0] for b in bounds.dropna()]
    rows["upper"] = [b[1] for b in bounds.dropna()]
    return rows.sort_values(["lower", "upper"], kind="stable")


def floor_size(recalls, precisions=None):
    """Find the size below which pores are not to be trusted.

    Going from the largest class down, the floor is the lower bound of the last class in which at
    least `TRUSTED_RECALL` of the pores were found (and, where given, as many of those shown are
    real). Classes of fewer than `FEWEST` pores are passed over; they are not vouched for either.

    Parameters
    ----------
    recalls, precisions : pandas.DataFrame
        Rows of `by_size` for one sample, level and method.

    Returns
    -------
    float
        0 where all sizes can be trusted, infinity where none can, NaN where nothing is known.
    """

    def passed(rows):
        rows = rows[rows["value"].notna() & ~(rows["n"] < FEWEST)]
        return {(r.lower, r.upper): r.value >= TRUSTED_RECALL for r in rows.itertuples()}

    found = passed(recalls)
    real = {} if precisions is None else passed(precisions)
    if not found:
        return math.nan
    floor = math.inf
    for bounds in sorted(found, reverse=True):
        if not (found[bounds] and real.get(bounds, True)):
            return floor
        floor = bounds[0]
    smaller = recalls[(recalls["lower"] < floor) & recalls["value"].notna()]
    return floor if len(smaller) else 0.0


def verdicts(metrics):
    """Judge every sample, level and method.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Tidied.

    Returns
    -------
    pandas.DataFrame
        Columns ``sample level method recall recall_low recall_high true precision shown
        precision_off_rim f1 porosity_error sphericity_error psnr psnr_gain ssim floor grade best``,
        and those that measures declare for pages of volumes, by their names. ``true`` and ``shown``
        are numbers of objects. Errors are relative to the truth and signed; ``psnr_gain`` is against
        the unrestored input;
        ``best`` marks the best restoration of a sample and level: the best grade, then the most
        limits met, and among equals the highest F1 (else SSIM, PSNR). NaN where not measured.
    """
    key = ["sample", "level", "method"]
    parts = [metrics[metrics["subset"].isin([ALL, ""])]]
    for metric in declared("volumes"):
        if metric.subset != ALL:
            own = (metrics["metric"] == metric.key) & (metrics["subset"] == metric.subset)
            parts.append(metrics[own].assign(metric=metric.name))
    whole = pd.concat(parts)
    first = whole[whole["method"] != ""].drop_duplicates([*key, "metric"])
    restored = first[(first["method"] != "truth") & first["level"].notna()]
    wide = restored.set_index([*key, "metric"])[["value", "low", "high", "n"]].unstack("metric")
    samples, _, methods = (wide.index.get_level_values(name) for name in key)

    def of(metric, side="value"):
        return wide[side, metric] if (side, metric) in wide else pd.Series(np.nan, wide.index)

    def off(metric):
        """Relative to the truth's."""
        truth = samples.map(lambda sample: truths.get(sample, {}).get(metric) or math.nan)
        return of(metric) / truth.astype(float) - 1

    truths = _truths(first)
    recalls, precisions = (
        dict(tuple(by_size(metrics, metric).groupby(key)))
        for metric in ("pore_recall", "pore_precision")
    )
    floors = [
        floor_size(recalls[image], precisions.get(image)) if image in recalls else math.nan
        for image in wide.index
    ]
    recall, precision, psnr = of("pore_recall"), of("pore_precision"), of("psnr")
    columns = {
        "recall": recall,
        "recall_low": of("pore_recall", "low"),
        "recall_high": of("pore_recall", "high"),
        "true": of("pore_recall", "n"),
        "precision": precision,
        "shown": of("pore_precision", "n"),
        "precision_off_rim": of("pore_precision_off_rim"),
        "f1": of("pore_f1").fillna(2 * recall * precision / (recall + precision)),
        # The measured error is against the exact truth, where there is one.
        "porosity_error": of("porosity_error").fillna(off("porosity")),
        "sphericity_error": off("sphericity_mesh"),
        "psnr": psnr,
        "psnr_gain": psnr - psnr.where(methods == "input").groupby(key[:2]).transform("max"),
        "ssim": of("ssim"),
        "floor": floors,
        **{metric.name: of(metric.name) for metric in declared("volumes")},
    }
    table = pd.DataFrame(columns, index=wide.index).reset_index()
    table["grade"] = [grade(row) for row in table.to_dict("records")]
    table["best"] = False
    for _, group in table[table["method"] != "input"].groupby(["sample", "level"]):
        # A better grade comes first, then who meets more of the limits: pores that are found but
        # far too large are no gain.
        ranks = group["grade"].map(list(GRADES).index)
        group = group[ranks == ranks.min()]
        met = group.apply(lambda row: sum(limits_met(row, CARE)), axis=1)
        group = group[met == met.max()]
        for criterion in ("f1", "ssim", "psnr"):
            scores = group[criterion].dropna()
            if len(scores) and scores.max() > 0:  # where nothing was found, that tells nothing
                table.loc[scores.idxmax(), "best"] = True
                break
    ranks = {
        "sample": lambda sample: (sample != POOLED, sample),
        "level": float,
        "method": ordered(methods).index,
    }
    return table.sort_values(key, key=lambda c: c.map(ranks[c.name]), ignore_index=True)


def _truths(first):
    """Truth's porosity and sphericity of each sample; pooled: its own row, else the mean."""
    truth = first[(first["method"] == "truth") & first["value"].notna()]
    truth = truth.drop_duplicates(["sample", "metric"])
    found = {s: dict(zip(g["metric"], g["value"], strict=True)) for s, g in truth.groupby("sample")}
    if POOLED not in found and found:
        found[POOLED] = truth.groupby("metric")["value"].mean().to_dict()
    return found


def grade(row):
    """Grade one row of `verdicts` by the stated limits.

    Parameters
    ----------
    row : mapping
        With ``recall``, ``precision`` and ``porosity_error``.

    Returns
    -------
    str
        ``good``, ``care``, ``poor``, or ``none`` where the recall was not measured.
    """
    if math.isnan(row["recall"]):
        return "none"
    return best_grade(GOOD, CARE, lambda limits: all(limits_met(row, limits)))


def best_grade(good, care, met):
    """Return the best grade whose limits are met.

    Parameters
    ----------
    good, care : dict
        Limits of the two grades; what does not meet the second is ``poor``.
    met : callable
        Takes limits and tells whether they are met.

    Returns
    -------
    str
    """
    return next((name for name, limits in (("good", good), ("care", care)) if met(limits)), "poor")


def limits_met(row, limits):
    """Tell which of the limits for recall, precision and porosity a row of `verdicts` meets.

    Parameters
    ----------
    row : mapping
        With ``recall``, ``precision`` and ``porosity_error``; what was not measured is met.
    limits : dict
        `GOOD` or `CARE`.

    Returns
    -------
    tuple of bool
    """
    precise = math.isnan(row["precision"]) or row["precision"] >= limits["precision"]
    error = row["porosity_error"]
    porous = math.isnan(error) or abs(error) <= limits["porosity"]
    return row["recall"] >= limits["recall"], precise, porous


def percent(value, digits=0):
    """Write a fraction as a percentage that never reads better than it is.

    Parameters
    ----------
    value : float
        A fraction.
    digits : int
        Decimals.

    Returns
    -------
    str
        Such as ``88 %``; a dash for NaN. Where rounding would lift the value to one of the
        report's limits or to a perfect score, decimals are added: 0.948 is ``94.8 %``.
    """
    if value is None or math.isnan(value):
        return "–"
    limits = (1.0, TRUSTED_RECALL, GOOD["recall"], CARE["recall"])
    for decimals in range(digits, 4):
        text = f"{100 * value:.{decimals}f}"
        if not any(value < limit <= float(text) / 100 for limit in limits):
            break
    return f"{text} %"


def figure_text(metric, value, low=math.nan, high=math.nan):
    """Write a figure as pages do.

    Parameters
    ----------
    metric : acuity.measures.base.Metric
    value, low, high : float
        The value and its 95 % interval.

    Returns
    -------
    str
    """
    if math.isinf(value):
        return metric.infinite
    digits = metric.digits if metric.page_digits is None else metric.page_digits
    scale = 1
    if metric.percent:
        scale, digits = 100, max(0, digits - 2)
    text = percent(value, digits) if metric.percent else f"{value:.{digits}f}"
    if metric.interval and math.isfinite(low) and math.isfinite(high):
        text += f" ({scale * low:.{digits}f}–{scale * high:.{digits}f})"
    return text


def signed(error):
    """Write a relative error in words.

    Parameters
    ----------
    error : float
        Such as -0.02.

    Returns
    -------
    str
        Such as ``2.0 % too low``.
    """
    if abs(error) < 0.005:
        return "right to half a percent"
    return f"{abs(100 * error):.{1 if abs(error) < 0.1 else 0}f} % too {'low' if error < 0 else 'high'}"


class Line(NamedTuple):
    """One thing that is judged of a sample: a level, or a stage.

    Attributes
    ----------
    label : str
        What is judged, such as ``3:1`` or ``Alignment``.
    grade : str
        One of `GRADES`.
    sentence : str
    """

    label: str
    grade: str
    sentence: str


UNRESTORED = Line("", "none", "No restoration was measured; only the unrestored input is shown.")


def unjudged(methods, what="Restored", where=""):
    """Say of what has no truth that it was restored, and is not judged.

    Parameters
    ----------
    methods : sequence of str
        By which it was restored.
    what : str
        What was restored, in words with the verb.
    where : str
        At which level.

    Returns
    -------
    Line
    """
    *names, last = [look(method).name for method in methods] or ["nothing"]
    named = f"{', '.join(names)} and {last}" if names else last
    return Line("", "none", f"No truth: not judged. {what} by {named}{where}.")


def lines(table, words=PLAIN):
    """Say of each level of a sample how far its results can be trusted.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `verdicts`.
    words : acuity.report.style.Words
        How levels, lengths and objects are written.

    Returns
    -------
    dict of str to list of Line
        Sample to a line a level, the easiest first, each of the best restoration there.
    """
    said = {}
    for sample, group in table.groupby("sample", sort=False):
        said[sample] = [
            Line(words.level(row["level"]), row["grade"], _sentence(row, group, words))
            for _, row in group[group["best"]].sort_values("level").iterrows()
        ] or [UNRESTORED]
    return said


def summary(judged):
    """Say in one sentence what the lines of a sample say of its levels.

    Parameters
    ----------
    judged : list of Line
        Of `lines`.

    Returns
    -------
    str
        The levels up to which all is good, and the line of the hardest.
    """
    last = judged[-1]
    if not last.label:
        return last.sentence
    # Good up to a level means at every easier level too.
    good = list(itertools.takewhile(lambda line: line.grade == "good", judged))
    if good and last.grade != "good":
        return f"Good up to {good[-1].label}; at {last.label} {last.sentence}"
    return f"At {last.label} {last.sentence}"


def _sentence(best, group, words):
    name, noun = look(best["method"]).name, words.noun
    if math.isnan(best["recall"]):
        return _image_sentence(best, name, noun)
    text = f"{name} found {percent(best['recall'])} of {_counted(best['true'], noun)}"
    low, high = best["recall_low"], best["recall_high"]
    if math.isfinite(low) and math.isfinite(high):
        text += f" (95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    wrong, shown = 1 - best["precision"], _counted(best["shown"], noun)
    if wrong >= 0.001:
        text += f", {100 * wrong:.{1 if wrong < 0.1 else 0}f} % of {shown} it shows are not real"
    elif wrong >= 0:
        text += f", {'nearly all' if wrong else 'all'} of {shown} it shows are real"
    if not math.isnan(best["porosity_error"]):
        text += f", porosity is {signed(best['porosity_error'])}"
    floor = best["floor"]
    if floor == 0:
        text += f"; {noun}s of all sizes present can be trusted"
    elif math.isinf(floor):
        text += f"; {noun}s of no size reach the limit for trust"
    elif not math.isnan(floor):
        text += f"; {noun}s below {floor:g} {unit_text(words.unit or 'um')} are not to be trusted"
    unrestored = group[(group["level"] == best["level"]) & (group["method"] == "input")]
    if len(unrestored) and unrestored.iloc[0]["f1"] >= best["f1"]:
        text += "; the unrestored input does no worse, so nothing was gained"
    return text + "."


def _counted(number, noun):
    """The objects with their number, where it is known."""
    return f"the {noun}s" if math.isnan(number) else f"the {number:.0f} {noun}s"


def _image_sentence(hard, name, noun):
    parts = []
    gain = hard["psnr_gain"]
    if not math.isnan(gain):
        parts.append(
            f"is {abs(gain):.1f} dB {'closer to' if gain >= 0 else 'further from'} the truth "
            "than the unrestored input"
        )
    elif not math.isnan(hard["psnr"]):
        parts.append(f"reaches a PSNR of {hard['psnr']:.1f} dB")
    if not math.isnan(hard["ssim"]):
        parts.append(f"has a structural similarity of {hard['ssim']:.2f}")
    said = " and ".join(parts) or "was run but not measured"
    return f"{name} {said}; no {noun}s were measured, so trust is not judged."


def length_unit(metrics):
    """Find the unit of length of a table.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Tidied.

    Returns
    -------
    str
        That of the sizes or of the resolution in it; ``um`` where it has neither.
    """
    lengths = ("diameter_mean", "resolution_fwhm", "local_thickness_mean")
    units = metrics.loc[metrics["metric"].isin(lengths) & (metrics["unit"] != ""), "unit"]
    return units.iloc[0] if len(units) else "um"


def unit_text(unit):
    """Write a unit as it is printed: ``um`` as ``µm``."""
    return {"um": "µm", "micrometer": "µm", "nanometer": "nm", "": "voxels"}.get(unit, unit)
