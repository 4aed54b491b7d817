"""GraphCast and its loss in float64 NumPy, written from the reference; of the harness only the three graphs are used.

MLP(x) = norm(W2 swish(W1 x + b1) + b2), the head without norm
m = MLP[edge, sender, receiver];  edge' = edge + m;  node' = node + MLP[node, sum of m over the edges it receives]
"""

import numpy as np


def swish(x):
    return x / (1 + np.exp(-x))


def mlp(weights, name, *inputs):
    x = np.concatenate(inputs, axis=-1)
    layers = len([key for key in weights if key.startswith(f"{name}.layers.") and key.endswith(".weight")])
    for layer in range(layers):
        x = (swish(x) if layer else x) @ weights[f"{name}.layers.{layer}.weight"].T
        x = x + weights[f"{name}.layers.{layer}.bias"]
    if f"{name}.norm.weight" in weights:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        x = x * weights[f"{name}.norm.weight"] + weights[f"{name}.norm.bias"]
    return x


def message_step(weights, name, graph, edges, senders, receivers):
    messages = mlp(weights, f"{name}.edge_update", edges, senders[graph.senders], receivers[graph.receivers])
    received = np.zeros_like(receivers)
    np.add.at(received, graph.receivers, messages)
    return edges + messages, receivers + mlp(weights, f"{name}.node_update", receivers, received)


def forward_one(weights, graphs, x, outputs, residual_scale, steps):
    inputs, height, width = x.shape
    fields = x.reshape(inputs, -1).T
    grid = mlp(weights, "grid_embedding", fields, graphs.grid_nodes)
    mesh = mlp(weights, "mesh_embedding", np.zeros((len(graphs.mesh_nodes), inputs)), graphs.mesh_nodes)
    edges = mlp(weights, "encoder.edge_embedding", graphs.grid_to_mesh.features)
    _, mesh = message_step(weights, "encoder.step", graphs.grid_to_mesh, edges, grid, mesh)
    grid = grid + mlp(weights, "grid_update", grid)
    edges = mlp(weights, "processor.edge_embedding", graphs.mesh.features)
    for step in range(steps):
        edges, mesh = message_step(weights, f"processor.steps.{step}", graphs.mesh, edges, mesh, mesh)
    edges = mlp(weights, "decoder.edge_embedding", graphs.mesh_to_grid.features)
    _, grid = message_step(weights, "decoder.step", graphs.mesh_to_grid, edges, mesh, grid)
    output = mlp(weights, "head", grid).T.reshape(outputs, height, width)
    return x[:outputs] + residual_scale[:, None, None] * output


def forward(weights, graphs, x, residual_scale, steps):
    """(B, inputs, H, W) to (B, C, H, W)."""
    weights = {name: values.astype(np.float64) for name, values in weights.items()}
    scale = residual_scale.astype(np.float64)
    return np.stack([forward_one(weights, graphs, sample.astype(np.float64), len(scale), scale, steps) for sample in x])


def cell_areas(latitude):
    """Up to a factor, the area of each row's cells on an equally spaced grid, cut at the poles."""
    half = abs(latitude[1] - latitude[0]) / 2
    top, bottom = np.minimum(latitude + half, 90), np.maximum(latitude - half, -90)
    return np.sin(np.radians(top)) - np.sin(np.radians(bottom))


def residual_loss(prediction, target, newest, case, variable_weights):
    """The reference's loss on residuals: mean over batch, sum over variables, mean over levels and the points."""
    total, area = 0.0, cell_areas(case.arrays["latitude"])
    scale, variables = case.arrays["residual_scale"].astype(np.float64), [variable for _, variable, _ in case.channels]
    for variable in dict.fromkeys(variables):
        channels = [index for index, name in enumerate(variables) if name == variable]
        levels = np.array([case.channels[index][2] or 1.0 for index in channels])
        for index, level in zip(channels, levels, strict=True):
            predicted = (prediction[:, index] - newest[:, index]) / scale[index]
            true = (target[:, index].astype(np.float64) - newest[:, index]) / scale[index]
            points = case.arrays["mask"][index] * area[:, None]
            means = ((predicted - true) ** 2 * points).sum(axis=(1, 2)) / points.sum()
            total += variable_weights.get(variable, 1.0) * level / levels.mean() * means.mean() / len(channels)
    return total
