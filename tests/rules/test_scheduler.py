"""Snakemake's own cost: its processor time grows with the number of jobs, not with its square."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

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
