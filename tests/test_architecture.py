"""The import graph of the house: no circles, no upward arrows but those listed, frameworks where they belong.

Every import counts, those inside functions and under TYPE_CHECKING, too. A failure prints the graph of the rooms.
"""

import ast
import subprocess
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.shared import REPOSITORY

FLOORS = (
    ("collectors",),
    (
        *("harness", "errors", "text", "frozen", "mistakes", "privacy", "overrides"),
        *("stopping", "terminal", "console", "faults", "suggesting"),
    ),
    ("files", "git", "npz", "cache", "processes", "architectures", "contract", "own_code"),
    ("scenario types",),
    ("models",),
    ("data",),
    ("scenario",),
    ("frameworks",),
    ("results",),
    ("machine",),
    ("runners",),
    ("worker",),
    ("launch",),
    ("porting",),
    ("analysis",),
    ("history",),
    ("nightly",),
    ("power",),
    ("calibration",),
    ("projection",),
    ("doctor",),
    ("bundle",),
    ("rehearsal",),
    ("templates",),
    ("commands",),
    ("__main__", "setup_venv"),
    ("wheelhouse",),
)
"""The rooms from the ground up; those of one floor may know each other. `harness` is its __init__.py."""

SCENARIO_TYPES = {"execution", "schema", "chips", "axes", "changes", "limits", "regions"}
"""Modules of harness.scenario that are types alone and know nothing but each other, so that models may know them."""

WITHOUT_FILES = ("scenario", "execution", "identity", "axes", "changes", "labels", "matrix", "schema")
"""Modules of harness.scenario that read no file: what they hold was read by others."""

UPWARD = {
    ("harness.worker.measuring", "launch"): "reads the plan, which is data alone and moves down with the supervisor",
    ("harness.launch.made", "analysis"): "counts as made what tables count; waits for a reader of records in results",
    ("harness.launch.starting_weights", "porting"): "reads weights of any form, by the conversion of checkpoints",
    ("harness.launch.energy", "calibration"): "the store of calibrations, which belongs to results",
    ("harness.power.summary", "calibration"): "the store of calibrations, which belongs to results",
}
"""Arrows that still point upward, from a module to a room, and why. Take out what is gone; add none."""

FRAMEWORKS = {"torch", "torch_npu", "mindspore"}
MAY_IMPORT_FRAMEWORKS = (
    "harness.models.*.pytorch",
    "harness.models.*.mindspore",
    "harness.frameworks.pytorch.*",
    "harness.frameworks.mindspore.*",
    "harness.porting.*.pytorch",
    "harness.porting.*.mindspore",
    "harness.porting.operators.counterparts.*.mindspore",
    "harness.porting.parity.reference",
    "harness.porting.convert.restricted_pickle",
    "harness.porting.convert.torch_file",
    "harness.rehearsal.stand_ins.site.torch_npu",
    "harness.rehearsal.stand_ins.site.torch_npu.*",
)
"""Networks, frameworks, and in porting the probes and readers of files that run in children."""

SLOW_TO_IMPORT = {"pandas", "matplotlib", "scipy", "pyarrow", "xarray", "zarr"}
STARTS_WITHOUT_FRAMEWORKS = ("harness.commands", "harness.analysis", "harness.launch", "harness.results", "collectors")


class Import(NamedTuple):
    """A module names another; `at_start` where that happens as soon as it is imported itself."""

    target: str
    at_start: bool


