"""The job of a block on its node: the launches that are missing, and a state that says how far it is."""

import contextlib
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console

from harness import stopping
from harness.console import PlainConsole
from harness.errors import UserError
from harness.launch.bench import Outcome, bench, note_absent
from harness.launch.maker import Between
from harness.launch.nodes.allocation import CONTAINER
from harness.launch.plan import LaunchPlan
from harness.launch.schedulers import is_running
from harness.launch.submission import ledger
from harness.launch.submission.blocks import Block
from harness.launch.submission.carrying import Carrier, node_folder
from harness.launch.submission.claim import ClaimFile, LostClaim
from harness.launch.submission.devices import select_devices
from harness.launch.submission.read_files import state_of_files
from harness.launch.submission.state import BlockState
from harness.processes import started, this_machine
from harness.results.record import FILE_NAME as RECORD
from harness.results.record import Record
from harness.scenario import catalogue
from harness.scenario.matrix import Matrix

CLAIMS = "claims"


def run_block(folder: Path) -> int:
    """Make the missing launches of the block in `folder`; its exit status.

    That is 2 for a user's mistake, and 128 and its number for a signal. Whatever happens, the state in the folder says
    it, if the folder can be written and another start of the job has not taken its place.
    """
    block = Block.read(folder)
    console = PlainConsole()
    job = this_job()
    set_missing(block.variables)
    os.environ[stopping.IN_A_JOB] = job
    os.environ[CONTAINER] = shlex.join(block.container)
    claim = ClaimFile(Path(block.results) / ledger.SUBMISSIONS / CLAIMS, block.key)
    report = _Report(folder, job, claim)
    try:
        claim.take(job, this_node(), is_running(block.scheduler), print)
        report.write()
        outcome = _bench(block, folder, job, console, report, claim)
    except UserError as error:
        print(f"crosscast: {error}", file=sys.stderr, flush=True)
        report.end("failed", str(error))
        return 2
    except KeyboardInterrupt as error:
        report.end("stopped", stopping.cause_of(stopping.number_of(error)))
        return stopping.exit_status(error)
    report.end("incomplete" if report.lacks_launches else "done", outcome.advice.removeprefix(": ") or None)
    return 1 if report.lacks_launches else 0


def set_missing(variables: Mapping[str, str]) -> None:
    """Set variables of the site that the batch script has set and a container has dropped."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def this_job() -> str:
    """The identifier of the job that this process is, as its scheduler gives it."""
    array, number = (os.environ.get(f"SLURM_ARRAY_{part}") for part in ("JOB_ID", "TASK_ID"))
    if array and number:
        return f"{array}_{number}"
    return os.environ.get("SLURM_JOB_ID") or f"{this_machine()}-{os.getpid()}-{started(os.getpid())}"


def this_node() -> str:
    """The name of the node as the scheduler has it, else of the host."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def _bench(block: Block, folder: Path, job: str, console: Console, report: "_Report", claim: ClaimFile) -> Outcome:
    results = Path(block.results)
    select_devices(block.scheduler, block.visible_devices, block.devices, os.environ)
    selection = block.selection(folder)
    report.reads(state_of_files(catalogue.suite(selection.suite), selection))
    suite = Path(block.suite).stem
    with _place(block, folder, job, suite) as (here, carrier):
        if carrier is not None:
            carrier.fetch()
        watch = _Watch(report, claim, carrier, results, suite)
        try:
            return bench(selection, here, console, between=watch)
        finally:
            if carrier is not None:
                bring_unless_lost(claim, carrier)


@contextlib.contextmanager
def _place(block: Block, folder: Path, job: str, suite: str) -> Iterator[tuple[Path, Carrier | None]]:
    """Where the bench writes, and what carries that to the folder of results."""
    results = Path(block.results)
    if block.writes.scratch is None:
        yield results, None
        return
    with node_folder(block.writes.scratch, job) as here:
        yield here, Carrier(results, here, suite, folder / "arriving")


def bring_unless_lost(claim: ClaimFile, carrier: Carrier) -> None:
    """Copy what has left a record, in one go, unless another job makes the launches now; raises what `bring` raises."""
    with stopping.held():
        try:
            claim.check()
        except LostClaim:
            return
        carrier.bring()


class _Watch(Between):
    """Keeps the state of the block, and makes no launch that is another job's."""

    def __init__(self, report: "_Report", claim: ClaimFile, carrier: Carrier | None, results: Path, suite: str) -> None:
        self._report, self._claim, self._carrier = report, claim, carrier
        self._results, self._suite = results, suite

    def begin(self, matrix: Matrix, planned: int, made: Sequence[Path]) -> None:
        self._claim.check()
        if self._carrier is not None:
            place = self._results / self._suite
            try:
                place.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"{place}: cannot be written: {error.strerror}; choose another RESULTS=") from None
            note_absent(place, matrix, print)
        self._report.begin(planned, made)

    def before(self, plan: LaunchPlan) -> None:
        self._claim.check()

    def after(self, record: Record, folder: Path) -> None:
        try:
            self._claim.check()
        except LostClaim:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if self._carrier is not None:
            self._carrier.bring()
        self._report.add(record, folder)


class _Report:
    """The state of a block, written as it changes."""

    def __init__(self, folder: Path, job: str, claim: ClaimFile) -> None:
        self._folder, self._claim = folder, claim
        self._state = BlockState(
            stage="running",
            job=job,
            restarts=int(os.environ.get("SLURM_RESTART_COUNT") or 0),
            node=this_node(),
            started_at=utc_now(),
        )

    @property
    def lacks_launches(self) -> bool:
        """Whether some launch of the block is not completed."""
        return self._state.planned is None or len(self._state.records) < self._state.planned

    def reads(self, files: dict[str, str]) -> None:
        self._change(read_files=files)

    def begin(self, planned: int, made: Sequence[Path]) -> None:
        self._change(planned=planned, records=tuple("/".join(path.parts[-4:]) for path in made))

    def add(self, record: Record, folder: Path) -> None:
        if record.status == "completed":
            name = "/".join((*folder.parts[-3:], RECORD))
            self._change(records=(*self._state.records, name))

    def end(self, stage: str, reason: str | None) -> None:
        """The last word, unless another start of the job has the block now and says it."""
        if self._claim.is_of_another_start(self._state.job):
            return
        with contextlib.suppress(UserError):
            self._change(stage=stage, reason=reason, ended_at=utc_now())

    def write(self) -> None:
        self._state.write(self._folder)

    def _change(self, **fields: object) -> None:
        self._state = self._state.model_copy(update=fields)
        self.write()


def utc_now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
