"""What to run is said below all that runs it: harness/scenario knows no model, device, archive or result."""

import ast

import pytest

from tests.shared import REPOSITORY

SCENARIO = REPOSITORY / "harness/scenario"
BELOW = {"architectures", "errors", "files", "frozen", "scenario"}
TYPES = ("scenario", "execution", "identity", "axes", "changes", "labels", "matrix", "schema")


def imported(path):
    """Modules of harness that a file imports anywhere in it."""
    nodes = ast.walk(ast.parse(path.read_text()))
    names = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name for name in names if name.startswith("harness.")}


@pytest.mark.parametrize("path", sorted(SCENARIO.glob("*.py")), ids=lambda path: path.stem)
def test_scenario_imports_nothing_above_it(path):
    rooms = {name.split(".")[1] for name in imported(path) - {"harness.data.config"}}
    assert rooms <= BELOW


def test_the_types_read_no_file():
    for name in TYPES:
        assert not imported(SCENARIO / f"{name}.py") & {"harness.scenario.catalogue", "harness.files"}
