"""Records of a results folder, put together as the cells of a comparison."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from collectors.regular_files import read_regular
from harness.analysis.attempts import without_doubles
from harness.analysis.files import found_files
from harness.analysis.hosts import kind_of, pools
from harness.analysis.reading import StoredRecord, read_records
from harness.analysis.summaries import Summary
from harness.errors import UserError
from harness.machine import rehearsal
from harness.porting.parity import certificate
from harness.porting.parity.certificate import Certificate
from harness.results import record as records
from harness.results.record import Environment, Record
from harness.scenario.execution import Execution
from harness.scenario.labels import as_name, label, labels
from harness.scenario.names import name_problem, suite_problem
from harness.scenario.scenario import Absent, Scenario
from harness.suggesting import USUAL_RESULTS

Place = tuple[str, str, str, str]


@dataclass(frozen=True, eq=False)
class Cell:
    """A scenario on one host, or on several of the same kind whose launches are pooled; `host` then names them all.

    `launches` holds the newest completed record of each launch number, in order of the number. `failed_attempts` holds
    every record that is not completed, in order of time, `results` is the folder that they were read from. Two cells
    are equal only if they are the same object.
    """

    key: str
    host: str
    scenario: Scenario
    launches: tuple[StoredRecord, ...]
    failed_attempts: tuple[StoredRecord, ...]
    results: Path = USUAL_RESULTS

    @cached_property
    def records(self) -> tuple[StoredRecord, ...]:
        """All records of the cell that say something of it."""
        return (*self.launches, *self.failed_attempts)

    def is_at(self, environment: Environment) -> bool:
        """Whether a launch made in an environment stands in this cell: on one of its hosts, or on one of their kind."""
        places = [record.environment for record in self.records]
        return any(place.host == environment.host or kind_of(place) == kind_of(environment) for place in places)

    @cached_property
    def label(self) -> str:
        """Framework and execution, shared by cells that differ in other settings."""
        return f"{self.scenario.framework} {label(self.scenario.execution)}"

    @property
    def name(self) -> str:
        """Chip, framework and execution as a baseline or a claim names them: a100/mindspore-graph."""
        return f"{self.scenario.chip}/{as_name(self.label)}"

    @cached_property
    def by_launch(self) -> dict[int, StoredRecord]:
        """Completed records by launch number."""
        return {record.launch: record for record in self.launches}

    @cached_property
    def summaries(self) -> dict[int, Summary]:
        """What tables need of each completed launch, by its number."""
        return {record.launch: record.summary for record in self.launches}

    @property
    def failed_launches(self) -> tuple[StoredRecord, ...]:
        """The newest record of each launch number that has no completed one."""
        completed = {record.launch for record in self.launches}
        failed = {record.launch: record for record in self.failed_attempts if record.launch not in completed}
        return tuple(failed[number] for number in sorted(failed))


@dataclass(frozen=True)
class Group:
    """Cells that stand in one table: the same model, preset and data, and the same chip and host but where `across`.

    `host` is None where no cell has run; `chip` and `host` list all where there are several.
    """

    model: str
    preset: str
    chip: str
    data_name: str
    host: str | None
    cells: tuple[Cell, ...]
    absent: tuple[Absent, ...]
    across: bool = False

    @property
    def title(self) -> str:
        """Model, preset, chip, data and host in words."""
        chip = f"{'chips' if ', ' in self.chip else 'chip'} {self.chip}"
        host = f"{'hosts' if ', ' in self.host else 'host'} {self.host}" if self.host else "no host"
        return f"{self.model} {self.preset}, {chip}, data {self.data_name}, {host}"

    def label(self, cell: Cell) -> str:
        """A label that no other cell of the group shares."""
        return self._labels[cell]

    def label_of_absent(self, entry: Absent) -> str:
        """The label that an absent cell would have."""
        return self._with_chip(entry)

    @cached_property
    def _labels(self) -> dict[Cell, str]:
        found = {cell: self._with_chip(cell.scenario) for cell in self.cells}
        for more in (_starting_file, _batch_of_each, lambda cell: f"on {cell.host}" if self.across else "", _digest):
            counts = Counter(found.values())
            found = {
                cell: text if counts[text] == 1 else f"{text} {more(cell)}".rstrip() for cell, text in found.items()
            }
        return found

    @cached_property
    def _executions(self) -> dict[Execution, str]:
        return labels(entry.execution for entry in (*(cell.scenario for cell in self.cells), *self.absent))

    def _with_chip(self, entry: Scenario | Absent) -> str:
        text = f"{entry.framework} {self._executions[entry.execution]}"
        if isinstance(entry, Scenario) and entry.own_words:
            text = f"{text}, {entry.own_words}"
        return f"{entry.chip} {text}" if self.across else text


@dataclass(frozen=True)
class Results:
    """The content of a results folder; `problems` names each file that could not be used, and why, in one line."""

    cells: tuple[Cell, ...]
    absent: tuple[tuple[str, Absent], ...]
    problems: tuple[str, ...]
    certificates: tuple[Certificate, ...] = ()
    folder: Path = USUAL_RESULTS

    @property
    def suites(self) -> tuple[str, ...]:
        """Names of the suites, sorted."""
        return tuple(sorted({cell.scenario.suite for cell in self.cells} | {suite for suite, _ in self.absent}))

    def of_suite(self, suite: str) -> "Results":
        """The cells of one suite; all problems stay."""
        return Results(
            tuple(cell for cell in self.cells if cell.scenario.suite == suite),
            tuple((name, absent) for name, absent in self.absent if name == suite),
            self.problems,
            self.certificates,
            self.folder,
        )

    def groups(self, *, across: bool = False) -> tuple[Group, ...]:
        """Cells and absent cells by model, preset and data, and by chip and host but where `across`.

        Tables, figures, claims and the report all show these groups. An absent cell stands beside every host that ran
        cells of its model, preset, chip and data; it is left out where records of the same cell exist.
        """
        hosts: dict[Place, set[str]] = defaultdict(set)
        cells: dict[tuple[Place, str], list[Cell]] = defaultdict(list)
        absent: dict[Place, list[Absent]] = defaultdict(list)
        for cell in self.cells:
            place = _place(cell.scenario)
            hosts[place].add(cell.host)
            cells[place, cell.host].append(cell)
        ran = {(_place(cell.scenario), _way(cell.scenario)) for cell in self.cells}
        for _, entry in self.absent:
            if (_place(entry), _way(entry)) not in ran:
                absent[_place(entry)].append(entry)
        found = []
        for place in sorted(hosts.keys() | absent.keys()):
            missing = tuple(dict.fromkeys(absent[place]))
            found += [Group(*place, host, tuple(cells[place, host]), missing) for host in sorted(hosts[place])]
            if not hosts[place]:
                found.append(Group(*place, None, (), missing))
        return tuple(map(_joined, by_subject(found))) if across else tuple(found)


def by_subject(groups: Iterable[Group]) -> tuple[tuple[Group, ...], ...]:
    """The groups that share model, preset and data, in their order."""
    found: dict[tuple[str, str, str], list[Group]] = defaultdict(list)
    for group in groups:
        found[group.model, group.preset, group.data_name].append(group)
    return tuple(map(tuple, found.values()))


def load_results(results: Path, *, pooled: bool = True) -> Results:
    """Read every record, every list of absent cells and every parity certificate under a folder.

    Names of folders are only places: suite, cell and launch are read from the records. Raises UserError where the
    folder does not exist; files that cannot be used are named in `problems`. Rehearsals are left out, and are all that
    counts where a chip is rehearsed. Unless `pooled`, every host stands alone.
    """
    if not results.is_dir():
        raise UserError(f"{results}: no such folder of results; name another with --results, or make it with a bench")
    found: list[StoredRecord] = []
    counted = rehearsal.purpose()
    files = found_files(results)
    problems = files.problems
    for path, record in zip(files.records, read_records(files.records), strict=True):
        problem = record if isinstance(record, UserError) else _problem(path, record)
        if isinstance(record, UserError) or problem:
            problems.append(str(problem))
        elif record.purpose == counted:
            found.append(record)
    found, doubles = without_doubles(_by_identity(found))
    problems += doubles
    absent: list[tuple[str, Absent]] = []
    for path in files.absent:
        try:
            absent += [(path.parent.resolve().name, entry) for entry in _load_absent(path)]
        except UserError as error:
            problems.append(str(error))
    certificates: list[Certificate] = []
    for path in files.certificates:
        try:
            made = certificate.load(path)
        except UserError as error:
            problems.append(str(error))
        else:
            certificates += [made] if made.purpose == counted else []
    return Results(_cells(found, results, pooled=pooled), tuple(absent), tuple(problems), tuple(certificates), results)


def _by_identity(found: Iterable[StoredRecord]) -> list[StoredRecord]:
    """The records with the names that their cells have now, whatever they were called when they were made."""
    names: dict[int, str] = {}
    renamed = []
    for record in found:
        scenario = record.scenario
        if id(scenario) not in names:
            names[id(scenario)] = scenario.cell
        name = names[id(scenario)]
        renamed.append(record if record.cell == name else record.model_copy(update={"cell": name}))
    return renamed


def _problem(path: Path, record: Record) -> str | None:
    scenario = record.scenario
    if wrong := suite_problem(scenario.suite):
        return f"{path}: damaged: scenario.suite: {scenario.suite!r} {wrong}; remove it or run that launch again"
    if wrong := _wrong_name(scenario):
        return f"{path}: damaged: scenario.{wrong}; remove it or run that launch again"
    try:
        offset = datetime.fromisoformat(record.started_at).tzinfo
    except ValueError:
        offset = None
    if offset is None:
        return (
            f"{path}: damaged: started_at: {record.started_at!r} is no time with an offset; "
            "remove it or run that launch again"
        )
    return None


def _wrong_name(entry: Scenario | Absent) -> str | None:
    """The first name of an entry that benches would refuse, and why."""
    for field in ("model", "preset", "chip", "data_name"):
        name = getattr(entry, field)
        if wrong := name_problem(name):
            return f"{field}: {name!r} {wrong}"
    return None


def _load_absent(path: Path) -> Sequence[Absent]:
    if wrong := suite_problem(path.parent.resolve().name):
        raise UserError(f"{path}: the name of its folder {wrong}: no suite is called so; remove it")
    try:
        found = TypeAdapter(list[Absent]).validate_json(read_regular(path, records.MOST_BYTES))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise UserError(f"{path}: damaged: {error.errors()[0]['msg']}; run the bench again to renew it") from None
    for entry in found:
        if wrong_name := _wrong_name(entry):
            raise UserError(f"{path}: damaged: {wrong_name}; remove it and run the bench again to renew it")
    return found


def _cells(found: Iterable[StoredRecord], results: Path, *, pooled: bool) -> tuple[Cell, ...]:
    by_place: dict[tuple[str, Place], list[StoredRecord]] = defaultdict(list)
    for record in found:
        by_place[record.scenario.suite, _place(record.scenario)].append(record)
    by_cell: dict[tuple[str, str, str], list[StoredRecord]] = defaultdict(list)
    for (suite, _), members in by_place.items():
        hosts = pools(members) if pooled else {}
        for record in members:
            host = record.environment.host
            by_cell[suite, record.cell, ", ".join(hosts.get(host, (host,)))].append(record)
    cells = []
    for (_, key, host), members in by_cell.items():
        attempts = sorted(members, key=age)
        completed = {record.launch: record for record in attempts if record.status == "completed"}
        cells.append(
            Cell(
                key=key,
                host=host,
                scenario=attempts[-1].scenario,
                launches=tuple(completed[number] for number in sorted(completed)),
                failed_attempts=tuple(record for record in attempts if record.status != "completed"),
                results=results,
            )
        )
    return tuple(sorted(cells, key=lambda cell: (_first_order(cell), cell.key, cell.host)))


def _joined(groups: Sequence[Group]) -> Group:
    first = groups[0]
    hosts = sorted({group.host for group in groups if group.host})
    return Group(
        model=first.model,
        preset=first.preset,
        chip=", ".join(sorted({group.chip for group in groups})),
        data_name=first.data_name,
        host=", ".join(hosts) or None,
        cells=tuple(cell for group in groups for cell in group.cells),
        absent=tuple(dict.fromkeys(entry for group in groups for entry in group.absent)),
        across=True,
    )


def _starting_file(cell: Cell) -> str:
    return f"from {cell.scenario.weights.file}" if cell.scenario.weights else ""


def _batch_of_each(cell: Cell) -> str:
    """The batch of each of several devices, in which weak and strong scaling differ."""
    scenario = cell.scenario
    return f"batch {scenario.training.batch_size} each" if scenario.execution.world.devices > 1 else ""


def _digest(cell: Cell) -> str:
    return cell.key.rsplit(".", 1)[-1]


def _first_order(cell: Cell) -> int:
    return min(record.order for record in (*cell.launches, *cell.failed_attempts))


def age(record: Record) -> tuple[datetime, str]:
    """What orders attempts by time, the same in every time zone."""
    return datetime.fromisoformat(record.started_at), record.attempt


def _way(entry: Scenario | Absent) -> tuple[str, Execution]:
    return entry.framework, entry.execution


def _place(entry: Scenario | Absent) -> Place:
    return entry.model, entry.preset, entry.chip, entry.data_name
