"""What jobs ask a cluster for; ``--sdm apptainer`` and ``--sdm conda``: what Snakemake hands to them.

Stand-ins run the command without an image, and make an environment of the libraries that are here.
"""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from tests.conftest import ROOT, TINY_SHEET
from tests.rules.test_cache import SHEET, STUDY
from tests.rules.test_rerun import edited

STAND_IN = """#!/bin/sh
[ "$1" = --version ] && exec echo apptainer version 1.3.6
echo "$@" >> {log}
for command; do :; done
exec bash -c "$command"
"""
TARGET = "results/tiny/simulate/a/spheres.tsv"


def test_jobs_run_in_the_image_with_the_code_of_the_clone(workflow, tmp_path_factory, monkeypatch):
    programs = tmp_path_factory.mktemp("bin")
    log, program = programs / "log", programs / "apptainer"
    program.write_text(STAND_IN.format(log=log))
    program.chmod(0o755)
    path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    study = workflow.write_study(STUDY, SHEET)
    command = (TARGET, "--sdm", "apptainer", "--configfile", study)

    failed = workflow.run(*command, check=False)
    assert failed.returncode != 0
    assert "envs/acuity.sif: no such image; build it in" in failed.stdout
    assert "Traceback" not in failed.stdout

    image = workflow.folder / "envs" / "acuity.sif"
    image.touch()
    workflow.run(*command)
    assert (workflow.folder / TARGET).exists()
    (line,) = [line for line in log.read_text().splitlines() if "spheres" in line]
    assert f" {image} " in line
    # The image has the libraries alone; Snakemake brings the code that the digests are of.
    assert f"--bind {workflow.folder / 'src'}:" in line


CONDA = """#!/bin/sh
echo "$@" >> {programs}/log
case "$1 $2" in
    --version*) echo conda 24.7.1 ;;
    "info --json") echo '{{"conda_prefix": "{programs}", "platform": "linux-64"}}' ;;
    "config --get") echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
    "env create")
        for prefix; do :; done
        mkdir -p "$prefix/bin"
        cp {programs}/python "$prefix/bin"
        ;;
esac
"""
# An environment of the libraries alone: without `site` no .pth file leads to the clone.
PYTHON = """#!/bin/sh
case "$1" in *spheres*) echo "$0 $1" >> {programs}/ran ;; esac
PYTHONPATH={libraries} exec {python} -S "$@"
"""


