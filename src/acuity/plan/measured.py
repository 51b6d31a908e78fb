"""What the jobs of finished studies really used, beside what was planned for them."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd

from acuity.plan.constants import MIB, Quantity, cost
from acuity.plan.planner import SLABBED, Planner

_LEVEL = r"level(?P<level>[0-9.]+)"
# Path of a job's log, below logs/STUDY and without its ending; its rule; its outputs.
_LOGS = [
    (r"simulate/(?P<sample>[^/]+)/(?P<rule>spheres)", ["{}.tsv"]),
    (r"simulate/(?P<sample>[^/]+)/(?P<rule>exact_truth)", ["simulate/{sample}/exact*.ome.zarr"]),
    (r"simulate/(?P<sample>[^/]+)/(?P<rule>specimen)", ["simulate/{sample}/*.ome.zarr"]),
    (rf"simulate/(?P<sample>[^/]+)/{_LEVEL}", ["{}.h5"], "projections"),
    (r"reconstruct/(?P<sample>[^/]+)/truth", ["{}.ome.zarr"], "reconstruct_truth"),
    (rf"reconstruct/(?P<sample>[^/]+)/{_LEVEL}", ["{}.ome.zarr"], "reconstruct"),
    (rf"degrade/(?P<sample>[^/]+)/{_LEVEL}", ["{}.ome.zarr"], "degrade"),
    (r"ingest/(?P<scan>.+)", ["{}.ome.zarr"], "ingest"),
    (r"disturb/(?P<sample>[^/]+)", ["{}/*.ome.zarr"], "disturb"),
    (r"align/(?P<sample>[^/]+)/(?P<rule>transform)", ["align/{sample}/*.ome.zarr"]),
    (r"align/(?P<sample>[^/]+)/(?P<stack>[^/]+)", [], "align"),
    (r"pair/(?P<sample>[^/]+)", ["{}/*.ome.zarr"], "pair"),
    (rf"train/(?P<method>[^/]+)/{_LEVEL}", [], "train"),
    (
        rf"predict/(?P<sample>[^/]+)/{_LEVEL}/(?P<method>[^/]+)",
        ["{}.ome.zarr", "predict/{sample}/level{level}/disagreement/{method}.ome.zarr"],
        "predict",
    ),
    (r"segment/(?P<sample>[^/]+)/smoothed/(?P<image>.+)", ["{}.ome.zarr"], "smooth"),
    (r"segment/(?P<sample>[^/]+)/(?P<image>.+)", ["{}.ome.zarr"], "segment"),
    (r"measure/(?P<sample>[^/]+)/align/check", [], "check_alignment"),
    (r"measure/(?P<sample>[^/]+)/(?P<image>.+)/(?P<rule>quality)", ["measure/{sample}/{image}/ms_ssim.ome.zarr"]),
    (r"measure/(?P<sample>[^/]+)/(?P<image>.+)/(?P<rule>[a-z_]+)", []),
    (r"(?P<rule>metrics|trainings|figures|report|unseen)", []),
    (r"figures/(?P<sample>[^/]+)-stack", [], "stack_figures"),
    (r"figures/(?P<sample>[^/]+)-axial", [], "axial_figures"),
    (r"figures/(?P<sample>[^/]+)-sem", [], "sem_figures"),
    (r"figures/(?P<sample>[^/]+)", [], "sample_figures"),
    (r"report/(?P<page>stack|axial|sem)/(?P<sample>[^/]+)", [], "report_{page}"),
    (r"report/(?P<sample>[^/]+)", [], "report_sample"),
]  # fmt: skip
# Columns of `measured`, and of benchmarks/plan/jobs.tsv behind the study and its second size.
COLUMNS = ("job", "rule", "kind", "like", "held", "work", "written", "memory", "cpu", "stored")
LONG = 5.0  # core seconds from which a job's time is judged
COMPILED = 3.0
FEW = 4  # jobs below which a kind is judged at a second size
_USED = re.compile(r"used ([0-9.]+) MiB of memory, ([0-9.]+) core seconds")


def measured(study, samples, folder="."):
    """List what the jobs of a study used, and what they hold, compute and write.

    Parameters
    ----------
    study : acuity.study.Study
        The study.
    samples : list of acuity.study.Sample
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
    planner, jobs = Planner(study, samples), []
    folder = Path(folder)
    logs, results = folder / "logs" / study.study, folder / "results" / study.study
    for log in sorted(logs.rglob("*.log")):
        stem = log.relative_to(logs).as_posix().removesuffix(".log")
        found = _job(stem, study, planner)
        used = found and _used(log, logs / f"{stem}.benchmark.tsv")
        if not used:
            continue
        rule, wildcards, outputs = found
        quantity = planner.quantity(rule, wildcards)
        stored = sum(_size(path) for name in outputs for path in results.glob(name))
        written = quantity.written if stored else 0.0
        counted = (quantity.kind, quantity.like, quantity.held, quantity.work, written)
        jobs.append((stem, rule, *counted, *used, stored))
    return pd.DataFrame(jobs, columns=list(COLUMNS))


