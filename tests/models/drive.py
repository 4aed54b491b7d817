"""One framework in a child process: cases in, arrays out.

    python drive.py FRAMEWORK EXECUTION CASES ANSWERS

Every NAME.json in the folder CASES with NAME.npz beside it is a case (cases.py); the answer is ANSWERS/NAME.npz. Only
cases that ask for it are compiled.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
from domains import make_domain

from harness.frameworks import open_framework
from harness.scenario.execution import EAGER, GRAPH, Execution
from harness.scenario.schema import OptimiserConfig

DEVICES = {"pytorch": "cpu", "mindspore": "CPU"}


def answer(framework, case, arrays):
    architecture = importlib.import_module(case["architecture"])
    given = {name.removeprefix("weights/"): arrays[name] for name in arrays if name.startswith("weights/")}
    framework.build(architecture, architecture.Network(**case["network"]), domain_of(case, arrays))
    try:
        framework.load(given)
    except ValueError as error:
        return {"refused": np.array(str(error))}
    found = {f"loaded/{name}": values.copy() for name, values in framework.weights().items()}
    x, target = framework.put(arrays["inputs"][0]), framework.put(arrays["targets"][0, 0])
    loss, gradients = framework.gradients(x, target, extras_of(framework, arrays, 0))
    found |= {f"gradients/{name}": values for name, values in gradients.items()}
    found |= {"prediction": framework.get(framework.predict(x)), "loss": np.array(loss)}
    if case["evaluated"]:
        found["evaluated"] = framework.get(framework.evaluate(x, target))
    losses = [loss for stage in case["stages"] for loss in train(framework, stage, arrays)]
    framework.synchronise()
    return {**found, "losses": np.array(losses), **{f"trained/{k}": v for k, v in framework.weights().items()}}


def domain_of(case, arrays):
    given = {name: arrays[name] for name in ("latitude", "longitude", "residual_scale") if name in arrays}
    names = {name: case[name] for name in ("channels", "forcings", "statics")}
    return make_domain(tuple(case["grid"]), arrays["mask"], **names, **given)


def extras_of(framework, arrays, batch):
    names = sorted(name for name in arrays if name.startswith("extras/"))
    return tuple(framework.put(np.ascontiguousarray(arrays[name][batch])) for name in names)


def train(framework, stage, arrays):
    steps, rollout = stage["steps"], stage["rollout_steps"]
    rates = stage["learning_rate"] * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2
    framework.start_stage(OptimiserConfig(**stage["optimiser"]), rates, rollout)
    for step in range(steps):
        batch = step % len(arrays["inputs"])
        x, targets = framework.put(arrays["inputs"][batch]), framework.put(arrays["targets"][batch, :rollout])
        later = "forcings" in arrays and rollout > 1
        forcings = framework.put(arrays["forcings"][batch, : rollout - 1]) if later else None
        loss = framework.train_step(x, targets, forcings, extras_of(framework, arrays, batch))
        yield float(framework.get(loss))


def main(name, execution, cases, answers):
    for path in sorted(Path(cases).glob("*.json")):
        case = json.loads(path.read_text())
        if execution == "compiled" and not case["compiled"]:
            continue
        how = {**(GRAPH if execution == "compiled" else EAGER).model_dump(), **case["execution"]}
        framework = open_framework(name, DEVICES[name], Execution.model_validate(how))
        with np.load(path.with_suffix(".npz")) as arrays:
            found = answer(framework, case, dict(arrays))
        np.savez(Path(answers) / f"{path.stem}.npz", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
