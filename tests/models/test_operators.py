"""Which implementation serves an operator, without a framework."""

import linear
import pytest

from harness.models import aigoms, fourcastnet, graphcast
from harness.models.executing import operators_of
from harness.models.operators.choices import CHOICES, all_serving, serving
from harness.scenario import catalogue
from harness.scenario.execution import Operators


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


@pytest.mark.parametrize(
    ("package", "operators", "expected"),
    [
        (fourcastnet, Operators(), {"spectral": "dft", "layer_norm": "composed"}),
        (aigoms, Operators(spectral="fft", segment_sum="gathered"), {"spectral": "fft", "layer_norm": "composed"}),
        (graphcast, Operators(spectral="fft"), {"segment_sum": "native", "layer_norm": "composed"}),
        (graphcast, Operators(segment_sum="gathered"), {"segment_sum": "gathered", "layer_norm": "composed"}),
        (linear, Operators(spectral="fft"), {"layer_norm": "composed"}),
    ],
)
def test_a_record_names_what_served_the_operators_of_the_network(package, operators, expected):
    assert all_serving(operators, operators_of(package), "mindspore", "CPU") == expected
