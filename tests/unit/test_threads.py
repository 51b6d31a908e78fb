"""How many threads a job uses, how they wait, and what the user's environment says of both."""

import logging
import os
import subprocess
import sys
from math import inf

import pytest

from acuity import threads
from acuity.threads import LIMIT, WAITING, allowed, cores, keep_limit, wait_passively
from tests.conftest import ROOT


def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise():
    environment = {}
    wait_passively(environment)
    assert environment == WAITING
    for name in WAITING:
        environment = {name: "active"}
        wait_passively(environment)
        assert environment == {name: "active"}


@pytest.mark.parametrize(
    ("said", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")]
)
def test_torch_is_loaded_with_it(said, policy):
    """Of what OpenMP's library itself prints."""
    clean = {k: v for k, v in os.environ.items() if k not in WAITING}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from acuity.threads import wait_passively; wait_passively(); import torch",
        ],
        env=clean | said | {"OMP_DISPLAY_ENV": "verbose", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    if "GOMP_SPINCOUNT" in done.stderr:  # GNU's library
        assert ("GOMP_SPINCOUNT = '300000'" in done.stderr) == (policy == "PASSIVE")
    assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr


def test_the_cores_of_this_process_count_and_not_those_of_the_machine(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    for quota, count in [(inf, 3), (3.0, 3), (2.0, 2), (1.5, 2), (0.5, 1), (0.01, 1)]:
        monkeypatch.setattr(threads, "_quota", lambda quota=quota: quota)
        assert cores() == count
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS
    monkeypatch.setattr(threads, "_quota", lambda: inf)
    assert cores() == 64


def files(folder, texts):
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("group", "texts", "quota"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "200000 50000\n"}, 3.0),
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4.0),
        ("0::/elsewhere/on/the/host\n", {"cpu.max": "70000 100000\n"}, 0.7),  # of a container
        ("0::/a\n", {}, inf),
        ("0::/a\n", {"a/cpu.max": "what\n"}, inf),
        ("4:cpu,cpuacct:/a\n1:name=systemd:/a\n",
         {"cpu,cpuacct/a/cpu.cfs_quota_us": "25000\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"}, 0.25),
        ("4:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, inf),
        ("4:cpuset:/a\n", {"cpu/a/cpu.cfs_quota_us": "1\n"}, inf),
        ("nonsense\n", {"cpu.max": "1 2\n"}, inf),
    ],
)  # fmt: skip
def test_the_quota_of_a_control_group(tmp_path, group, texts, quota):
    files(tmp_path / "root", texts)
    (tmp_path / "cgroup").write_text(group)
    assert threads._quota(tmp_path / "root", tmp_path / "cgroup") == quota
    assert threads._quota(tmp_path / "root", tmp_path / "absent") == inf


def test_a_limit_of_the_user_is_kept_for_the_jobs_and_noted(monkeypatch, caplog):
    environment = {"OMP_NUM_THREADS": "3,2"}
    keep_limit(environment)
    environment["OMP_NUM_THREADS"] = "8"  # as Snakemake does for a job
    keep_limit(environment)
    assert environment[LIMIT] == "3,2"
    environment = {}
    keep_limit(environment)
    assert environment == {}

    monkeypatch.setattr(threads, "cores", lambda: 6)
    for limit, given, used in [
        (None, 4, 4),
        ("3,2", 4, 3),
        ("3", 2, 2),
        ("x", 9, 6),
        ("0", 2, 2),
        ("9", 8, 6),
    ]:
        monkeypatch.delenv(LIMIT, raising=False)
        if limit:
            monkeypatch.setenv(LIMIT, limit)
        assert allowed(given) == used, limit
    assert allowed(0) == 1

    caplog.set_level(logging.INFO, "acuity")
    monkeypatch.setenv(LIMIT, "3")
    for name in WAITING:
        monkeypatch.setenv(name, WAITING[name])
    threads.note_environment(2)
    assert caplog.messages == []
    threads.note_environment(4)
    assert caplog.messages.pop() == "OMP_NUM_THREADS=3 in the environment: not 4 threads"
    monkeypatch.delenv(LIMIT)
    threads.note_environment(8)
    assert caplog.messages.pop() == "this process may use 6 of the 8 cores it was given"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.delenv("KMP_BLOCKTIME")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    threads.note_environment(1)
    assert caplog.messages[-1] == "threads wait as the environment says: OMP_WAIT_POLICY=active"


def test_numba_and_torch_use_what_is_allowed(monkeypatch):
    import numba
    import torch

    before = numba.get_num_threads(), torch.get_num_threads()
    monkeypatch.setattr(threads, "cores", lambda: 64)
    try:
        monkeypatch.delenv(LIMIT, raising=False)
        threads.use_threads(1)
        assert (numba.get_num_threads(), torch.get_num_threads()) == (1, 1)
        threads.use_threads(3)
        most = numba.config.NUMBA_NUM_THREADS
        assert (numba.get_num_threads(), torch.get_num_threads()) == (min(3, most), 3)
        monkeypatch.setenv(LIMIT, "2")
        threads.use_threads(3)
        assert torch.get_num_threads() == 2
    finally:
        numba.set_num_threads(before[0])
        torch.set_num_threads(before[1])
