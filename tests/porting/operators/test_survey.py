"""Operators traced in PyTorch and run in both frameworks, each in its own process."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.commands.cli import cli
from harness.errors import UserError
from harness.launch.survey import matrix_of
from harness.porting.operators import survey
from harness.porting.operators.calls import Request
from harness.porting.operators.survey import documented, run
from harness.scenario.execution import EAGER, GRAPH, Operators
from harness.scenario.scenario import Selection

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


def request_of(model, **operators):
    """A request for a model of the smoke suite, op by op, with other operators."""
    scenario = matrix_of(Selection(model=model, framework="mindspore")).cells[0]
    execution = EAGER.model_copy(update={"operators": Operators(**operators)})
    return Request(scenario=scenario, seed=1, execution=execution)


@pytest.fixture(scope="module")
def in_this_folder():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(HERE)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parents[2]), str(HERE)]))
        yield


@pytest.fixture
def traced_together(server, monkeypatch):
    """One child with PyTorch traces all networks of which nothing is run."""
    monkeypatch.setattr(survey, "ask_child", server("pytorch").ask_child)


@pytest.fixture(scope="module")
def run_together(server):
    """run(), in one child a framework for all networks that run op by op."""

    def ask_child(module, *arguments, timeout_s, python):
        if module.endswith(".pytorch"):
            return server("pytorch").ask_child(module, *arguments)
        return server("mindspore, operators", OMP_NUM_THREADS="1").ask_child(module, *arguments)

    def together(*arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(survey, "ask_child", ask_child)
            return run(*arguments)

    return together


@pytest.fixture(scope="module")
def fast(run_together):
    """FourCastNet with an FFT."""
    return run_together("fourcastnet", request_of("fourcastnet", spectral="fft"))


@pytest.fixture(scope="module")
def mixed(run_together):
    """A network of a lab's own."""
    return run_together("mixed", Request(factory="networks:mixed", seed=1, execution=EAGER))


def test_every_operator_computes_the_same_in_value_and_gradient(fast, mixed):
    for report in (fast, mixed):
        assert [
            (row.operator, row.status, row.reason) for row in report.rows if row.status in ("differs", "fails")
        ] == []
        compared = [row for row in report.rows if row.value_deviation is not None]
        assert len(compared) > 15
        assert all(0 <= row.value_deviation <= row.value_tolerance for row in compared)
        assert all(row.pytorch_s > 0 and row.mindspore_s > 0 for row in compared)
        slopes = [row for row in compared if row.gradient_deviation is not None]
        assert len(slopes) > 8
        assert any(row.gradient_deviation > 0 for row in slopes)


def test_the_trace_has_what_the_network_is_written_with(fast, mixed):
    forward = {row.operator: row for row in fast.rows if row.phase == "forward"}
    assert forward["aten._fft_r2c.default"].count == 2
    assert forward["aten.gelu.default"].count == 2
    assert forward["aten.native_layer_norm.default"].shapes == ((16, 8, 8, 64),)
    names = {row.operator.split(".")[1] for row in mixed.rows}
    assert {"convolution", "native_batch_norm", "upsample_bilinear2d", "_softmax", "roll", "avg_pool2d"} <= names
    assert any(row.phase == "backward" and "convolution_backward" in row.operator for row in mixed.rows)


def test_a_gradient_operator_stands_as_the_gradient_that_was_compared(fast):
    row = next(row for row in fast.rows if row.operator == "aten.gelu_backward.default")
    gelu = next(row for row in fast.rows if row.operator == "aten.gelu.default")
    assert (row.status, row.gradient_deviation) == ("verified", gelu.gradient_deviation)


@pytest.mark.parametrize(
    "request_",
    [request_of("graphcast"), request_of("aigoms"), request_of("fourcastnet", spectral="fft")],
    ids=lambda request: request.scenario.model,
)
def test_nothing_of_the_harness_networks_is_missing_from_the_map(traced_together, request_):
    report = documented("model", request_, "Ascend")
    assert [row.operator for row in report.rows if row.kind == "missing"] == []
    assert {row.status for row in report.rows} == {"documented", "not run"}


def test_a_fourier_transform_is_not_documented_for_gpus(traced_together):
    report = documented("fourcastnet", request_of("fourcastnet", spectral="fft"), "GPU")
    missing = {row.operator for row in report.rows if row.kind == "missing"}
    assert {"aten._fft_r2c.default", "aten._fft_c2r.default"} <= missing
    assert all("spectral: dft" in row.reason for row in report.rows if row.kind == "missing")


def test_an_operator_without_a_counterpart_is_missing_and_the_rest_is_run(in_this_folder):
    """In children of its own, as compiled graphs."""
    report = run("unheard", Request(factory="networks:unheard", seed=1, execution=GRAPH))
    unknown = next(row for row in report.rows if row.operator == "aten.special_i0e.default")
    assert (unknown.kind, unknown.status) == ("missing", "not run")
    assert "compose it" in unknown.reason
    others = [row for row in report.rows if row.operator != unknown.operator]
    assert [(row.operator, row.reason) for row in others if row.status in ("differs", "fails")] == []
    verified = {row.operator.split(".")[1] for row in others if row.status == "verified"}
    assert {"rsub", "max", "min", "var", "div", "complex", "_conj"} <= verified


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("networks:nothing", r"give module\[:name\]"),
        ("nowhere:mixed", "No module named 'nowhere'"),
        ("networks:no_network", "must return"),
        ("networks:failing", "no such weights"),
        ("networks:wrong_inputs", "the network fails on the example inputs"),
    ],
)
def test_mistakes_are_one_line(in_this_folder, traced_together, factory, said):
    with pytest.raises(UserError, match=said):
        documented("x", Request(factory=factory, seed=1), "GPU")


def test_the_command_prints_a_table_and_a_line_of_totals(in_this_folder, traced_together, tmp_path):
    arguments = ["operators", "networks:unheard", "--target", "gpu", "--json", str(tmp_path / "r.json")]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert "special_i0e" in done.stdout
    assert "2 missing" in done.stdout
    assert (tmp_path / "r.json").exists()
