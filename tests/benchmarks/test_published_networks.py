"""The published networks that ours are timed against compute what the formulas say."""

import numpy as np
import pytest
import torch

from harness.models import architecture
from harness.models.parameters import draw
from tests.benchmarks.peer_cost import as_published
from tests.models import reference
from tests.models.aigoms import aigoms_reference
from tests.models.domains import make_domain

SETTINGS = {"patch_size": 2, "embed_dim": 16, "depth": 2, "num_blocks": 4, "sparsity_threshold": 0.002}
CASES = {
    "fourcastnet": (SETTINGS, lambda weights, x: reference.forward(weights, x, 2, 0.002)),
    "aigoms": (
        {**SETTINGS, "decoder_embed_dim": 24, "decoder_depth": 1},
        lambda weights, x: aigoms_reference.forward(weights, x, 2, 0.002),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_published_network_is_that_of_the_formulas(name):
    settings, formulas = CASES[name]
    package, domain = architecture(name), make_domain((12, 20), 3)
    network = package.Network(**settings)
    x = np.random.default_rng(0).standard_normal((2, domain.inputs(package.input_spec(network)), 12, 20))
    with torch.no_grad():
        found = as_published(package, network, domain)(torch.from_numpy(x).float()).numpy()
    expected = formulas(draw(package.parameters(network, domain), 0), x)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
