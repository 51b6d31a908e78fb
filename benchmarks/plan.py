"""Compare what jobs used with what was planned, and fit the constants of the plan.

    python benchmarks/plan.py STUDY.yaml [STUDY.yaml ...] [--folder FOLDER ...]
    python benchmarks/plan.py STUDY.yaml ... --keep --commit COMMIT --machine "2 cores, AMD EPYC"
    python benchmarks/plan.py STUDY.yaml ... --recount
    python benchmarks/plan.py --halves
    python benchmarks/plan.py --fit

The studies must have been run, in the working folder or in the FOLDER of the same place in the
list. --keep writes their jobs to benchmarks/plan/jobs.tsv, in place of those that it has of the same
studies (--second: of a second size, at which kinds of few jobs are judged), but for the first of a kind
where they compiled its code; --recount needs no logs, and
counts anew what the jobs of the table do, after a change of planner.py. --halves fits constants to one
half of the table and judges them by the other: exit code 1, and names, where the time of a kind of job is off
by more than a factor of 2. --fit writes those constants to src/acuity/plan/constants.tsv: kinds that the
table has no job of keep their row.
"""

import argparse
import datetime
import hashlib
import math
import re
import sys
from collections.abc import Sequence
from itertools import zip_longest
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from acuity.errors import AcuityError
from acuity.plan.constants import MIB, TABLE, UNKNOWN, Quantity, constants, cost
from acuity.plan.planner import SLABBED, Planner
from acuity.study.paths import read_log
from acuity.study.project import Project
from acuity.study.reading import read_study
from acuity.study.sample import Sample
from acuity.study.study import Study

NOTE = """\
Cost of a job: memory = base_mib + memory_factor x what its code holds (MiB); core seconds =
start_s + ns_per_work x its work / 1e9; bytes on disk = stored_share x what it writes. What is held,
computed and written is counted in planner.py. Fitted by benchmarks/plan.py to `jobs` measured jobs; 0 jobs: assumed."""
JOBS = Path(__file__).with_name("plan") / "jobs.tsv"
WITHIN = 2.0
# Share of what the code holds below which jobs that hold little tell nothing of large ones.
TOLD = 0.25
# Columns of the table of constants.
COLUMNS = (
    "kind",
    "base_mib",
    "memory_factor",
    "start_s",
    "ns_per_work",
    "stored_share",
    "jobs",
    "date",
    "machine",
)
# Columns of `measured`, and of the table of jobs behind the study and its second size.
JOB_COLUMNS = ("job", "rule", "kind", "like", "held", "work", "written", "memory", "cpu", "stored")
LONG = 5.0  # core seconds from which a job's time is judged
COMPILED = 3.0
FEW = 4  # jobs below which a kind is judged at a second size
_RESUMED = "resumed at step"
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
    return pd.DataFrame(jobs, columns=list(JOB_COLUMNS))


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
    """Peak memory (MiB) and core seconds of a job, None where nothing tells of the whole of it."""
    text = log.read_text(encoding="utf-8", errors="replace")
    if _RESUMED in text:  # only what came after it was measured
        return None
    told = _USED.findall(text)
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


