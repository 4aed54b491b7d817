"""One launch of a bench after the other: a warm-up before the first of a cell, and what is said when one has ended."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.launch.ending import Ending
from harness.launch.made import Unusable
from harness.launch.plan import LaunchPlan
from harness.launch.progress import BenchProgress
from harness.launch.supervisor import supervise
from harness.launch.warm_up import needs_warm_up, warm_up
from harness.results.record import Environment, Record
from harness.scenario.matrix import Matrix
from harness.scenario.variants import variant_remark


class Between:
    """Who is told between the launches of a bench, and may end it there by raising UserError."""

    def begin(self, matrix: Matrix, planned: int, made: Sequence[Path]) -> None:
        """The cells, the number of all launches of the bench, and the records of those that are made already."""

    def before(self, plan: LaunchPlan) -> None:
        """A launch is next."""

    def after(self, record: Record, folder: Path) -> None:
        """A launch has left its record in this folder."""


class LaunchMaker:
    """Makes launches and remembers what earlier ones have shown of their cells."""

    def __init__(
        self,
        results: Path,
        captured: Environment,
        progress: BenchProgress,
        between: Between,
        unusable: Mapping[str, Sequence[Unusable]],
        *,
        fresh: bool,
        variant_is_told: bool,
    ) -> None:
        """`unusable` are, by attempt, the records that a completed launch replaces.

        With `fresh` a launch is made even where another bench has made it in the meantime.
        """
        self._results = results
        self._captured = captured
        self._progress = progress
        self._between = between
        self._unusable = unusable
        self._fresh = fresh
        self._variant_is_told = variant_is_told
        self._warmed: dict[str, Ending | None] = {}
        self._hopeless: set[str] = set()

    def make(self, plan: LaunchPlan) -> Record | None:
        """The record of a launch; None where another bench has made it, or it would fail as the warm-up of its cell."""
        cell = plan.scenario.cell
        if cell in self._hopeless:
            return None
        self._between.before(plan)
        if needs_warm_up(plan.chip) and cell not in self._warmed:
            self._warmed[cell] = warm_up(plan, self._results, self._captured, self._progress, fresh=self._fresh)
        record = supervise(plan, self._results, self._progress, fresh=self._fresh)
        if record is None:
            return None
        self._between.after(record, plan.folder(self._results))
        self._progress.end(record)
        self._say_variant(plan, record)
        if record.status == "failed" and self._warmed.get(cell) == Ending("failed", record.reason):
            self._hopeless.add(cell)
            self._progress.say("its other launches are not made: its warm-up failed for the same reason")
        if record.status == "completed":
            self._say_what_is_kept(plan, record)
        if (numerics := record.measurements.numerics) and numerics.shortfall:
            self._progress.say(f"warning: {numerics.shortfall}; see `crosscast doctor`")
        return record

    def _say_variant(self, plan: LaunchPlan, record: Record) -> None:
        names = [rank.device_name for rank in record.ranks if rank.device is not None and rank.device_name]
        if not self._variant_is_told and (remark := variant_remark(plan.chip, names)):
            self._variant_is_told = True
            self._progress.say(f"warning: {remark}")

    def _say_what_is_kept(self, plan: LaunchPlan, record: Record) -> None:
        """Name the profile of a launch, or the damaged records in whose place its own stands."""
        if record.measurements.profile:
            self._progress.say(f"profile: {plan.folder(self._results) / record.measurements.profile}")
            return
        for damaged in self._unusable[plan.attempt]:
            if kept := damaged.set_aside():
                self._progress.say(f"{damaged.path} is kept as {kept.name}")
