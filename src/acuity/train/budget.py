"""The time that a training has: until shortly before its Slurm job ends."""

import os
import subprocess
import time
from datetime import datetime

from acuity.errors import AcuityError

SLACK = 30.0  # seconds that are left to Snakemake and Slurm


class TimeUp(AcuityError):
    """A training has stopped before its job's time ends, and goes on when it is run again."""


def end_of_job(runtime=None):
    """When the work of this Slurm job must have ended: shortly before Slurm ends it.

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


class Budget:
    """Tells a training when to stop: while a step and a checkpoint still fit in.

    Parameters
    ----------
    until : float or None
        When it must have ended, in seconds since the epoch; None: never.
    """

    def __init__(self, until=None):
        self.until = until
        self.longest = 0.0
        self.last = time.time()

    def is_over(self):
        """Note that a step has ended; give whether there may be no time for another."""
        now = time.time()
        self.longest, self.last = max(self.longest, now - self.last), now
        return self.until is not None and now + 2 * self.longest >= self.until