def fit(measured: pd.DataFrame, known: dict[str, dict] | None = None) -> pd.DataFrame:
    """Fit constants to measured jobs.

    Memory is base + factor x held and time start + rate x work, both with the least squares of
    relative errors and no negative constant; then the base of memory is raised until no job held
    more. Where the jobs of a kind are all of one size, or so small that nothing grows with it, the
    growth is that of `known`; of a kind that it lacks, what is held counts once, as it stands; the
    start is that of `known`, as far as it lies below what was measured, and the rest of the time
    counts as work: a larger job must not come out as free. Where others of its like are of several
    sizes, it starts as they do in the median.

    Parameters
    ----------
    measured : pandas.DataFrame
        Columns ``kind like held work written`` (expected) and ``memory cpu stored`` (measured: MiB,
        core seconds, bytes), one row a job.
    known : dict of str to dict, optional
        Constants so far; those of `constants` by default.

    Returns
    -------
    pandas.DataFrame
        Columns ``kind base_mib memory_factor start_s ns_per_work stored_share jobs``.

    Raises
    ------
    AcuityError
        If there is nothing to fit.
    """
    if measured.empty:
        raise AcuityError("found no measured job; run a study first, its logs tell what jobs used")
    known = constants() if known is None else known
    # A row of its own for each kind, and one for those of its like that were never measured.
    several = measured[measured["like"] != UNKNOWN].assign(kind=lambda jobs: jobs["like"])
    rows, starts = [], _starts(measured)
    for kind, jobs in pd.concat([measured, several]).groupby("kind"):
        like = jobs["like"].iloc[0]
        told = known.get(kind) or (known.get(like, {}) if like != UNKNOWN else {})
        before = told or known[UNKNOWN]
        held, work = jobs["held"] / MIB, jobs["work"] * 1e-9
        base, factor = _line(held, jobs["memory"])
        # Never below what an interpreter holds by itself, where size has not told.
        least = min(before["base_mib"], 0.9 * float(jobs["memory"].min()))
        if 0 < factor < TOLD and held.max() < jobs["memory"].max():
            factor, base = 1.0, max(least, float((jobs["memory"] - held).min()))
        elif factor == 0 and told.get("memory_factor"):
            factor, base = before["memory_factor"], least
        elif factor == 0:
            base = max(least, float((jobs["memory"] - held).max()))
            factor = (
                min(1.0, float((jobs["memory"] - base).max() / held.max()))
                if base == least
                else 1.0
            )
        # Never less than any of the jobs held: one that is killed costs more than one that waits.
        base += max(0.0, float((jobs["memory"] - base - factor * held).max()))
        start, rate = _line(work, jobs["cpu"])
        if like in starts and (rate == 0 or kind == like):
            start = min(starts[like], 0.9 * float(jobs["cpu"].min()))
            rate = float(((jobs["cpu"] - start) / work).median())
        elif rate == 0 and told.get("ns_per_work"):
            # Jobs of one size tell how fast the machine is, and not how time grows.
            start, rate = before["start_s"], before["ns_per_work"]
            faster = float((jobs["cpu"] / (start + rate * work)).median())
            start, rate = start * faster, rate * faster
        elif rate == 0 and work.max() > 0:
            start = min(before["start_s"], 0.9 * float(jobs["cpu"].min()))
            rate = float((jobs["cpu"] - start).median() / work.max())
        written = jobs["written"].sum()
        rows.append(
            {
                "kind": kind,
                "base_mib": base,
                "memory_factor": factor,
                "start_s": start,
                "ns_per_work": rate,
                "stored_share": jobs["stored"].sum() / written if written else 1.0,
                "jobs": len(jobs),
            }
        )
    return pd.DataFrame(rows)


def _starts(measured):
    """Start of the jobs of a like, seconds: the median of its kinds that were measured at several sizes."""
    found = {}
    for (like, _), jobs in measured[measured["like"] != UNKNOWN].groupby(["like", "kind"]):
        start, rate = _line(jobs["work"] * 1e-9, jobs["cpu"])
        if rate:
            found.setdefault(like, []).append(start)
    return {like: float(np.median(starts)) for like, starts in found.items()}


def _line(x, y):
    """Offset and slope, neither negative, of least relative squares; slope 0 where x hardly differs."""
    x, y = x.to_numpy(float), y.to_numpy(float)
    if x.max() < 1.4 * x.min() or x.max() <= 0:
        return float(y.max()), 0.0
    weights = 1 / y**2
    mean_x, mean_y = (weights * x).sum() / weights.sum(), (weights * y).sum() / weights.sum()
    spread = (weights * (x - mean_x) ** 2).sum()
    slope = (weights * (x - mean_x) * (y - mean_y)).sum() / spread
    if slope <= 0:
        return float(mean_y), 0.0
    offset = mean_y - slope * mean_x
    if offset < 0:
        return 0.0, float((weights * x * y).sum() / (weights * x**2).sum())
    return float(offset), float(slope)


def write_table(rows: pd.DataFrame, path: str | PathLike = TABLE, note: str = "") -> None:
    """Write a table of constants, with three figures a number.

    Parameters
    ----------
    rows : pandas.DataFrame
        With the columns `COLUMNS`.
    path : path
        The table.
    note : str
        Lines put before it, each behind a ``#``.
    """
    rows = rows.loc[:, list(COLUMNS)].sort_values("kind")
    text = "".join(f"# {line}\n" for line in note.splitlines())
    text += "\t".join(COLUMNS) + "\n"
    for row in rows.to_dict("records"):
        text += "\t".join(_short(row[name]) for name in COLUMNS) + "\n"
    Path(path).write_text(text, encoding="utf-8")


def _short(value):
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "1"
    return str(value)


def read_jobs():
    """Read the table of measured jobs."""
    return pd.read_csv(JOBS, sep="\t", dtype={"commit": str})


