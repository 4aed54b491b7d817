"""What a survey of operators found."""

from typing import Literal

from harness.frozen import Frozen
from harness.porting.operators.calls import Phase
from harness.porting.operators.support import Kind

Status = Literal["verified", "differs", "fails", "not run", "documented"]


class OperatorRow(Frozen):
    """An aten operator in a phase of a training step, and how its counterpart in MindSpore fares.

    Deviations are relative to the largest magnitude in double precision; the worst of all calls that were run, with
    what it may be. Times are medians of the largest call that was run.
    """

    operator: str
    phase: Phase
    count: int
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    kind: Kind
    counterpart: str | None
    value_deviation: float | None = None
    value_tolerance: float | None = None
    gradient_deviation: float | None = None
    gradient_tolerance: float | None = None
    pytorch_s: float | None = None
    mindspore_s: float | None = None
    status: Status
    reason: str | None = None


class OperatorReport(Frozen):
    """All operators of a network on a target; `execution` is how MindSpore ran."""

    network: str
    target: str
    pytorch_version: str
    mindspore_version: str | None
    execution: str
    seed: int
    rows: tuple[OperatorRow, ...]

    def counted(self, status: Status) -> int:
        """How many rows have a status."""
        return sum(row.status == status for row in self.rows)
