"""What the jobs of finished studies really used, beside what was planned for them."""

import hashlib
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from acuity.plan.constants import MIB, Quantity, cost
from acuity.plan.planner import SLABBED, Planner
from acuity.study.paths import read_log
from acuity.study.project import Project
from acuity.study.sample import Sample
from acuity.study.study import Study

# Columns of `measured`, and of benchmarks/plan/jobs.tsv behind the study and its second size.
COLUMNS = ("job", "rule", "kind", "like", "held", "work", "written", "memory", "cpu", "stored")
LONG = 5.0  # core seconds from which a job's time is judged
COMPILED = 3.0
FEW = 4  # jobs below which a kind is judged at a second size
_USED = re.compile(r"used ([0-9.]+) MiB of memory, ([0-9.]+) core seconds")


def measured(study: Study, samples: Sequence[Sample], folder: str | PathLike = ".") -> pd.DataFrame:
    """List what the jobs of a study used, and what they hold, compute and write.

    Parameters
    ----------
    study : acuity.study.study.Study
        The study.
    samples : list of acuity.study.sample.Sample
        Its samples.
    folder : path
        Folder in which ``logs`` and ``results`` lie.

    Returns
    -------
    pandas.DataFrame
        One row a job whose log, or benchmark record, tells of it: ``job`` (its log, below
        ``logs/STUDY``), ``rule kind like held work written`` (counted, as in
        `acuity.plan.constants.Quantity`), ``memory cpu stored`` (measured: MiB, core seconds, bytes).

    Notes
    -----
    A job's log ends with its own peak memory. Benchmark records, which Snakemake samples every
    half second and later every 30 s, may miss a short peak; they are taken where a log does not
    tell.
    """
    planner, jobs = Planner(Project(study, samples)), []
    folder = Path(folder)
    logs, results = folder / "logs" / study.study, folder / "results" / study.study
    for log in sorted(logs.rglob("*.log")):
        stem = log.relative_to(logs).as_posix().removesuffix(".log")
        found = _job(stem, study, planner)
        used = found and _used(log, logs / f"{stem}.benchmark.tsv")
        if not used:
            continue
        stored = sum(_size(path) for name in found[2] for path in results.glob(name))
        counted = _counted(planner, *found[:2], stored)
        jobs.append({"job": stem, **counted, **used, "stored": stored})
    return pd.DataFrame(jobs, columns=list(COLUMNS))


def compiled(jobs: pd.DataFrame) -> pd.Series:
    """Tell which jobs of a study were the first of their code on a machine, and compiled it.

    Parameters
    ----------
    jobs : pandas.DataFrame
        As `measured` gives them.

    Returns
    -------
    pandas.Series of bool
        True where a job took more than `COMPILED` times the median of at least three of its kind and
        size.
    """
    alike = jobs.groupby(["kind", "work"])["cpu"]
    return (alike.transform("size") >= 3) & (jobs["cpu"] > COMPILED * alike.transform("median"))


def recounted(jobs: pd.DataFrame, study: Study, samples: Sequence[Sample]) -> pd.DataFrame:
    """Count anew what the measured jobs of a study hold, compute and write.

    Parameters
    ----------
    jobs : pandas.DataFrame
        As `measured` gives them.
    study, samples
        As for `measured`; the headers of the samples' files must be there.

    Returns
    -------
    pandas.DataFrame
        The same jobs; one that the study does not have is left out.
    """
    planner, rows = Planner(Project(study, samples)), []
    for row in jobs.to_dict("records"):
        if found := _job(row["job"], study, planner):
            rows.append(row | _counted(planner, *found[:2], row["stored"]))
    return pd.DataFrame(rows, columns=jobs.columns)


def planned(jobs: pd.DataFrame, rows: dict[str, dict] | None = None) -> pd.DataFrame:
    """Add to jobs what is planned for them.

    Parameters
    ----------
    jobs : pandas.DataFrame
        As `measured` gives them.
    rows : dict of str to dict, optional
        Constants of the plan; those of `acuity.plan.constants` by default.

    Returns
    -------
    pandas.DataFrame
        With ``memory_planned cpu_planned stored_planned``.
    """
    names = ("kind", "held", "work", "written", "like")
    costs = [cost(Quantity(**{n: row[n] for n in names}), rows) for row in jobs.to_dict("records")]
    return jobs.assign(
        memory_planned=[found.memory for found in costs],
        cpu_planned=[found.cpu for found in costs],
        stored_planned=[found.written for found in costs],
    )


