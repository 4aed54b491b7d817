"""AI-GOMS and single mixers of one framework in a child process: cases in, arrays out.

python aigoms_drive.py FRAMEWORK EXECUTION CASES ANSWERS

Every NAME.json in the folder CASES with NAME.npz beside it is a network; every NAME.mixer.npz is a mixer alone. Only
some of both are compiled.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
from aigoms_cases import COMPILED_MIXERS, STEPS, domain

from harness.frameworks import open_framework
from harness.models import aigoms
from harness.models.operators.spectral import factors, plane_matrices, sequence_matrices
from harness.scenario.execution import EAGER, GRAPH, Execution, Operators
from harness.scenario.schema import OptimiserConfig

DEVICES = {"pytorch": "cpu", "mindspore": "CPU"}


class PyTorch:
    """Values, slopes and mixers of torch modules."""

    def __init__(self, compiled):
        import torch

        self.torch = torch
        self.layers = importlib.import_module("harness.models.layers.pytorch")
        self.operators = importlib.import_module("harness.models.operators.pytorch")

    def load(self, module, weights):
        own = dict(module.named_parameters())
        assert own.keys() == weights.keys()
        with self.torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(self.torch.from_numpy(weights[name]))

    def predict(self, module, *arrays):
        with self.torch.no_grad():
            return module(*map(self.torch.from_numpy, arrays)).numpy()

    def slopes(self, module, loss, target, weights, *arrays):
        module.zero_grad()
        value = loss(module(*map(self.torch.from_numpy, arrays)), *map(self.torch.from_numpy, (target, weights)))
        value.backward()
        own = dict(module.named_parameters())
        return value.item(), {k: np.zeros(p.shape) if p.grad is None else p.grad.numpy().copy() for k, p in own.items()}

    def mix(self, mixer, x):
        return self.predict(mixer, x)


class MindSpore:
    """Values, slopes and mixers of MindSpore cells."""

    def __init__(self, compiled):
        import mindspore

        self.ms, self.compiled = mindspore, compiled
        self.layers = importlib.import_module("harness.models.layers.mindspore")
        self.operators = importlib.import_module("harness.models.operators.mindspore")
        self.functions = {}

    def load(self, cell, weights):
        own = {parameter.name: parameter for parameter in cell.trainable_params()}
        assert {name: p.shape for name, p in own.items()} == {name: v.shape for name, v in weights.items()}
        for name, parameter in own.items():
            parameter.set_data(self.ms.Tensor(weights[name]))

    def predict(self, cell, *arrays):
        return cell(*map(self.ms.Tensor, arrays)).asnumpy()

    def slopes(self, cell, loss, target, weights, *arrays):
        parameters = self.ms.ParameterTuple(cell.trainable_params())
        if cell not in self.functions:
            self.functions[cell] = self.ms.value_and_grad(loss_cell(self.ms.nn.Cell, cell, loss), None, parameters)
            if self.compiled:
                self.functions[cell] = self.ms.jit(self.functions[cell])
        value, slopes = self.functions[cell](*map(self.ms.Tensor, (target, weights, *arrays)))
        return float(value.asnumpy()), {p.name: s.asnumpy() for p, s in zip(parameters, slopes, strict=True)}

    def mix(self, mixer, x):
        _, batch, width = x.shape
        return mixer(self.ms.Tensor(x.reshape(-1, width)), batch).asnumpy().reshape(x.shape)


def loss_cell(base, network, loss):
    class Loss(base):
        def __init__(self):
            super().__init__(auto_prefix=False)
            self.network, self.loss = network, loss

        def construct(self, target, weights, *arrays):
            return self.loss(self.network(*arrays), target, weights)

    return Loss()


def execution_of(case):
    return Execution(operators=Operators(spectral=case["spectral"]))


def answer(framework, source, case, arrays):
    weights = {name.removeprefix("weights/"): arrays[name] for name in arrays if name.startswith("weights/")}
    module = source.build(aigoms.Network(**case["network"]), domain(arrays["mask"]), execution_of(case))
    framework.load(module, weights)
    extras = [arrays[name] for name in ("keep", "restore") if name in arrays]
    found = {"prediction": framework.predict(module, arrays["inputs"], *extras)}
    if "inputs_behind" in arrays:
        found["prediction_behind"] = framework.predict(module, arrays["inputs_behind"], *extras)
    given = arrays["target"], arrays["mask"].astype(np.float32), arrays["inputs"]
    loss, slopes = framework.slopes(module, source.loss, *given, *extras)
    found |= {"loss": np.array(loss), **{f"gradients/{name}": values for name, values in slopes.items()}}
    nothing, slopes = framework.slopes(module, source.loss, found["prediction"] * given[1], given[1], given[2], *extras)
    found |= {"loss of no error": np.array(nothing), **{f"no error/{name}": v for name, v in slopes.items()}}
    return found


def train(framework, network, arrays):
    """Losses of Adam through the framework protocol, on the same fields and tokens at every step.

    Where tokens are hidden, three steps follow in which none is; the mask token before and after them.
    """
    framework.build(aigoms, aigoms.Network(**network), domain(arrays["mask"]))
    framework.load({name.removeprefix("weights/"): arrays[name] for name in arrays if name.startswith("weights/")})
    framework.start_stage(OptimiserConfig(), np.full(STEPS + 3, 1e-3), 1)
    x, targets = framework.put(arrays["inputs"]), framework.put(arrays["target"][None])
    extras = [framework.put(arrays[name]) for name in ("keep", "restore") if name in arrays]
    losses = [float(framework.get(framework.train_step(x, targets, None, extras))) for _ in range(STEPS)]
    found = {"losses": np.array(losses)}
    if extras:
        found["token masked"] = framework.weights()["mask_token"].copy()
        for _ in range(3):
            framework.train_step(x, targets)
        found["token unmasked"] = framework.weights()["mask_token"]
    return found


def mixer(framework, arrays):
    """A mixer over (tokens, batch, width), with the two-dimensional transform, columns first, where a grid is given."""
    tokens, _, width = arrays["x"].shape
    if "grid" in arrays:
        rows, columns = map(int, arrays["grid"])
        matrices = plane_matrices((rows, columns), range(rows), range(int(arrays["kept_columns"])))
    else:
        matrices = sequence_matrices(*factors(tokens))
    transforms = {tokens: framework.operators.MatrixTransform(matrices)}
    made = framework.layers.AFNO(width, arrays["w1"].shape[1], float(arrays["threshold"]), transforms)
    framework.load(made, {name: arrays[name] for name in ("w1", "b1", "w2", "b2")})
    return framework.mix(made, arrays["x"])


def main(name, execution, cases, answers):
    compiled = execution == "compiled"
    opened = open_framework(name, DEVICES[name], GRAPH if compiled else EAGER)
    framework = {"pytorch": PyTorch, "mindspore": MindSpore}[name](compiled)
    source = importlib.import_module(f"harness.models.aigoms.{name}")
    for path in sorted(Path(cases).glob("*.json")):
        case = json.loads(path.read_text())
        if compiled and not case["compiled"]:
            continue
        with np.load(path.with_suffix(".npz")) as stored:
            arrays = dict(stored)
        found = answer(framework, source, case, arrays)
        if case["trained"]:
            found |= train(opened, case["network"], arrays)
        np.savez(Path(answers) / f"{path.stem}.npz", **found)
    for path in sorted(Path(cases).glob("*.mixer.npz")):
        if compiled and path.name.removesuffix(".mixer.npz") not in COMPILED_MIXERS:
            continue
        with np.load(path) as arrays:
            np.savez(Path(answers) / path.name, y=mixer(framework, dict(arrays)))


if __name__ == "__main__":
    main(*sys.argv[1:])
