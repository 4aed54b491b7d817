"""The times of a results folder in the JSON of pytest-benchmark 5, which its `compare` reads."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.analysis.cells import Cell, Results, age
from harness.analysis.quantities.quantity import Measured
from harness.analysis.quantities.speed import speed_of
from harness.analysis.selection import load_chosen
from harness.analysis.tables.table import print_warnings
from harness.errors import UserError
from harness.files import write_atomically
from harness.results.record import Environment
from harness.scenario.labels import as_name, label
from harness.suggesting import command

FORMAT_VERSION = "5.0.0"
PARAMS = ("model", "preset", "chip", "framework")


def export_pytest_benchmark(results: Path, target: Path, *, suite: str | None, console: Console) -> tuple[str, ...]:
    """Write the times of one suite or of all: a benchmark for each time of a cell, a round for each launch.

    Returns the records that could not be used, each in a line that says why. Raises UserError where there is no
    completed launch to export, no such suite or folder, or the file cannot be written.
    """
    found = load_chosen(results, suite)
    print_warnings(found.problems, console)
    content = to_pytest_benchmark(found.of_suite(suite) if suite else found)
    if not content["benchmarks"]:
        raise UserError(f"{results}: no completed launch to export; run {command('bench', results=results)} first")
    write_atomically(target, json.dumps(content, indent=1) + "\n")
    console.print(Text(str(target)), soft_wrap=True)
    return found.problems


def to_pytest_benchmark(found: Results) -> dict[str, Any]:
    """Times of all cells as pytest-benchmark's content; machine and commit are those of the newest launch.

    The commits of all launches of a benchmark are in its `extra_info`. In a group, which `compare` shows as a table, no
    two have the same name.
    """
    newest = max(
        chain.from_iterable(cell.launches for cell in found.cells), key=lambda record: age(record)[0], default=None
    )
    benchmarks = [_benchmark(cell, time) for cell in found.cells for time in _times(cell)]
    shown = Counter((each["group"], each["name"]) for each in benchmarks)
    for each in benchmarks:
        if shown[each["group"], each["name"]] > 1:
            each["name"] = _longer_name(each)
    return {
        "machine_info": _machine(newest.environment) if newest else {},
        "commit_info": _commit(newest.environment) if newest else {},
        "benchmarks": benchmarks,
        "datetime": newest.started_at if newest else None,
        "version": FORMAT_VERSION,
    }


def stats(values_s: Sequence[float]) -> dict[str, Any]:
    """What pytest-benchmark tells of a benchmark's rounds."""
    from pytest_benchmark.stats import Stats

    found = Stats()
    for value_s in values_s:
        found.update(value_s)
    return {**found.as_dict(), "data": list(values_s), "iterations": 1}


def _times(cell: Cell) -> list[Measured]:
    found = speed_of(cell).values()
    return [measured for measured in found if measured.kind == "cost" and measured.unit == "s" and measured.values]


def _benchmark(cell: Cell, time: Measured) -> dict[str, Any]:
    scenario = cell.scenario
    run = as_name(label(scenario.execution))
    where = f"{scenario.chip}-{scenario.framework}-{run}"
    return {
        "group": f"{scenario.model} {scenario.preset}, data {scenario.data_name}: {time.title}",
        "name": f"{time.name}[{scenario.model}-{scenario.preset}-{where}]",
        "fullname": f"{scenario.suite}/{cell.key}@{cell.host}::{time.name}",
        "params": {name: getattr(scenario, name) for name in PARAMS} | {"execution": run},
        "param": f"{scenario.model}-{scenario.preset}-{where}",
        "extra_info": {
            "host": cell.host,
            "cell": cell.key,
            "suite": scenario.suite,
            "unit": "s",
            "commits": sorted({_commit_name(record.environment) for record in cell.launches}),
            "made_by": "crosscast",
        },
        "options": {},
        "stats": stats(list(time.values.values())),
    }


def _longer_name(benchmark: Mapping[str, Any]) -> str:
    """The name of one of several that share a shorter one: with suite, digest of the cell and host."""
    of = benchmark["extra_info"]
    return f"{benchmark['name'].removesuffix(']')}-{of['suite']}-{of['cell'].rpartition('.')[2]}@{of['host']}]"


def _machine(environment: Environment) -> dict[str, Any]:
    return {
        "node": environment.host,
        "python_version": environment.python,
        "system": environment.platform,
        "cpu": {"brand_raw": environment.cpu_name, "count": environment.cpu_count},
    }


def _commit_name(environment: Environment) -> str:
    return f"{environment.git_commit or 'unknown'}{' with changes' if environment.git_dirty else ''}"


def _commit(environment: Environment) -> dict[str, Any]:
    return {"id": environment.git_commit, "dirty": environment.git_dirty, "project": "crosscast"}
