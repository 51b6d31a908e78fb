"""The workflow on a real Slurm: one node on loopback, started and stopped by `cluster.sh`."""

import os
import re
import subprocess
import time
from signal import SIGKILL

import pytest
import tifffile
import yaml

from tests.conftest import ROOT, TINY_FOAM
from tests.faults.test_bad_input import stack
from tests.slurm.loopback import MISSING, REASON, loopback

# Slurm is no Python package: where its daemons are not installed, REASON says which and how to get them.
needs_slurm = pytest.mark.skipif(bool(MISSING), reason=REASON)

FOAM = {
    **{key: value for key, value in TINY_FOAM.items() if key != "evaluate_on_train"},
    "methods": {"srcnn3d": TINY_FOAM["methods"]["srcnn3d"]},
}
# As the profile proposes for small studies: what judges an image is one job of Slurm.
MEASURING = (
    "segment count_objects pore_space quality resolution collect_metrics figures sample_figures "
    "report_sample report"
)
GROUPS = ["--groups", *(f"{rule}=measure" for rule in MEASURING.split())]
# The times of a group's jobs add up; beyond the partition's limit it would wait for ever.
GROUPS += ["--default-resources", "slurm_partition=main", "mem_mb=1000", "runtime=20"]


@pytest.fixture(scope="module")
def cluster():
    """A Slurm of its own; `sbatch` and the others of this process talk to it."""
    with pytest.MonkeyPatch.context() as environment, loopback() as (folder, variables):
        for name, value in variables.items():
            environment.setenv(name, value)
        yield folder


@pytest.fixture
def on_slurm(workflow):
    """A workflow whose profile is filled in."""
    profile = workflow.folder / "profiles" / "slurm" / "config.yaml"
    text = profile.read_text()
    assert "slurm_partition: FILL_IN" in text
    profile.write_text(text.replace("slurm_partition: FILL_IN", "slurm_partition: main"))
    return workflow


QUICK = [
    "--workflow-profile",
    "profiles/slurm",
    "--slurm-init-seconds-before-status-checks",
    3,
    "--latency-wait",
    10,
    "--retries",
    0,
]


def submitted(text):
    """The jobs that were handed in, as rule_NAME/WILDCARDS or group_NAMES."""
    return re.findall(
        r"submitted with SLURM jobid \d+ \(log: \S*/slurm_logs/(\S+)/\d+\.log\)", text
    )


def slurm_jobs():
    """Number and comment of the jobs that wait or run."""
    text = subprocess.run(
        ["squeue", "--noheader", "--format", "%i %k"], capture_output=True, text=True, check=True
    ).stdout
    return dict(line.split(" ", 1) for line in text.splitlines())


def cancel(comment, running):
    """Cancel the first job with that comment as soon as there is one."""
    while running.poll() is None:
        for job, said in slurm_jobs().items():
            if comment in said:
                subprocess.run(["scancel", job], check=True)
                return job
        time.sleep(0.1)
    raise AssertionError(running.communicate()[0][-6000:])


# ------------------------------------------------------------------------------------ the profile


@pytest.mark.parametrize("option", ["--workflow-profile", "--profile"])
def test_a_profile_that_is_not_filled_in_is_refused(workflow, option):
    study = workflow.write_study(FOAM)
    arguments = [option, "profiles/slurm", "--configfile", study]
    refused = workflow.run("-n", *arguments, check=False)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stdout
    sentence = (
        "the Slurm profile, key default-resources, slurm_partition: found FILL_IN; it needs the name "
        "of a partition of this cluster (sinfo lists them)"
    )
    assert sentence in refused.stdout.splitlines()
    assert not (workflow.folder / "results").exists()
    partition = ["--default-resources", "slurm_partition=main"]
    assert workflow.planned(*arguments, *partition)["train"] == 1


def test_both_profiles_agree_on_what_reruns():
    default, slurm = (
        yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
        for name in ("default", "slurm")
    )
    for key in ("rerun-triggers", "max-checksum-file-size", "rerun-incomplete"):
        assert default[key] == slurm[key]
    assert (
        not {"latency-wait", "jobs", "default-resources"} & default.keys()
    )  # would win over slurm


