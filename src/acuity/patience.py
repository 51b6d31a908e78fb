"""Let the threads of a job sleep while they wait, as long as others want its cores.

Threads of OpenMP that have done their part spin for the others: on idle cores that is the quickest. Where
other processes want these cores, the thread that all wait for may have none while the rest burn
theirs. How long they spin is fixed when the library of OpenMP is loaded; but GNU's hardly spins
as long as a process has more threads of OpenMP than cores. A second team of sleeping
threads is therefore held while the process has to queue for cores. The results do not depend on it.
"""

import ctypes
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from acuity.threads import WAITING

TASKS = Path("/proc/self/task")  # the kernel's folder of the threads of this process
EVERY = 0.5  # seconds between two looks
# Seconds that the threads queue for a core, in each second: above the first the machine is busy, below
# the second it is not.
BUSY, QUIET = 0.2, 0.05
MOST_CORES = 64  # a team for more would cost more than it brings
SLICE = 200_000  # nanoseconds: how long the kernel lets a woken thread run before others, at most


@contextmanager
def share_cores() -> Iterator[None]:
    """Watch whether this process queues for its cores, and let its threads wait accordingly.

    Does nothing where the environment says how threads wait, or the kernel does not say how long they
    queue (it is Linux's schedstat).
    """
    said = {name: os.environ.get(name) for name in WAITING}
    if said != WAITING or not (TASKS / str(os.getpid()) / "schedstat").exists():
        yield
        return
    _short_slices()
    end = threading.Event()
    watcher = threading.Thread(target=_watch, args=(end,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        end.set()
        watcher.join()


def _watch(end: threading.Event) -> None:
    team, queued, since = None, _queued(), time.monotonic()
    while not end.wait(EVERY):
        now, at = _queued(), time.monotonic()
        # Less than before where a thread has ended, which takes its time along.
        share = (now - queued) / (at - since)
        queued, since = now, at
        if team is None and share > BUSY:
            team = _Team()
        elif team is not None and share < QUIET:
            team.release()
            team = None
    if team is not None:
        team.release()


def _queued(tasks: Path = TASKS) -> float:
    """Seconds that the threads of this process have waited for a core, while they had work."""
    total = 0
    for path in tasks.glob("*/schedstat"):
        with suppress(OSError, IndexError):  # it has just ended
            total += int(path.read_text().split()[1])
    return total / 1e9


class _Team:
    """Sleeping threads of each of GNU's libraries of OpenMP in this process."""

    def __init__(self) -> None:
        self._end = threading.Event()
        ready = threading.Event()
        # The team belongs to the thread that started it, and ends with it.
        self._thread = threading.Thread(target=self._hold, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    def _hold(self, ready: threading.Event) -> None:
        for path in _libraries():
            library = ctypes.CDLL(path)
            cores = library.omp_get_num_procs()
            if cores <= MOST_CORES:
                nothing = ctypes.cast(library.omp_get_thread_num, ctypes.c_void_p)
                library.GOMP_parallel(nothing, None, ctypes.c_uint(cores + 1), 0)
        ready.set()
        self._end.wait()

    def release(self) -> None:
        self._end.set()
        self._thread.join()


def _libraries(maps: Path = Path("/proc/self/maps")) -> list[str]:
    """Paths of GNU's libraries of OpenMP that this process has loaded: torch's, the system's."""
    lines = (line.split(maxsplit=5) for line in maps.read_text().splitlines())
    return sorted({f[5] for f in lines if len(f) == 6 and "libgomp" in Path(f[5]).name})


def _short_slices() -> None:
    """Ask the kernel to run the threads of this process soon after they wake, for less at a time.

    Their share of the cores stays the same. Linux heeds it from 6.12 on; other systems, or a
    container that forbids it, do as before.
    """
    numbers = {"x86_64": (314, 315), "aarch64": (274, 275)}.get(platform.machine())
    if numbers is None:
        return
    write, read = numbers
    kernel = ctypes.CDLL(None)
    attributes = (ctypes.c_uint64 * 7)()  # struct sched_attr: the fourth is the slice
    size = ctypes.sizeof(attributes)
    if kernel.syscall(read, 0, attributes, size, 0) == 0 and attributes[0] >> 32 in (0, 3):
        attributes[3] = SLICE
        kernel.syscall(write, 0, attributes, 0)
