"""Which launches of a bench are made already: those that its tables count, and no others."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from harness.analysis.cells import Results, age, load_results
from harness.analysis.reading import StoredRecord
from harness.launch.plan import LaunchPlan
from harness.results.record import FILE_NAME, SET_ASIDE_NAME, Environment

NOTHING = Results((), (), ())


@dataclass(frozen=True)
class Unusable:
    """A record file that tables cannot use, and why, in one line."""

    path: Path
    problem: str

    def set_aside(self) -> Path | None:
        """Rename a damaged record that a new one stands in for; None where it stays, as it may be right elsewhere."""
        if f"{self.path}: damaged: " not in self.problem:
            return None
        kept = self.path.with_name(SET_ASIDE_NAME)
        try:
            return self.path.replace(kept)
        except OSError:
            return None


class MadeLaunches:
    """The records of a folder of results, seen from a host with this environment.

    A launch made on another host counts where that is of the same kind, as its record then stands in one table with
    those that are made here.
    """

    def __init__(self, results: Path, environment: Environment) -> None:
        self._environment = environment
        self._found = load_results(results) if results.is_dir() else NOTHING

    def completed(self, plan: LaunchPlan) -> StoredRecord | None:
        """The newest record of this launch that tables count."""
        here = self._environment.of_devices(plan.device_count)
        cells = [cell for cell in self._found.cells if _is_of(cell.key, cell.scenario.suite, plan)]
        found = [cell.by_launch.get(plan.launch) for cell in cells if cell.is_at(here)]
        return max((record for record in found if record), key=age, default=None)

    def paths(self, plans: Iterable[LaunchPlan]) -> list[Path]:
        """The records of those launches that are completed."""
        return [record.path for record in map(self.completed, plans) if record is not None]

    def elsewhere(self, plan: LaunchPlan) -> bool:
        """Whether hosts of another kind alone have completed it."""
        having = [
            cell
            for cell in self._found.cells
            if _is_of(cell.key, cell.scenario.suite, plan) and plan.launch in cell.by_launch
        ]
        here = self._environment.of_devices(plan.device_count)
        return bool(having) and not any(cell.is_at(here) for cell in having)

    def unusable(self, plan: LaunchPlan, results: Path) -> list[Unusable]:
        """The files in the place of the launch's record that no table can use."""
        paths = sorted(plan.folder(results).parent.glob(f"{plan.launch:02d}-*/{FILE_NAME}"))
        return [
            Unusable(path, problem)
            for path in paths
            for problem in self._found.problems
            if f"{path}: " in problem or f"{path} " in problem
        ]

    def clock_problem(self, plan: LaunchPlan) -> str | None:
        """Why a launch made now would not count; None where it would, as the newest."""
        newest, now = self.completed(plan), datetime.now(timezone.utc)
        if newest is None or datetime.fromisoformat(newest.started_at) <= now:
            return None
        return (
            f"{newest.path} was made at {newest.started_at}, and it is {now.isoformat(timespec='seconds')} by the "
            "clock here: tables would count it and not the new launch: set the clock right or remove that record"
        )


def is_made(plan: LaunchPlan, results: Path, environment: Environment) -> bool:
    """Whether the launch is there now, in the folder of its cell, where another bench may have made it meanwhile."""
    return MadeLaunches(plan.folder(results).parent, environment).completed(plan) is not None


def _is_of(key: str, suite: str, plan: LaunchPlan) -> bool:
    return key == plan.scenario.cell and suite == plan.scenario.suite
