"""The times of a results folder in the JSON of pytest-benchmark 5, which its `compare` reads."""

import json
import math
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.analysis.cells import Cell, Results, age
from harness.analysis.metrics import Metric
from harness.analysis.selection import load_chosen
from harness.analysis.tables.table import print_warnings
from harness.errors import UserError
from harness.files import write_atomically
from harness.results.record import Environment
from harness.scenario.labels import as_name, label

FORMAT_VERSION = "5.0.0"


def export_pytest_benchmark(results: Path, target: Path, *, suite: str | None, console: Console) -> tuple[str, ...]:
    """Write the times of one suite or of all: a benchmark for each time of a cell, a round for each launch.

    Returns the records that could not be used, each in a line that says why. Raises UserError where there is no
    completed launch to export, no such suite or folder, or the file cannot be written.
    """
    found = load_chosen(results, suite)
    print_warnings(found.problems, console)
    content = to_pytest_benchmark(found.of_suite(suite) if suite else found)
    if not content["benchmarks"]:
        raise UserError(f"{results}: no completed launch to export; run crosscast bench first")
    write_atomically(target, json.dumps(content, indent=1) + "\n")
    console.print(Text(str(target)), soft_wrap=True)
    return found.problems


def to_pytest_benchmark(found: Results) -> dict[str, Any]:
    """Times of all cells as pytest-benchmark's content; machine and commit are those of the newest launch."""
    newest = max(
        chain.from_iterable(cell.launches for cell in found.cells), key=lambda record: age(record)[0], default=None
    )
    return {
        "machine_info": _machine(newest.environment) if newest else {},
        "commit_info": _commit(newest.environment) if newest else {},
        "benchmarks": [_benchmark(cell, times) for cell in found.cells for times in _times(cell)],
        "datetime": newest.started_at if newest else None,
        "version": FORMAT_VERSION,
    }


def stats(values_s: Sequence[float]) -> dict[str, Any]:
    """What pytest-benchmark tells of a benchmark's rounds; quartiles as it defines them."""
    ordered = sorted(values_s)
    mean, spread = fmean(ordered), stdev(ordered) if len(ordered) > 1 else 0.0
    q1, q3 = _quartile(ordered), -_quartile([-value for value in reversed(ordered)])
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    inside = [value for value in ordered if low <= value <= high] or ordered
    far = sum(not mean - spread <= value <= mean + spread for value in ordered)
    total = math.fsum(ordered)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": spread,
        "rounds": len(ordered),
        "median": median(ordered),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": len(ordered) - len(inside),
        "stddev_outliers": far,
        "outliers": f"{far};{len(ordered) - len(inside)}",
        "ld15iqr": inside[0],
        "hd15iqr": inside[-1],
        "ops": len(ordered) / total if total else 0,
        "total": total,
        "data": list(values_s),
        "iterations": 1,
    }


def _quartile(ordered: Sequence[float]) -> float:
    """The first quartile: of an even number the median of the lower half, else as by its fourths."""
    size = len(ordered)
    if size == 1:
        return ordered[0]
    if size % 2 == 0:
        return median(ordered[: size // 2])
    below = size // 4
    if size % 4 == 1:
        return 0.25 * ordered[below - 1] + 0.75 * ordered[below]
    return 0.75 * ordered[below] + 0.25 * ordered[below + 1]


def _times(cell: Cell) -> Iterable[list[Metric]]:
    by_name: dict[str, list[Metric]] = {}
    for summary in cell.summaries.values():
        for metric in summary.metrics:
            if metric.kind == "cost" and metric.unit == "s" and metric.value is not None:
                by_name.setdefault(metric.name, []).append(metric)
    return by_name.values()


def _benchmark(cell: Cell, times: Sequence[Metric]) -> dict[str, Any]:
    scenario, metric = cell.scenario, times[0]
    execution = as_name(label(scenario.execution))
    where = f"{scenario.chip}-{scenario.framework}-{execution}"
    return {
        "group": f"{scenario.model} {scenario.preset}, data {scenario.data_name}: {metric.title}",
        "name": f"{metric.name}[{scenario.model}-{scenario.preset}-{where}]",
        "fullname": f"{scenario.suite}/{cell.key}@{cell.host}::{metric.name}",
        "params": {
            **{name: getattr(scenario, name) for name in ("model", "preset", "chip", "framework")},
            "execution": execution,
        },
        "param": f"{scenario.model}-{scenario.preset}-{where}",
        "extra_info": {"host": cell.host, "cell": cell.key, "suite": scenario.suite, "unit": "s"},
        "options": {},
        "stats": stats([time.value for time in times if time.value is not None]),
    }


def _machine(environment: Environment) -> dict[str, Any]:
    return {
        "node": environment.host,
        "python_version": environment.python,
        "system": environment.platform,
        "cpu": {"brand_raw": environment.cpu_name, "count": environment.cpu_count},
    }


def _commit(environment: Environment) -> dict[str, Any]:
    return {"id": environment.git_commit, "dirty": environment.git_dirty, "project": "crosscast"}
