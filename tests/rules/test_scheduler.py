"""Snakemake's own cost, which grows with the number of jobs and not with its square; and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.conftest import ROOT, TINY_TRAINING

JOBS = """
rule all:
    input: expand("{n}.done", n=range(int(config["jobs"])))

rule one:
    output: "{n}.done"
    threads: lambda w: 2 if int(w.n) % 5 == 0 else 1
    shell: "sleep 0.02; : > {output}"
"""


def main_process(folder, jobs, *options):
    """Processor seconds of Snakemake and its solver, without the jobs' own."""
    (folder / "Snakefile").write_text(JOBS)
    code = (
        "import atexit, os, sys\n"
        "def told():\n"
        "    print('cpu', os.times().user + os.times().system)\n"
        "    sys.stdout.flush()\n"
        "atexit.register(told)\n"
        "from snakemake.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--cores", "2", "--config", f"jobs={jobs}", "--quiet", "all",
         *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    assert len(list(folder.glob("*.done"))) == jobs
    return float(done.stdout.split("cpu ")[1])


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["default"])
def test_ten_times_the_jobs_cost_ten_times_as_much_at_most(tmp_path, profile):
    chosen = ("--workflow-profile", str(ROOT / "profiles" / profile))
    cost = {}
    for jobs in (50, 500):
        (tmp_path / str(jobs)).mkdir()
        cost[jobs] = main_process(tmp_path / str(jobs), jobs, *chosen)
    assert cost[500] <= 10 * cost[50], cost


@pytest.mark.slow
def test_ctrl_c_in_a_training_ends_in_few_lines_that_say_how_to_go_on(workflow):
    np.save(workflow.folder / "own.npy", np.random.default_rng(0).normal(9, 1, (24, 40, 40)))
    train = TINY_TRAINING | {"steps": 10**6, "patch": [8, 16, 16], "validate_every": 5}
    study = {
        "study": "own",
        "samples": "own.tsv",
        "levels": [1],
        "methods": {"srcnn3d": {"features": [4, 4], "train": train}},
    }
    sheet = "sample\trole\tpath\tvoxel_size\tregion\n" + "".join(
        f"{name}\t{role}\town.npy\t2 um\t{part}\n"
        for name, role, part in (("a", "train", ":18"), ("b", "test", "18:"))
    )
    path = workflow.write_study(study, sheet, name="own")
    run = workflow.start("train_all", "--configfile", path)
    until = time.monotonic() + 120
    while not list((workflow.folder / "results").glob("own/train/**/*.safetensors")):
        assert time.monotonic() < until, run.kill() or run.communicate()[0][-3000:]
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)
    text = run.communicate(timeout=60)[0]
    assert run.returncode != 0
    # the job may say so before Snakemake does
    at = min(text.index(said) for said in ("interrupted at step", "Terminating processes"))
    said = [line for line in text[at:].splitlines() if line.strip()]
    assert len(said) <= 9, text[at:]
    assert sum("run it again to go on" in line for line in said) >= 1, text[at:]
    for noise in ("Error in rule", "RuleException", "Traceback", "At least one job"):
        assert noise not in text, text[at:]
    # what failed for another reason is shown as ever
    (workflow.folder / "own.npy").write_bytes(b"no array")
    wrong = workflow.run("ingest_all", "--configfile", path, check=False).stdout
    assert "Error in rule ingest" in wrong
