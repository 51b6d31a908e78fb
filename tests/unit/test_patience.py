"""When the threads of a job stop spinning, and that they do."""

import os
import subprocess
import sys
import threading

import pytest

from acuity import patience
from acuity.patience import BUSY, QUIET, share_cores
from acuity.threads import WAITING
from tests.conftest import ROOT


class Turns:
    """A clock and an event that ends after the turns that were told."""

    def __init__(self, turns):
        self.now, self.left = 100.0, turns

    def monotonic(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize(
    ("queued", "events"),
    [
        ([0, 0, 0], []),
        ([BUSY - 0.01] * 3, []),
        ([BUSY + 0.01, 1.3, 1.3], ["held", "released"]),  # at the job's end
        ([0, 1.3, QUIET + 0.01, QUIET + 0.01], ["held", "released"]),
        ([1.3, QUIET - 0.01, 0, 0.6], ["held", "released", "held", "released"]),
        ([-5, -5], []),  # a thread has ended
    ],
)
def test_a_team_is_held_while_the_process_queues(monkeypatch, queued, events):
    seen = []

    class Team:
        def __init__(self):
            seen.append("held")

        def release(self):
            seen.append("released")

    totals = [7.0]
    for share in queued:
        totals.append(totals[-1] + share * patience.EVERY)
    turns = Turns(len(queued))
    monkeypatch.setattr(patience, "time", turns)
    monkeypatch.setattr(patience, "_Team", Team)
    monkeypatch.setattr(patience, "_queued", lambda: totals.pop(0))
    patience._watch(turns)
    assert seen == events


def test_the_time_of_all_threads_counts(tmp_path):
    for name, text in {"10": "5 2000000000 1", "11": "5 500000000 1", "12": ""}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "schedstat").write_text(text)
    (tmp_path / "13").mkdir()  # has just ended
    assert patience._queued(tmp_path) == 2.5


def test_each_library_of_openmp_is_found_once(tmp_path):
    maps = tmp_path / "maps"
    maps.write_text(
        "7f00-7f01 r--p 00000000 08:01 12   /a folder/torch/lib/libgomp.so.1\n"
        "7f01-7f02 r-xp 00000000 08:01 12   /a folder/torch/lib/libgomp.so.1\n"
        "7f03-7f04 r-xp 00000000 08:01 13   /usr/lib/libgomp-1a2b.so.1.0.0\n"
        "7f05-7f06 r-xp 00000000 08:01 14   /libgomp/libm.so.6\n"
        "7f07-7f08 rw-p 00000000 00:00 0\n"
    )
    assert patience._libraries(maps) == [
        "/a folder/torch/lib/libgomp.so.1",
        "/usr/lib/libgomp-1a2b.so.1.0.0",
    ]


REAL = """
import os, time
from acuity import patience
import torch
count = lambda: len(os.listdir("/proc/self/task"))
torch.set_num_threads(2)
values = torch.arange(200_000.0)
before, alone = values.exp().sum(), count()
team = patience._Team()
held, same = count(), values.exp().sum()
team.release()
end = time.monotonic() + 60
while count() > alone and time.monotonic() < end:  # the kernel ends them when it has time
    time.sleep(0.01)
print(len(patience._libraries()) > 0, held - alone > len(os.sched_getaffinity(0)), same == before,
      count() == alone)
patience._short_slices()
with open("/proc/self/sched") as file:
    print(*[line.split()[-1] for line in file if line.startswith("se.slice")])
"""


def test_a_real_team_is_larger_than_the_cores_and_ends():
    environment = os.environ | WAITING | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", REAL], env=environment, capture_output=True, text=True, check=True
    )
    first, slices = done.stdout.splitlines()
    assert first == "True True tensor(True) True"
    assert slices in ("", str(patience.SLICE))  # the former before Linux 6.12


def test_a_job_is_watched_unless_the_user_says_how_threads_wait(monkeypatch):
    def watched():
        with share_cores():
            names = [
                thread._target for thread in threading.enumerate() if hasattr(thread, "_target")
            ]
        assert patience._watch not in [getattr(t, "_target", 0) for t in threading.enumerate()]
        return patience._watch in names

    monkeypatch.setattr(patience, "_short_slices", lambda: None)  # of the tests' own process
    for name, value in WAITING.items():
        monkeypatch.setenv(name, value)
    assert watched()
    monkeypatch.setenv("GOMP_SPINCOUNT", "0")
    assert not watched()
    monkeypatch.setenv("GOMP_SPINCOUNT", WAITING["GOMP_SPINCOUNT"])
    monkeypatch.delenv("OMP_WAIT_POLICY")
    assert not watched()
