"""Which of Snakemake's ready jobs go next, at little cost: `scheduler: acuity` in a profile.

Snakemake finds this package by its name. The choice is that of its own greedy scheduler: no solver is
started. What is added is one thing. With a limit of jobs a second, which Snakemake always has, each
look at the jobs plans another one a second later, so that with every job that ends there is one more
for ever: after a hundred jobs the main process kept half a core busy. Here at most one is planned.

Snakemake loads its plugins before it reads the study file, and no code of a workflow runs before that:
what a study file is refused for is said here too. So is what is shown after Ctrl-C.
"""

import logging
import os
import sys
import threading
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.scheduling.greedy import Scheduler as Greedy
from snakemake.scheduling.greedy import SchedulerSettings as GreedySettings
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings import types

_INTERRUPTED = "Terminating processes on user request"  # what Snakemake says of it
_LOAD = "load_configfile"  # their names in Snakemake
_PLAN = "_schedule_reevalutation"


class Scheduler(Greedy):
    """The greedy scheduler; from when it is made, looks at the jobs are planned by `plan_one_look`."""

    def __post_init__(self):
        self.settings = GreedySettings()
        super().__post_init__()
        if hasattr(JobScheduler, _PLAN):
            setattr(JobScheduler, _PLAN, plan_one_look)
        calm = Calm()
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(calm)


class Calm(logging.Filter):
    """After Ctrl-C, leaves to the log file what Snakemake says of each job that it ended.

    A job says itself that it was interrupted, and how to go on.
    """

    interrupted = False

    def filter(self, record):
        """Tell whether a record is shown."""
        self.interrupted |= record.getMessage().startswith(_INTERRUPTED)
        return not (self.interrupted and record.levelno >= logging.ERROR)


def say_why(load):
    """Make Snakemake's reading of a study file say in one sentence what is wrong with it.

    Parameters
    ----------
    load : callable
        Reads a file, given its path.

    Returns
    -------
    callable
        The same, which also reads what Acuity can (UTF-16); of a file that neither can read it raises
        WorkflowError.
    """

    def read(path):
        try:
            return load(path)
        except Exception:
            from acuity.errors import AcuityError
            from acuity.study.reading import read_keys

            try:
                content, why = read_keys(os.path.relpath(path)), ""
            except AcuityError as error:
                content, why = None, str(error)
            if isinstance(content, dict):
                return content
            why = why or f"{os.path.relpath(path)}: a study is a mapping of keys to values"
            words = [Path(word) for word in sys.argv]
            place = words.index(Path(path)) if Path(path) in words else 0
            if place and not str(words[place - 1]).startswith("-"):
                why += f"; put the target first: snakemake {path} --configfile STUDY.yaml"
            raise WorkflowError(why) from None

    return read


if hasattr(types, _LOAD):
    setattr(types, _LOAD, say_why(getattr(types, _LOAD)))


def plan_one_look(scheduler, delay):
    """Plan a look at the jobs, unless one is planned already.

    Parameters
    ----------
    scheduler : snakemake.scheduling.job_scheduler.JobScheduler
        Whose jobs.
    delay : float
        Seconds until then.
    """
    planned = scheduler.__dict__.setdefault("_planned_looks", set())
    if delay in planned:
        return
    planned.add(delay)

    def look():
        planned.discard(delay)  # first: the look itself plans the next one
        scheduler._open_jobs.release()

    timer = threading.Timer(delay, look)
    timer.daemon = True  # Snakemake does not wait for it when all is done
    timer.start()
