"""MLPs a tile of rows at a time: slopes by finite differences, and the network that runs operator by operator."""

import numpy as np
import pytest
import torch
from domains import make_domain
from torch.overrides import BaseTorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from harness.models import graphcast
from harness.models import tiling as sizes
from harness.models.graphcast.pytorch import Edges, build
from harness.models.parameters import draw
from harness.models.tiling import pytorch as tiling
from harness.scenario.execution import Execution, Recompute

SENDERS, RECEIVERS = [3, 0, 2, 2, 0, 0, 3, 2], [1, 1, 1, 2, 2, 4, 4, 4]
KINDS = [0, 2, 1, 2, 0, 2, 1, 1]
NODES, MESH, WIDTH, OUT = 4, 6, 5, 3
"""No edge begins at node 1, none leads to 0, 3 and 5 of the mesh."""


@pytest.fixture
def small_tiles(monkeypatch):
    """Of two rows of one sample."""
    monkeypatch.setattr(sizes, "TILE_BYTES", 2 * 4 * WIDTH)
    torch.manual_seed(0)


def numbers(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def parameters(norm):
    """Of a LayerNorm, if there is one, and of two layers after the first."""
    of_norm = [numbers(OUT), numbers(OUT)] if norm else []
    return [*of_norm, numbers(WIDTH, WIDTH), numbers(WIDTH), numbers(OUT, WIDTH), numbers(OUT)]


def tail(norm, given):
    return tiling.Tail(given[: 2 * norm], given[2 * norm :], 1e-5)


@pytest.mark.parametrize(("norm", "skip"), [(True, True), (True, False), (False, False)])
def test_slopes_of_rows(small_tiles, norm, skip):
    def run(x, y, one, other, bias, *rest):
        return tiling.tiled([x, y], [one, other], bias, tail(norm, rest), skip=skip)

    inputs = numbers(3, 2, OUT), numbers(3, 2, 2)
    weights = numbers(WIDTH, OUT), numbers(WIDTH, 2), numbers(WIDTH)
    assert torch.autograd.gradcheck(run, (*inputs, *weights, *parameters(norm)))


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("by_kind", [True, False])
@pytest.mark.parametrize("batch", [1, 2])
def test_slopes_of_messages(small_tiles, skip, by_kind, batch):
    ends = tiling.Ends(*map(torch.tensor, (SENDERS, RECEIVERS, KINDS)))

    def run(edges, senders, receivers, weight, *rest):
        given = edges, senders, receivers, weight, tail(True, rest)
        updated, received = tiling.tiled_messages(ends, *given, by_kind=by_kind, skip=skip)
        return (updated, received) if skip else received

    nodes = numbers(NODES, batch, WIDTH), numbers(MESH, 1, WIDTH)
    edges = numbers(max(KINDS) + 1, 1, OUT) if by_kind else numbers(len(SENDERS), batch, OUT)
    given = edges, *nodes, numbers(WIDTH, OUT), *parameters(True)
    assert torch.autograd.gradcheck(run, given)
    assert len(ends.tiles(2 // batch, MESH)) > 1


@pytest.mark.parametrize("recompute", [Recompute(), Recompute(unit="ranges", ranges=3)])
def test_a_network_in_tiles_is_the_one_operator_by_operator(monkeypatch, recompute):
    network = graphcast.Network(mesh_refinement=1, latent_size=8, message_steps=3, hidden_layers=2)
    domain = make_domain((8, 16), 3)
    module = build(network, domain, Execution(recompute=recompute)).double()
    weights = draw(graphcast.parameters(network, domain), 0)
    inputs = domain.inputs(graphcast.input_spec(network))
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, inputs, 8, 16)))

    def passes():
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(torch.from_numpy(weights[name]))
            alone = module(x)
        module.zero_grad()
        prediction = module(x)
        prediction.square().sum().backward()
        return [alone, prediction.detach(), *(parameter.grad for parameter in module.parameters())]

    monkeypatch.setattr(sizes, "TILE_BYTES", 4 * 8 * 2 * 16)
    assert all(each.in_tiles() for each in module.modules() if isinstance(each, Edges))
    found = passes()
    monkeypatch.setattr(tiling, "TILED", frozenset())
    for tiled, plain in zip(found, passes(), strict=True):
        assert (tiled - plain).abs().max() <= 1e-11 * plain.abs().max()


def test_who_casts_compiles_or_counts_sees_every_operator():
    x, size = torch.zeros(2), (2**20, 64)
    assert tiling.in_tiles(x, *size)
    assert not tiling.in_tiles(x, 64, 64)
    for mode in (torch.autocast("cpu", torch.bfloat16), BaseTorchFunctionMode(), FlopCounterMode(display=False)):
        with mode:
            assert not tiling.in_tiles(x, *size)
    assert not tiling.in_tiles(x.to("meta"), *size)
