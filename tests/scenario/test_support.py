"""What cannot run is known before a device is touched."""

import subprocess
import sys

import pytest

from harness.frameworks.support import cannot_execute
from harness.scenario.execution import (
    EAGER,
    GRAPH,
    Clock,
    Compilation,
    Execution,
    Loading,
    Operators,
    Precision,
    Recompute,
    World,
)

DEVICES = (
    ("pytorch", "cpu"),
    ("pytorch", "cuda"),
    ("pytorch", "npu"),
    ("mindspore", "CPU"),
    ("mindspore", "Ascend"),
)


def graph(**details):
    return Execution(compilation=Compilation(mode="graph", **details))


def precision(**details):
    return Execution(precision=Precision(**details))


ON_PYTORCH, ON_MINDSPORE = set(DEVICES[:3]), set(DEVICES[3:])
ASCEND = {("mindspore", "Ascend")}
ALL = set(DEVICES)


@pytest.mark.parametrize(
    ("execution", "where", "why"),
    [
        (EAGER, ALL, ""),
        (GRAPH, ALL, ""),
        (graph(level="O0"), ON_MINDSPORE, "O0 is a jit_level of MindSpore"),
        (graph(level="O1"), ON_MINDSPORE, "O1 is a jit_level of MindSpore"),
        (graph(scope="step"), ON_PYTORCH, "a graph of MindSpore always holds the step"),
        (graph(options="reduce-overhead"), ON_PYTORCH, "reduce-overhead is a mode of torch.compile"),
        (precision(matmul="tf32"), {("pytorch", "cuda")}, "tf32 is for pytorch on cuda, not for"),
        (precision(matmul="hf32"), {("pytorch", "npu"), *ASCEND}, "hf32 is for pytorch on npu and mindspore on Ascend"),
        (precision(autocast="bf16"), ALL - {("mindspore", "CPU")}, "no operators in bfloat16"),
        (precision(autocast="native-bf16"), ALL - {("mindspore", "CPU")}, "no operators in bfloat16"),
        (precision(autocast="fp16"), ALL, ""),
        (precision(autocast="native-fp16"), ALL, ""),
        (
            Execution(compilation=GRAPH.compilation, precision=Precision(autocast="native-fp16")),
            ON_PYTORCH,
            "in a graph MindSpore's own list leaves some gradients low",
        ),
        (Execution(recompute=Recompute(unit="offload")), {("pytorch", "cuda"), ("pytorch", "npu")}, "offload is for"),
        (Execution(recompute=Recompute(unit="blocks")), ALL, ""),
        (Execution(recompute=Recompute(unit="ranges", ranges=4)), ALL, ""),
        (
            Execution(
                compilation=GRAPH.compilation,
                precision=Precision(autocast="fp16"),
                recompute=Recompute(unit="blocks"),
            ),
            ON_MINDSPORE,
            "a graph of torch.compile cannot compute anew what precision.autocast: fp16 casts",
        ),
        (
            Execution(
                compilation=GRAPH.compilation,
                precision=Precision(autocast="fp16"),
                recompute=Recompute(unit="ranges", ranges=4),
            ),
            ON_MINDSPORE,
            "a graph of torch.compile cannot compute anew what precision.autocast: fp16 casts",
        ),
        (Execution(operators=Operators(segment_sum="gathered")), ON_MINDSPORE, "gathered is a way of MindSpore"),
        (Execution(accumulation=4), ALL, ""),
        (Execution(loading=Loading(prefetch=4, workers=2)), ALL, ""),
        (Execution(loading=Loading(sink=True)), set(), "loading.sink: the device takes its batches in a graph alone"),
        (
            Execution(compilation=GRAPH.compilation, loading=Loading(sink=True, workers=2)),
            ASCEND,
            "loading.sink: for mindspore on Ascend alone",
        ),
        (Execution(world=World(devices=2)), ALL, ""),
        (Execution(world=World(devices=2, parallel="sharded_optimiser")), ALL, ""),
        (Execution(world=World(devices=2, parallel="sharded")), ON_PYTORCH, "world.parallel: sharded: it needs"),
        (Execution(world=World(devices=2, nodes=2)), ALL, ""),
        (Execution(clock=Clock(window=10)), ALL, ""),
    ],
)
def test_where_each_setting_runs(execution, where, why):
    reasons = {(framework, device): cannot_execute(framework, device, execution) for framework, device in DEVICES}
    assert {place for place, reason in reasons.items() if reason is None} == where
    assert all(why in reason and "\n" not in reason for reason in reasons.values() if reason)


@pytest.mark.parametrize("architecture", ["fourcastnet", "aigoms"])
def test_ranges_are_graphcasts(architecture):
    ranges = Execution(recompute=Recompute(unit="ranges", ranges=4))
    assert f"{architecture} does not work through ranges of grid points" in cannot_execute(
        "pytorch", "cpu", ranges, architecture
    )
    assert cannot_execute("pytorch", "cpu", ranges, "graphcast") is None
    assert cannot_execute("pytorch", "cpu", Execution(recompute=Recompute(unit="blocks")), architecture) is None


def test_all_reasons_are_given():
    execution = graph(level="O1").model_copy(update={"loading": Loading(sink=True)})
    reason = cannot_execute("pytorch", "cpu", execution)
    assert "jit_level" in reason
    assert "loading.sink" in reason


def test_the_answer_needs_no_framework():
    code = (
        "import sys; from harness.frameworks.support import cannot_execute; "
        "from harness.scenario.execution import GRAPH; assert cannot_execute('mindspore', 'Ascend', GRAPH) is None; "
        "assert not {'torch', 'mindspore'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
