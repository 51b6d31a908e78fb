"""How many threads a process may use, and how they wait for one another.

Threads of OpenMP (torch's, numba's) by default spin for milliseconds where one of them waits for the
others. On a machine that is shared the one that it waits for may have no core, and a step that takes
0.08 s alone was seen to take 7 s. Here they spin as long, which is the quickest on idle cores, but hardly
at all while `acuity.patience` has more threads than cores. The library of OpenMP reads these variables
when it is loaded with torch or numba: Snakemake's main process sets them, and jobs inherit them.
"""

import logging
import math
import os
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger("acuity.threads")

# GNU's library obeys the first where there are more threads than cores, and the third, its default,
# elsewhere (without it, not at all: a training of small layers that is alone takes a fifth longer);
# LLVM's and Intel's obey the second.
WAITING = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "300000"}
# Snakemake gives each job an OMP_NUM_THREADS of its own: what the user set is kept here.
LIMIT = "ACUITY_NUM_THREADS"


def wait_passively(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the threads of this process, and of those that it starts, sleep while they wait.

    Parameters
    ----------
    environment : mapping
        The variables of the environment; left as they are where one of `WAITING` is there.
    """
    if not any(name in environment for name in WAITING):
        environment.update(WAITING)


def keep_limit(environment: MutableMapping[str, str] = os.environ) -> None:
    """Keep the user's OMP_NUM_THREADS for the jobs, before Snakemake sets one for each.

    Parameters
    ----------
    environment : mapping
        The variables of the environment.
    """
    if "OMP_NUM_THREADS" in environment:
        environment.setdefault(LIMIT, environment["OMP_NUM_THREADS"])


def cores() -> int:
    """Count the cores that this process may use.

    Returns
    -------
    int
        At least 1: those that it is bound to, and no more than the quota of its control group, a
        part of a core counted as one.
    """
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        count = os.cpu_count() or 1
    return max(1, math.ceil(min(count, _quota())))


def allowed(threads: int) -> int:
    """Say how many threads a job that was given some may use.

    Parameters
    ----------
    threads : int
        What it was given.

    Returns
    -------
    int
        At least 1, and no more than `cores` or the user's OMP_NUM_THREADS.
    """
    return max(1, min(int(threads), cores(), _limit() or int(threads)))


def use_threads(threads: int) -> None:
    """Let numba and torch, where they are loaded, use a number of threads.

    Parameters
    ----------
    threads : int
        Threads; see `allowed`. numba takes no more than it was started with.
    """
    import sys

    count = allowed(threads)
    if "numba" in sys.modules:
        numba = sys.modules["numba"]
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


def note_environment(threads: int) -> None:
    """Log what the user's environment says of threads, where it differs from what we would do.

    Parameters
    ----------
    threads : int
        What the job was given.
    """
    said = {name: os.environ[name] for name in WAITING if name in os.environ}
    if said != WAITING:
        logger.info(
            "threads wait as the environment says: %s",
            ", ".join(f"{name}={value}" for name, value in said.items()) or "nothing is set",
        )
    limit = _limit()
    if limit and limit < min(threads, cores()):
        logger.info("OMP_NUM_THREADS=%d in the environment: not %d threads", limit, threads)
    elif allowed(threads) < threads:
        logger.info("this process may use %d of the %d cores it was given", cores(), threads)


def _limit() -> int | None:
    """The user's OMP_NUM_THREADS; a list is for nested levels, of which the first counts."""
    first = os.environ.get(LIMIT, "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else None


def _quota(root: Path = Path("/sys/fs/cgroup"), of: Path = Path("/proc/self/cgroup")) -> float:
    """Cores that the control groups of this process allow; infinite where none limits them."""
    least = math.inf
    try:
        lines = [line.split(":", 2) for line in of.read_text().splitlines()]
    except OSError:
        return least
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers == "":  # version 2
            base, read = root, _quota_2
        elif "cpu" in controllers.split(","):
            base, read = root / controllers, _quota_1
            if not base.is_dir():
                base = root / "cpu"
        else:
            continue
        # In a container the path may be the host's, of which only the root is seen.
        folder = base / path.lstrip("/")
        folders = [folder, *folder.parents]
        for place in folders[: folders.index(base) + 1]:
            with suppress(OSError, ValueError):
                least = min(least, read(place))
    return least


def _quota_2(folder: Path) -> float:
    quota, period = (folder / "cpu.max").read_text().split()
    return math.inf if quota == "max" else int(quota) / int(period)


def _quota_1(folder: Path) -> float:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    return math.inf if quota <= 0 else quota / int((folder / "cpu.cfs_period_us").read_text())
