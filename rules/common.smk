"""Looks up the study; nothing else.

Needs  the study file and its sample sheet
Makes  paths, inputs and the `cfg` of each rule
"""

import gc
import os
import re
import sys
import zlib
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
from acuity.methods.base import load, module_name, split_training
from acuity.plan.planner import Planner
from acuity.study import load_study, own_factor, read_keys
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

PLANNER = Planner(STUDY, SAMPLES)
SAMPLE = {sample.sample: sample for sample in SAMPLES}
TRAIN = [sample.sample for sample in SAMPLES if sample.role == "train"]
TEST = [sample.sample for sample in SAMPLES if sample.role == "test"]
RESTORE = {
    sample.sample: f"{own_factor(sample, STUDY, str(STUDY_FILE))}"
    for sample in SAMPLES
    if sample.role == "restore"
}
LEVELS = [f"{level:g}" for level in STUDY.levels]
METHODS = list(STUDY.methods)
AGAIN = STUDY.further_trainings
SIMULATED = STUDY.foam is not None
AXIAL = STUDY.axial
PAIRED = STUDY.pair is not None
FLAT = STUDY.flat
PIXELWISE = not FLAT or STUDY.measure.pixelwise
SHARED_GRID = not (AXIAL or FLAT) and STUDY.scale(1) == (1, 1, 1)
ALIGNED = STUDY.align is not None
CHECKED = ALIGNED and STUDY.align.disturb is not None
STACK = "disturbed" if CHECKED else "recorded"
SLABS = STUDY.slabs
DARK = not STUDY.segment or STUDY.segment.objects == "dark"
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
def code(script, method=None):
    """Digest of a script and of all of the package that it uses."""
    return digest(
        ROOT / "scripts" / f"{script}.py", method=method and module_name(method)
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


@cache
def method_class(method):
    return load(method)


@cache
def settings(method):
    return method_class(method).Settings(**STUDY.settings_of(method))


def learned(method):
    return method != "input" and method_class(method).learned


def adversarial(method):
    """Whether a method learns against a discriminator."""
    recorded = getattr(method_class(method), "recorded", ())
    return "discriminator" in recorded and getattr(
        settings(method), "adversarial", True
    )


def processes(method):
    """Processes that train a method."""
    return getattr(settings(method).train, "processes", 1)


def gpus(method, stage):
    """GPUs that a job of a method asks for: none where it has no network or is to use the CPU."""
    if not learned(method) or method_class(method).learns == "fit":
        return 0
    if getattr(settings(method), stage).device == "cpu":
        return 0
    return processes(method) if stage == "train" else 1


# Volumes of a sample -----------------------------------------------------------------------


def imported(sample):
    """An imported volume; where the study aligns stacks, the aligned one; a specimen's image."""
    if SAMPLE[sample].seed is not None:
        return volume(f"simulate/{sample}/high")
    return volume(f"align/{sample}/aligned" if ALIGNED else f"ingest/{sample}")


def imported_low(sample):
    """The low-resolution image of a pair, as recorded."""
    if SAMPLE[sample].seed is not None:
        return volume(f"simulate/{sample}/low")
    return volume(f"ingest/low/{sample}")


def valid(sample):
    """Where the two images of a pair agree: 1 in accepted patches, on the target's grid."""
    return volume(f"pair/{sample}/valid")


def truth(sample):
    if PAIRED:
        return volume(f"pair/{sample}/high")
    return volume(f"reconstruct/{sample}/truth") if SIMULATED else imported(sample)


def target(sample):
    if SIMULATED:
        return volume(f"reconstruct/{sample}/level{STUDY.foam.target_level:g}")
    return truth(sample)


def low(sample, level):
    if sample in RESTORE:
        return imported(sample)
    if PAIRED:
        return volume(f"pair/{sample}/low")
    return volume(f"{'reconstruct' if SIMULATED else 'degrade'}/{sample}/level{level}")


def stack_volume(sample, stack):
    """A stack that is to be aligned: as recorded, or with shifts and faults put in."""
    return volume(
        f"ingest/{sample}" if stack == "recorded" else f"disturb/{sample}/{stack}"
    )


def task(level):
    """What a method is asked for at a level: scale and phase between the grids."""
    scale = STUDY.scale(float(level))
    phase = None
    if AXIAL:
        # Here and not above: it loads numba, which every job of every study would wait for.
        from acuity.degrade.axial import axial_phase

        phase = list(axial_phase(scale[0], STUDY.degrade.mode))
    return {"level": float(level), "scale": list(scale), "phase": phase}


def image_volume(sample, image):
    """The volume of an image: truth, level3/input, level3/deepnet, ..."""
    if image == "truth":
        return truth(sample)
    level, method = image.removeprefix("level").split("/")
    if method == "input" and SHARED_GRID:
        return low(sample, level)
    return volume(f"predict/{sample}/level{level}/{method}")


def images(sample, methods=None):
    """All images of a sample that are segmented and measured, the truth aside; or those of methods."""
    role = SAMPLE[sample].role
    shown = list(STUDY.judge_training) if role == "train" else METHODS
    shown = ["input", *shown] if methods is None else methods
    own = RESTORE.get(sample) or SAMPLE[sample].level
    levels = LEVELS if own is None else [f"{own}"]
    return [f"level{level}/{method}" for level in levels for method in shown]


def split_image(image):
    """Level and method of an image; the truth, a stack and a pair have no level."""
    if image in ("truth", "stack", "pair"):
        return None, "align" if image == "stack" else image
    level, method = image.split("/")
    return level.removeprefix("level"), method


SHOWN = (
    (TEST + (TRAIN if STUDY.judge_training else []) + list(RESTORE)) if METHODS else []
)
IMAGES = {sample: images(sample) for sample in SHOWN}


# Settings of a sample ------------------------------------------------------------------------


def mask_radius(margin=0):
    """Radius of the cylinder in which a foam is measured, in voxels; none for imported volumes.

    Objects are sought one voxel inside it (margin 1): the blurred rim of the wall is no pore, and
    none lies so near to it.
    """
    if not SIMULATED:
        return None
    return STUDY.foam.cylinder_radius * STUDY.foam.size - margin


def seed_of(sample, *parts, study_seed=STUDY.seed):
    """A seed that differs by sample and by what it is for, and by nothing else."""
    return zlib.crc32("/".join([str(study_seed), sample, *map(str, parts)]).encode())


def training_seed(method, level):
    """The seed of a training: a further one's is what it would be in a study with that seed."""
    name, seed = split_training(method)
    return seed_of(
        "train", name, level, study_seed=STUDY.seed if seed is None else seed
    )


def print_logs_of_failed_jobs(log):
    """Name the logs of each failed job, and the sentence that says why."""
    path = Path(log if isinstance(log, str) else log[0])
    text = path.read_text(errors="replace") if path.exists() else ""
    for sentence, paths in failures(text):
        where = f"\n  (log: {', '.join(paths)})" if paths else ""
        print(f"\n{sentence}{where}", file=sys.stderr)


# simulate -----------------------------------------------------------------------------------


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


# reconstruct ---------------------------------------------------------------------------------


def truth_cfg(w):
    return foam_cfg(
        "size",
        "cylinder_radius",
        "voxel_size",
        "unit",
        "peak_attenuation",
        "views",
    )


# ingest -------------------------------------------------------------------------------------


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


def brought(role):
    """The samples of a role that were not simulated."""
    return [s.sample for s in SAMPLES if s.role == role and s.path is not None]


def unseen():
    """The table of what was compared, where a model learns from files and others are judged."""
    several = brought("train") and brought("test") and any(map(learned, METHODS))
    return [results("unseen.tsv")] if several else []


def seen():
    """That table where it may name samples that were seen in training: for pages and figures."""
    return unseen() if STUDY.allow_seen else []


def learned_from(sample):
    """A sample without truth as it was imported, and behind it the samples that models learn from."""
    by_planes = list(RESTORE) if PLANES and not TRAIN else []
    taught = (brought("train") if any(map(learned, METHODS)) else []) + by_planes
    several = sample in RESTORE and taught
    return [volume(f"ingest/{s}") for s in [sample, *taught]] if several else []


# align ---------------------------------------------------------------------------------------


def transform_inputs(w):
    source = SAMPLE[w.sample].transforms_of or w.sample
    return {
        "volume": stack_volume(w.sample, STACK),
        "transforms": results(f"align/{source}/{STACK}/transforms.json"),
    }


# degrade -------------------------------------------------------------------------------------


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


# predict ------------------------------------------------------------------------------------


def predict_inputs(w):
    files = {"low": low(w.sample, w.level)}
    if learned(w.method):
        files["model"] = results(f"train/{w.method}/level{w.level}/model.safetensors")
        files["card"] = results(f"train/{w.method}/level{w.level}/model.json")
    return files


def predict_cfg(w):
    return {
        "method_name": module_name(predict_method(w)),
        "settings": settings(predict_method(w)).for_prediction(),
        **task(w.level),
        **({"keep_type": True} if FLAT else {}),
        **({"fov_radius": STUDY.foam.size / 2} if SIMULATED else {}),
    }


def predict_method(w):
    # Where grids differ, the unrestored input is shown by repeating its voxels; that of a pair as
    # de Haan et al. show it.
    return {"input": "lanczos" if PAIRED else "nearest"}.get(w.method, w.method)


# train --------------------------------------------------------------------------------------


def learned_low(sample, level):
    """The low-resolution volume to learn from; images that get worse anew each time have none."""
    return target(sample) if degradation() else low(sample, level)


def degradation():
    """What makes images worse while a network learns; nothing where low and high are given."""
    if STUDY.degrade.mode != "random":
        return {}
    return {"degradation": STUDY.degrade.random.model_dump(mode="json")}


PLANES = [
    m for m in METHODS + AGAIN if getattr(method_class(m), "learns", "") == "planes"
]


def learns_from(method, level):
    """The samples that a method learns from; one that needs planes alone, from coarse ones too."""
    if PAIRED:
        return [sample for sample in TRAIN if f"{SAMPLE[sample].level}" == level]
    return TRAIN or (list(RESTORE) if method in PLANES else [])


# pair ---------------------------------------------------------------------------------------


def pair_limits():
    """The limits that patches of a pair were judged by, for the report."""
    if not PAIRED:
        return None
    return {"residual": STUDY.pair.max_residual, "ncc": STUDY.pair.min_ncc}


# segment ------------------------------------------------------------------------------------


def wants_nlm(image):
    """Whether the image's method asks for non-local means before the threshold."""
    method = split_image(image)[1]
    return bool(STUDY.settings_of(method).get("nlm_before_threshold", False))


def image_to_segment(sample, image):
    """An image or, where its method wants that, what non-local means have made of it."""
    if wants_nlm(image):
        return volume(f"segment/{sample}/smoothed/{image}")
    return image_volume(sample, image)


def segment_cfg():
    """The study's segment section but for what is done when all objects are known."""
    if not STUDY.segment:
        return {}
    return STUDY.segment.model_dump(mode="json", exclude={"smallest"}) | {
        "separation": STUDY.segment.separation or None,
        "mask_radius": mask_radius(1),
    }


# measure ------------------------------------------------------------------------------------


def true_labels(sample):
    """The pores that are there: exact spheres; for an imported volume its own segmentation."""
    return volume(
        f"simulate/{sample}/exact_labels" if SIMULATED else f"segment/{sample}/truth"
    )


def classes_of():
    """The volume whose voxels all size classes are multiples of; none where sizes are stated."""
    stated = STUDY.measure.size_classes and STUDY.measure.size_bin
    return [] if SIMULATED or stated or not SHOWN else [truth(SHOWN[0])]


def repeated(image):
    """How often each pixel of an image stands there; an edge's spread is not that of its steps."""
    level, method = split_image(image)
    raw = "nearest" if PAIRED else "input"
    return int(level) if method in (raw, "nearest") else 1


def quality_cfg():
    return {"mask_radius": mask_radius(), "data_range": STUDY.measure.data_range}


def compared(sample, image):
    """An image and its truth and, of a pair, where the two agree."""
    files = {"image": image_volume(sample, image), "truth": truth(sample)}
    return files | ({"valid": valid(sample)} if PAIRED else {})


def measured(sample, image):
    """The tables of one image that are gathered for the study."""
    if image == "stack":
        stacks = ["disturbed", "check"] if CHECKED else ["recorded"]
        return {"tables": [results(f"measure/{sample}/align/{s}.tsv") for s in stacks]}
    if image == "pair":
        return {"tables": [results(f"measure/{sample}/pair.tsv")]}
    file = lambda name: results(f"measure/{sample}/{image}/{name}.tsv")
    found = {"tables": []}
    if STUDY.segment:
        found["tables"] = [file("segment"), file("census")]
        if wants_nlm(image):
            found["tables"] += [file("nlm")]
        found["pores"] = [file("pores")]
        found["status"] = [file("status")]
    if FLAT:
        return measured_flat(image, file, found)
    if image != "truth":
        found["tables"] += [file("quality")]
        if AXIAL:
            found["tables"] += [file("error")]
        else:
            found["tables"] += [file("resolution")]
            found["curves"] = [file("curve")]
    if AXIAL and STUDY.measure.scattering:
        found["tables"] += [file("scattering")]
    if SAMPLE[sample].repeat_of:
        found["tables"] += [file("fsc")]
    if STUDY.segment and STUDY.measure.pore_space:
        found["tables"] += [file("pore_space")]
        found["spaces"] = [file("pore_space_curve")]
    return found


def measured_flat(image, file, found):
    """The tables of one image of a study of images, behind those of its objects."""
    settings = STUDY.measure
    if image != "truth":
        found["tables"] += [file("quality")] * PIXELWISE
        found["tables"] += [file("spectrum")] * settings.spectrum
    found["tables"] += [file("edges")] * settings.edges
    if settings.gaps is not None:
        found["tables"] += [file("gap_summary")]
        found["gaps"] = [file("gaps")]
    return found


def study_files(name, images=None):
    """The files of that name of all measured images, or of these."""
    images = MEASURED if images is None else images
    return [table for key in images for table in measured(*key).get(name, [])]


def study_images(images, names):
    """What images are, and how many files of each of these names they have."""
    return [
        {
            "sample": sample,
            "level": split_image(image)[0],
            "method": split_image(image)[1],
            "counts": {
                name: len(files)
                for name, files in measured(sample, image).items()
                if name in names
            },
        }
        for sample, image in images
    ]


# report -------------------------------------------------------------------------------------


def all_images(sample):
    """A sample's images, its truth before them where it has one."""
    return IMAGES[sample] if sample in RESTORE else ["truth", *IMAGES[sample]]


def page_files(sample):
    """Volumes, maps, labels and fates of a sample's images, each in the order of `page_keys`."""
    counted = all_images(sample) if STUDY.segment and sample not in RESTORE else []
    return {
        "volumes": [image_volume(sample, image) for image in all_images(sample)],
        "labels": [
            (
                true_labels(sample)
                if image == "truth"
                else volume(f"segment/{sample}/{image}")
            )
            for image in counted
        ],
        "maps": [
            volume(f"measure/{sample}/{image}/ms_ssim")
            for image in IMAGES[sample]
            if sample not in RESTORE and PIXELWISE
        ],
        "statuses": [
            results(f"measure/{sample}/{image}/status.tsv") for image in counted
        ],
    }


def page_keys(sample):
    return [list(split_image(image)) for image in all_images(sample)]


def by_planes(sample):
    """A sample's images that are restored plane by plane, in two directions."""
    return [i for i in IMAGES[sample] if split_image(i)[1] in PLANES]


def disagreement(sample, image):
    level, method = split_image(image)
    return volume(f"predict/{sample}/level{level}/disagreement/{method}")


def scattering_curves(sample):
    """Scattering functions of a sample's images, in the order of `page_keys`."""
    return [
        results(f"measure/{sample}/{image}/scattering_curve.tsv")
        for image in all_images(sample)
        if AXIAL and STUDY.measure.scattering
    ]


def shell_curves(sample):
    """Shell correlations of a sample's images, the truth's among them, with a second acquisition's."""
    compared = SAMPLE[sample].repeat_of and sample not in RESTORE
    return [
        results(f"measure/{sample}/{image}/fsc_curve.tsv")
        for image in all_images(sample)
        if compared
    ]


def sem_files(sample):
    """Images of a sample, their tables in the order of `page_keys`, and those of its pair."""
    shown = IMAGES[sample] if sample not in RESTORE else []
    table = lambda image, name: results(f"measure/{sample}/{image}/{name}.tsv")
    files = {"volumes": page_files(sample)["volumes"]}
    if shown and STUDY.measure.gaps is not None:
        files["gaps"] = [table(image, "gaps") for image in ["truth", *shown]]
    if shown and STUDY.measure.spectrum:
        files["spectra"] = [table(image, "spectrum_curve") for image in shown]
    if PAIRED and sample not in RESTORE:
        files |= {
            "transform": results(f"pair/{sample}/transform.json"),
            "patches": results(f"pair/{sample}/patches.tsv"),
            "low": volume(f"pair/{sample}/low"),
            "high": volume(f"pair/{sample}/high"),
        }
    return files


def stack_files(sample):
    """Tables of a stack's alignment, and the stack before and after."""
    source = SAMPLE[sample].transforms_of or sample
    return {
        "slices": results(f"align/{source}/{STACK}/slices.tsv"),
        "pairs": results(f"align/{source}/{STACK}/pairs.tsv"),
        "before": stack_volume(sample, STACK),
        "after": volume(f"align/{sample}/aligned"),
    }


# all ----------------------------------------------------------------------------------------


def between():
    """Every volume, and a file of every other job, between the inputs and the pages.

    Snakemake asks for no file in between while later ones are there. A job that fails loses its
    own, and a store that is made anew or found damaged is gone before others are: asked for by
    name, they are made again, and so is what was made of the earlier ones.
    """
    shown = [(s, split_image(image)[0]) for s in SHOWN for image in IMAGES[s]]
    taught = [(s, level) for m, level in TRAINED for s in learns_from(m, level)]
    samples = [sample for sample, _ in [*shown, *taught, *MEASURED]] + STACKS
    return list(
        dict.fromkeys(
            [file for sample in samples for file in beginnings(sample)]
            + [file for pair in [*shown, *taught] for file in scans(*pair)]
            + [low(*pair) for pair in shown]
            + [learned_low(*pair) for pair in taught]
            + [target(sample) for sample, _ in taught]
            + [file for key in page_images() for file in image_volumes(*key)]
            + CARDS
            + unseen()
            + study_files("tables")
            + [file for sample in RESTORE for file in scattering_curves(sample)]
        )
    )


def page_images():
    """Each sample that is shown with each of its images, the truth among them."""
    return [(sample, image) for sample in SHOWN for image in all_images(sample)]


def image_volumes(sample, image):
    """An image and all volumes that are made of it."""
    files = [image_volume(sample, image)]
    if image in by_planes(sample):
        files += [disagreement(sample, image)]
    if sample in RESTORE:
        return files
    if STUDY.segment:
        files += [
            image_to_segment(sample, image),
            volume(f"segment/{sample}/{image}"),
        ]
    if image != "truth" and PIXELWISE:
        files += [volume(f"measure/{sample}/{image}/ms_ssim")]
    return files


def scans(sample, level):
    """Projections of a foam at a level and, of one that is learned from, at the target's."""
    if not SIMULATED:
        return []
    levels = [level] + [f"{STUDY.foam.target_level:g}"] * (sample in TRAIN)
    return [results(f"simulate/{sample}/level{n}.h5") for n in levels]


def beginnings(sample):
    """What is there of a sample before anything is degraded, restored or measured."""
    volumes = lambda folder, *names: [volume(f"{folder}/{name}") for name in names]
    if SIMULATED:
        pores = STUDY.segment and sample in SHOWN
        exact = volumes(f"simulate/{sample}", "exact", "exact_labels") if pores else []
        return [results(f"simulate/{sample}/spheres.tsv"), *exact]
    if SAMPLE[sample].seed is not None:
        files = volumes(f"simulate/{sample}", "high", "low")
    else:
        low = PAIRED and sample not in RESTORE
        files = volumes("ingest", sample, *[f"low/{sample}"] * low)
    if PAIRED and sample not in RESTORE:
        files += volumes(f"pair/{sample}", "low", "high", "valid")
    if CHECKED:
        files += volumes(f"disturb/{sample}", "disturbed", "undisturbed")
    if ALIGNED:
        source = SAMPLE[sample].transforms_of or sample
        stacks = ["disturbed", "undisturbed"] if CHECKED else ["recorded"]
        files += [results(f"align/{source}/{s}/transforms.json") for s in stacks]
        files += volumes(f"align/{sample}", "aligned", "valid")
    return files


def first_picture():
    """What the first page shows, and its words: a sample that is judged, else one that is restored or aligned."""
    if SHOWN:
        sample = (TEST or SHOWN)[0]
        return figure(f"{sample}/slices"), (
            f"Sample {sample}: the same slice of every volume, in one grey window."
        )
    sample = STACKS[0]
    return figure(f"{sample}/stack_views"), (
        f"Sample {sample}: sections XZ and YZ through the middle of the stack before and after alignment."
    )
