"""Child process: `peer_cost.py PEER MODEL SIZE` prints JSON, seconds of training steps of ours and a peer's, by turns.

PEER is `physicsnemo`, or `published` for the networks as they were published. Both sides get the same fields and Adam;
PhysicsNeMo's GraphCast has the same grid, mesh and widths, and nearly the same number of edges.
"""

import json
import sys
from time import perf_counter

import numpy as np

from harness.frameworks import open_framework
from harness.models import architecture
from harness.models.parameters import draw
from harness.scenario.execution import EAGER
from harness.scenario.schema import OptimiserConfig
from tests.models.domains import make_domain

CHANNELS = 20
ROUNDS = {"small": 24, "large": 12, "wide": 8}
SIZES = {
    "graphcast": {
        "small": ((46, 90), 1, {"mesh_refinement": 3, "latent_size": 128, "message_steps": 4}),
        "large": ((91, 180), 1, {"mesh_refinement": 4, "latent_size": 256, "message_steps": 8}),
    },
    "fourcastnet": {
        "small": ((32, 64), 8, {"patch_size": 4, "embed_dim": 64, "depth": 4}),
        "large": ((64, 128), 4, {"patch_size": 4, "embed_dim": 256, "depth": 4}),
        "wide": ((360, 720), 1, {"patch_size": 8, "embed_dim": 768, "depth": 2}),
    },
    "aigoms": {
        "small": (
            (32, 64),
            8,
            {"patch_size": 4, "embed_dim": 64, "decoder_embed_dim": 128, "depth": 4, "decoder_depth": 4},
        ),
        "large": (
            (64, 128),
            4,
            {"patch_size": 4, "embed_dim": 128, "decoder_embed_dim": 256, "depth": 4, "decoder_depth": 4},
        ),
        "wide": (
            (360, 720),
            1,
            {"patch_size": 8, "embed_dim": 512, "decoder_embed_dim": 1024, "depth": 1, "decoder_depth": 1},
        ),
    },
}


def main(peer, model, size):
    """Alternate, so that what else the machine does slows both."""
    package, network, domain, x, target = subject(model, size)
    module = {"physicsnemo": of_physicsnemo, "published": as_published}[peer](package, network, domain)
    framework = opened(package, network, domain, ROUNDS[size] + 1)
    steps = {"ours": ours(framework, x, target), "theirs": theirs(module, x, target)}
    print(json.dumps(by_turns(steps, ROUNDS[size])))


def by_turns(steps, rounds):
    """Seconds of each step in each round, after one that does not count: forth in one round and back in the next."""
    seconds = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name in sorted(steps, reverse=turn % 2 == 1):
            begun_s = perf_counter()
            steps[name]()
            seconds[name].append(perf_counter() - begun_s)
    return {name: each[1:] for name, each in seconds.items()}


def subject(model, size):
    """The package of a model, a network of it, its domain, and fields to train with: inputs and targets."""
    grid, samples, settings = SIZES[model][size]
    package, random = architecture(model), np.random.default_rng(0)
    network, domain = package.Network(**settings), make_domain(grid, CHANNELS, latitude=np.linspace(90, -90, grid[0]))
    channels = domain.inputs(package.input_spec(network)), CHANNELS
    x, target = (random.standard_normal((samples, count, *grid)).astype(np.float32) for count in channels)
    return package, network, domain, x, target


def opened(package, network, domain, steps):
    """PyTorch with a network of this harness, for so many training steps."""
    framework = open_framework("pytorch", "cpu", EAGER)
    framework.build(package, network, domain)
    framework.load(draw(package.parameters(network, domain), 0))
    framework.start_stage(OptimiserConfig(), np.full(steps, 1e-4), 1)
    return framework


def ours(framework, x, target):
    """A training step of this harness."""
    x, targets = framework.put(x), framework.put(target[None])
    return lambda: framework.train_step(x, targets)


def theirs(module, x, target):
    """A training step of a module."""
    import torch

    optimiser = torch.optim.Adam(module.parameters(), 1e-4, fused=True)
    x, target = torch.from_numpy(x), torch.from_numpy(target)

    def step():
        optimiser.zero_grad()
        (module(x) - target).square().mean().backward()
        optimiser.step()

    return step


def as_published(package, network, domain):
    """FourCastNet or AI-GOMS as tests/benchmarks/published_networks.py restates them, with weights of ours."""
    import torch

    from harness.models.aigoms.config import positions
    from tests.benchmarks import published_networks

    if hasattr(network, "decoder_embed_dim"):
        widths, token_grid = (network.embed_dim, network.decoder_embed_dim), network.token_grid(domain.grid)
        inputs = domain.inputs(package.input_spec(network))
        places = (torch.from_numpy(positions(width, token_grid))[None] for width in widths)
        module = published_networks.AIGOMS(network, inputs, domain.outputs, *places)
    else:
        module = published_networks.FourCastNet(network, domain.grid, domain.outputs)
    weights = draw(package.parameters(network, domain), 0)
    module.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return module


def of_physicsnemo(package, network, domain):
    """PhysicsNeMo's AFNO or GraphCast."""
    from tests.benchmarks.peer_stand_ins import install

    install()
    make = graphcast if hasattr(network, "mesh_refinement") else afno
    return make(network, domain.grid, domain.inputs(package.input_spec(network)))


def graphcast(network, grid, inputs):
    from physicsnemo.models.graphcast.graph_cast_net import GraphCastNet

    return GraphCastNet(
        mesh_level=network.mesh_refinement,
        input_res=grid,
        input_dim_grid_nodes=inputs,
        output_dim_grid_nodes=CHANNELS,
        processor_layers=network.message_steps,
        hidden_dim=network.latent_size,
        do_concat_trick=True,
    )


def afno(network, grid, inputs):
    from physicsnemo.models.afno.afno import AFNO

    patch = [network.patch_size] * 2
    return AFNO(list(grid), inputs, CHANNELS, patch, network.embed_dim, network.depth, num_blocks=network.num_blocks)


if __name__ == "__main__":
    main(*sys.argv[1:])
