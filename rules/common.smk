"""Paths and the `cfg` of each rule; what the study means is acuity.study.project's.

Needs  the study file and its sample sheet
Makes  PROJECT, paths of files, cfg
"""

import gc
import os
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import contains_wildcard
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import update_config

from acuity.digest import digest
from acuity.errors import AcuityError
from acuity.failures import tell_failures
from acuity.formats.files import files_of, is_remote, split_name
from acuity.keys import image, name_of
from acuity.methods.base import module_name
from acuity.plan.planner import Planner
from acuity.predict.models import figures_beside, model_files
from acuity.simulate.settings import Beam, Body, Pores
from acuity.study.paths import STUDY_TABLES, either, wildcards
from acuity.study.project import Project
from acuity.study.reading import load_study, read_keys
from acuity.threads import keep_limit, wait_passively
from acuity.workflow import checks
from acuity.workflow.buckets import addresses

# What was imported is no garbage, and not to be searched for any; nor at the end.
gc.freeze()
# Jobs inherit the environment, before they load any library of threads.
keep_limit()
wait_passively()

ROOT = Path(workflow.basedir)
ENVIRONMENT = "../envs/acuity.yaml"
IMAGE = ROOT / "envs" / "acuity.sif"
# Without --cache the directive would warn in every run.
CACHED = workflow.enable_cache


def bucket_file(path):
    """An input that lies in a bucket, as Snakemake knows it."""
    try:
        return storage.s3(split_name(path)[0])
    except Exception as error:
        raise AcuityError(
            f"{path}: lies in a bucket, which needs the extra storage "
            f"(pip install 'acuity[storage]'): {error}"
        )


def check_partition():
    """Refuse to hand jobs to Slurm without the name of a partition."""
    given = workflow.resource_settings.default_resources or {}
    named = str(given["slurm_partition"].raw) if "slurm_partition" in given else None
    slurm = getattr(workflow.executor_plugin, "name", "") == "slurm"
    checks.check_partition(named, slurm=slurm)


def check_start():
    """Refuse to begin what could not be handed in or written."""
    try:
        check_partition()
        checks.check_writable(results(""), f"logs/{STUDY.study}")
    except AcuityError as error:
        raise WorkflowError(str(error))


try:
    checks.check_folder(ROOT, contains_wildcard)
    checks.check_command(sys.argv, workflow.configfiles)
    STUDY_FILE = (workflow.configfiles or [ROOT / "config" / "config.yaml"])[0]
    # Relative paths: a study that moves with its folder needs nothing anew.
    STUDY_FILE = Path(os.path.relpath(STUDY_FILE))
    # Not as Snakemake reads it: its reader swallows a key that stands twice, and fills templates.
    keys = read_keys(STUDY_FILE)
    if isinstance(keys, dict):
        update_config(keys, workflow.config_settings.config)
    # Each job reads it again: one of them need say what is written in a former way.
    tell = logger.warning if workflow.is_main_process else lambda said: None
    STUDY, SAMPLES = load_study(keys, STUDY_FILE, tell)
    named = [path for sample in SAMPLES for path in sample.scans.values()]
    REMOTE = {path: bucket_file(path) for path in named if is_remote(path)}
    check_partition()
    PROJECT = Project(STUDY, SAMPLES)
    checks.check_cache(workflow.workflow_settings.cache or ())
    if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method:
        checks.check_image(IMAGE)
except AcuityError as error:
    raise WorkflowError(str(error))

PLANNER = Planner(PROJECT)
KIND, ALIGNMENT = PROJECT.kind, PROJECT.alignment
SAMPLE, RESTORE = PROJECT.samples, PROJECT.restore
TRAIN, TEST = PROJECT.train, PROJECT.test
LEVELS, METHODS, AGAIN = PROJECT.levels, PROJECT.methods, PROJECT.further
SHOWN, MEASURED, SLABS = PROJECT.shown, PROJECT.measured, STUDY.slabs


wildcard_constraints:
    **wildcards(SAMPLE),


def results(path):
    return f"results/{STUDY.study}/{path}"


# Logs, records, volumes and figures are local even where other results go to a bucket.
def logs(path):
    return local(f"logs/{STUDY.study}/{path}.log")


def benchmarks(path):
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


def sealed(**files):
    """Files by name, and the seals of the tables among them (acuity.seals): made and read with them."""
    return files | {"seals": seals_of(files)}


def tables(**paths):
    """Tables by name, each by its path without ending, and their seals."""
    return sealed(**{name: results(f"{path}.tsv") for name, path in paths.items()})


def seals_of(files):
    """The seals of those among files that are tables: a file, a list or a dict of lists."""
    if isinstance(files, str):
        return [f"{files}.seal"] if files.endswith(".tsv") else []
    files = files.values() if isinstance(files, dict) else files
    return [seal for file in files for seal in seals_of(file)]


@cache
def code_digest(script, method=None, **loaded):
    """Digest of a script and of all of the package that it uses."""
    method = method and module_name(method)
    try:
        return digest(ROOT / "scripts" / f"{script}.py", method=method, **loaded)
    except AcuityError as error:
        raise WorkflowError(str(error))


def resources_for(rule):
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


def unseen():
    """The table of what was compared, where a model learns from files and others are judged."""
    return [results("unseen.tsv")] if PROJECT.compares_voxels else []


def seen():
    """That table where it may name samples that were seen in training: for pages and figures."""
    return unseen() if STUDY.allow_seen else []
