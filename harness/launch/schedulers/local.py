"""This host as a scheduler: a submission is one process in the background, which runs its blocks one after the other.

submitit's local executor is not used, as its jobs can be asked for only by the process that has submitted them.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from collectors import children
from harness.errors import UserError
from harness.files import write_atomically
from harness.launch.leftovers import runs_here
from harness.launch.schedulers.base import UNKNOWN, JobState, Task, command, preparation
from harness.processes import started as started_ticks
from harness.processes import this_machine
from harness.scenario.sites import SiteConfig

MODULE = "harness.launch.schedulers"
LOG = "log.txt"


class Local:
    """Jobs are processes of this host, named MACHINE-PID-START so that no other process is taken for one."""

    def __init__(self, site: SiteConfig) -> None:
        self._site = site

    def refuse_unusable(self, folder: Path) -> None:
        """Nothing: a process can be started anywhere."""

    def submit(self, tasks: Sequence[Task], folder: Path, name: str, devices: int, nodes: int = 1) -> list[str]:
        """Start one process for all tasks; they share its identifier."""
        words = [word for task in tasks for word in (task.function, str(task.folder))]
        script = folder / "job.sh"
        _, *program = children.python_module(MODULE, *words, python=self._site.python)
        lines = ["#!/bin/bash", *preparation(self._site), command(self._site, "-u", *program)]
        write_atomically(script, "\n".join(lines) + "\n")
        try:
            with (folder / LOG).open("ab") as log:
                process = subprocess.Popen(
                    ["bash", str(script)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise UserError(f"a job cannot be started here: {error.strerror}") from None
        return [f"{this_machine()}-{process.pid}-{started_ticks(process.pid)}"] * len(tasks)

    def submit_after(self, jobs: Sequence[str], task: Task, folder: Path, name: str) -> str:
        """Refused: whoever submits here can wait."""
        raise UserError("a local site has no jobs that wait for others: run `crosscast nightly` without --no-wait")

    def states(self, jobs: Collection[str]) -> Mapping[str, JobState]:
        """Running, ended, or unknown for those of another host."""
        return {job: self._state(job) for job in jobs}

    def cancel(self, jobs: Collection[str]) -> None:
        """Send SIGTERM to those that run; each ends its launch and leaves its record.

        Raises UserError, after all others have been told, where one is of another user.
        """
        refused = []
        for job in sorted(set(jobs)):
            if self._state(job).phase == "running":
                with contextlib.suppress(ProcessLookupError):
                    try:
                        os.kill(_pid(job), signal.SIGTERM)
                    except PermissionError:
                        refused.append(job)
        if refused:
            raise UserError(f"job {' and '.join(refused)}: of another user, who alone can cancel it")

    def _state(self, job: str) -> JobState:
        machine, _, rest = job.partition("-")
        if machine != this_machine():
            return UNKNOWN
        started = rest.partition("-")[2]
        if runs_here(_pid(job), started):
            return JobState("running", "running", node="this host")
        return JobState("ended", "ended", node="this host")


def _pid(job: str) -> int:
    return int(job.split("-")[1])
