"""The environment of a worker that compiles: an empty folder that goes with the worker, and threads that sleep."""

import json
from pathlib import Path

import pytest

from harness.launch.compile_environment import compiling
from harness.launch.plan import LaunchPlan
from harness.launch.supervisor import launch
from harness.scenario import catalogue
from harness.scenario.execution import EAGER, GRAPH, Compilation, Execution
from tests.analysis.made_records import make_environment, make_scenario
from tests.launch.stand_in import COMPLETE, stand_in

FUSED = Execution(compilation=Compilation(mode="graph", level="O1"))

LOOK = """
cache = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
(Path(__file__).parent / "seen.json").write_text(json.dumps([str(cache), os.listdir(cache)]))
(cache / "kernel.so").write_text("compiled")
"""


def given(framework, device, execution, **inherited):
    with compiling(framework, device, execution, inherited) as environment:
        return environment


def test_eager_needs_nothing():
    assert given("pytorch", "cpu", EAGER, OMP_NUM_THREADS="2") == {"OMP_NUM_THREADS": "2"}


@pytest.mark.parametrize(
    ("framework", "variable"), [("pytorch", "TORCHINDUCTOR_CACHE_DIR"), ("mindspore", "MS_COMPILER_CACHE_PATH")]
)
def test_a_folder_named_by_the_user_is_kept(framework, variable):
    assert given(framework, "cpu", GRAPH, **{variable: "/mine"}) == {variable: "/mine"}
    assert list(given(framework, "cpu", GRAPH)) == [variable]


def test_mindspore_on_a_cpu_keeps_its_graphs_for_the_user_alone():
    assert given("mindspore", "CPU", GRAPH) == {}
    assert "MS_COMPILER_CACHE_PATH" in given("mindspore", "CPU", FUSED)
    assert given("mindspore", "CPU", GRAPH, MS_COMPILER_CACHE_PATH="/mine") == {"MS_COMPILER_CACHE_PATH": "/mine"}


def test_threads_sleep_beside_fused_kernels_on_a_cpu_alone():
    found = given("mindspore", "CPU", FUSED, GOMP_SPINCOUNT="7")
    assert (found["OMP_WAIT_POLICY"], found["GOMP_SPINCOUNT"]) == ("passive", "7")
    for other in (
        given("mindspore", "Ascend", FUSED),
        given("mindspore", "CPU", GRAPH),
        given("pytorch", "cpu", GRAPH),
    ):
        assert "OMP_WAIT_POLICY" not in other


@pytest.mark.parametrize("ending", ["", "os.kill(os.getpid(), signal.SIGKILL)\n"])
def test_the_folder_is_new_and_goes_with_the_worker_however_it_ends(ending, tmp_path, monkeypatch):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    for name, value in stand_in(tmp_path / "stand_in", LOOK + ending + COMPLETE).items():
        monkeypatch.setenv(name, value)
    chip = catalogue.chip("cpu").model_copy(update={"power_collectors": ("null",)})
    seen = []
    for number in range(2):
        scenario = make_scenario(execution="graph")
        plan = LaunchPlan(scenario=scenario, chip=chip, launch=number, order=number, bench="b", attempt="0123abcd")
        record = launch(plan, tmp_path / "results", make_environment(), lambda *said: None)
        assert record.status == ("crashed" if ending else "completed")
        seen.append(json.loads((tmp_path / "stand_in/seen.json").read_text()))
    assert [content for _, content in seen] == [[], []]
    assert seen[0][0] != seen[1][0]
    assert not any(Path(folder).exists() for folder, _ in seen)
