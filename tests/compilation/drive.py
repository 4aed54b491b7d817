"""The network `carry`, trained and run by a framework in each of several ways: `drive.py FRAMEWORK WAY...`.

Prints as JSON, for each way, what the framework says of its graphs, the losses, a prediction and the first calls; then
what became of a network that cannot be compiled, and of a machine that lacks what compiling needs.
"""

import importlib
import json
import os
import sys
import time

import carry
import numpy as np
from domains import make_domain

from harness.errors import UserError, one_line
from harness.frameworks import open_framework
from harness.frameworks.compile_cache import VARIABLES
from harness.runners.first_calls import CompileError, FirstCalls
from harness.scenario.execution import Compilation, Execution
from harness.scenario.schema import OptimiserConfig

DEVICES = {"pytorch": "cpu", "mindspore": "CPU"}
WAYS = {
    "eager": Compilation(),
    "forward": Compilation(mode="graph"),
    "step": Compilation(mode="graph", scope="step"),
    "O0": Compilation(mode="graph", level="O0"),
    "O1": Compilation(mode="graph", level="O1"),
    "O0 in another order": Compilation(mode="graph", level="O0"),
    "eager in another order": Compilation(),
}
BATCHES = {"pytorch": (2, 2, 2, 2), "mindspore": (2, 2, 3, 2)}
"""Sizes of the batches of a stage of training. A new one in its midst takes MindSpore a second, and PyTorch twenty."""

ANOTHER_ORDER = (3, 2, 2, 2)


def opened(name, way):
    return open_framework(name, DEVICES[name], Execution(compilation=WAYS[way]))


def built(framework, port=None):
    domain = make_domain((4, 6), 1, forcings=("push",), statics=("height",))
    framework.build(carry, carry.Network(), domain, port)
    framework.load({"weight": np.full((1, 6), 0.1, np.float32), "bias": np.zeros(1, np.float32)})
    calls = FirstCalls(framework)
    calls.start_stage(OptimiserConfig(clip_norm=1.0), np.full(4, 1e-2), 1)
    return calls


def inputs(framework, samples, number=0):
    random = np.random.default_rng((samples, number))
    shapes = (samples, 6, 4, 6), (1, samples, 1, 4, 6)
    gain = framework.put(np.full(samples, 0.5, np.float32))
    return *(framework.put(random.standard_normal(shape).astype(np.float32)) for shape in shapes), None, (gain,)


def run(framework, batches):
    calls = built(framework)
    losses = [calls.train_step(*inputs(framework, samples, k)) for k, samples in enumerate(batches)]
    x = inputs(framework, 1)[0]
    predictions = [framework.get(calls.predict(x)).copy() for _ in range(2)]
    begun_s = time.perf_counter()
    calls.predict(x)
    framework.synchronise()
    return {
        "described": framework.describe().compilation,
        "losses": [float(framework.get(loss)) for loss in losses],
        "predictions": [prediction.ravel().tolist() for prediction in predictions],
        "compiles": [each.model_dump() for each in calls.compiles],
        "training_steps": calls.training_steps,
        "again_s": time.perf_counter() - begun_s,
    }


def broken(framework, port):
    try:
        built(framework, importlib.import_module(port)).train_step(*inputs(framework, 2))
    except CompileError as error:
        return one_line(error)
    return None


def without_its_tools(name):
    """What opening a framework says on a machine without the C++ compiler, or the package, that it compiles with."""
    if name == "pytorch":
        from torch._inductor import config

        config.cpp.cxx = (None, "no-such-compiler")
        way = "forward"
    else:
        sys.modules["decorator"] = None
        way = "O1"
    try:
        opened(name, way)
    except UserError as error:
        return str(error)
    return None


def main(name, *ways):
    found = {}
    for way in ways:
        framework = opened(name, way)
        found[way] = run(framework, ANOTHER_ORDER if way.endswith("order") else BATCHES[name])
    found["broken"] = broken(framework, f"undecided_{name}")
    found["without"] = without_its_tools(name)
    found["folder"] = os.environ[VARIABLES[name]]
    framework.synchronise()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
