"""`drive_kept.py PIECES...`: for each number of pieces, the values that autograd keeps of a forward pass."""

import sys

import numpy as np
import torch
from domains import make_domain

from harness.models.graphcast import Network, input_spec
from harness.models.graphcast.pytorch import build
from harness.scenario.execution import Execution, Recompute


def kept(pieces):
    domain = make_domain((37, 72), 4)
    execution = Execution(recompute=Recompute(unit="ranges", ranges=pieces) if pieces > 1 else Recompute())
    network = build(Network(mesh_refinement=2, latent_size=32, message_steps=1), domain, execution)
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    given = {parameter.data_ptr() for parameter in network.parameters()} | {b.data_ptr() for b in network.buffers()}
    x = torch.from_numpy(np.ones((1, domain.inputs(input_spec(Network(mesh_refinement=2))), 37, 72), np.float32))
    sizes = {}

    def keep(values):
        storage = values.untyped_storage()
        if storage.data_ptr() not in given | {x.data_ptr()}:
            sizes[storage.data_ptr()] = storage.nbytes()
        return values

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values):
        output = network(x)
    assert output.requires_grad
    return sum(sizes.values())


for argument in sys.argv[1:]:
    print(kept(int(argument)))
