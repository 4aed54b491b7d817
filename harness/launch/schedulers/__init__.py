"""Schedulers of a site: jobs are submitted, asked for and cancelled; what a job does is not known here.

A scheduler is one thing and a launcher another: a job runs on one node, or the first of several, where the supervisor
starts the ranks of each launch. `scheduler_of` gives the scheduler that a site names.
"""

from collections.abc import Callable

from harness.errors import UserError
from harness.launch.schedulers.base import CANCELLED, JobState, NoAnswer, Scheduler, Task
from harness.launch.schedulers.local import Local
from harness.launch.schedulers.slurm import Slurm
from harness.scenario.sites import SiteConfig

__all__ = ["CANCELLED", "JobState", "NoAnswer", "Scheduler", "Task", "is_running", "scheduler_named", "scheduler_of"]


def scheduler_of(site: SiteConfig) -> Scheduler:
    """The scheduler of a site."""
    return Slurm(site) if site.scheduler == "slurm" else Local(site)


def scheduler_named(name: str) -> Scheduler:
    """The scheduler of this name, to ask it and to cancel jobs: nothing is submitted without a site."""
    if name == "slurm":
        return Slurm(SiteConfig(title="any", scheduler="slurm", time_limit_min=60))
    return Local(SiteConfig(title="any", scheduler="local"))


def is_running(name: str) -> Callable[[str], bool]:
    """Asks a scheduler whether a job runs; a node without the scheduler's programs cannot tell, and says no."""
    scheduler = scheduler_named(name)

    def ask(job: str) -> bool:
        try:
            return scheduler.states([job])[job].phase == "running"
        except UserError:
            return False

    return ask
