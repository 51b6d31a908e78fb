"""What the jobs of a finished study really used, beside what was planned for them."""

import re
from pathlib import Path

import pandas as pd

from acuity.plan.constants import MIB, cost
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
    (r"measure/(?P<sample>[^/]+)/(?P<image>.+)/(?P<rule>quality)", ["measure/{sample}/{image}/ms_ssim.ome.zarr"]),
    (r"measure/(?P<sample>[^/]+)/(?P<image>.+)/(?P<rule>[a-z_]+)", []),
    (r"(?P<rule>metrics|figures|report)", []),
    (r"figures/(?P<sample>[^/]+)", [], "sample_figures"),
    (r"report/(?P<sample>[^/]+)", [], "report_sample"),
]  # fmt: skip
_USED = re.compile(r"used ([0-9.]+) MiB of memory, ([0-9.]+) core seconds")


def measured(study, samples, folder=".", rows=None):
    """List what the jobs of a study used, and what was planned.

    Parameters
    ----------
    study : acuity.study.Study
        The study.
    samples : list of acuity.study.Sample
        Its samples.
    folder : path
        Folder in which ``logs`` and ``results`` lie.
    rows : dict of str to dict, optional
        Constants of the plan; those of `acuity.plan.constants` by default.

    Returns
    -------
    pandas.DataFrame
        One row a job whose log, or benchmark record, tells of it: ``rule kind held work written``
        (expected), ``memory cpu stored`` (measured: MiB, core seconds, bytes), ``memory_planned
        cpu_planned stored_planned``.

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
        planned = cost(quantity, rows)
        stored = sum(_size(path) for name in outputs for path in results.glob(name))
        jobs.append(
            {
                "rule": rule,
                "kind": quantity.kind,
                "held": quantity.held,
                "work": quantity.work,
                "written": quantity.written if stored else 0.0,
                "memory": used[0],
                "cpu": used[1],
                "stored": stored,
                "memory_planned": planned.memory,
                "cpu_planned": planned.cpu,
                "stored_planned": planned.written if stored else 0.0,
            }
        )
    return pd.DataFrame(jobs)


def _job(stem, study, planner):
    """Rule, wildcards and outputs of the job that a log is of."""
    stem, *part = re.split(r"/(init|slab)[0-9]*$", stem)
    matches = ((re.fullmatch(entry[0], stem), *entry[1:]) for entry in _LOGS)
    match, outputs, *rule = next((found for found in matches if found[0]), (None, []))
    if match is None:
        return None
    wildcards = match.groupdict()
    if "sample" in wildcards and wildcards["sample"] not in planner.samples:
        return None  # of an earlier sheet, or a page's further figures (SAMPLE-sem)
    rule = wildcards.pop("rule", None) or rule[0]
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
        As `measured` gives it.

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