def halves(jobs: pd.DataFrame, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide jobs into those that constants are fitted to and those that judge them.

    Of a kind with four jobs and more, of whatever samples, levels and studies, half is drawn, of long
    and of short ones apart. The few jobs of another are all fitted to; those that were run at a second
    size are not, unless there are no others.

    Parameters
    ----------
    jobs : pandas.DataFrame
        As `measured` gives them, with ``study`` and ``second`` (whether the study is that of a
        kind's second size).
    seed : int
        Of the draw.

    Returns
    -------
    fitted, judged : pandas.DataFrame
    """
    digests = [
        hashlib.sha256(f"{seed} {row.study} {row.job}".encode()).hexdigest()
        for row in jobs.itertuples()
    ]
    drawn = jobs.assign(digest=digests)
    alone = drawn.groupby("kind")["second"].transform("all")
    first = drawn[~drawn["second"] | alone].sort_values("digest")
    kinds, alike = first.groupby("kind"), first.groupby(["kind", first["cpu"] >= LONG])
    few = kinds["job"].transform("size") < FEW
    fitted = few | (2 * alike.cumcount() < alike["job"].transform("size"))
    chosen = jobs.index.isin(first.index[fitted])
    return jobs[chosen], jobs[~chosen]


def judged_by_kind(jobs: pd.DataFrame) -> pd.DataFrame:
    """Compare measured and planned time of the kinds of job that have long ones.

    Parameters
    ----------
    jobs : pandas.DataFrame
        As `planned` gives them, with ``second`` as for `halves`.

    Returns
    -------
    pandas.DataFrame
        A row a kind and size, of its jobs of `LONG` core seconds and more: ``kind second jobs``, ``cpu`` and
        ``cpu_planned`` (core seconds of all), ``median`` and ``worst`` (planned over measured; the
        worst is that furthest from 1) and ``memory`` (the least of planned over measured).
    """
    rows = []
    for (kind, second), some in jobs[jobs["cpu"] >= LONG].groupby(["kind", "second"]):
        ratios = some["cpu_planned"] / some["cpu"]
        furthest = np.abs(np.log(ratios)).idxmax()
        rows.append(
            {
                "kind": kind,
                "second": second,
                "jobs": len(some),
                "cpu": some["cpu"].sum(),
                "cpu_planned": some["cpu_planned"].sum(),
                "median": ratios.median(),
                "worst": ratios[furthest],
                "memory": (some["memory_planned"] / some["memory"]).min(),
            }
        )
    columns = ["kind", "second", "jobs", "cpu", "cpu_planned", "median", "worst", "memory"]
    return pd.DataFrame(rows, columns=columns)


def _counted(planner, rule, wildcards, stored):
    """What a job holds, computes and, where it left anything, writes."""
    quantity = planner.quantity(rule, wildcards)
    counted = {name: getattr(quantity, name) for name in ("kind", "like", "held", "work")}
    return {"rule": rule, **counted, "written": quantity.written if stored else 0.0}


def _job(stem, study, planner):
    """Rule, wildcards and outputs of the job that a log is of."""
    rule, wildcards, outputs = read_log(stem)
    if rule is None or wildcards.get("sample") not in (None, *planner.samples):
        return None  # of no job, or of a sample of an earlier sheet
    whole, *part = re.split(r"(?=_(?:init|slab)$)", rule)
    project, degraded = planner.project, planner.project.kind.degraded
    if whole == "degrade" and degraded:
        whole = degraded.rule
    if whole == "predict" and wildcards["method"] in project.by_planes:
        whole = "predict_planes"
    if study.slabs > 1 and whole in SLABBED:  # it joins what slabs have written
        outputs = []
    return "".join([whole, *part]), wildcards, outputs


def _used(log, record):
    """Peak memory (MiB) and core seconds of a job, None where nothing tells."""
    told = _USED.findall(log.read_text(encoding="utf-8", errors="replace"))
    if told:
        return dict(zip(("memory", "cpu"), map(float, told[-1]), strict=True))
    try:
        row = pd.read_csv(record, sep="\t").iloc[0]
        used = {"memory": float(row["max_rss"]), "cpu": float(row["cpu_time"])}
    except (OSError, ValueError, KeyError, IndexError):
        return None
    # Too short a job is recorded as nothing.
    return used if used["memory"] > 50 and used["cpu"] > 0.5 else None


def _size(path):
    if path.is_dir():
        return sum(_size(part) for part in path.iterdir())
    return path.stat().st_size


def compare(jobs: pd.DataFrame) -> pd.DataFrame:
    """Put measured and planned figures side by side, by rule.

    Parameters
    ----------
    jobs : pandas.DataFrame
        As `planned` gives it.

    Returns
    -------
    pandas.DataFrame
        Columns ``rule jobs``, peak memory of the largest job, core seconds and MiB on disk of all,
        each measured and planned, and a last row ``all``.
    """
    rows = []
    for rule, some in [*jobs.groupby("rule", sort=False), ("all", jobs)]:
        row = {"rule": rule, "jobs": len(some)}
        for name, unit, how in (("memory", 1, "max"), ("cpu", 1, "sum"), ("stored", MIB, "sum")):
            row[name] = some[name].agg(how) / unit
            row[f"{name}_planned"] = some[f"{name}_planned"].agg(how) / unit
        rows.append(row)
    return pd.DataFrame(rows)