@cache
def sources() -> dict[str, ast.Module]:
    """Every module by its name, parsed."""
    found = {}
    for top in ("harness", "collectors"):
        for path in sorted((REPOSITORY / top).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imports_of(module: str, tree: ast.Module) -> set[Import]:
    """What a module imports: of the house the module, of others the top-level package."""
    found: set[Import] = set()

    def visit(node: ast.AST, at_start: bool) -> None:
        if isinstance(node, ast.Import):
            found.update(Import(resolved(alias.name), at_start) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import, which this test does not follow"
            found.update(Import(resolved(f"{node.module}.{alias.name}"), at_start) for alias in node.names)
        in_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.iter_child_nodes(node):
            visit(child, at_start and not in_function and not for_types)

    visit(tree, True)
    return {each for each in found if each.target != module}


def resolved(name: str) -> str:
    """The longest module of the house that a dotted name begins with, else its first part."""
    parts = name.split(".")
    candidates = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((each for each in candidates if each in sources()), parts[0])


@cache
def graph() -> dict[str, set[Import]]:
    """What every module imports."""
    return {name: imports_of(name, tree) for name, tree in sources().items()}


def inner(module: str) -> set[str]:
    """The modules of the house that a module imports."""
    return {each.target for each in graph()[module] if each.target in sources()}


def room(module: str) -> str:
    """The room of a module: `collectors`, or the package or module right below `harness`, scenario types apart."""
    first, *rest = module.split(".")
    if rest[:1] == ["scenario"] and rest[-1] in SCENARIO_TYPES:
        return "scenario types"
    return rest[0] if first == "harness" and rest else first


def floor(name: str) -> int:
    """How far up a room lies."""
    places = [number for number, rooms in enumerate(FLOORS) if name in rooms]
    assert places, f"{name} is a new room: give it its floor in {Path(__file__).name}\n{drawn()}"
    return places[0]


def drawn() -> str:
    """The graph of the rooms, from the top, each with those that it imports and from how many modules."""
    arrows: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module in graph():
        for target in inner(module):
            if room(target) != room(module):
                arrows[room(module)][room(target)].add(module)
    order = {name: number for number, rooms in enumerate(FLOORS) for name in rooms}
    lines = []
    for name in sorted(arrows, key=lambda each: -order.get(each, len(FLOORS))):
        below = sorted(arrows[name].items(), key=lambda each: -order.get(each[0], len(FLOORS)))
        lines.append(f"{name}: " + ", ".join(f"{target} {len(modules)}" for target, modules in below))
    return "\n".join(lines)


def test_the_graph_is_that_of_the_sources():
    """What is known of three modules, so that a graph without arrows proves nothing."""
    assert len(sources()) > 200
    assert {"harness.scenario.scenario", "harness.launch.bench"} <= inner("harness.commands.bench")
    assert Import("harness.launch.bench", False) in graph()["harness.commands.bench"]
    assert Import("click", True) in graph()["harness.commands.bench"]
    assert Import("harness.data.windows", False) in graph()["harness.worker.subject"]


def test_modules_import_each_other_in_no_circle():
    try:
        tuple(TopologicalSorter({module: inner(module) for module in graph()}).static_order())
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}\n{drawn()}")


def test_rooms_import_downwards_only():
    upward: dict[tuple[str, str], set[str]] = defaultdict(set)
    for module in graph():
        for target in inner(module):
            if floor(room(target)) > floor(room(module)):
                upward[module, room(target)].add(target)
    new = {
        f"{module} -> {', '.join(targets)}" for (module, to), targets in upward.items() if (module, to) not in UPWARD
    }
    assert not new, f"upward: {sorted(new)}\n{drawn()}"
    assert not UPWARD.keys() - upward.keys(), "these arrows are gone: take them out of UPWARD"


def test_a_scenario_knows_no_model_and_of_data_their_mapping_alone():
    """Which lie below it, so that the order of the rooms would allow more."""
    modules = {module for module in graph() if module.startswith("harness.scenario.")}
    assert {f"harness.scenario.{name}" for name in WITHOUT_FILES} <= modules
    targets = {target for module in modules for target in inner(module)}
    assert {target for target in targets if room(target) in ("models", "data")} == {"harness.data.config"}
    for name in WITHOUT_FILES:
        assert not inner(f"harness.scenario.{name}") & {"harness.scenario.catalogue", "harness.files"}


def test_collectors_import_nothing_of_the_harness():
    found = {(module, target) for module in graph() for target in inner(module) if room(module) == "collectors"}
    assert len(found) > 50
    assert {pair for pair in found if room(pair[1]) != "collectors"} == set()


def test_frameworks_are_imported_where_they_belong_alone():
    importing = {module for module, found in graph().items() if FRAMEWORKS & {each.target for each in found}}
    assert {"harness.frameworks.pytorch.trainer", "harness.models.graphcast.mindspore"} <= importing
    allowed = {module for module in importing if any(fits(module, pattern) for pattern in MAY_IMPORT_FRAMEWORKS)}
    assert importing - allowed == set()


def fits(module: str, pattern: str) -> bool:
    """Whether a module has the name of a pattern, in which * stands for one part."""
    parts, wanted = module.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(want in ("*", part) for part, want in zip(parts, wanted, strict=True))


def test_commands_and_analysis_start_without_a_framework():
    """Nothing that they import as they start, nor what that imports, needs one."""
    reached = {module for module in sources() if module.startswith(STARTS_WITHOUT_FRAMEWORKS)}
    reached -= {module for module in reached if any(fits(module, pattern) for pattern in MAY_IMPORT_FRAMEWORKS)}
    needed = needed_at_start(reached)
    assert "harness.scenario.matrix" in needed
    assert not {target: importing for target, importing in needed.items() if target in FRAMEWORKS}


def test_a_bench_starts_without_what_tables_figures_and_archives_need():
    """They take longer to import than all that a bench does until its first launch."""
    needed = needed_at_start({"harness.commands.bench", "harness.launch.bench"})
    assert {"numpy", "pydantic", "harness.data.calendar"} <= needed.keys()
    assert not {target: importing for target, importing in needed.items() if target in SLOW_TO_IMPORT}


def needed_at_start(modules: set[str]) -> dict[str, str]:
    """What modules import as they start, what that imports, and so on, each with one that imports it."""
    needed: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        new = [target for target, at_start in graph().get(module, ()) if at_start and target not in needed]
        needed |= dict.fromkeys(new, module)
        waiting += new
    return needed


def test_nothing_is_committed_beside_the_rooms():
    """Such as what a framework writes into the current folder."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    rooms = {".ci", "collectors", "docs", "harness", "results", "scenarios", "tests"}
    files = {".gitignore", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md"}
    assert {path.partition("/")[0] for path in done.stdout.split("\0") if path} == {
        *rooms,
        *files,
        *("constraints.txt", "pyproject.toml"),
    }