def write_jobs(jobs):
    """Write it, sorted, with four figures a number."""
    jobs = jobs.sort_values(["study", "job"])
    jobs.to_csv(JOBS, sep="\t", index=False, float_format="%.4g", lineterminator="\n")


def off(table):
    """The kinds of job whose time, that of all their long jobs, is off."""
    ratios = table["cpu_planned"] / table["cpu"]
    return table[(ratios > WITHIN) | (ratios < 1 / WITHIN)]


def unjudged(fitted, table):
    """The kinds that have long jobs, and none but those that were fitted to."""
    return sorted(set(fitted.loc[fitted["cpu"] >= LONG, "kind"]) - set(table["kind"]))


def markdown(table):
    """Write the comparison as docs/scale.md has it."""
    text = [
        "| kind of job | judged by | jobs | measured, core s | planned | ratio | median | furthest | memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        size = "a second size" if row.second else "the other half"
        ratios = row.cpu_planned / row.cpu, row.median, row.worst, row.memory
        text.append(
            f"| {row.kind} | {size} | {row.jobs} | {row.cpu:,.0f} | {row.cpu_planned:,.0f} | "
            + " | ".join(f"{ratio:.2f}" for ratio in ratios)
            + " |"
        )
    return "\n".join(text)


def markdown_of_short(jobs, fewest=6):
    """Write the same of short jobs, by kind: of such as some were judged of, and held to nothing."""
    short = jobs[jobs["cpu"] < LONG].groupby("kind")
    table = short.agg(jobs=("cpu", "size"), cpu=("cpu", "sum"), planned=("cpu_planned", "sum"))
    text = ["| kind of job | jobs | measured, core s | planned | ratio |", "|---|---|---|---|---|"]
    for row in table[table["jobs"] >= fewest].itertuples():
        figures = f"{row.cpu:,.1f} | {row.planned:,.1f} | {row.planned / row.cpu:.2f}"
        text.append(f"| {row.Index} | {row.jobs} | {figures} |")
    return "\n".join(text)


def constants_of(jobs):
    """Constants fitted to jobs, and those that are kept of kinds that have none."""
    known = constants()
    return known | {row["kind"]: row for row in fit(jobs, known).to_dict("records")}


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*")
    parser.add_argument("--folder", nargs="*", default=[])
    parser.add_argument("--keep", action="store_true", help="write the jobs to the table")
    parser.add_argument("--second", action="store_true", help="they are of a second size")
    parser.add_argument("--recount", action="store_true", help="count the table's jobs anew")
    parser.add_argument("--halves", action="store_true", help="fit to one half, judge by the other")
    parser.add_argument("--fit", action="store_true", help="write the table of constants")
    parser.add_argument("--commit", default="", help="that the jobs ran at, for the table")
    parser.add_argument("--machine", default="", help="class of the machine, for the table")
    options = parser.parse_args()
    for path, folder in zip_longest(options.studies, options.folder):
        study, samples = read_study(path)
        if options.recount:
            jobs = read_jobs()
            own = jobs["study"] == study.study
            write_jobs(pd.concat([jobs[~own], recounted(jobs[own], study, samples)]))
            continue
        found = measured(study, samples, folder or ".")
        first = compiled(found)
        print(
            f"\n{path}; left out, since they compiled: {', '.join(found.loc[first, 'job']) or '-'}"
        )
        found = found[~first]
        print(compare(planned(found)).to_string(index=False, float_format=lambda x: f"{x:.1f}"))
        if options.keep:
            about = {"second": options.second, "commit": options.commit, "machine": options.machine}
            found.insert(0, "study", study.study)
            jobs = read_jobs() if JOBS.exists() else found.iloc[:0]
            write_jobs(pd.concat([jobs[jobs["study"] != study.study], found.assign(**about)]))
    if not (options.halves or options.fit):
        return
    fitted, judged = halves(read_jobs())
    rows = constants_of(fitted)
    if options.fit:
        about = {"date": datetime.date.today().isoformat(), "machine": fitted["machine"].iloc[0]}
        table = pd.DataFrame([about | row for row in rows.values()])
        write_table(table[list(COLUMNS)], note=NOTE)
    judged = planned(judged, rows)
    table = judged_by_kind(judged)
    print(f"{markdown(table)}\n\nshorter:\n\n{markdown_of_short(judged)}")
    missing = unjudged(fitted, table)
    print(f"\nmeasured at one size alone, and not judged: {', '.join(missing) or '-'}")
    wrong = off(table)
    if len(wrong):
        sys.exit(f"off by more than a factor of {WITHIN:g}: {', '.join(wrong['kind'])}")


if __name__ == "__main__":
    main()
