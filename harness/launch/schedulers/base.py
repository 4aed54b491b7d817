"""What schedulers share: tasks and their jobs, the states that a job may have, and the shell lines before it."""

import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from harness.errors import UserError
from harness.scenario.sites import SiteConfig

Phase = Literal["waiting", "running", "ended", "unknown"]
"""unknown: the scheduler knows the job no more, or it runs where this host cannot see it."""


@dataclass(frozen=True)
class Task:
    """A function of the harness, as module:name, that is called on a node with the path of a folder."""

    function: str
    folder: Path


@dataclass(frozen=True)
class JobState:
    """What a scheduler says of a job; `word` is its own word for the state, `why` why it waits."""

    phase: Phase
    word: str
    why: str = ""
    node: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.phase in ("waiting", "running")


CANCELLED = "CANCELLED"
"""The word for a job that somebody has ended on purpose."""

UNKNOWN = JobState("unknown", "not known to the scheduler")


class NoAnswer(UserError):
    """The scheduler has not answered a question: it is busy, or is being started again, and may answer later."""


class Scheduler(Protocol):
    """Where jobs are handed in; each method raises UserError, in one line, where the scheduler cannot be asked.

    That is NoAnswer where it is only silent.
    """

    def refuse_unusable(self, folder: Path) -> None:
        """Raise UserError where no job could be handed in from here whose files are in `folder`; it need not exist."""

    def submit(self, tasks: Sequence[Task], folder: Path, name: str, devices: int, nodes: int = 1) -> list[str]:
        """Hand in a job for each task, with their files in `folder`; returns the jobs' identifiers at once.

        `devices` is the number of accelerators that each job needs on each of its `nodes`.
        """

    def submit_after(self, jobs: Sequence[str], task: Task, folder: Path, name: str) -> str:
        """Hand in a job that begins when all of these have ended, however they have."""

    def states(self, jobs: Collection[str]) -> Mapping[str, JobState]:
        """The state of each job."""

    def cancel(self, jobs: Collection[str]) -> None:
        """End jobs, those that run in order; ended ones stay as they are."""


def command(site: SiteConfig, *arguments: str) -> str:
    """The shell's words that run this module in the site's Python and container, in the place of the shell itself.

    A batch shell that only waits for its child would end at a signal that is sent to the shell alone.
    """
    words = [*site.container, site.python or sys.executable, *arguments]
    return f"exec {shlex.join(words)}"


def preparation(site: SiteConfig) -> list[str]:
    """The site's lines and variables as lines of bash."""
    return [*(f"export {name}={shlex.quote(value)}" for name, value in site.variables.items()), *site.setup]
