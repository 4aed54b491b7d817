"""What a run of the gate says, as a value: what is printed, written and handed on is made of it."""

from typing import Literal

from harness.frozen import Frozen
from harness.history.gated import Sort
from harness.history.statuses import DID_NOT_RUN, MEANING, NOTHING, REGRESSED, UNDECIDED

Kind = Literal["change", "numbers", "parity", "did not run", "remark"]
FindingStatus = Literal["found", "undecided", "suspected", "confirmed", "known", "cleared"]


class Change(Frozen):
    """The change of a quantity: medians of both sides, the ratio with its 95 % interval, and how it was judged.

    `p` is adjusted for all that the run tested. `visible` is the smallest relative change that the launches of the run
    show in four of five runs.
    """

    name: str
    title: str
    unit: str
    sort: Sort
    baseline: float
    candidate: float
    ratio: float
    low: float | None
    high: float | None
    p: float
    margin: float
    launches: int
    paired: bool
    visible: float | None


class Finding(Frozen):
    """Something to look at. `worse` is None where it is neither better nor worse.

    `since` is the night of a suspicion or of a known change, `launches` the number a side that would decide.
    """

    kind: Kind
    status: FindingStatus
    cell: str
    text: str
    worse: bool | None = None
    change: Change | None = None
    since: str | None = None
    launches: int | None = None
    causes: tuple[str, ...] = ()


class CellReport(Frozen):
    """All that was compared of a cell, found or not."""

    cell: str
    changes: tuple[Change, ...]
    remarks: tuple[str, ...] = ()


class GateResult(Frozen):
    """A run of the gate. `commits` are those of the baseline and of the candidate, `between` the log between them."""

    night: str
    run: str
    baseline: str
    candidate: str
    commits: tuple[tuple[str, ...], tuple[str, ...]]
    between: tuple[str, ...]
    findings: tuple[Finding, ...]
    cells: tuple[CellReport, ...]
    tests: int
    alone: bool
    title: str = ""

    def having(self, *statuses: FindingStatus) -> tuple[Finding, ...]:
        """The findings of these statuses."""
        return tuple(finding for finding in self.findings if finding.status in statuses)

    @property
    def exit_status(self) -> int:
        """1 for a regression that alarms now, else 3 where not all ran, else 2 where a change is open, else 0.

        What is known alarms no more; what did not run does as long as it does not run.
        """
        alarming = self.having("found", "confirmed")
        if any(finding.worse for finding in alarming):
            return REGRESSED
        if any(finding.kind == "did not run" for finding in self.findings):
            return DID_NOT_RUN
        if any(finding.worse for finding in self.having("suspected", "undecided")):
            return UNDECIDED
        return NOTHING

    @property
    def summary(self) -> str:
        """The exit status in words, and of how much it is said."""
        undecided = [each for each in self.having("suspected", "undecided") if each.worse]
        better = [each for each in self.having("found", "confirmed", "suspected") if each.worse is False]
        tail = ""
        if self.exit_status == UNDECIDED:
            needed = [each.launches for each in undecided if each.launches]
            tail = f": about {max(needed)} launches a side would decide" if needed else ""
            tail += (
                "; the next run confirms or clears it" if any(each.status == "suspected" for each in undecided) else ""
            )
        elif self.exit_status == NOTHING and better:
            return f"nothing regressed, {len(better)} better ({self._extent})"
        return f"{MEANING[self.exit_status]}{tail} ({self._extent})"

    @property
    def _extent(self) -> str:
        quantities, cells = sum(len(each.changes) for each in self.cells), len(self.cells)
        return (
            f"{quantities} quantit{'ies' if quantities != 1 else 'y'} of {cells} cell{'s' if cells != 1 else ''} "
            f"compared, {self.tests} not identical"
        )
