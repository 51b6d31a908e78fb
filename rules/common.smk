"""Paths and the `cfg` of each rule; what the study means is acuity.study.project's.

Needs  the study file and its sample sheet
Makes  PROJECT, paths of files, cfg
"""

import gc
import os
import re
import sys
from functools import cache
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.io import contains_wildcard
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import update_config

from acuity.digest import digest
from acuity.errors import AcuityError
from acuity.failures import failures
from acuity.formats.files import files_of, is_litter, is_remote, split_name
from acuity.methods.base import module_name
from acuity.plan.planner import Planner
from acuity.study.reading import load_study, read_keys
from acuity.study.paths import split_image
from acuity.study.project import Project
from acuity.threads import keep_limit, wait_passively
from acuity.units import parse_voxel_size

# What was imported is no garbage, and not to be searched for any; nor at the end.
gc.freeze()
# Jobs inherit the environment, before they load any library of threads.
keep_limit()
wait_passively()

ROOT = Path(workflow.basedir)


def _load():
    if contains_wildcard(str(ROOT)):  # of the paths of environments and images
        raise AcuityError(
            f"{ROOT}: found braces in a folder's name, which Snakemake takes for a pattern; allowed "
            "is a folder of Acuity without them"
        )
    # Where Snakemake keeps its records; it would not say so in a sentence.
    own = Path(".snakemake")
    if os.path.lexists(own) and not own.is_dir():
        raise AcuityError(
            f"{own}: is a file where Snakemake's folder is to be; move it"
        )
    if not os.access(own if own.is_dir() else ".", os.W_OK):
        raise AcuityError(
            f"{os.getcwd()}: cannot be written (rights, or a file system that is mounted read-only); "
            f"run in a folder of your own: snakemake --snakefile {ROOT / 'Snakefile'} --directory FOLDER"
        )
    files = workflow.configfiles
    if len(files) > 1:
        raise AcuityError(
            "--configfile: one study at a time; found several files, put a target first: "
            "snakemake TARGET --configfile STUDY.yaml"
        )
    for option, word in zip(sys.argv, sys.argv[1:]):
        study = word.endswith((".yaml", ".yml")) and os.path.isfile(word)
        if not files and study and not option.startswith("--"):
            raise AcuityError(
                f"{word}: found a file where targets stand; a study stands behind --configfile: "
                f"snakemake --configfile {word}"
            )
    # Relative paths: a study that moves with its folder needs nothing anew.
    path = Path(os.path.relpath(files[0] if files else ROOT / "config" / "config.yaml"))
    # Not as Snakemake reads it: its reader swallows a key that stands twice, and fills templates.
    keys = read_keys(path)
    if isinstance(keys, dict):
        update_config(keys, workflow.config_settings.config)
    return (*load_study(keys, path), path)


def _remote(samples):
    """The inputs of a study that lie in buckets, each as Snakemake knows it."""
    paths = [path for sample in samples for path in (sample.path, sample.low_path)]
    remote = [path for path in paths if path and is_remote(path)]
    try:
        return {path: storage.s3(split_name(path)[0]) for path in remote}
    except Exception as error:
        raise AcuityError(
            f"{remote[0]}: lies in a bucket, which needs the extra storage "
            f"(pip install 'acuity[storage]'): {error}"
        )


try:
    STUDY, SAMPLES, STUDY_FILE = _load()
    REMOTE = _remote(SAMPLES)
    PROJECT = Project(STUDY, SAMPLES, str(STUDY_FILE))
except AcuityError as error:
    raise WorkflowError(str(error))


def check_partition():
    """A profile for Slurm names a partition."""
    resources = workflow.resource_settings.default_resources or {}
    named = "slurm_partition" in resources
    if named and str(resources["slurm_partition"].raw) == "FILL_IN":
        found = "FILL_IN"
    elif not named and getattr(workflow.executor_plugin, "name", "") == "slurm":
        found = "none"
    else:
        return
    raise WorkflowError(
        f"the Slurm profile, key default-resources, slurm_partition: found {found}; it needs the "
        "name of a partition of this cluster (sinfo lists them)"
    )


