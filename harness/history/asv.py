"""The series in the result format of airspeed velocity (version 2), whose web page `asv publish` makes of them.

A benchmark for each quantity with the cells as its parameter, a machine for each node, a file for each commit. The
format is documented in asv's developer docs, "Benchmark suite layout and file formats".
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from harness.analysis.tables.table import make_folder
from harness.errors import UserError
from harness.files import write_atomically
from harness.git import ask
from harness.history.gated import Gated, Sort
from harness.history.series import Group

COLUMNS = (
    "result",
    "params",
    "version",
    "started_at",
    "duration",
    "stats_ci_99_a",
    "stats_ci_99_b",
    "stats_q_25",
    "stats_q_75",
    "stats_number",
    "stats_repeat",
    "samples",
    "profile",
)
ENVIRONMENT = "existing-crosscast"
BENCHMARK_VERSION = "1"
TYPES: Mapping[Sort, str] = {"speed": "time", "compile": "time", "memory": "peakmemory"}
UNITS = {"s": "seconds"}
HEXADECIMAL = frozenset("0123456789abcdef")


def write_asv(groups: Sequence[Group], folder: Path, repository: Path) -> Path:
    """Write asv.conf.json and the results below `folder`; returns the configuration, for `asv publish --config`.

    asv makes its page of the commits of `repository`. Dates of commits are those that it knows, else of their first
    night. Launches without a commit, or of a checkout with changes, are left out. Raises UserError where no launch is
    left, the repository knows no commit of any, or files cannot be written.
    """
    found = {(group.node, commit): None for group in groups for commit in group.commits if _is_clean(commit)}
    if not found:
        raise UserError("no launch of a clean commit to export: asv shows commits alone")
    dates_ms = _dates_ms({commit for _, commit in found}, groups, repository)
    if not dates_ms:
        raise UserError(
            f"{repository.resolve()}: no repository of git that knows a commit of these launches, of which asv would "
            "make its page: name their checkout with --repository"
        )
    quantities = {each.name: each for group in groups for each in group.quantities}
    cells = sorted({group.cell for group in groups})
    results = folder / "results"
    for node in dict.fromkeys(node for node, _ in found):
        make_folder(results / node)
        machine = {"machine": node, "os": "", "arch": "", "cpu": "", "num_cpu": "", "ram": ""}
        _write(results / node / "machine.json", {**machine, "version": 1})
        for commit in (each for of, each in found if of == node):
            content = _of_commit([group for group in groups if group.node == node], commit, cells, quantities)
            head = {"commit_hash": commit, "env_name": ENVIRONMENT, "date": dates_ms[commit], "params": machine}
            empty: dict[str, Any] = {"python": "", "requirements": {}, "env_vars": {}, "durations": {}}
            whole = {**head, **empty, "result_columns": COLUMNS, "results": content, "version": 2}
            _write(results / node / f"{commit[:8]}-{ENVIRONMENT}.json", whole)
    benchmarks = {_name(each): _benchmark(each, cells) for each in quantities.values()}
    _write(results / "benchmarks.json", {**benchmarks, "version": 2})
    configuration = folder / "asv.conf.json"
    places = {"results_dir": "results", "html_dir": "html", "benchmark_dir": "benchmarks", "env_dir": "env"}
    settings = {"version": 1, "project": "crosscast", "repo": str(repository.resolve()), "branches": ["HEAD"], **places}
    _write(configuration, settings)
    return configuration


def _is_clean(commit: str) -> bool:
    return len(commit) == 40 and set(commit) <= HEXADECIMAL


def _name(quantity: Gated) -> str:
    return f"crosscast.{TYPES.get(quantity.sort, 'track')}_{quantity.name.replace('.', '_')}"


def _benchmark(quantity: Gated, cells: Sequence[str]) -> dict[str, Any]:
    return {
        "name": _name(quantity),
        "pretty_name": quantity.title,
        "code": quantity.title,
        "type": TYPES.get(quantity.sort, "track"),
        "unit": UNITS.get(quantity.unit, quantity.unit or "value"),
        "param_names": ["cell"],
        "params": [[repr(cell) for cell in cells]],
        "version": BENCHMARK_VERSION,
        "timeout": 0,
    }


def _of_commit(
    groups: Sequence[Group], commit: str, cells: Sequence[str], quantities: Mapping[str, Gated]
) -> dict[str, Any]:
    """Rows of COLUMNS by the name of the benchmark; a cell that the commit did not run has null."""
    samples: dict[str, dict[str, list[float]]] = {}
    for group in groups:
        if commit not in group.commits:
            continue
        of_commit = group.commit == group.commits.index(commit)
        for place, quantity in enumerate(group.quantities):
            values = group.values[of_commit, place]
            if len(known := values[np.isfinite(values)]):
                samples.setdefault(quantity.name, {}).setdefault(group.cell, []).extend(known.tolist())
    params = [[repr(cell) for cell in cells]]
    return {
        _name(quantities[name]): [
            _each(cells, of_cells, lambda values: float(np.median(values))),
            params,
            BENCHMARK_VERSION,
            None,
            None,
            None,
            None,
            _each(cells, of_cells, lambda values: float(np.quantile(values, 0.25))),
            _each(cells, of_cells, lambda values: float(np.quantile(values, 0.75))),
            _each(cells, of_cells, lambda values: 1),
            _each(cells, of_cells, len),
            _each(cells, of_cells, list),
        ]
        for name, of_cells in samples.items()
    }


def _each(cells: Sequence[str], of_cells: Mapping[str, list[float]], value: Any) -> list[Any]:
    return [value(of_cells[cell]) if cell in of_cells else None for cell in cells]


def _dates_ms(commits: set[str], groups: Sequence[Group], repository: Path) -> dict[str, int]:
    """Milliseconds since 1970 of each commit; nothing where the repository knows none."""
    names = "".join(f"{commit}\n" for commit in sorted(commits))
    told = ask(repository, "log", "--no-walk", "--ignore-missing", "--format=%H %ct", "--stdin", given=names)
    lines = (line.split() for line in (told or "").splitlines())
    known = {commit: 1000 * int(seconds) for commit, seconds in lines if commit in commits}
    if not known:
        return {}
    found: dict[str, int] = {}
    for group in groups:
        for night, of_night in zip(group.nights, group.commits_of_nights, strict=True):
            begin = datetime.fromisoformat(night).replace(tzinfo=timezone.utc)
            for commit in of_night:
                found[commit] = min(found.get(commit, 2**62), 1000 * int(begin.timestamp()))
    return found | known


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content) + "\n")