# ------------------------------------------------------------------------------------ the cluster


@needs_slurm
@pytest.mark.slow
def test_the_chain_with_a_cancelled_job_and_a_rerun_of_what_is_missing(cluster, on_slurm, request):
    study = on_slurm.write_study(FOAM)
    command = [*QUICK, *GROUPS, "--configfile", study]
    running = on_slurm.start(*command)
    request.addfinalizer(lambda: running.poll() is None and os.killpg(running.pid, SIGKILL))
    job = cancel("rule_train", running)
    text, _ = running.communicate()
    assert running.returncode != 0
    sentence = f"rule train: Slurm job {job} was cancelled; run the same command again to go on"
    assert sentence in text.splitlines(), text[-6000:]
    first = submitted(text)
    assert slurm_jobs() == {}

    done = on_slurm.run(*command)
    second = submitted(done.stdout)
    # Of all that was handed in, the cancelled job alone is handed in again.
    (train,) = (name for name in first if name.startswith("rule_train/"))
    assert set(first) & set(second) == {train}
    assert len(second) == len(set(second))
    names = {re.match(r"(?:rule|group)_([a-z]+)", name)[1] for name in first + second}
    assert names == {
        "spheres",
        "exact",
        "projections",
        "reconstruct",
        "train",
        "predict",
        "measure",
    }
    results = on_slurm.folder / "results" / "tiny"
    assert (results / "report" / "index.html").exists()
    log = (on_slurm.folder / "logs" / "tiny" / "train" / "srcnn3d" / "level2.log").read_text()
    assert re.search(r"stops at the latest in \d+ min, before the job ends", log), log

    report = results / "report" / "b.html"
    report.unlink()
    again = on_slurm.run(*command)
    assert submitted(again.stdout) == ["group_measure_report_report_sample"]
    assert report.exists()


@needs_slurm
@pytest.mark.slow
def test_jobs_that_fail_are_told_with_their_logs(cluster, on_slurm):
    folder = on_slurm.folder
    tifffile.imwrite(folder / "good.tif", stack(), photometric="minisblack")
    data = (folder / "good.tif").read_bytes()
    (folder / "bad.tif").write_bytes(data[: len(data) // 2])
    study = {
        "study": "own",
        "samples": "own.tsv",
        "levels": [2],
        "methods": {"richardson_lucy": None},
    }
    sheet = "sample\trole\tpath\tvoxel_size\nbad\ttest\tbad.tif\t2 um\ngood\ttest\tgood.tif\t2 um\n"
    command = ["ingest_all", *QUICK, "--keep-going", "--configfile"]
    command.append(on_slurm.write_study(study, sheet, "own"))
    failed = on_slurm.run(*command, check=False)
    assert failed.returncode != 0
    lines = failed.stdout.splitlines()
    said = [n for n, line in enumerate(lines) if line.startswith("bad.tif: ")]
    assert len(said) == 1, failed.stdout[-6000:]
    logs = re.fullmatch(r"  \(log: (\S+), (\S+)\)", lines[said[0] + 1])
    assert logs, lines[said[0] + 1]
    assert logs[1] == "logs/own/ingest/bad.log"
    assert "/slurm_logs/rule_ingest/bad/" in logs[2]
    assert all((folder / log).exists() for log in logs.groups())
    assert (folder / "results/own/ingest/good.ome.zarr/zarr.json").exists()

    # A GPU demanded where there are fewer.
    greedy = on_slurm.run(*command, "--set-resources", "ingest:gpu=3", check=False)
    assert greedy.returncode != 0
    assert re.search(
        r"^rule ingest: Slurm refused the job \(Batch job submission failed: Requested node "
        r"configuration is not available\); it asks for a .* GPUs that are not to be had",
        greedy.stdout,
        re.M,
    ), greedy.stdout[-6000:]

    # A profile without a partition is refused before anything is handed in.
    without = on_slurm.run(*command, "--default-resources", "mem_mb=1000", check=False)
    assert without.returncode != 0
    assert "slurm_partition: found none" in without.stdout, without.stdout[-6000:]
    assert submitted(without.stdout) == []