check_partition()

PLANNER = Planner(PROJECT)
KIND, ALIGNMENT = PROJECT.kind, PROJECT.alignment
SAMPLE, TRAIN, TEST, RESTORE = (
    PROJECT.samples,
    PROJECT.train,
    PROJECT.test,
    PROJECT.restore,
)
LEVELS, METHODS, AGAIN = PROJECT.levels, PROJECT.methods, PROJECT.further
SHOWN, MEASURED, seed_of = PROJECT.shown, PROJECT.measured, PROJECT.seed_of
SLABS = STUDY.slabs
ENVIRONMENT = "../envs/acuity.yaml"
IMAGE = ROOT / "envs" / "acuity.sif"
# Rules whose results workflows may share. Without --cache the directive would warn in every run.
SHARED = ("spheres", "projections")
CACHED = workflow.enable_cache
for name in workflow.workflow_settings.cache or ():
    if name not in SHARED:
        raise WorkflowError(
            f"--cache: found {name}, allowed are {' and '.join(SHARED)}; see docs/storage.md"
        )

if (
    DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method
    and not IMAGE.exists()
):
    raise WorkflowError(
        f"{os.path.relpath(IMAGE)}: no such image; build it in {ROOT} with "
        f"apptainer build envs/{IMAGE.name} envs/acuity.def"
    )


wildcard_constraints:
    sample="|".join(re.escape(name) for name in SAMPLE),
    level=r"[0-9]+(\.[0-9]+)?",
    method=r"[a-z][a-z0-9_]*(@[a-z0-9_]+)?([+][0-9]+)?",
    image=r"truth|level[0-9.]+/[a-z0-9_@+]+",
    scan="(low/)?(" + "|".join(re.escape(name) for name in SAMPLE) + ")",
    stack="recorded|disturbed|undisturbed",
    slab="[0-9]+",


def results(path):
    return f"results/{STUDY.study}/{path}"


# Logs, records, volumes and figures are local even where other results go to a bucket.
def logs(path):
    return local(f"logs/{STUDY.study}/{path}.log")


def records(path):
    return local(f"logs/{STUDY.study}/{path}.benchmark.tsv")


def volume(path):
    """The Snakemake file of a volume: its root zarr.json, written last."""
    return local(results(f"{path}.ome.zarr/zarr.json"))


def files(paths):
    """Result files, or lists and dicts of them, as Snakemake knows them."""
    if isinstance(paths, dict):
        return {key: files(path) for key, path in paths.items()}
    if isinstance(paths, list):
        return [files(path) for path in paths]
    found = results(paths)
    return local(found) if paths.endswith("zarr.json") else found


def figure(name):
    """The file of a figure, and beside it its SVG."""
    return local(results(f"figures/{name}.png"))


def seals(*names):
    """The seals of tables, beside them (acuity.seals): made and read with them."""
    return [results(f"{name}.tsv.seal") for name in names]


def seals_of(files):
    """The seals of those among files that are tables: a file, a list or a dict of lists."""
    if isinstance(files, str):
        return [f"{files}.seal"] if files.endswith(".tsv") else []
    files = files.values() if isinstance(files, dict) else files
    return [seal for file in files for seal in seals_of(file)]


# Slabs: where the study asks for several, X_init makes a volume's store, the jobs of X_slab fill it,
# and X joins them (acuity.slabs). Files and cfg of the three:


def slabs_of(*paths):
    """What all slabs of volumes leave, and what they agree upon; none where one job makes them."""
    if SLABS == 1:
        return []
    stores = [results(f"{path}.ome.zarr/.slabs/") for path in paths]
    # A function: a list of thousands of patterns would be compiled for every rule.
    return lambda w: [
        f"{store}{name}.json"
        for store in (store.format(**dict(w.items())) for store in stores)
        for name in ("store", *range(1, SLABS + 1))
    ]


