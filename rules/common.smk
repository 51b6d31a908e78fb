"""Looks up the study; nothing else.

Needs  the study file and its sample sheet
Makes  paths, inputs and the `cfg` of each rule
"""

import re
import sys
import zlib
from functools import cache
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

from acuity.digest import digest
from acuity.errors import AcuityError
from acuity.formats.files import files_of
from acuity.study import load_study, read_study
from acuity.units import parse_voxel_size

ROOT = Path(workflow.basedir)


def _load():
    files = workflow.configfiles
    if len(files) > 1:
        raise AcuityError("--configfile: one study at a time; found several files")
    if files:
        return (*load_study(config, files[0]), Path(files[0]))
    demo = ROOT / "config" / "config.yaml"
    return (*read_study(demo), demo)


try:
    STUDY, SAMPLES, STUDY_FILE = _load()
except AcuityError as error:
    raise WorkflowError(str(error))

SAMPLE = {sample.sample: sample for sample in SAMPLES}
TRAIN = [sample.sample for sample in SAMPLES if sample.role == "train"]
TEST = [sample.sample for sample in SAMPLES if sample.role == "test"]
LEVELS = [f"{level:g}" for level in STUDY.levels]
METHODS = list(STUDY.methods)
SIMULATED = STUDY.foam is not None
SHARED_GRID = STUDY.scale == (1, 1, 1)
ENVIRONMENT = "../envs/acuity.yaml"


wildcard_constraints:
    sample="|".join(re.escape(name) for name in SAMPLE),
    level=r"[0-9]+(\.[0-9]+)?",
    method=r"[a-z][a-z0-9_]*(@[a-z0-9_]+)?",
    image=r"truth|level[0-9.]+/[a-z0-9_@]+",


def results(path):
    return f"results/{STUDY.study}/{path}"


def logs(path):
    return f"logs/{STUDY.study}/{path}.log"


def records(path):
    return f"logs/{STUDY.study}/{path}.benchmark.tsv"


def volume(path):
    """The Snakemake file of a volume: its root zarr.json, written last."""
    return results(f"{path}.ome.zarr/zarr.json")


@cache
def code(script, method=None):
    """Digest of a script and of all of the package that it uses."""
    return digest(
        ROOT / "scripts" / f"{script}.py", method=method and method.split("@")[0]
    )


@cache
def method_class(method):
    from acuity.methods.base import load

    return load(method.split("@")[0])


def settings(method):
    return method_class(method).Settings(**STUDY.methods.get(method, {}))


def learned(method):
    return method != "input" and method_class(method).learned


# Volumes of a sample -----------------------------------------------------------------------


def truth(sample):
    return volume(f"reconstruct/{sample}/truth" if SIMULATED else f"ingest/{sample}")


def target(sample):
    if SIMULATED:
        return volume(f"reconstruct/{sample}/level{STUDY.foam.target_level:g}")
    return volume(f"ingest/{sample}")


def low(sample, level):
    return volume(f"{'reconstruct' if SIMULATED else 'degrade'}/{sample}/level{level}")


def image_volume(sample, image):
    """The volume of an image: truth, level3/input, level3/deepnet, ..."""
    if image == "truth":
        return truth(sample)
    level, method = image.removeprefix("level").split("/")
    if method == "input" and SHARED_GRID:
        return low(sample, level)
    return volume(f"predict/{sample}/level{level}/{method}")


def images(sample):
    """All images of a sample that are segmented and measured, the truth aside."""
    shown = METHODS if SAMPLE[sample].role == "test" else list(STUDY.judge_training)
    return [
        f"level{level}/{method}" for level in LEVELS for method in ["input", *shown]
    ]


def split_image(image):
    """Level and method of an image; the truth has no level."""
    if image == "truth":
        return None, "truth"
    level, method = image.split("/")
    return level.removeprefix("level"), method


SHOWN = TEST + (TRAIN if STUDY.judge_training else [])
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


