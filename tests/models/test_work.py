"""The counted operations are a lower bound of those that PyTorch counts, and no far one."""

import numpy as np
import pytest
from domains import make_domain

from harness.models import aigoms, fourcastnet, graphcast
from harness.models.work import FORWARD_AND_BACKWARD, prediction_flops, step_flops
from harness.scenario.execution import EAGER

GRID = (16, 32)
MOST_MASKED = 10
"""An epoch in which AI-GOMS hides three of four tokens."""

CASES = {
    "fourcastnet": (fourcastnet, fourcastnet.Network(patch_size=4, embed_dim=64, depth=2), make_domain(GRID, 3)),
    "graphcast": (
        graphcast,
        graphcast.Network(mesh_refinement=1, latent_size=32, message_steps=12, hidden_layers=2),
        make_domain((8, 16), 3, forcings=("f",), statics=("s",)),
    ),
    "aigoms": (
        aigoms,
        aigoms.Network(patch_size=4, embed_dim=64, depth=2, decoder_embed_dim=32, decoder_depth=1),
        make_domain(GRID, 4, forcings=("f",)),
    ),
}


def counted(package, network, domain, extras, *, backward):
    """Operations of the products that PyTorch runs, for a batch of 2."""
    import importlib

    import torch
    from torch.utils.flop_counter import FlopCounterMode

    source = importlib.import_module(f"{package.__name__}.pytorch")
    module = source.build(network, domain, EAGER)
    inputs = domain.inputs(package.input_spec(network))
    x = torch.zeros(2, inputs, *domain.grid)
    with FlopCounterMode(display=False) as counter:
        found = module(x, *map(torch.from_numpy, extras))
        if backward:
            found.sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("name", CASES)
def test_a_prediction_is_counted_from_below(name):
    package, network, domain = CASES[name]
    of_pytorch = counted(package, network, domain, (), backward=False)
    assert 0.6 * of_pytorch <= prediction_flops(package, network, domain, 2) <= of_pytorch


@pytest.mark.parametrize("name", CASES)
def test_a_training_step_is_counted_from_below(name):
    package, network, domain = CASES[name]
    extras = package.training_extras(network, domain, 2, MOST_MASKED, np.random.default_rng(0))
    of_pytorch = counted(package, network, domain, extras, backward=True)
    assert 0.4 * of_pytorch <= step_flops(package, network, domain, 2, rollout_steps=1) <= of_pytorch


def test_the_published_fourcastnet_by_hand():
    """90 x 180 patches of 8 x 8 of 20 fields, width 768, 12 blocks with hidden layers of 3072."""
    network, domain = fourcastnet.Network(patch_size=8, embed_dim=768, depth=12), make_domain((720, 1440), 20)
    expected = 2 * 16_200 * (1280 * 768 + 12 * 2 * 768 * 3072 + 768 * 1280)
    assert prediction_flops(fourcastnet, network, domain, 1) == expected
    assert step_flops(fourcastnet, network, domain, 3, rollout_steps=2) == FORWARD_AND_BACKWARD * 6 * expected


def test_what_an_architecture_counts_itself_comes_first():
    from types import SimpleNamespace

    own = SimpleNamespace(forward_flops=lambda network, domain, *, training: 7 if training else 5)
    assert prediction_flops(own, None, None, 2) == 10
    assert step_flops(own, None, None, 2, rollout_steps=3) == FORWARD_AND_BACKWARD * 6 * 7


def test_an_architecture_that_does_not_count_has_none():
    assert prediction_flops(np, None, CASES["aigoms"][2], 1) is None
    assert step_flops(np, None, CASES["aigoms"][2], 1, 1) is None
