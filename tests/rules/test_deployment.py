"""``--sdm apptainer``: what Snakemake hands to it. A stand-in runs the command without an image."""

import os
import sys
from pathlib import Path

from tests.rules.test_cache import SHEET, STUDY

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