def seed_of(sample, *parts):
    """A seed that differs by sample and by what it is for, and by nothing else."""
    return zlib.crc32("/".join([str(STUDY.seed), sample, *map(str, parts)]).encode())


def print_logs_of_failed_jobs(log):
    """Name the log of each failed job, and the sentence that it ends in."""
    path = Path(log if isinstance(log, str) else log[0])
    text = path.read_text(errors="replace") if path.exists() else ""
    shown = set()
    for line in text.splitlines():
        if line.strip().startswith("log:"):
            path = Path(line.split("log:", 1)[1].split(" (check")[0].strip())
            if path in shown or not path.exists():
                continue
            shown.add(path)
            last = [
                entry for entry in path.read_text().splitlines() if " error: " in entry
            ]
            if last:
                print(
                    f"\n{last[-1].split(' error: ', 1)[1]}\n  (log: {path})",
                    file=sys.stderr,
                )


# simulate -----------------------------------------------------------------------------------


def foam_cfg(*keys):
    """These keys of the study's foam section; the voxel size as a number and its unit."""
    values = STUDY.foam.model_dump(mode="json")
    (values["voxel_size"], *_), values["unit"] = parse_voxel_size(STUDY.foam.voxel_size)
    values["views"] = STUDY.foam.truth_views * STUDY.foam.size
    return {key: values[key] for key in keys}


# ingest -------------------------------------------------------------------------------------


def raw_files(sample):
    """The files of a sample, so that a changed slice reruns this sample alone."""
    return [str(file) for file in files_of(SAMPLE[sample].path)]


# predict ------------------------------------------------------------------------------------


def predict_inputs(w):
    files = {"low": low(w.sample, w.level)}
    if learned(w.method):
        files["model"] = results(f"train/{w.method}/level{w.level}/model.safetensors")
        files["card"] = results(f"train/{w.method}/level{w.level}/model.json")
    return files


def predict_method(w):
    # Where grids differ, the unrestored input is shown by repeating its voxels.
    return "nearest" if w.method == "input" else w.method


# segment ------------------------------------------------------------------------------------


def wants_nlm(image):
    """Whether the image's method asks for non-local means before the threshold."""
    method = split_image(image)[1]
    return bool(STUDY.methods.get(method, {}).get("nlm_before_threshold", False))


# measure ------------------------------------------------------------------------------------


def true_labels(sample):
    """The pores that are there: exact spheres; for an imported volume its own segmentation."""
    return volume(
        f"simulate/{sample}/exact_labels" if SIMULATED else f"segment/{sample}/truth"
    )


def measured(sample, image):
    """The tables of one image that are gathered for the study."""
    file = lambda name: results(f"measure/{sample}/{image}/{name}.tsv")
    found = {
        "tables": [file("segment"), file("census")],
        "pores": [file("pores")],
        "status": [file("status")],
    }
    if image != "truth":
        found["tables"] += [file("quality"), file("resolution")]
        found["curves"] = [file("curve")]
    if STUDY.measure.pore_space:
        found["tables"] += [file("pore_space")]
        found["spaces"] = [file("pore_space_curve")]
    return found


def study_files(name):
    """The files of that name of all images."""
    return [table for key in MEASURED for table in measured(*key).get(name, [])]


# report -------------------------------------------------------------------------------------


def page_files(sample):
    """Volumes, maps, labels and fates of a sample's images, each in the order of `page_keys`."""
    shown = IMAGES[sample]
    both = ["truth", *shown]
    return {
        "volumes": [image_volume(sample, image) for image in both],
        "labels": [
            true_labels(sample),
            *(volume(f"segment/{sample}/{image}") for image in shown),
        ],
        "maps": [volume(f"measure/{sample}/{image}/ms_ssim") for image in shown],
        "statuses": [results(f"measure/{sample}/{image}/status.tsv") for image in both],
    }


def page_keys(sample):
    return [list(split_image(image)) for image in ["truth", *IMAGES[sample]]]
