"""The two sides of a comparison: what a folder of results, or a file of pytest-benchmark, holds of each cell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.analysis.cells import Cell, Results, age, load_results
from harness.analysis.reading import StoredRecord
from harness.errors import UserError
from harness.history import benchmark_json
from harness.history.gated import Gated, gated_values
from harness.porting.parity.certificate import Certificate


@dataclass(frozen=True, eq=False)
class SideLaunch:
    """What one launch measured; `started` is seconds since 1970. None is not known: foreign files have no record."""

    number: int
    host: str
    attempt: str
    started: float | None
    values: Mapping[str, float]
    record: StoredRecord | None = None

    @property
    def place(self) -> tuple[str, int]:
        """What the launches of a pair share: host and number, and with the number the seed."""
        return self.host, self.number


@dataclass(frozen=True)
class Failure:
    """A launch that has no completed record, and why."""

    number: int
    host: str
    status: str
    reason: str

    @property
    def place(self) -> tuple[str, int]:
        """Host and number, as of a launch."""
        return self.host, self.number


@dataclass(frozen=True, eq=False)
class SideCell:
    """The launches of a cell on all its hosts; `cells` are the same as tables know them.

    With `are_rounds` they are those of one process, whose number is what there was time for and says nothing.
    """

    name: str
    launches: tuple[SideLaunch, ...]
    failures: tuple[Failure, ...] = ()
    cells: tuple[Cell, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    are_rounds: bool = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """Of its completed launches, sorted."""
        return tuple(sorted({launch.host for launch in self.launches}))

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of all that any launch has."""
        return tuple(dict.fromkeys(name for launch in self.launches for name in launch.values))


@dataclass(frozen=True, eq=False)
class Side:
    """A side of the comparison. `absent` says of cells that could not run why, `problems` which files are unusable.

    `remarks` weaken all that is compared."""

    path: Path
    cells: Mapping[str, SideCell]
    quantities: Mapping[str, Gated]
    absent: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    commits: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def attempts(self) -> frozenset[str]:
        """Of all its launches."""
        return frozenset(launch.attempt for cell in self.cells.values() for launch in cell.launches)


def read_side(path: Path) -> Side:
    """A folder of results, a folder of files of pytest-benchmark, or one such file.

    Raises UserError where there is nothing of the kind.
    """
    if not path.exists():
        raise UserError(f"{path}: no such folder of results and no such file")
    files = benchmark_json.files_of(path)
    if files:
        return _of_benchmarks(path, benchmark_json.read(files))
    if not path.is_dir():
        raise UserError(f"{path}: neither a folder of results nor a file of pytest-benchmark")
    found = load_results(path, pooled=False)
    if not found.cells and not found.absent:
        damaged = f"; {len(found.problems)} cannot be used, the first: {found.problems[0]}" if found.problems else ""
        raise UserError(f"{path}: no record of a launch and no file of pytest-benchmark{damaged}")
    return _of_results(path, found)


def cell_name(cell: Cell) -> str:
    """Suite and cell: the name by which nights know a cell, on whatever host."""
    return f"{cell.scenario.suite}/{cell.key}"


def _of_results(path: Path, found: Results) -> Side:
    quantities: dict[str, Gated] = {}
    by_name: dict[str, list[Cell]] = {}
    for cell in found.cells:
        by_name.setdefault(cell_name(cell), []).append(cell)
    cells = {}
    for name, of_name in by_name.items():
        launches = [_launch(record, quantities) for cell in of_name for record in cell.launches]
        failures = tuple(
            Failure(each.launch, each.environment.host, each.status, each.reason or "no reason recorded")
            for cell in of_name
            for each in cell.failed_launches
        )
        cells[name] = SideCell(name, tuple(launches), failures, tuple(of_name), _missing(of_name))
    absent = {
        f"{suite}/{entry.model} {entry.preset} {entry.framework} on {entry.chip}": entry.reason
        for suite, entry in found.absent
    }
    commits = dict.fromkeys(
        _commit(record) for cell in found.cells for record in cell.launches if record.environment.git_commit
    )
    return Side(path, cells, quantities, absent, found.problems, found.certificates, tuple(commits))


def _commit(record: StoredRecord) -> str:
    commit = record.environment.git_commit or "unknown"
    return f"{commit} with uncommitted changes" if record.environment.git_dirty else commit


def _launch(record: StoredRecord, quantities: dict[str, Gated]) -> SideLaunch:
    values = gated_values(record, record.summary)
    for quantity in values:
        quantities.setdefault(quantity.name, quantity)
    return SideLaunch(
        record.launch,
        record.environment.host,
        record.attempt,
        age(record)[0].timestamp(),
        {quantity.name: value for quantity, value in values.items()},
        record,
    )


def _missing(cells: Iterable[Cell]) -> dict[str, str]:
    """Why launches lack quantities: of metrics by their names, of all energies under `energy`."""
    found: dict[str, str] = {}
    for cell in cells:
        for summary in cell.summaries.values():
            found |= {metric.name: metric.reason for metric in summary.metrics if metric.reason}
            if summary.no_energy:
                found["energy"] = summary.no_energy
            for use in summary.energy_uses:
                if use.energy_j is None and use.reasons:
                    found["energy"] = use.reasons[0]
    return found


def _of_benchmarks(path: Path, found: benchmark_json.Benchmarks) -> Side:
    quantity = Gated(name="time_s", title="time", unit="s", sort="speed")
    cells = {
        name: SideCell(
            name,
            tuple(
                SideLaunch(number, found.host, f"{found.identity}-{number}", None, {quantity.name: value_s})
                for number, value_s in enumerate(values_s)
            ),
            are_rounds=found.are_rounds,
        )
        for name, values_s in found.values_s.items()
    }
    return Side(path, cells, {quantity.name: quantity}, commits=found.commits, remarks=found.remarks)
