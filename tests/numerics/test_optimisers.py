"""The optimisers of eager steps beside PyTorch's own, bit for bit, in a process of their own."""

import subprocess
import sys

import pytest

from tests.shared import REPOSITORY

PROGRAM = """
import sys
import torch
from harness.frameworks.pytorch.optimisers import KINDS, optimiser_class


def trained(kind):
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 1))
    optimiser = kind(network.parameters(), lr=1e-2, betas=(0.8, 0.99), weight_decay=0.1, fused=True)
    inputs = torch.randn(6, 3, 5)
    for x in inputs:
        optimiser.zero_grad()
        network(x).square().sum().backward()
        optimiser.step()
    assert not optimiser.param_groups[0]["params"][0].grad.requires_grad
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


ours = {name: trained(optimiser_class(name, compiled=False)) for name in KINDS}
assert "torch._dynamo" not in sys.modules
assert not torch.equal(ours["adam"], ours["adamw"])
for name, kind in KINDS.items():
    assert optimiser_class(name, compiled=True) is kind
    assert torch.equal(ours[name], trained(kind)), name
assert "torch._dynamo" in sys.modules
"""


@pytest.mark.slow
def test_eager_steps_are_pytorchs_own_without_what_compiles_them():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
