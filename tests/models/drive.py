"""One framework in a child process: cases in, arrays out.

    python drive.py FRAMEWORK EXECUTION CASES ANSWERS

Every NAME.json in the folder CASES with NAME.npz beside it is a case (cases.py); the answer is ANSWERS/NAME.npz.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np

from harness.frameworks import open_framework
from harness.scenario.schema import OptimiserConfig

DEVICES = {"pytorch": "cpu", "mindspore": "CPU"}


def answer(framework, case, arrays):
    architecture = importlib.import_module(case["architecture"])
    given = {name.removeprefix("weights/"): arrays[name] for name in arrays if name.startswith("weights/")}
    framework.build(architecture, architecture.Network(**case["network"]), tuple(case["grid"]), arrays["mask"])
    try:
        framework.load(given)
    except ValueError as error:
        return {"refused": np.array(str(error))}
    found = {f"loaded/{name}": values.copy() for name, values in framework.weights().items()}
    inputs, targets = arrays["inputs"], arrays["targets"]
    x, target = framework.put(inputs[0]), framework.put(targets[0, 0])
    loss, gradients = framework.gradients(x, target)
    found |= {f"gradients/{name}": values for name, values in gradients.items()}
    found |= {"prediction": framework.get(framework.predict(x)), "loss": np.array(loss)}
    if not case["stages"]:
        found["evaluated"] = framework.get(framework.evaluate(x, target))
    losses = [loss for stage in case["stages"] for loss in train(framework, stage, inputs, targets)]
    framework.synchronise()
    return {**found, "losses": np.array(losses), **{f"trained/{k}": v for k, v in framework.weights().items()}}


def train(framework, stage, inputs, targets):
    steps, rollout = stage["steps"], stage["rollout_steps"]
    rates = stage["learning_rate"] * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2
    framework.start_stage(OptimiserConfig(**stage["optimiser"]), rates, rollout)
    for step in range(steps):
        batch = step % len(inputs)
        loss = framework.train_step(framework.put(inputs[batch]), framework.put(targets[batch, :rollout]))
        yield float(framework.get(loss))


def main(name, execution, cases, answers):
    framework = open_framework(name, DEVICES[name], compiled=execution == "compiled")
    for path in sorted(Path(cases).glob("*.json")):
        with np.load(path.with_suffix(".npz")) as arrays:
            found = answer(framework, json.loads(path.read_text()), dict(arrays))
        np.savez(Path(answers) / f"{path.stem}.npz", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