def slab_of(path):
    """The marker that a slab leaves when it is done."""
    return results(f"{path}.ome.zarr/.slabs/{{slab}}.json")


def store_of(path):
    """What all slabs agree upon; the store itself is empty."""
    return results(f"{path}.ome.zarr/.slabs/store.json")


def counts_of(path):
    """What the slabs of a stage without a volume of its own have counted; none for one job."""
    if SLABS == 1:
        return []
    folder = results(path)
    return lambda w: [
        f"{folder.format(**dict(w.items()))}/{k}.npz" for k in range(1, SLABS + 1)
    ]


def check_writable():
    """Results can be written before anything is removed or begun."""
    for folder in (Path(results("")), Path(f"logs/{STUDY.study}")):
        # of a folder that is there; beside one that is not may lie read-only data of the user
        stages = [path for path in folder.glob("*") if path.is_dir()]
        while not os.path.lexists(folder):
            folder = folder.parent
        if not folder.is_dir():
            raise WorkflowError(
                f"{folder}: is a file where a folder is to be; move it, or run in another folder"
            )
        for path in (folder, *stages):
            if not os.access(path, os.W_OK):
                raise WorkflowError(
                    f"{path}: cannot be written; allow it (a file system that is mounted read-only, "
                    "rights of the folder), or run in another folder"
                )


def init_part(cfg):
    return lambda w: {**(cfg(w) if callable(cfg) else cfg), "part": [0, SLABS]}


def slab_part(cfg):
    return lambda w: {
        **(cfg(w) if callable(cfg) else cfg),
        "part": [int(w.slab), SLABS],
    }


@cache
def code(script, method=None, measure=None):
    """Digest of a script and of all of the package that it uses."""
    return digest(
        ROOT / "scripts" / f"{script}.py",
        method=method and module_name(method),
        measure=measure,
    )


def needs(rule):
    """Memory and time that a rule's jobs ask for, by their shapes; more with each of three attempts.

    No more after that: a long training goes on over many, and a site allows only so much.
    The time is that on a GPU where the job can use one, unless GPUs are limited to 0, or the rule
    was given none of any name.
    """
    limit = workflow.global_resources.get("gpu").value
    given = workflow.resource_settings.overwrite_resources.get(rule, {})
    if "gpu" in given and "gres" not in given and given["gpu"].raw == 0:
        limit = 0
    gpus = 1 if limit is None else limit
    ask = lambda w, threads=1: PLANNER.request(rule, dict(w.items()), threads, gpus)
    return {
        "mem_mb": lambda w, attempt: ask(w)[0] * min(attempt, 3),
        "runtime": lambda w, attempt, threads: ask(w, threads)[1] * min(attempt, 3),
    }


def training_seed(method, level):
    """The seed of a training: a further one's is what it would be in a study with that seed."""
    name, _, seed = method.partition("+")
    return seed_of("train", name, level, study_seed=seed or STUDY.seed)


def print_logs_of_failed_jobs(log):
    """Name the logs of each failed job, and the sentence that says why."""
    path = Path(log if isinstance(log, str) else log[0])
    text = path.read_text(errors="replace") if path.exists() else ""
    for sentence, paths in failures(text):
        where = f"\n  (log: {', '.join(paths)})" if paths else ""
        print(f"\n{sentence}{where}", file=sys.stderr)


def foam_cfg(*keys):
    """These keys of the study's foam section; the voxel size as a number and its unit."""
    values = STUDY.foam.model_dump(mode="json")
    (values["voxel_size"], *_), values["unit"] = parse_voxel_size(STUDY.foam.voxel_size)
    values["views"] = STUDY.foam.truth_views * STUDY.foam.size
    return {key: values[key] for key in keys}


def specimen_cfg(sample):
    """The study's specimen section; the pixel as a number and its unit."""
    values = STUDY.specimen.model_dump(mode="json")
    values["shape"] = values.pop("size")
    if values["pixel_size"] is not None:
        size, values["unit"] = parse_voxel_size(values["pixel_size"])
        values["pixel_size"] = size[0]
    factor = SAMPLE[sample].level or int(STUDY.levels[0])
    return {**values, "factor": factor, "seed": SAMPLE[sample].seed}


