"""The commands of a chip's first hour, one after the other on its stage."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from collectors import children
from harness.machine import rehearsal
from harness.rehearsal.stage import set_stage
from harness.terminal import say

Command = tuple[str, ...]
"""As a user types it after `crosscast`."""


def commands(
    chip: str, suite: str, results: Path, *, parity: Sequence[str] = (), repeats: int | None = None, deep: bool = True
) -> list[Command]:
    """Doctor, certificates of PyTorch for these models, a bench with its tables, and what else is made of records.

    The doctor looks deep, too, unless that is left out.
    """
    here = ("--results", str(results))
    times = () if repeats is None else ("--repeats", str(repeats))
    return [
        ("doctor", "--chip", chip, "--seconds", "3"),
        *([("doctor", "--chip", chip, "--deep", *here)] if deep else []),
        *(("parity", model, "--chip", chip, "--framework", "pytorch", *here) for model in parity),
        ("bench", "--chip", chip, "--suite", suite, *times, *here),
        ("figures", *here),
        ("report", *here),
        ("claims", *here),
    ]


def rehearse(
    chip: str, suite: str, folder: Path, *, parity: Sequence[str] = (), repeats: int | None = None, deep: bool = True
) -> list[Command]:
    """Run every command, whatever became of those before it; those that failed.

    The stage is `folder`/stage and the results are in `folder`/results. Raises UserError where no stage can be set.
    """
    environment = set_stage(chip, folder.absolute() / "stage")
    say(f"{rehearsal.NOTICE}. Its files are in {folder}.")
    failed = []
    for command in commands(chip, suite, folder / "results", parity=parity, repeats=repeats, deep=deep):
        say("")
        say(f"$ {' '.join(('crosscast', *command))}")
        if _run(command, environment):
            failed.append(command)
    return failed


def _run(command: Command, environment: Mapping[str, str]) -> int:
    child = children.start([sys.executable, "-m", "harness", *command], env=environment)
    try:
        return int(child.wait())
    finally:
        child.end()
