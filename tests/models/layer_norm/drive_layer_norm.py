"""Child process: `drive_layer_norm.py FRAMEWORK EXECUTION CASES ANSWERS`."""

import sys
from pathlib import Path

import numpy as np

GIVEN = ("x", "weight", "bias")


def main(framework, execution, cases, answers):
    for path in Path(cases).glob("*.npz"):
        with np.load(path) as arrays:
            found = {"pytorch": pytorch, "mindspore": mindspore}[framework](execution, **arrays)
        np.savez(Path(answers) / path.name, **found)


def pytorch(execution, x, weight, bias, cotangent, epsilon):
    """In float64: value, and gradients by x, weight and bias."""
    import torch

    given = [torch.from_numpy(array).double().requires_grad_() for array in (x, weight, bias)]
    y = torch.nn.functional.layer_norm(given[0], x.shape[1:], *given[1:], eps=float(epsilon))
    y.backward(torch.from_numpy(cotangent).double())
    return {"y": y.detach().numpy(), **dict(zip(GIVEN, (each.grad.numpy() for each in given), strict=True))}


def mindspore(execution, x, weight, bias, cotangent, epsilon):
    """The same by each implementation, named KIND.NAME."""
    import mindspore as ms
    from mindspore import Tensor

    from harness.models.operators.mindspore import LAYER_NORMS

    ms.set_device("CPU")
    ms.set_context(mode=ms.GRAPH_MODE if execution == "compiled" else ms.PYNATIVE_MODE)
    found = {}
    for kind, make in LAYER_NORMS.items():
        cell = make(x.shape[1], float(epsilon))
        given = [Tensor(array) for array in (x, weight, bias)]
        found[f"{kind}.y"] = cell(*given).asnumpy()
        gradient = ms.grad(weighted(ms.nn.Cell, cell, Tensor(cotangent)), (0, 1, 2))
        slopes = (ms.jit(gradient) if execution == "compiled" else gradient)(*given)
        found |= {f"{kind}.{name}": slope.asnumpy() for name, slope in zip(GIVEN, slopes, strict=True)}
    return found


def weighted(base, cell, cotangent):
    class Weighted(base):
        def __init__(self):
            super().__init__()
            self.cell, self.cotangent = cell, cotangent

        def construct(self, x, weight, bias):
            return (self.cell(x, weight, bias) * self.cotangent).sum()

    return Weighted()


if __name__ == "__main__":
    main(*sys.argv[1:])
