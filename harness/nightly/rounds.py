"""The job of a night on its node: launches of the two commits in turn, A B B A, each by its own sources and Python."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from collectors.regular_files import read_regular
from harness import stopping
from harness.errors import UserError
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.launch.nodes.allocation import CONTAINER
from harness.launch.schedulers import is_running
from harness.launch.submission.carrying import Carrier, node_folder
from harness.launch.submission.claim import ClaimFile
from harness.launch.submission.devices import select_devices
from harness.launch.submission.job import bring_unless_lost, set_missing, this_job, this_node, utc_now
from harness.launch.submission.state import BlockState
from harness.nightly import partners
from harness.nightly.commands import run
from harness.scenario.sites import Results
from harness.text import counted

FILE_NAME = "rounds.json"
MOST_BYTES = 2**20
END_S = 110.0
"""What a bench that is asked to end may take for its record, within the usual time before the end of a job."""

SideName = Literal["baseline", "candidate"]


class Side(Frozen):
    """One of the two commits."""

    name: SideName
    checkout: str
    python: str
    chip: str = Field(description="a name, or the chip's file with the site's Pythons")
    results: str


class Rounds(Frozen):
    """What the job of a night makes."""

    sides: tuple[Side, Side]
    suite: str = Field(description="as each checkout is asked for it: a name of its own, or a file")
    launches: int
    scheduler: str
    options: tuple[str, ...] = Field(default=(), description="further words of `crosscast bench`")
    devices: int = Field(default=0, description="accelerators that a launch takes at most on each node")
    nodes: int = Field(default=1, description="nodes that a launch takes at most")
    container: tuple[str, ...] = Field(default=(), description="the site's command that runs another in the image")
    visible_devices: str | None = None
    variables: dict[str, str] = Field(default_factory=dict)
    writes: Results = Results()

    @property
    def suite_name(self) -> str:
        """What results call it: a name may hold a dot, which ends none."""
        return Path(self.suite).stem if self.suite.endswith((".yaml", ".yml")) else self.suite

    def write(self, folder: Path) -> None:
        """Write rounds.json."""
        write_atomically(folder / FILE_NAME, self.model_dump_json(indent=1) + "\n")

    @staticmethod
    def read(folder: Path) -> "Rounds":
        """Read rounds.json. Raises UserError where there is none."""
        path = folder / FILE_NAME
        try:
            return Rounds.model_validate_json(read_regular(path, MOST_BYTES))
        except (OSError, ValidationError) as error:
            raise UserError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None


def turns(launches: int) -> Iterator[tuple[int, int]]:
    """Number of the launch and of the side, A B B A ..., so that a drift of the node falls on both alike."""
    for launch in range(launches):
        for side in (0, 1) if launch % 2 == 0 else (1, 0):
            yield launch, side


def run_night(folder: Path) -> int:
    """Make all rounds that are not made yet; the exit status, 1 where a bench has said that launches are missing.

    A bench is asked for one launch a cell more in every round, and so makes up for what an earlier one lacks.
    """
    rounds = Rounds.read(folder)
    set_missing(rounds.variables)
    os.environ[stopping.IN_A_JOB] = this_job()
    os.environ[CONTAINER] = shlex.join(rounds.container)
    lacking: dict[str, str] = {}
    claim = ClaimFile(folder, "claim")
    state = _begun(rounds, folder)
    try:
        claim.take(this_job(), this_node(), is_running(rounds.scheduler), print)
        state = _on_one_node(rounds, folder)
        state.write(folder)
        select_devices(rounds.scheduler, rounds.visible_devices, rounds.devices, os.environ)
        with _places(rounds, folder) as places:
            for launch, number in turns(rounds.launches):
                side, (here, carrier) = rounds.sides[number], places[number]
                name = f"{side.name}/{launch}"
                if name in state.records:
                    continue
                claim.check()
                try:
                    problem = _bench(rounds, side, launch, here)
                finally:
                    if carrier is not None:
                        bring_unless_lost(claim, carrier)
                claim.check()
                if carrier is not None:
                    carrier.bring_absent()
                lacking.pop(side.name, None)
                if problem is not None:
                    lacking[side.name] = problem
                    continue
                state = state.model_copy(update={"records": (*state.records, name)})
                state.write(folder)
    except UserError as error:
        print(f"crosscast: {error}", file=sys.stderr, flush=True)
        _end(state, folder, claim, "failed", str(error))
        return 2
    except KeyboardInterrupt as error:
        _end(state, folder, claim, "stopped", stopping.cause_of(stopping.number_of(error)))
        return stopping.exit_status(error)
    told = "; ".join(f"{name}: {problem}" for name, problem in lacking.items())
    _end(state, folder, claim, "incomplete" if lacking else "done", told or None)
    return 1 if lacking else 0


def _begun(rounds: Rounds, folder: Path) -> BlockState:
    """The state of a job that begins, with the rounds that earlier jobs have made."""
    before = BlockState.read(folder)
    return BlockState(
        stage="running",
        job=this_job(),
        restarts=int(os.environ.get("SLURM_RESTART_COUNT") or 0),
        node=this_node(),
        started_at=utc_now(),
        planned=2 * rounds.launches,
        records=before.records if before is not None else (),
    )


def _on_one_node(rounds: Rounds, folder: Path) -> BlockState:
    """The same, without the rounds that another node has made half: both sides of those are made here."""
    before, state = BlockState.read(folder), _begun(rounds, folder)
    if before is None or before.node == state.node:
        return state
    named = {launch: {f"{side.name}/{launch}" for side in rounds.sides} for launch in range(rounds.launches)}
    whole = {launch for launch, names in named.items() if names <= set(state.records)}
    try:
        moved = partners.set_aside([Path(side.results) for side in rounds.sides], whole, folder / partners.PLACE)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; free space there") from None
    if moved:
        launches = counted(moved, "launch", "launches")
        print(f"{launches} of {before.node} without a partner there: made again on {state.node}", flush=True)
    kept = tuple(name for launch in sorted(whole) for name in sorted(named[launch]))
    return state.model_copy(update={"records": kept})


def _end(state: BlockState, folder: Path, claim: ClaimFile, stage: str, reason: str | None) -> None:
    """The last word, where no other job has the block."""
    with contextlib.suppress(UserError):
        claim.check()
        state.model_copy(update={"stage": stage, "reason": reason, "ended_at": utc_now()}).write(folder)


@contextlib.contextmanager
def _places(rounds: Rounds, folder: Path) -> Iterator[list[tuple[Path, Carrier | None]]]:
    """Where the bench of each side writes, and what carries that to the folder of the night."""
    with contextlib.ExitStack() as stack:
        found: list[tuple[Path, Carrier | None]] = []
        for side in rounds.sides:
            results = Path(side.results)
            if rounds.writes.scratch is None:
                found.append((results, None))
                continue
            here = stack.enter_context(node_folder(rounds.writes.scratch, this_job()))
            carrier = Carrier(results, here, rounds.suite_name, folder / f"arriving-{side.name}")
            carrier.fetch()
            found.append((here, carrier))
        yield found


def _bench(rounds: Rounds, side: Side, launch: int, results: Path) -> str | None:
    """Ask a checkout for its launches up to this one; what it says is wrong, None where it is done."""
    words = [side.python, "-m", "harness", "bench", "--suite", rounds.suite, "--chip", side.chip]
    words += ["--repeats", str(launch + 1), "--results", str(results), *rounds.options]
    print(f"{side.name}, launch {launch}", flush=True)
    environment = {**os.environ, "PYTHONPATH": _path(side.checkout), "PYTHONSAFEPATH": "1"}
    done = run(words, keep="errors", cwd=side.checkout, env=environment, ask_s=END_S)
    if done.said:
        print(done.said, end="", file=sys.stderr, flush=True)
    return done.last_words.removeprefix("crosscast: ") if done.status else None


def _path(checkout: str) -> str:
    """PYTHONPATH with the checkout before all others, so that any Python takes its sources."""
    return os.pathsep.join(filter(None, (checkout, os.environ.get("PYTHONPATH"))))
