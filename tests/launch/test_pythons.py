"""A Python for each framework in one bench: launches alternate between them, and records say which ran."""

import os
import platform

import pytest
import yaml

from harness.launch.plan import LaunchPlan
from harness.launch.supervisor import launch
from harness.launch.survey import matrix_of
from harness.machine import environment
from harness.scenario import catalogue
from harness.scenario.scenario import Selection
from tests.launch.conftest import Made, records, run_in, write_micro
from tests.launch.stand_in import COMPLETE, stand_in
from tests.made_pythons import install, make_environment, packages_of
from tests.shared import REPOSITORY

pytestmark = pytest.mark.slow

TELLS_PYTHON = (
    COMPLETE.replace("time.sleep(0.02)", "pass")
    + """
(folder.parents[3] / f"python-{plan['attempt']}").write_text(sys.executable)
"""
)


def write_chip(folder, where, framework="mindspore", **changes):
    """The CPU's file, in which a framework has a Python of its own."""
    content = yaml.safe_load((REPOSITORY / "scenarios/chips/cpu.yaml").read_text())
    content["frameworks"][framework] |= {"python": str(where), **changes}
    path = folder / "cpu.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """A second environment, with a package that the first does not have."""
    folder = tmp_path_factory.mktemp("lab") / "mindspore"
    python = make_environment(folder)
    install(packages_of(folder), "made_package", "1.0")
    return python


class TestAlternating:
    @pytest.fixture(scope="class")
    def bench(self, tmp_path_factory, second):
        folder = tmp_path_factory.mktemp("two")
        suite = write_micro(folder, frameworks=[{"framework": "pytorch"}, {"framework": "mindspore"}])
        env = stand_in(folder / "stand-in", TELLS_PYTHON)
        arguments = ["bench", "--suite", suite, "--chip", write_chip(folder, second), "--repeats", 2]
        return Made(folder, suite, run_in(folder, *arguments, env=env))

    def test_launches_take_turns_in_their_own_pythons(self, bench, second):
        assert bench.done.returncode == 0, bench.done.stderr
        made = sorted(records(bench.results), key=lambda record: record["order"])
        assert [record["scenario"]["framework"] for record in made] == ["pytorch", "mindspore", "mindspore", "pytorch"]
        ran = [(bench.folder / f"python-{record['attempt']}").read_text() for record in made]
        assert ran[1:3] == [str(second)] * 2
        assert len({ran[0], ran[3], str(second)}) == 2

    def test_records_say_which_python_and_packages(self, bench):
        made = records(bench.results)
        told = {record["scenario"]["framework"]: record["environment"] for record in made}
        assert told["pytorch"]["interpreter"] is None
        assert told["mindspore"]["interpreter"] == "…/mindspore/bin/" + told["mindspore"]["interpreter"].split("/")[-1]
        assert told["pytorch"]["packages"] != told["mindspore"]["packages"]
        assert told["pytorch"]["host"] == told["mindspore"]["host"]

    def test_tables_warn_that_the_packages_differ(self, bench):
        assert "packages: " in (bench.results / "micro" / "tables" / "speed.md").read_text()

    def test_the_cells_are_those_of_one_python(self, bench):
        """A Python is no part of a cell."""
        cells = matrix_of(Selection(suite=str(bench.suite))).cells
        assert {cell.cell for cell in cells} == {record["cell"] for record in records(bench.results)}


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ({"needs": {"mindspore": ">=99"}}, "and mindspore >=99 is needed in {python}; run: make venv"),
        ({"packages": ["made_nowhere"], "needs": {}}, "made_nowhere not installed in {python}; run: make venv"),
        ({"python": "/nowhere/bin/python"}, "/nowhere/bin/python is no program that can be run: name a Python"),
    ],
)
def test_installed_and_needed_are_asked_of_the_other_python(write_suite, tmp_path, second, needs, said):
    suite = write_suite(frameworks=[{"framework": "pytorch"}, {"framework": "mindspore"}])
    matrix = matrix_of(Selection(suite=str(suite), chip=str(write_chip(tmp_path, second, **needs))))
    assert [cell.framework for cell in matrix.cells] == ["pytorch"]
    (absent,) = matrix.absent
    assert said.format(python=second) in absent.reason


@pytest.mark.parametrize(
    ("needs", "status", "reason"),
    [(">=2", "completed", None), (">=99", "failed", "torch {version} is installed, and torch >=99 is needed")],
)
def test_real_worker_runs_there_and_knows_the_version_that_it_imported(
    write_suite, tmp_path, second, needs, status, reason
):
    """As where a package tells no version before it is imported, so that the bench could not know."""
    chip = catalogue.chip(str(write_chip(tmp_path, second, "pytorch", needs={"torch": needs})))
    (scenario,) = matrix_of(Selection(suite=str(write_suite()))).cells
    plan = LaunchPlan(scenario=scenario, chip=chip, launch=0, order=0, bench="b", attempt="0123abcd")
    captured = environment.of_worker(environment.capture(None), plan.python)
    record = launch(plan, tmp_path / "results", captured, lambda *said: None)
    version = environment.probe.package("torch")["version"]
    assert (record.status, record.reason) == (status, reason and reason.format(version=version))
    assert record.environment.python == platform.python_version()
    if status == "completed":
        assert record.measurements.framework.packages == {"torch": version}
        assert os.fspath(second).endswith(record.environment.interpreter.removeprefix("…"))