def compiled(jobs):
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


def recounted(jobs, study, samples):
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
    planner, rows = Planner(study, samples), []
    for row in jobs.to_dict("records"):
        found = _job(row["job"], study, planner)
        if found is None:
            continue
        quantity = planner.quantity(*found[:2])
        written = quantity.written if row["stored"] else 0.0
        now = {name: getattr(quantity, name) for name in ("kind", "like", "held", "work")}
        rows.append(row | now | {"rule": found[0], "written": written})
    return pd.DataFrame(rows, columns=jobs.columns)


def planned(jobs, rows=None):
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


def halves(jobs, seed=1):
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
    few, place, count = (
        kinds["job"].transform("size") < FEW,
        alike.cumcount(),
        alike["job"].transform("size"),
    )
    fitted = few | (2 * place < count)
    chosen = jobs.index.isin(first.index[fitted])
    return jobs[chosen], jobs[~chosen]


def judged_by_kind(jobs):
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


def _job(stem, study, planner):
    """Rule, wildcards and outputs of the job that a log is of."""
    stem, *part = re.split(r"/(init|slab)[0-9]*$", stem)
    matches = ((re.fullmatch(entry[0], stem), *entry[1:]) for entry in _LOGS)
    match, outputs, *rule = next((found for found in matches if found[0]), (None, []))
    if match is None:
        return None
    wildcards = match.groupdict()
    page = wildcards.pop("page", None)
    if "sample" in wildcards and wildcards["sample"] not in planner.samples:
        return None  # of an earlier sheet
    rule = wildcards.pop("rule", None) or rule[0].format(page=page)
    if rule == "degrade" and (study.axial or study.flat):
        rule = "axial" if study.axial else "degrade_images"
    method = wildcards.get("method")
    if method and rule == "predict":
        built = planner.method(method, wildcards["level"])
        rule = "predict_planes" if getattr(built, "learns", "") == "planes" else rule
    if part:
        return f"{rule}_{part[0]}", wildcards, []
    if study.slabs > 1 and rule in SLABBED:  # it joins what slabs have written
        outputs = []
    return rule, wildcards, [name.format(stem, **wildcards) for name in outputs]


def _used(log, record):
    """Peak memory (MiB) and core seconds of a job, None where nothing tells."""
    told = _USED.findall(log.read_text(encoding="utf-8", errors="replace"))
    if told:
        return tuple(map(float, told[-1]))
    try:
        row = pd.read_csv(record, sep="\t").iloc[0]
        used = float(row["max_rss"]), float(row["cpu_time"])
    except (OSError, ValueError, KeyError, IndexError):
        return None
    # Too short a job is recorded as nothing.
    return used if used[0] > 50 and used[1] > 0.5 else None


def _size(path):
    if path.is_dir():
        return sum(_size(part) for part in path.iterdir())
    return path.stat().st_size


def compare(jobs):
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
