"""Which implementation serves an operator, without a framework."""

import pytest

from harness.models import fourcastnet, graphcast
from harness.models.operators.choices import CHOICES, all_serving, serving
from harness.scenario import catalogue


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
    ("network", "expected"),
    [
        (fourcastnet.Network(patch_size=2, embed_dim=8, depth=1), {"spectral": "dft", "layer_norm": "composed"}),
        (
            fourcastnet.Network(patch_size=2, embed_dim=8, depth=1, spectral="fft"),
            {"spectral": "fft", "layer_norm": "composed"},
        ),
        (graphcast.Network(mesh_refinement=1), {"segment_sum": "native", "layer_norm": "composed"}),
        (object(), {"layer_norm": "composed"}),
    ],
)
def test_a_record_names_what_served_the_operators(network, expected):
    assert all_serving(network, "mindspore", "CPU") == expected
