"""The only rank of a launch, without any launcher between."""

from collections.abc import Sequence
from pathlib import Path

from collectors.children import python_module
from harness.launch.launchers import Meeting
from harness.launch.plan import WORKER, LaunchPlan


def command(plan: LaunchPlan, folder: Path, meeting: Meeting, scratch: Path) -> list[str]:
    """The worker itself; see Launcher."""
    return python_module(WORKER, folder.absolute(), python=plan.python)


def logs(scratch: Path) -> Sequence[Path]:
    """None."""
    return ()
