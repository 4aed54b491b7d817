"""Which implementation serves an operator, without a framework."""

import linear
import pytest

from harness.models import aigoms, fourcastnet, graphcast
from harness.models.executing import operators_of
from harness.models.operators.choices import CHOICES, all_serving, serving
from harness.scenario import catalogue
from harness.scenario.execution import EAGER, Compilation, Execution, Operators, Precision


def test_every_device_of_every_chip_has_a_choice():
    devices = {
        (framework, entry.device)
        for name in catalogue.names("chips")
        for framework, entry in catalogue.chip(name).frameworks.items()
        if entry.device
    }
    assert devices <= CHOICES.keys()


def test_auto_is_the_choice_for_the_device_and_anything_else_stands():
    for (framework, device), choice in CHOICES.items():
        assert serving("spectral", "auto", framework, device) == choice.spectral
        assert serving("spectral", "fft", framework, device) == "fft"
        assert choice.reason


def test_a_gelu_that_is_always_the_one_by_tanh_is_not_used():
    """torch_npu ignores `approximate`: the exact form is composed there."""
    assert serving("gelu", "auto", "pytorch", "npu") == "composed"
    assert serving("gelu", "auto", "pytorch", "cuda") == "native"


def test_what_stands_in_for_slow_kernels_of_a_cpu_is_left_out_elsewhere():
    fields = ("layer_norm", "gelu", "soft_shrink", "dense", "segment_sum", "messages")
    composed = {
        (framework, device, field)
        for (framework, device), choice in CHOICES.items()
        for field in fields
        if getattr(choice, field) != "native"
    }
    of_cpu = {("mindspore", "CPU", field) for field in ("layer_norm", "gelu", "dense", "messages")}
    assert composed == {*of_cpu, ("pytorch", "cpu", "messages"), ("pytorch", "npu", "gelu")}
    assert {choice.adam for choice in CHOICES.values()} == {"fused"}


OF_ALL = {"layer_norm": "composed", "dense": "composed", "adam": "fused"}
OF_BLOCKS = {**OF_ALL, "gelu": "composed", "soft_shrink": "native"}


@pytest.mark.parametrize(
    ("package", "operators", "expected"),
    [
        (fourcastnet, Operators(), {"spectral": "dft", **OF_BLOCKS}),
        (aigoms, Operators(spectral="fft", segment_sum="gathered"), {"spectral": "fft", **OF_BLOCKS}),
        (graphcast, Operators(spectral="fft"), {"segment_sum": "native", "messages": "by_kind", **OF_ALL}),
        (graphcast, Operators(segment_sum="gathered"), {"segment_sum": "gathered", "messages": "by_kind", **OF_ALL}),
        (linear, Operators(spectral="fft"), OF_ALL),
    ],
)
def test_a_record_names_what_served_the_operators_of_the_network(package, operators, expected):
    assert all_serving(Execution(operators=operators), operators_of(package), "mindspore", "CPU") == expected


@pytest.mark.parametrize(
    ("execution", "messages"),
    [
        (EAGER, "tiled"),
        (Execution(compilation=Compilation(mode="graph")), "native"),
        (Execution(precision=Precision(autocast="native-bf16")), "native"),
    ],
)
def test_a_record_names_tiles_where_rows_run_in_them(execution, messages):
    assert all_serving(execution, operators_of(graphcast), "pytorch", "cpu")["messages"] == messages


def test_a_lower_format_embeds_every_edge():
    lowered = Execution(precision=Precision(autocast="fp16"))
    assert all_serving(lowered, operators_of(graphcast), "mindspore", "CPU")["messages"] == "native"
