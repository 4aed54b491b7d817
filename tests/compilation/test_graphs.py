"""Graphs of both frameworks on the CPU: the same numbers as eager, their first calls told apart, clear failures."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from harness.launch.plan import LaunchPlan
from harness.launch.supervisor import launch
from harness.scenario import catalogue
from tests.analysis.made_records import make_environment, make_scenario
from tests.shared import REPOSITORY

pytestmark = pytest.mark.slow

LIMIT_S = 1800
TRAIN, OTHER = "2x6x4x6 1x2x1x4x6 2", "3x6x4x6 1x3x1x4x6 3"


def drive(folder, framework, *ways):
    """What drive.py prints, run in `folder`, where MindSpore may keep its graphs."""
    paths = REPOSITORY, REPOSITORY / "tests/models", Path(__file__).parent
    cache = {"MS_COMPILER_CACHE_ENABLE": "1", "MS_COMPILER_CACHE_PATH": str(folder / "cache")}
    own = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "GLOG_v": "3", "OMP_WAIT_POLICY": "passive"}
    kept = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("drive.py"), framework, *ways],
        env={**kept, **own, **cache, "TMPDIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: tmp_path_factory.mktemp(name) for name in ("pytorch", "mindspore")}


@pytest.fixture(scope="module")
def pytorch(folders):
    return drive(folders["pytorch"], "pytorch", "eager", "eager in another order", "step")


@pytest.fixture(scope="module")
def mindspore(folders):
    return drive(folders["mindspore"], "mindspore", "O0")


SUMMED_IN_TURN = 2e-5
"""Relative difference that fused kernels may make: they add up some hundred float32 numbers one after another."""

AFTER_TRAINING = 2e-4
"""Of predictions of about 1, after steps of Adam that such differences have led elsewhere."""


def assert_same(found, expected, rtol=2e-6, atol=1e-6):
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=rtol)
    np.testing.assert_allclose(found["predictions"], expected["predictions"], rtol=rtol, atol=atol)


def test_the_graph_of_a_step_trains_as_eager_does(pytorch):
    assert_same(pytorch["step"], pytorch["eager"])


def test_mindspore_trains_as_pytorch_does(mindspore, pytorch):
    np.testing.assert_allclose(mindspore["O0"]["losses"][:2], pytorch["eager"]["losses"][:2], rtol=2e-6)


def test_eager_compiles_nothing(pytorch):
    assert pytorch["eager"]["compiles"] == []
    assert pytorch["eager"]["training_steps"] == []
    assert pytorch["eager"]["described"] == {}


def test_pytorch_compiles_at_the_first_call_of_a_shape_alone(pytorch):
    _assert_first_calls(pytorch["step"], ("train_step", TRAIN), ("predict", "1x6x4x6"))
    assert pytorch["step"]["training_steps"] == [0]


def test_mindspore_compiles_anew_for_a_shape_that_comes_later(mindspore):
    _assert_first_calls(mindspore["O0"], ("train_step", TRAIN), ("train_step", OTHER), ("predict", "1x6x4x6"))
    assert mindspore["O0"]["training_steps"] == [0, 2]


def _assert_first_calls(found, *expected):
    told = [(each["what"], each["shape"], each["warm"]) for each in found["compiles"]]
    assert told == [(*call, False) for call in expected]
    assert min(each["s"] for each in found["compiles"]) > found["again_s"]


def test_what_is_compiled_is_described(pytorch, mindspore):
    assert pytorch["step"]["described"] == {"scope": "step", "options": "default"}
    assert mindspore["O0"]["described"] == {
        "jit_level": "O0",
        "enable_graph_kernel": "False",
        "enable_compile_cache": "True",
    }


def test_mindspore_loads_the_graphs_of_an_earlier_process(mindspore, folders):
    warm = drive(folders["mindspore"], "mindspore", "O0")["O0"]
    assert [each["warm"] for each in warm["compiles"]] == [True] * 3
    assert [each["shape"] for each in warm["compiles"]] == [each["shape"] for each in mindspore["O0"]["compiles"]]
    assert warm["losses"] == mindspore["O0"]["losses"]
    assert warm["predictions"] == mindspore["O0"]["predictions"]


def test_mindspore_loads_no_graph_of_another_batch(mindspore, pytorch, folders):
    """Left alone, MindSpore 2.10 takes the first graph of the cache for the first that is asked for."""
    name = "in another order"
    found = drive(folders["mindspore"], "mindspore", f"O0 {name}")[f"O0 {name}"]
    assert [each["warm"] for each in found["compiles"]] == [False] * 3
    np.testing.assert_allclose(found["losses"], pytorch[f"eager {name}"]["losses"], rtol=2e-6)


def test_compiled_code_goes_with_the_process(pytorch, folders):
    used = Path(pytorch["folder"])
    assert (used.parent, used.name[:19]) == (folders["pytorch"], "crosscast-compiled-")
    assert not used.exists()


def test_a_network_that_cannot_be_compiled_ends_in_one_line(pytorch, mindspore):
    said = f"CompileError: first call of train_step with inputs {TRAIN}: "
    for line in pytorch["broken"], mindspore["broken"]:
        assert line.startswith(said)
    assert "branching" in pytorch["broken"]
    assert "ield" in mindspore["broken"]


def test_what_compiling_needs_is_named(pytorch, mindspore):
    assert "needs a C++ compiler on a CPU and finds none (no-such-compiler)" in pytorch["without"]
    assert "only with the Python package decorator" in mindspore["without"]


def test_a_launch_without_a_compiler_fails_before_it_reads_data(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    chip = catalogue.chip("cpu").model_copy(update={"power_collectors": ("null",)})
    scenario = make_scenario(execution="graph")
    plan = LaunchPlan(scenario=scenario, chip=chip, launch=0, order=0, bench="b", attempt="0123abcd")
    record = launch(plan, tmp_path, make_environment(), lambda *said: None)
    assert record.status == "failed"
    assert record.reason.startswith("torch.compile needs a C++ compiler on a CPU and finds none (no-such-compiler): ")
    assert record.measurements.framework is None


@pytest.mark.skipif(find_spec("decorator") is None, reason="fusion of kernels on a CPU needs the package decorator")
def test_fused_kernels_give_the_same_numbers(tmp_path, mindspore):
    cold = drive(tmp_path, "mindspore", "O1")
    assert_same(cold["O1"], mindspore["O0"], SUMMED_IN_TURN, AFTER_TRAINING)
    assert cold["O1"]["described"]["enable_graph_kernel"] == "True"
    assert cold["O1"]["compiles"][0]["warm"] is False
    assert not (tmp_path / "dsa_transfrom.log").exists()
