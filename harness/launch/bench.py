"""A bench: the launches of a suite that are still missing, one after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter
from rich.console import Console

from collectors.regular_files import read_regular
from harness.errors import UserError, refuse
from harness.files import write_atomically
from harness.launch import leftovers
from harness.launch.fitting import chip_here, device_names, fitted, warnings_of, with_memory
from harness.launch.folder_lock import folder_lock
from harness.launch.made import MadeLaunches, Unusable
from harness.launch.maker import Between, LaunchMaker
from harness.launch.own_port import problems_of_ports
from harness.launch.plan import LaunchPlan, interleave
from harness.launch.preflight import problems_of
from harness.launch.progress import BenchProgress, ReadingProgress
from harness.launch.starting_weights import require_file, started_from
from harness.launch.survey import Survey, survey
from harness.machine import environment, rehearsal
from harness.results import deep_report, file_names
from harness.results.record import MOST_BYTES, Accelerator, Environment, Record
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig
from harness.scenario.execution import Execution
from harness.scenario.labels import label, labels
from harness.scenario.matrix import Matrix
from harness.scenario.scenario import Absent, PlannedCell, Selection
from harness.scenario.variants import variant_remark

ABSENT_LIST = TypeAdapter(list[Absent])


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

    @property
    def advice(self) -> str:
        """What to do about those, as the end of a sentence: a rerun cannot mend what a launch says is wrong."""
        reasons = dict.fromkeys(record.reason for record in self.records if record.status == "failed" and record.reason)
        said = f": {'; '.join(reasons)}" if reasons else ""
        others = any(record.status not in ("completed", "failed") for record in self.records)
        return f"{said}; run again to try {'the others' if reasons else 'them'}" if others else said


def bench(
    selection: Selection,
    results: Path,
    console: Console,
    *,
    fresh: bool = False,
    profile: bool = False,
    fit: bool = False,
    between: Between | None = None,
) -> Outcome:
    """Make every launch of the selection that has no completed record yet, or all of them if `fresh`.

    With `profile` one launch of each cell is made under a profiler, whatever there is already; with `fit` cells
    recompute and divide their batches until a training step is counted to fit the chip.
    Raises UserError for a selection that does not hold, where nothing can run here, where results cannot be written, or
    where launches cannot succeed: one message then lists all that is wrong, and nothing has been launched or written.
    """
    require_file(selection.weights)
    chip = catalogue.chip(selection.chip)
    with ReadingProgress(console) as reading:
        found = survey(selection, reading.update)
    matrix = found.matrix
    if not matrix.cells and not found.problems:
        reasons = "; ".join(dict.fromkeys(f"{absent.framework}: {absent.reason}" for absent in matrix.absent))
        raise UserError(f"nothing of suite {matrix.suite!r} can run on {selection.chip!r} here: {reasons}")
    captured = environment.capture(chip.visible_devices)
    if fit:
        refuse(found.problems, "nothing was launched")
        alike = captured.accelerator.alike
        matrix = fitted(matrix, found.archives, with_memory(chip_here(chip, alike)), max(1, len(alike.devices)))
    used = max((cell.execution.world.devices_of_node for cell in matrix.cells), default=1)
    if selection.weights is not None:
        refuse(found.problems, "nothing was launched")
    with started_from(selection.weights, matrix, console) as (started, weights_file):
        on_these = replace(found, matrix=started)
        place = Place(chip, captured, captured.accelerator.first(used))
        told = between or Between()
        again = fresh or profile
        return _make_launches(place, on_these, weights_file, results, console, told, fresh=again, profile=profile)


@dataclass(frozen=True)
class Place:
    """Where launches are made: the chip of the selection, the host with all devices that the job sees, those in use."""

    chip: ChipConfig
    captured: Environment
    used: Accelerator

    @property
    def here(self) -> ChipConfig:
        """What is known of the variant of the chip that is here."""
        return with_memory(chip_here(self.chip, self.used))


def _make_launches(
    place: Place,
    found: Survey,
    weights_file: str | None,
    results: Path,
    console: Console,
    between: Between,
    *,
    fresh: bool,
    profile: bool,
) -> Outcome:
    """Make the launches that are missing of cells that start from `weights_file`, or from drawn weights."""
    matrix, chip, captured = found.matrix, place.chip, place.captured
    made = MadeLaunches(results, captured)
    launches = 1 if profile else matrix.launches
    plans = interleave(matrix.cells, chip, launches, uuid4().hex[:8], weights_file, profile=profile)
    missing = plans if fresh else [plan for plan in plans if made.completed(plan) is None]
    too_new = [] if profile else [problem for plan in missing if (problem := made.clock_problem(plan))]
    impossible = problems_of(missing, found.archives, results, place.here, captured)
    refuse([*found.problems, *too_new, *impossible, *problems_of_ports(missing)], "nothing was launched")
    warnings = warnings_of(matrix, found.archives, place.here)
    _prepare(results / matrix.suite, matrix, console)
    variant = variant_remark(chip, device_names(place.used))
    known = (f"warning: {variant}" if variant else None, *warnings, _doctor_remark(place, plans[0], results))
    _say_before(matrix, list(filter(None, known)), console)
    if len(missing) < len(plans):
        console.print(f"{len(plans) - len(missing)} of {len(plans)} launches are done already (--fresh repeats them)")
    unusable = {plan.attempt: made.unusable(plan, results) for plan in missing}
    if not profile:
        _say_what_does_not_count(plans, missing, made, unusable, console)
    between.begin(matrix, len(plans), made.paths(plans))
    called = labels(cell.execution for cell in (*matrix.cells, *matrix.absent))
    with BenchProgress(console, len(missing), called) as progress:
        maker = LaunchMaker(results, captured, progress, between, unusable, fresh=fresh, variant_is_told=bool(variant))
        records = [record for plan in missing if (record := maker.make(plan)) is not None]
    return Outcome(matrix.suite, tuple(records), len(plans) - len(missing))


def _say_before(matrix: Matrix, warnings: Sequence[str], console: Console) -> None:
    """Say what is to be known of a matrix before its launches, and which of its cells cannot run here."""
    lines = [*matrix.remarks, *warnings]
    called = labels(cell.execution for cell in (*matrix.cells, *matrix.absent))
    for absent in matrix.absent:
        lines.append(f"{absent.model} {absent.framework} {called[absent.execution]}: {absent.reason}")
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _doctor_remark(place: Place, plan: LaunchPlan, results: Path) -> str | None:
    """That `doctor --deep` has not found all well on this host, where the chip is a device."""
    if place.chip.device_nodes is None:
        return None
    scenario = plan.scenario
    own = scenario.files.get("chip")
    return deep_report.remark(results, scenario.chip, place.captured.host, own, rehearsal.purpose())


def _say_what_does_not_count(
    plans: Sequence[LaunchPlan],
    missing: Sequence[LaunchPlan],
    made: MadeLaunches,
    unusable: Mapping[str, Sequence[Unusable]],
    console: Console,
) -> None:
    """Say which records there are that stand in no table with those of this bench, so that their launches are made."""
    here = environment.host_digest()
    to_make = {plan.attempt for plan in missing}
    done = [made.completed(plan) for plan in plans if plan.attempt not in to_make]
    hosts = [record.environment.host for record in done if record]
    lines = []
    if others := sum(host != here for host in hosts):
        lines.append(f"{others} of them on other hosts of the same kind, with which tables pool those of this one")
    if apart := sum(made.elsewhere(plan) for plan in missing):
        lines.append(
            f"{apart} launches that hosts of another kind have made stand in their own tables and are made here, too"
        )
    for plan in missing:
        cell = plan.scenario
        name = f"launch {plan.launch} of {cell.model} {cell.framework} {label(cell.execution)}"
        lines += [f"{name} is made again: {each.problem}" for each in unusable[plan.attempt]]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _prepare(folder: Path, matrix: Matrix, console: Console) -> None:
    """Make the suite's folder, note the cells that cannot run beside earlier ones, remove what dead benches left."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; choose another RESULTS=") from None
    note_absent(folder, matrix, say)
    for line in leftovers.clean(folder).lines():
        say(line)


def note_absent(folder: Path, matrix: Matrix, say: Callable[[str], None]) -> None:
    """Note the cells that cannot run beside earlier ones of a suite's folder. Raises UserError where that cannot be."""
    path = folder / rehearsal.named(file_names.ABSENT)
    try:
        with folder_lock(folder / f".{path.name}.lock", say):
            noted = {_cell_key(entry): entry for entry in _read_absent(path)}
            for scenario in matrix.cells:
                noted.pop(_cell_key(scenario), None)
            noted |= {_cell_key(absent): absent for absent in matrix.absent}
            write_atomically(path, ABSENT_LIST.dump_json(list(noted.values()), indent=1).decode() + "\n")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; choose another RESULTS=") from None


def _read_absent(path: Path) -> Sequence[Absent]:
    try:
        return ABSENT_LIST.validate_json(read_regular(path, MOST_BYTES))
    except (OSError, ValueError):
        return []


def _cell_key(cell: PlannedCell) -> tuple[str, str, str, Execution, str, str]:
    return cell.model, cell.preset, cell.framework, cell.execution, cell.chip, cell.data_name