def test_jobs_run_in_the_conda_environment_with_the_code_of_the_clone(
    workflow, tmp_path_factory, monkeypatch
):
    programs = tmp_path_factory.mktemp("conda")
    names = {
        "programs": programs,
        "libraries": sysconfig.get_path("purelib"),
        "python": Path(sys.base_prefix) / "bin" / "python3",
    }
    (programs / "bin").mkdir()
    (programs / "bin/activate").write_text('PATH="$1/bin:$PATH"\n')
    for name, text in (("bin/conda", CONDA), ("python", PYTHON)):
        (programs / name).write_text(text.format(**names))
        (programs / name).chmod(0o755)
    path = [str(programs / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    study = workflow.write_study(STUDY, SHEET)
    command = (TARGET, "--sdm", "conda", "--configfile", study)

    def created():
        lines = (programs / "log").read_text().splitlines()
        return [line for line in lines if line.startswith("env create")]

    workflow.run(*command)
    assert (workflow.folder / TARGET).exists()
    (folder,) = [p for p in (workflow.folder / ".snakemake/conda").iterdir() if p.is_dir()]
    (line,) = created()
    assert f"--prefix {folder}" in line
    alone = [folder / "bin/python", "-c"]
    subprocess.run([*alone, "import numpy"], check=True)
    assert subprocess.run([*alone, "import acuity"], capture_output=True).returncode != 0
    # What is created is what the constraints pin.
    assert folder.with_suffix(".yaml").read_bytes() == (ROOT / "envs/acuity.yaml").read_bytes()
    assert (programs / "ran").read_text().startswith(f"{folder}/bin/python ")

    # The code is the clone's: an edit reruns in the same environment, a pin makes another one.
    module = workflow.folder / "src/acuity/simulate/foam.py"
    with edited(module, append='\nraise SystemExit("the edited clone")\n'):
        failed = workflow.run(*command, check=False)
        assert failed.returncode != 0
        assert "the edited clone" in failed.stdout
    workflow.run(*command)
    assert len(created()) == 1
    with edited(workflow.folder / "envs/acuity.yaml", old="numpy==", new="numpy==0"):
        workflow.run(*command)
    assert len(created()) == 2


PROBE = """include: "Snakefile"
asked = lambda what, attempt: resources_for("train")[what](
    {"method": "deepnet", "level": "2"}, attempt=attempt, **({"threads": 2} if what == "runtime" else {})
)
print("ASKED", *(asked(what, attempt) for what in ("runtime", "mem_mb") for attempt in (1, 3, 10)))
"""


def asked(workflow, *options, **train):
    """Runtime and memory of a training that takes 21 times as long on a CPU, at attempts 1, 3, 10."""
    settings = {"features": 32, "train": {"steps": 50_000, **train}}
    study = workflow.write_study(
        {**STUDY, "levels": [2], "methods": {"deepnet": settings}}, TINY_SHEET
    )
    (workflow.folder / "probe.smk").write_text(PROBE)
    text = workflow.run("-n", "-s", "probe.smk", *options, "--configfile", study).stdout
    (line,) = [line for line in text.splitlines() if line.startswith("ASKED")]
    return [int(word) for word in line.split()[1:]]


def test_jobs_ask_for_the_time_of_the_device_that_they_get(workflow):
    gpu = asked(workflow)
    assert gpu[1] == gpu[2] == 3 * gpu[0]
    assert gpu[4] == gpu[5] == 3 * gpu[3] > 0
    rule = ["--set-resources", "train:gpu=0"]
    cpu = asked(workflow, *rule)
    assert cpu[0] > 5 * gpu[0] >= 50
    assert asked(workflow, "--resources", "gpu=0") == cpu
    assert asked(workflow, device="cpu") == cpu
    assert asked(workflow, *rule, "train:gres=gpu:1") == gpu


@pytest.mark.parametrize("name", ["predict", "train"])
def test_the_profile_lists_every_rule_that_asks_for_a_gpu(name):
    text = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
    lines = [line.removeprefix("# ") for line in text.splitlines() if "gres: " in line]
    listed = yaml.safe_load("\n".join(lines))
    rules = (ROOT / "rules" / f"{name}.smk").read_text()
    if name == "predict":  # its rules are made in a loop
        assert {"predict", "predict_planes", "predict_slab", "predict_planes_slab"} <= listed.keys()
    blocks = re.split(r"^ *(?:use )?rule ", rules, flags=re.M)[1:]
    for block in blocks:
        rule = re.search(r"as (\w+) with:", block.splitlines()[0])
        rule = rule[1] if rule else block.split(":")[0]
        assert (rule in listed) == ("gpu=" in block), rule


def test_a_training_longer_than_its_jobs_goes_on_by_retries(
    workflow, tmp_path_factory, monkeypatch
):
    """A stand-in for squeue gives each attempt seconds beside the half minute that is left."""
    volume = np.random.default_rng(0).integers(0, 255, (24, 96, 96)).astype(np.uint8)
    tifffile.imwrite(workflow.folder / "own.tif", volume, photometric="minisblack")
    train = {
        "steps": 30,
        "batch": 4,
        "patch": [5, 96, 96],
        "validate_every": 15,
        "validation_patches": 2,
        "precision": "float32",
    }
    study = {
        "study": "own",
        "samples": "own.tsv",
        "levels": [1],
        "methods": {"deepnet": {"features": 16, "train": train}},
    }
    sheet = (
        "sample\trole\tpath\tvoxel_size\tregion\n"
        "own\ttrain\town.tif\t2 um\t:12\njudge\ttest\town.tif\t2 um\t12:\n"
    )
    path = workflow.write_study(study, sheet, name="own")
    programs = tmp_path_factory.mktemp("bin")
    squeue = programs / "squeue"
    left = programs / "left"
    squeue.write_text(f'#!/bin/sh\ndate -d "$(cat {left}) seconds" +%Y-%m-%dT%H:%M:%S\n')
    squeue.chmod(0o755)
    weights = "results/own/train/deepnet/level1/model.safetensors"
    with monkeypatch.context() as slurm:
        slurm.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        slurm.setenv("SLURM_JOB_ID", "1")
        left.write_text("31")  # 30 steps do not fit into a second
        without = workflow.run(weights, "--retries", "0", "--configfile", path, check=False)
        assert without.returncode != 0
        assert "it goes on from there when the job is run again" in without.stdout
        left.write_text("90")
        workflow.run(weights, "--retries", "50", "--configfile", path)
    text = (workflow.folder / "logs/own/train/deepnet/level1.log").read_text()
    assert "resumed at step" in text
    found = (workflow.folder / weights).read_bytes()
    workflow.run(weights, "--force", "--configfile", path)
    assert (workflow.folder / weights).read_bytes() == found
