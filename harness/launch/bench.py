"""A bench: the launches of a suite that are still missing, one after the other."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter
from rich.console import Console

from harness import environment
from harness.errors import UserError
from harness.launch import leftovers
from harness.launch.folder_lock import folder_lock
from harness.launch.local import launch
from harness.launch.plan import LaunchPlan, interleave
from harness.launch.progress import BenchProgress, ReadingProgress
from harness.record import FILE_NAME, Record, write_atomically
from harness.scenario import catalogue
from harness.scenario.matrix import Absent, Matrix, Selection, expand
from harness.scenario.schema import ChipConfig
from harness.turns import turn

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
    _prepare(results / matrix.suite, matrix, console)
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
            with turn(_devices(chip), chip.title, progress.say):
                if not fresh and is_completed(plan, results):
                    continue
                progress.begin(plan)
                record = launch(plan, results, chip, captured, progress.update)
            records.append(record)
            progress.end(record)
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


def _prepare(folder: Path, matrix: Matrix, console: Console) -> None:
    """Make the suite's folder, note the cells that cannot run beside earlier ones, remove what dead benches left."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; choose another RESULTS=") from None
    path = folder / ABSENT_FILE
    try:
        with folder_lock(folder / f".{ABSENT_FILE}.lock", say):
            noted = {_absent_key(entry): entry for entry in _read_absent(path)}
            for scenario in matrix.cells:
                noted.pop(_absent_key(scenario.model_dump()), None)
            noted |= {_absent_key(absent.model_dump()): absent.model_dump() for absent in matrix.absent}
            write_atomically(path, json.dumps(list(noted.values()), indent=1) + "\n")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; choose another RESULTS=") from None
    for line in leftovers.clean(folder).lines():
        say(line)


def _read_absent(path: Path) -> Iterable[dict[str, str]]:
    try:
        return [entry.model_dump() for entry in TypeAdapter(list[Absent]).validate_json(path.read_bytes())]
    except (OSError, ValueError):
        return []


def _absent_key(entry: dict[str, str]) -> str:
    return "/".join(entry[name] for name in ("model", "preset", "framework", "execution", "chip", "data_name"))


def _devices(chip: ChipConfig) -> set[str]:
    """What frameworks call the chip, so that chip files of other names for the same device take turns."""
    return {entry.device for entry in chip.frameworks.values() if entry.device}
