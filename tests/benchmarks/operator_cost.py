"""Child process: `operator_cost.py FRAMEWORK` prints JSON, seconds of each operator forward and backward."""

import importlib
import json
import sys
from statistics import median
from time import perf_counter

import numpy as np

from harness.models.graphcast.connectivity import multi_mesh
from harness.models.graphcast.icosphere import hierarchy

PLANES = {"tiny 8x16": ((8, 16), 8, 64), "small 16x32": ((16, 32), 4, 256), "paper 90x180": ((90, 180), 1, 256)}
SEQUENCES = {"tiny 128": (128, 8, 64), "small 512": (512, 4, 256), "paper 16200": (16200, 1, 256)}
MESHES = {"refinement 3": (3, 128), "refinement 5": (5, 128)}
NORMS = {"tiny 1024x64": (1024, 64), "paper 16200x768": (16200, 768)}
MLPS = {"mesh 5100x128": (5100, 128), "mesh 20460x256": (20460, 256)}
ROUNDS = 15


def main(name):
    """Every implementation of every operator, on the same numbers."""
    operators = importlib.import_module(f"harness.models.operators.{name}")
    timed = {"pytorch": PyTorch, "mindspore": MindSpore}[name]()
    random, found = np.random.default_rng(0), {}
    for label, ((rows, columns), batch, width) in PLANES.items():
        x = random.standard_normal((columns, rows, batch, width)).astype(np.float32)
        for kind in ("dft", "fft"):
            made = operators.plane_transform(kind, (rows, columns), range(rows), range(rows // 2 + 1))
            found[f"plane {label}, {kind}"] = timed.transform(made, x)
    for label, (tokens, batch, width) in SEQUENCES.items():
        x = random.standard_normal((tokens, batch, width)).astype(np.float32)
        for kind in ("dft", "fft"):
            found[f"sequence {label}, {kind}"] = timed.transform(operators.sequence_transform(kind, tokens), x)
    for label, (refinement, width) in MESHES.items():
        receivers = np.sort(multi_mesh(hierarchy(refinement))[1]).astype(np.int32)
        x = random.standard_normal((len(receivers), width)).astype(np.float32)
        for kind, segments in (("sorted", receivers), ("unsorted", random.permutation(receivers))):
            for implementation in timed.segment_sums:
                function = timed.segments(operators, implementation, segments, int(receivers.max()) + 1)
                found[f"segments {label}, {implementation} {kind}"] = timed.both_ways(function, x)
    for label, shape in MLPS.items():
        x = random.standard_normal(shape).astype(np.float32)
        for kind in timed.mlps:
            found[f"mlp {label}, {kind}"] = timed.mlp(kind, x)
    for label, shape in NORMS.items():
        x = random.standard_normal(shape).astype(np.float32)
        for kind in timed.layer_norms:
            found[f"layer norm {label}, {kind}"] = timed.both_ways(timed.norm(operators, kind, shape[1]), x)
    print(json.dumps(found))


def measure(step):
    """The median time of a step that ends when the device has."""
    times_s = []
    for _ in range(ROUNDS):
        begun_s = perf_counter()
        step()
        times_s.append(perf_counter() - begun_s)
    return median(times_s[ROUNDS // 4 :])


class PyTorch:
    """Op by op."""

    segment_sums, layer_norms, mlps = ("native",), (), ("native", "tiled")

    def __init__(self):
        import torch

        self.torch = torch

    def transform(self, made, x):
        return self.both_ways(lambda values: made.inverse(made(values)), x)

    def segments(self, operators, implementation, segments, count):
        index = self.torch.from_numpy(segments).long()
        return lambda values: operators.add_segments(values, index, count)

    def mlp(self, kind, x):
        from harness.models.graphcast import Network
        from harness.models.graphcast.pytorch import MLP
        from harness.models.tiling import pytorch as tiling

        width, tiled = x.shape[1], tiling.TILED
        module = MLP(Network(mesh_refinement=0, latent_size=width), width, width)
        tiling.TILED = tiled if kind == "tiled" else frozenset()
        try:
            return self.both_ways(module, x)
        finally:
            tiling.TILED = tiled

    def both_ways(self, function, x):
        values = self.torch.from_numpy(x).requires_grad_()
        return measure(lambda: function(values).square().sum().backward())


class MindSpore:
    """As compiled graphs."""

    segment_sums, layer_norms, mlps = ("native", "gathered"), ("native", "composed"), ()

    def __init__(self):
        import mindspore

        self.ms = mindspore
        mindspore.set_device("CPU")
        mindspore.set_context(mode=mindspore.GRAPH_MODE)
        mindspore.runtime.synchronize()

    def transform(self, made, x):
        return self.both_ways(round_trip(self.ms.nn.Cell, made), x.reshape(-1, *x.shape[-2:]))

    def segments(self, operators, implementation, segments, count):
        return operators.segment_sum(implementation, segments, count)

    def norm(self, operators, kind, width):
        ones, zeros = (self.ms.Tensor(np.full(width, value, np.float32)) for value in (1, 0))
        return normalised(self.ms.nn.Cell, operators.LAYER_NORMS[kind](width, 1e-5), ones, zeros)

    def both_ways(self, function, x):
        gradient = self.ms.jit(self.ms.value_and_grad(squared(self.ms.nn.Cell, function), 0))
        values = self.ms.Tensor(x)
        return measure(lambda: gradient(values)[1].asnumpy())


def round_trip(base, made):
    class RoundTrip(base):
        def __init__(self):
            super().__init__()
            self.made = made

        def construct(self, x):
            return self.made.inverse(self.made(x))

    return RoundTrip()


def normalised(base, made, weight, bias):
    class Normalised(base):
        def __init__(self):
            super().__init__()
            self.made, self.weight, self.bias = made, weight, bias

        def construct(self, x):
            return self.made(x, self.weight, self.bias)

    return Normalised()


def squared(base, function):
    class Squared(base):
        def __init__(self):
            super().__init__()
            self.function = function

        def construct(self, x):
            y = self.function(x)
            return (y * y).sum()

    return Squared()


if __name__ == "__main__":
    main(*sys.argv[1:])
