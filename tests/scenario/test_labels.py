"""Labels of executions: in words, no more of them than tell executions apart."""

import itertools

import pytest

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
from harness.scenario.labels import WORDS, as_name, changed, label, labels, names_of, precision_label, shared

BF16 = Execution(precision=Precision(autocast="bf16"))
O1 = Execution(compilation=Compilation(mode="graph", level="O1"))
RANGES = Execution(recompute=Recompute(unit="ranges", ranges=4))


def with_all(execution, **changes):
    return execution.model_copy(update=changes)


@pytest.mark.parametrize(
    ("executions", "expected"),
    [
        ([EAGER], ["eager"]),
        ([GRAPH], ["graph"]),
        ([EAGER, GRAPH], ["eager", "graph"]),
        ([EAGER, BF16], ["eager", "eager, bf16"]),
        ([BF16], ["eager"]),
        ([GRAPH, O1], ["graph", "graph, O1"]),
        ([EAGER, O1], ["eager", "graph, O1"]),
        ([RANGES, EAGER], ["eager, recompute 4 ranges", "eager"]),
        (
            [with_all(each, loading=Loading(prefetch=2)) for each in (EAGER, BF16, O1)],
            ["eager", "eager, bf16", "graph, O1"],
        ),
        ([], []),
    ],
)
def test_only_what_differs_is_said(executions, expected):
    assert [*labels(executions).values()] == expected
    assert [*labels(iter(executions))] == executions


def test_what_all_share_is_said_once():
    prefetched = [with_all(each, loading=Loading(prefetch=2)) for each in (EAGER, BF16, O1)]
    assert shared(prefetched) == "prefetch 2"
    assert shared([RANGES]) == "recompute 4 ranges"
    assert shared([EAGER, BF16]) == shared([GRAPH]) == shared([]) == ""


def test_alone_everything_is_said():
    execution = Execution(
        compilation=Compilation(mode="graph", scope="step", options="max-autotune"),
        precision=Precision(matmul="tf32", autocast="native-fp16"),
        recompute=Recompute(unit="blocks"),
        accumulation=4,
        operators=Operators(spectral="fft", segment_sum="native"),
        loading=Loading(workers=2, sink=True),
        world=World(devices=8, nodes=2, parallel="sharded_optimiser"),
        clock=Clock(window=10),
    )
    assert label(execution) == (
        "graph, step compiled, max-autotune, TF32, native fp16, recompute blocks, accumulation 4, spectral fft, "
        "segment sum native, 2 workers, sink, 8 devices, 2 nodes, sharded optimiser, window of 10"
    )


def every_execution():
    """All combinations of some values of every group."""
    groups = {
        "compilation": [
            Compilation(),
            Compilation(mode="graph"),
            Compilation(mode="graph", level="O0"),
            O1.compilation,
        ],
        "precision": [Precision(), Precision(autocast="bf16"), Precision(matmul="tf32"), Precision(matmul="hf32")],
        "recompute": [Recompute(), Recompute(unit="blocks"), RANGES.recompute, Recompute(unit="ranges", ranges=8)],
        "accumulation": [1, 2, 4],
        "loading": [Loading(), Loading(prefetch=1), Loading(prefetch=2, workers=2), Loading(sink=True)],
        "world": [World(), World(devices=2), World(devices=2, nodes=2), World(devices=2, parallel="sharded")],
    }
    return [Execution(**dict(zip(groups, values, strict=True))) for values in itertools.product(*groups.values())]


def test_different_executions_have_different_labels_and_names():
    executions = every_execution()
    assert len(executions) == 4**5 * 3
    found = labels(executions)
    assert len(set(found.values())) == len({as_name(text) for text in found.values()}) == len(executions)
    assert {label(execution) for execution in executions} == set(found.values())


class Wider(Execution):
    pinned: bool = False


def test_a_setting_without_words_is_said_by_its_name():
    assert [*labels([Wider(), Wider(pinned=True)]).values()] == ["eager", "eager, pinned True"]


@pytest.mark.parametrize(
    ("name", "to", "before", "expected"),
    [
        ("compilation.mode", "graph", "eager", "graph"),
        ("compilation.mode", "eager", "graph", "eager"),
        ("compilation.level", None, "O1", "no O1"),
        ("compilation.options", "default", "max-autotune", "no max-autotune"),
        ("precision.autocast", "native-bf16", "none", "native bf16"),
        ("precision.autocast", "none", "bf16", "no bf16"),
        ("precision.matmul", "ieee", "tf32", "no TF32"),
        ("recompute.unit", "blocks", "ranges", "recompute blocks"),
        ("recompute.ranges", 1, 32, ""),
        ("recompute.unit", "none", "ranges", "no recompute"),
        ("recompute.ranges", 32, 1, "recompute 32 ranges"),
        ("accumulation", 1, 4, "accumulation 1"),
        ("operators.spectral", "auto", "fft", "spectral auto"),
        ("loading.prefetch", 0, 4, "no prefetch 4"),
        ("loading.workers", 1, 2, "1 worker"),
        ("loading.sink", True, False, "sink"),
        ("loading.sink", False, True, "no sink"),
        ("world.devices", 1, 8, "1 device"),
        ("world.devices", 8, 1, "8 devices"),
        ("world.parallel", "data", "sharded", "data"),
        ("clock.window", 1, 10, "window of 1"),
        ("pinned", False, True, "no pinned True"),
    ],
)
def test_a_change_is_said_in_the_words_of_labels(name, to, before, expected):
    assert changed(name, to, before) == expected


def test_words_are_of_settings_that_exist():
    known = {"accumulation"}
    for group, field in Execution.model_fields.items():
        known |= {f"{group}.{name}" for name in getattr(field.annotation, "model_fields", {})}
    assert known - WORDS.keys() == {"compilation.mode"}
    assert WORDS.keys() <= known


def test_names_that_are_typed():
    assert as_name("graph, O1, recompute blocks") == "graph-O1-recompute-blocks"
    assert names_of(O1) == ("graph", "graph-O1")
    assert names_of(EAGER) == ("eager", "eager")


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        (Precision(), "fp32"),
        (Precision(matmul="tf32"), "TF32"),
        (Precision(autocast="bf16"), "bf16"),
        (Precision(matmul="hf32", autocast="native-fp16"), "native fp16, HF32"),
    ],
)
def test_formats_of_numbers_in_words(precision, expected):
    assert precision_label(precision) == expected
