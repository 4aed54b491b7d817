"""Child process: `peer_cost.py MODEL SIZE` prints JSON, seconds of training steps of ours and PhysicsNeMo's, by turns.

Both get the same fields and Adam; GraphCast has the same grid, mesh and widths, and nearly the same number of edges.
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

CHANNELS, ROUNDS = 20, 7
SIZES = {
    "graphcast": {
        "small": ((46, 90), 1, {"mesh_refinement": 3, "latent_size": 128, "message_steps": 4}),
        "large": ((91, 180), 1, {"mesh_refinement": 4, "latent_size": 256, "message_steps": 8}),
    },
    "fourcastnet": {
        "small": ((32, 64), 8, {"patch_size": 4, "embed_dim": 64, "depth": 4}),
        "large": ((64, 128), 4, {"patch_size": 4, "embed_dim": 256, "depth": 4}),
    },
}


def main(model, size):
    """Alternate, so that what else the machine does slows both."""
    grid, samples, settings = SIZES[model][size]
    package = architecture(model)
    network, domain = package.Network(**settings), make_domain(grid, CHANNELS, latitude=np.linspace(90, -90, grid[0]))
    inputs = domain.inputs(package.input_spec(network))
    random = np.random.default_rng(0)
    x, target = (random.standard_normal((samples, c, *grid)).astype(np.float32) for c in (inputs, CHANNELS))
    steps = {"ours": ours(package, network, domain, x, target), "theirs": theirs(model, network, grid, x, target)}
    seconds = {name: [] for name in steps}
    for turn in range(ROUNDS + 1):
        for name in sorted(steps, reverse=turn % 2 == 1):
            begun_s = perf_counter()
            steps[name]()
            seconds[name].append(perf_counter() - begun_s)
    print(json.dumps({name: each[1:] for name, each in seconds.items()}))


def ours(package, network, domain, x, target):
    framework = open_framework("pytorch", "cpu", EAGER)
    framework.build(package, network, domain)
    framework.load(draw(package.parameters(network, domain), 0))
    framework.start_stage(OptimiserConfig(), np.full(ROUNDS + 1, 1e-4), 1)
    x, targets = framework.put(x), framework.put(target[None])
    return lambda: framework.train_step(x, targets)


def theirs(model, network, grid, x, target):
    import torch

    module = {"graphcast": graphcast, "fourcastnet": afno}[model](network, grid, x.shape[1])
    optimiser = torch.optim.Adam(module.parameters(), 1e-4, fused=True)
    x, target = torch.from_numpy(x), torch.from_numpy(target)

    def step():
        optimiser.zero_grad()
        (module(x) - target).square().mean().backward()
        optimiser.step()

    return step


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
    from tests.benchmarks.peer_stand_ins import install

    install()
    main(*sys.argv[1:])
