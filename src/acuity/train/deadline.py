"""The time that a training has: until shortly before its Slurm job ends, or until Ctrl-C."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from acuity.errors import AcuityError

SLACK = 30.0  # seconds that are left to Snakemake and Slurm


class TimeUp(AcuityError):
    """A training has stopped, with a checkpoint, and goes on from there when it is run again."""


def end_of_job(runtime: float | None = None) -> float | None:
    """Return when the work of this Slurm job must have ended: shortly before Slurm ends it.

    Parameters
    ----------
    runtime : float, optional
        Time that was asked for, from now, in minutes; taken where Slurm cannot be asked.

    Returns
    -------
    float or None
        Seconds since the epoch; None outside of Slurm, and for a job without a limit.
    """
    if "SLURM_JOB_END_TIME" in os.environ:
        return float(os.environ["SLURM_JOB_END_TIME"]) - SLACK
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return None
    # Snakemake's job steps keep no other variable of Slurm than the job's number.
    try:
        answer = subprocess.run(
            ["squeue", "--noheader", "--jobs", job, "--format", "%e"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={**os.environ, "SLURM_TIME_FORMAT": "standard"},
        ).stdout.strip()
        return datetime.fromisoformat(answer).timestamp() - SLACK
    except (OSError, subprocess.SubprocessError, ValueError):
        return time.time() + 60.0 * runtime - SLACK if runtime else None


class Deadline:
    """Tells a training when to stop: while a step and a checkpoint still fit in.

    Parameters
    ----------
    until : float or None
        When it must have ended, in seconds since the epoch; None: never.
    """

    def __init__(self, until: float | None = None) -> None:
        self.until = until
        self.interrupted = False
        self.longest = 0.0
        self.last = time.time()

    def is_over(self) -> bool:
        """Note that a step has ended; return whether there may be no time, or no wish, for another."""
        now = time.time()
        self.longest, self.last = max(self.longest, now - self.last), now
        return self.interrupted or (self.until is not None and now + 2 * self.longest >= self.until)

    @contextmanager
    def until_interrupted(self) -> Iterator[None]:
        """Let Ctrl-C (SIGINT) end the training behind its step; a second one ends it at once."""
        with on_interrupt(lambda: setattr(self, "interrupted", True)):
            yield


@contextmanager
def on_interrupt(note: Callable[[], object]) -> Iterator[None]:
    """Call a function at the first SIGINT, in place of what is done else.

    Parameters
    ----------
    note : callable
        Without arguments. A second SIGINT has its usual effect. Signals are those of the main thread:
        elsewhere nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(number, frame):
        signal.signal(signal.SIGINT, before)
        note()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
