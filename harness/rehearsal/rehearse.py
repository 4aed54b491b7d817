"""The commands of a chip's first hour, one after the other on its stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors import children
from harness.machine import rehearsal
from harness.rehearsal.stage import set_stage
from harness.terminal import say

Command = tuple[str, ...]
"""As a user types it after `crosscast`."""


@dataclass(frozen=True)
class Programme:
    """What a rehearsal walks through: a suite, certificates of PyTorch for the models of `parity`, a deep look.

    `repeats` None is the suite's number of launches; `fresh` makes those again that an earlier rehearsal has made.
    """

    suite: str = "rehearsal"
    parity: Sequence[str] = ()
    repeats: int | None = None
    deep: bool = True
    fresh: bool = False

    def commands(self, chip: str, results: Path) -> list[Command]:
        """Doctor, certificates, a bench with its tables, and what else is made of records."""
        here = ("--results", str(results))
        times = () if self.repeats is None else ("--repeats", str(self.repeats))
        again = ("--fresh",) if self.fresh else ()
        return [
            ("doctor", "--chip", chip, "--seconds", "3"),
            *([("doctor", "--chip", chip, "--deep", *here)] if self.deep else []),
            *(("parity", model, "--chip", chip, "--framework", "pytorch", *here) for model in self.parity),
            ("bench", "--chip", chip, "--suite", self.suite, *times, *again, *here),
            ("figures", *here),
            ("report", *here),
            ("claims", *here),
        ]


def rehearse(chip: str, programme: Programme, folder: Path) -> list[Command]:
    """Run every command, whatever became of those before it; those that failed.

    The stage is `folder`/stage and the results are in `folder`/results. Raises UserError where no stage can be set.
    """
    environment = set_stage(chip, folder.absolute() / "stage")
    say(f"{rehearsal.NOTICE}. Its files are in {folder}.")
    failed = []
    for command in programme.commands(chip, folder / "results"):
        say("")
        say(f"$ {' '.join(('crosscast', *command))}")
        if _run(command, environment):
            failed.append(command)
    return failed


def _run(command: Command, environment: Mapping[str, str]) -> int:
    child = children.start(children.python_module("harness", *command), env=environment)
    try:
        return int(child.wait())
    finally:
        child.end()
