"""A training under the profiler of a framework, in a process: `drive_profile.py FRAMEWORK FOLDER`; prints its losses.

Entry points are those of pyproject.toml, installed or not.
"""

import json
import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import carry
import numpy as np
from drive import BATCH, DEVICES, SEED, SURE, World

from harness.data.config import Splits
from harness.data.windows import Windows
from harness.frameworks import open_framework
from harness.runners import profiling, training
from harness.runners.reporter import Reporter
from harness.scenario.execution import EAGER, GRAPH
from harness.scenario.schema import OptimiserConfig, Stage, TrainingConfig

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def registered(group):
    section = PROJECT.read_text().partition(f'[project.entry-points."{group}"]\n')[2].partition("\n\n")[0]
    return [EntryPoint(*found, group) for found in re.findall(r'^(\S+) = "(\S+)"$', section, re.MULTILINE)]


def main(framework_name, folder):
    profiling.entry_points = registered
    execution = GRAPH if framework_name == "mindspore" else EAGER
    framework = open_framework(framework_name, DEVICES[framework_name], execution)
    windows = Windows(World(), Splits(train=0.6, validation=0, test=0.4), carry.input_spec(None))
    framework.build(carry, carry.Network(), windows.domain)
    weight = np.zeros((1, 6), np.float32)
    weight[0, 4] = SURE
    framework.load({"weight": weight, "bias": np.zeros(1, np.float32)})
    stages = (Stage(name="one", epochs=2, learning_rate=1e-12),)
    config = TrainingConfig(batch_size=BATCH, optimiser=OptimiserConfig(), stages=stages)
    steps = training.total_steps(windows, config)
    with profiling.profiled(framework_name, DEVICES[framework_name], folder, steps) as (on_step, name):
        (stage,) = training.train(
            framework, windows, config, lambda *_: (np.ones(BATCH, np.float32),), SEED, Reporter(), execution, on_step
        )
    print(json.dumps({"steps": steps, "file": name, "loss": [loss for e in stage.epochs for loss in e.loss]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
