"""Child process of the benchmarks: `drive.py MEASUREMENT FRAMEWORK EXECUTION NETWORK` prints JSON, times in seconds.

A further argument names what serves the spectral operator.
"""

import json
import sys
from statistics import median
from time import perf_counter

import numpy as np

from harness.data.config import RossbyConfig
from harness.data.opening import open_source
from harness.data.windows import Windows
from harness.frameworks import open_framework
from harness.models import architecture
from harness.models.parameters import draw
from harness.runners import training
from harness.runners.reporter import Reporter
from harness.scenario.execution import EAGER, GRAPH, Execution
from harness.scenario.schema import OptimiserConfig, Stage, TrainingConfig

GRID, BATCH, ROUNDS = (32, 64), 8, 12
DEVICES = {"pytorch": "cpu", "mindspore": "CPU"}


def main(measurement: str, framework_name: str, execution: str, network: str, spectral: str = "auto") -> None:
    """Build a FourCastNet and print what the measurement gives."""
    package = architecture("fourcastnet")
    settings = package.Network.model_validate_json(network)
    how = {**{"eager": EAGER, "graph": GRAPH}[execution].model_dump(), "operators": {"spectral": spectral}}
    framework = open_framework(framework_name, DEVICES[framework_name], Execution.model_validate(how))
    config = RossbyConfig(kind="rossby", seed=1)
    windows = Windows(open_source(config, grid=GRID), config.splits)
    framework.build(package, settings, windows.domain)
    framework.load(draw(package.parameters(settings, windows.domain), 0))
    framework.start_stage(OptimiserConfig(), np.full(100_000, 1e-4), 1)
    print(json.dumps({"step": step, "overhead": overhead}[measurement](framework, windows)))


def step(framework, windows) -> dict[str, float]:
    """Steady training step and single-step inference."""
    batch = next(windows.batches("train", BATCH))
    x, targets, one = framework.put(batch.inputs), framework.put(batch.targets), framework.put(batch.inputs[:1])

    def timed(function, repeats: int) -> float:
        times_s = []
        for _ in range(repeats):
            begun_s = perf_counter()
            function()
            framework.synchronise()
            times_s.append(perf_counter() - begun_s)
        return median(times_s[repeats // 4 :])

    return {
        "train_step_s": timed(lambda: framework.train_step(x, targets), 60),
        "infer_step_s": timed(lambda: framework.predict(one), 120),
    }


def overhead(framework, windows) -> dict[str, float]:
    """A step as the runner times it, and the runner's whole loop less its data, over the same steps in a bare loop."""
    batches = [(framework.put(b.inputs), framework.put(b.targets)) for b in windows.batches("train", BATCH)]
    stage = Stage(name="epoch", epochs=1, learning_rate=1e-4)
    config = TrainingConfig(batch_size=BATCH, stages=(stage,))
    run = training._Run(framework, windows, config, lambda epoch, random: (), 0, Reporter())

    def bare() -> float:
        begun_s = perf_counter()
        for x, targets in batches:
            framework.train_step(x, targets)
            framework.synchronise()
        return (perf_counter() - begun_s) / len(batches)

    def inside() -> tuple[float, float]:
        begun_s = perf_counter()
        times = training._train_epoch(run, 1, 0, 0, "epoch")
        return sum(times.step_s) / len(batches), (perf_counter() - begun_s - sum(times.data_s)) / len(batches)

    bare(), inside()
    ratios = []
    for _ in range(ROUNDS):
        first, (step_s, loop_s), second = bare(), inside(), bare()
        ratios.append((2 * step_s / (first + second), 2 * loop_s / (first + second)))
    return {"step_ratio": median(r[0] for r in ratios), "loop_ratio": median(r[1] for r in ratios)}


if __name__ == "__main__":
    main(*sys.argv[1:])
