"""AI-GOMS and single mixers of one framework in a child process: cases in, arrays out.

python aigoms_drive.py FRAMEWORK EXECUTION CASES ANSWERS

Every NAME.json in the folder CASES with NAME.npz beside it is a network; every NAME.mixer.npz is a mixer alone.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
from aigoms_cases import STEPS, domain
from aigoms_reference import Adam

from harness.frameworks import open_framework
from harness.models.aigoms import Network
from harness.models.layers.spectral import factors, plane_matrices, sequence_matrices

DEVICES = {"pytorch": "cpu", "mindspore": "CPU"}


class PyTorch:
    """Values, slopes and mixers of torch modules."""

    def __init__(self, compiled):
        import torch

        self.torch = torch
        self.layers = importlib.import_module("harness.models.layers.pytorch")

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


def answer(framework, source, network, arrays):
    weights = {name.removeprefix("weights/"): arrays[name] for name in arrays if name.startswith("weights/")}
    module = source.build(Network(**network), domain(arrays["mask"]))
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
    return module, weights, given, extras, found


def train(framework, source, module, weights, given, extras):
    """Adam in NumPy on the slopes of the framework; the tokens of every sample are turned by one place a step."""
    optimisers = {name: Adam(values.shape) for name, values in weights.items()}
    values = {name: v.astype(np.float64) for name, v in weights.items()}
    for step in range(STEPS):
        turned = []
        if extras:
            tokens = extras[1].shape[1]
            turned = [(extras[0] + step) % tokens, np.roll(extras[1], step, axis=1)]
        loss, slopes = framework.slopes(module, source.loss, *given, *(t.astype(np.int32) for t in turned))
        yield loss
        for name, optimiser in optimisers.items():
            values[name] = optimiser.update(values[name], slopes[name].astype(np.float64), 1e-3)
        framework.load(module, {name: v.astype(np.float32) for name, v in values.items()})


def mixer(framework, arrays):
    """A mixer over (tokens, batch, width), with the two-dimensional transform, columns first, where a grid is given."""
    tokens, _, width = arrays["x"].shape
    if "grid" in arrays:
        rows, columns = map(int, arrays["grid"])
        matrices = plane_matrices((rows, columns), range(rows), range(int(arrays["kept_columns"])))
    else:
        matrices = sequence_matrices(*factors(tokens))
    transforms = {tokens: framework.layers.MatrixTransform(matrices)}
    made = framework.layers.AFNO(width, arrays["w1"].shape[1], float(arrays["threshold"]), transforms)
    framework.load(made, {name: arrays[name] for name in ("w1", "b1", "w2", "b2")})
    return framework.mix(made, arrays["x"])


def main(name, execution, cases, answers):
    compiled = execution == "compiled"
    open_framework(name, DEVICES[name], compiled=compiled)
    framework = {"pytorch": PyTorch, "mindspore": MindSpore}[name](compiled)
    source = importlib.import_module(f"harness.models.aigoms.{name}")
    for path in sorted(Path(cases).glob("*.json")):
        with np.load(path.with_suffix(".npz")) as arrays:
            case = json.loads(path.read_text())
            *parts, found = answer(framework, source, case["network"], dict(arrays))
        if case["trained"]:
            found["losses"] = np.array(list(train(framework, source, *parts)))
        np.savez(Path(answers) / f"{path.stem}.npz", **found)
    for path in sorted(Path(cases).glob("*.mixer.npz")):
        with np.load(path) as arrays:
            np.savez(Path(answers) / path.name, y=mixer(framework, dict(arrays)))


if __name__ == "__main__":
    main(*sys.argv[1:])
