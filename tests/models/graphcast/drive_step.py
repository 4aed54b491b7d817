"""One step of message passing in one framework: `drive_step.py FRAMEWORK CASE ANSWER`, both npz."""

import sys

import numpy as np

from harness.models.graphcast import Network
from harness.models.graphcast.geometry import Graph
from harness.scenario.execution import Operators

NETWORK = Network(mesh_refinement=0, latent_size=2, message_steps=1)


def pytorch(case, weights, graph):
    import torch

    from harness.models.graphcast.pytorch import Edges, MessageStep

    step = MessageStep(NETWORK)
    step.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    edges, nodes = (torch.from_numpy(case[name])[:, None] for name in ("edges", "nodes"))
    with torch.no_grad():
        updated = step(Edges(graph, NETWORK.latent_size), edges, nodes, nodes)
    return [(new - old)[:, 0].numpy() for new, old in zip(updated, (edges, nodes), strict=True)]


def mindspore(case, weights, graph):
    from mindspore import Tensor

    from harness.models.graphcast.mindspore import Edges, MessageStep

    step = MessageStep(NETWORK)
    for parameter in step.trainable_params():
        parameter.set_data(Tensor(weights[parameter.name]))
    edges, nodes = Tensor(case["edges"]), Tensor(case["nodes"])
    count = len(case["nodes"])
    updated = step(Edges(Operators(), graph, count, count), edges, nodes, nodes)
    return [new.asnumpy() - old.asnumpy() for new, old in zip(updated, (edges, nodes), strict=True)]


def main(framework, given, answer):
    with np.load(given) as arrays:
        case = dict(arrays)
    weights = {name.removeprefix("weights/"): case[name] for name in case if name.startswith("weights/")}
    graph = Graph(case["senders"], case["receivers"], np.zeros((len(case["senders"]), 4), np.float32))
    messages, change = {"pytorch": pytorch, "mindspore": mindspore}[framework](case, weights, graph)
    np.savez(answer, messages=messages, change=change)


if __name__ == "__main__":
    main(*sys.argv[1:])
