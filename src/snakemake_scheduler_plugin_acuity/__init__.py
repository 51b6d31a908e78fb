"""Which of Snakemake's ready jobs go next, at little cost: `scheduler: acuity` in a profile.

Snakemake finds this package by its name. The choice is that of its own greedy scheduler: no solver is
started. What is added is one thing. With a limit of jobs a second, which Snakemake always has, each
look at the jobs plans another one a second later, so that with every job that ends there is one more
for ever: after a hundred jobs the main process kept half a core busy. Here at most one is planned.
"""

import threading

from snakemake.scheduling.greedy import Scheduler as Greedy
from snakemake.scheduling.greedy import SchedulerSettings as GreedySettings
from snakemake.scheduling.job_scheduler import JobScheduler

_PLAN = "_schedule_reevalutation"  # its name in Snakemake


class Scheduler(Greedy):
    """The greedy scheduler; from when it is made, looks at the jobs are planned by `plan_one_look`."""

    def __post_init__(self):
        self.settings = GreedySettings()
        super().__post_init__()
        if hasattr(JobScheduler, _PLAN):
            setattr(JobScheduler, _PLAN, plan_one_look)


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