def truth_cfg(w):
    return foam_cfg(
        "size",
        "cylinder_radius",
        "voxel_size",
        "unit",
        "peak_attenuation",
        "views",
    )


def scan_cfg(scan):
    """What to read: a sample's file, or the low-resolution one of its pair (low/SAMPLE)."""
    reading = SAMPLE[scan.removeprefix("low/")].reading(low=scan.startswith("low/"))
    return {**reading, "path": local_path(reading["path"])}


def raw_files(scan):
    """The files of a scan, so that a changed slice reruns its sample alone."""
    sample = SAMPLE[scan.removeprefix("low/")]
    path = sample.low_path if scan.startswith("low/") else sample.path
    if path in REMOTE:
        return [storage.s3(address) for address in objects(path)]
    return [
        local(str(file)) for file in files_of(path) if not contains_wildcard(str(file))
    ]


def untracked(scan):
    """Size and time of those of its files whose names Snakemake would take for patterns, {a}.tif."""
    sample = SAMPLE[scan.removeprefix("low/")]
    path = sample.low_path if scan.startswith("low/") else sample.path
    if path in REMOTE:
        return []
    files = [file for file in files_of(path) if contains_wildcard(str(file))]
    return [
        [str(file), (said := file.stat()).st_size, said.st_mtime_ns] for file in files
    ]


def local_path(path):
    """Where a job finds an input: one in a bucket where Snakemake fetches it to."""
    if path not in REMOTE:
        return path
    dataset = split_name(path)[1]
    return str(REMOTE[path]) + (f":{dataset}" if dataset else "")


@cache
def objects(path):
    """The addresses of a folder's objects in a bucket, or of the one object."""
    found = REMOTE[path].flags["storage_object"]
    try:
        keys = sorted(item.key for item in found.get_subkeys())
    except Exception:
        keys = []  # Snakemake says itself, in fewer words, what it cannot reach.
    keys = [key for key in keys if not is_litter(Path(key))]
    return [f"s3://{found.bucket}/{key}" for key in keys] or [found.query]


def unseen():
    """The table of what was compared, where a model learns from files and others are judged."""
    return [results("unseen.tsv")] if PROJECT.compares_voxels else []


def seen():
    """That table where it may name samples that were seen in training: for pages and figures."""
    return unseen() if STUDY.allow_seen else []


def axial_cfg(w):
    return {"factor": int(w.level), "mode": STUDY.degrade.mode}


def degrade_cfg(w):
    return {
        "sigma": float(w.level),
        "photons": STUDY.degrade.photons,
        "noise_sd": STUDY.degrade.noise,
        "downsample": list(STUDY.degrade.downsample),
        "seed": seed_of(w.sample, "degrade", w.level),
    }


def segment_cfg():
    """The study's segment section but for what is done when all objects are known."""
    if not STUDY.segment:
        return {}
    return STUDY.segment.model_dump(mode="json", exclude={"smallest"}) | {
        "separation": STUDY.segment.separation or None,
        "mask_radius": KIND.mask_radius(1),
    }


def pair_limits():
    """The limits that patches of a pair were judged by, for the report."""
    pair = STUDY.pair
    return pair and {"residual": pair.max_residual, "ncc": pair.min_ncc}


def quality_cfg():
    return {"mask_radius": KIND.mask_radius(), "data_range": STUDY.measure.data_range}


def first_picture():
    """What the first page shows, and its words: a sample that is judged, else one that is restored or aligned."""
    if SHOWN:
        sample = (TEST or SHOWN)[0]
        return figure(f"{sample}/slices"), (
            f"Sample {sample}: the same slice of every volume, in one grey window."
        )
    sample = ALIGNMENT.stacks[0]
    return figure(f"{sample}/stack_views"), (
        f"Sample {sample}: sections XZ and YZ through the middle of the stack before and after alignment."
    )
