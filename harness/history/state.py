"""What nights remember of each other, in one small file: suspicions, what is known already, what ran last."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from collectors.regular_files import read_regular
from harness.errors import UserError
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.results.record import MOST_BYTES

Direction = Literal["up", "down"]


class Watch(Frozen):
    """A change that a run showed and the next one has to confirm; nobody is told of one that is only watched.

    `p_values` are one-sided, one a run; `attempts` are the candidate's launches that they are of.
    """

    cell: str
    quantity: str
    direction: Direction
    suspected: bool
    since: str
    run: str
    p_values: tuple[float, ...]
    attempts: tuple[str, ...]


class Known(Frozen):
    """A confirmed change, which alarms once: later runs are held against it. `log` is that of its ratio."""

    cell: str
    quantity: str
    log: float
    worse: bool
    since: str
    run: str
    text: str


class Cleared(Frozen):
    """A suspicion that the next run did not confirm; it stays listed."""

    cell: str
    quantity: str
    suspected: str
    cleared: str


class Ran(Frozen):
    """What ran of a cell in the last run in which it did."""

    night: str
    hosts: tuple[str, ...]
    quantities: tuple[str, ...]


class State(Frozen):
    """Of all runs so far against one baseline."""

    version: Literal[1] = 1
    baseline: tuple[str, ...] = ()
    watches: tuple[Watch, ...] = ()
    known: tuple[Known, ...] = ()
    cleared: tuple[Cleared, ...] = ()
    ran: Mapping[str, Ran] = Field(default_factory=dict)

    def against(self, baseline: tuple[str, ...]) -> "State":
        """The state for a baseline: of another one nothing holds, neither a suspicion nor what ran.

        A night in which the baseline did not run says nothing of it.
        """
        if not baseline or self.baseline == baseline:
            return self
        return State(baseline=baseline)


def load_state(path: Path) -> State:
    """The state in a file; an empty one where there is none yet. Raises UserError where it cannot be read."""
    if not path.exists():
        return State()
    try:
        return State.model_validate_json(read_regular(path, MOST_BYTES))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "state"
        raise UserError(
            f"{path}: no state of the gate: {where}: {first['msg']}; restore it, or remove it to begin anew"
        ) from None


def save_state(path: Path, state: State) -> None:
    """Write it; raises UserError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent}: cannot be made: {error.strerror}") from None
    write_atomically(path, state.model_dump_json(indent=1) + "\n")
