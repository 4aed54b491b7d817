"""A bench: the launches of a suite that are still missing, one after the other."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout
from pydantic import TypeAdapter
from rich.console import Console

from harness import environment
from harness.errors import UserError
from harness.files import write_atomically
from harness.launch.local import launch
from harness.launch.plan import LaunchPlan, interleave
from harness.launch.progress import BenchProgress, ReadingProgress
from harness.record import FILE_NAME, Record
from harness.scenario import catalogue
from harness.scenario.matrix import Absent, Matrix, Selection, expand
from harness.scenario.schema import ChipConfig

ABSENT_FILE = "absent.json"


@dataclass(frozen=True)
class Outcome:
    """What a bench did."""

    suite: str
    records: tuple[Record, ...]
    skipped: int

    @property
    def failed(self) -> int:
        """Launches without a complete result."""
        return sum(record.status != "completed" for record in self.records)


def bench(selection: Selection, results: Path, console: Console, *, fresh: bool = False) -> Outcome:
    """Make every launch of the selection that has no completed record yet, or all of them if `fresh`.

    Raises UserError for a selection that does not hold, where nothing can run here, or where results cannot be written.
    """
    with ReadingProgress(console) as reading:
        matrix = expand(selection, reading.update)
    if not matrix.cells:
        reasons = "; ".join(dict.fromkeys(f"{absent.framework}: {absent.reason}" for absent in matrix.absent))
        raise UserError(f"nothing of suite {matrix.suite!r} can run on {selection.chip!r} here: {reasons}")
    chip = catalogue.chip(selection.chip)
    _prepare(results / matrix.suite, matrix)
    plans = interleave(matrix.cells, matrix.launches, uuid4().hex[:8])
    missing = plans if fresh else [plan for plan in plans if not is_completed(plan, results)]
    captured = environment.capture(chip.visible_devices)
    for absent in matrix.absent:
        console.print(f"{absent.model} {absent.framework}: {absent.reason}", markup=False, highlight=False)
    if len(missing) < len(plans):
        console.print(f"{len(plans) - len(missing)} of {len(plans)} launches are done already (--fresh repeats them)")
    records: list[Record] = []
    with BenchProgress(console, len(missing)) as progress:
        for plan in missing:
            with _device(chip, progress):
                if not fresh and is_completed(plan, results):
                    continue
                progress.begin(plan)
                record = launch(plan, results, chip, captured, progress.update)
            records.append(record)
            progress.end(record)
            if (numerics := record.measurements.numerics) and numerics.shortfall:
                progress.say(f"warning: {numerics.shortfall}; see `crosscast doctor`")
    return Outcome(matrix.suite, tuple(records), len(plans) - len(missing))


def is_completed(plan: LaunchPlan, results: Path) -> bool:
    """Whether any attempt at this launch, made here or copied from elsewhere, has a completed record."""
    cell = plan.folder(results).parent
    return any(_status(path) == "completed" for path in cell.glob(f"{plan.launch:02d}-*/{FILE_NAME}"))


def _status(path: Path) -> str | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("status") if isinstance(content, dict) else None


def _prepare(folder: Path, matrix: Matrix) -> None:
    """Make the suite's folder and note the cells that cannot run, beside those that earlier benches noted."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; choose another RESULTS=") from None
    path = folder / ABSENT_FILE
    try:
        with FileLock(folder / f".{ABSENT_FILE}.lock"):
            noted = {_absent_key(entry): entry for entry in _read_absent(path)}
            for scenario in matrix.cells:
                noted.pop(_absent_key(scenario.model_dump()), None)
            noted |= {_absent_key(absent.model_dump()): absent.model_dump() for absent in matrix.absent}
            write_atomically(path, json.dumps(list(noted.values()), indent=1) + "\n")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; choose another RESULTS=") from None


def _read_absent(path: Path) -> Iterable[dict[str, str]]:
    try:
        return [entry.model_dump() for entry in TypeAdapter(list[Absent]).validate_json(path.read_bytes())]
    except (OSError, ValueError):
        return []


def _absent_key(entry: dict[str, str]) -> str:
    return "/".join(entry[name] for name in ("model", "preset", "framework", "execution", "chip", "data_name"))


@contextmanager
def _device(chip: ChipConfig, progress: BenchProgress) -> Iterator[None]:
    """Hold this machine's device, so that two benches take turns instead of disturbing each other's times.

    The locks go by what frameworks call the device, so that chip files of other names for the same one share them.
    """
    with ExitStack() as held:
        for name in sorted({entry.device.lower() for entry in chip.frameworks.values() if entry.device}):
            lock = FileLock(Path(tempfile.gettempdir()) / f"crosscast-{os.getuid()}-{name}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                progress.say(f"another bench is running on this device ({chip.title}): waiting for its launch to end")
                lock.acquire()
            held.callback(lock.release)
        yield
