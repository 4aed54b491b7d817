"""MindSpore's dataset sink as far as a CPU has it, in a process: prints what happened as JSON."""

import json
import sys

import carry
import numpy as np
from drive import BATCH, SEED, SURE, World

from harness.data.config import Splits
from harness.data.windows import Windows
from harness.errors import UserError
from harness.frameworks import open_framework
from harness.frameworks.mindspore import sink
from harness.runners import training
from harness.runners.reporter import Reporter
from harness.scenario.execution import GRAPH, Loading
from harness.scenario.schema import OptimiserConfig, Stage, TrainingConfig

WORKERS = 3


def extras(epoch, random):
    return (random.random(BATCH).astype(np.float32),)


def broken():
    raise UserError("all.nc: cannot be read")


def read(self_step, tasks, settings, *, workers, level):
    """The steps on what a queue would hold, read from the same data set on the host."""
    feed = sink.Feed(tasks, settings)
    columns = len(settings[0]) + len(tasks[0]())
    for inputs in sink.dataset(feed, columns, workers).create_tuple_iterator(num_epochs=1):
        yield self_step(*inputs)


def main():
    import mindspore as ms

    windows = Windows(World(), Splits(train=0.6, validation=0, test=0.4), carry.input_spec(None))
    stages = (Stage(name="two", epochs=2, learning_rate=1e-2, rollout_steps=2),)
    config = TrainingConfig(batch_size=BATCH, optimiser=OptimiserConfig(), stages=stages)
    weight = np.zeros((1, 6), np.float32)
    weight[0, 4] = SURE / 10
    sinking = GRAPH.model_copy(update={"loading": Loading(workers=WORKERS, sink=True)})

    def train(execution):
        framework = open_framework("mindspore", "CPU", execution)
        framework.build(carry, carry.Network(), windows.domain)
        framework.load({"weight": weight, "bias": np.zeros(1, np.float32)})
        (stage,) = training.train(framework, windows, config, extras, SEED, Reporter(), execution)
        return [loss for epoch in stage.epochs for loss in epoch.loss]

    found = {"plain": train(GRAPH)}
    try:
        train(sinking)
    except UserError as error:
        found["refused"] = str(error)
    refusing = sink.losses
    sink.losses = read
    found["read"] = train(sinking)
    sink.losses = refusing

    def sinks(step, data, sink_size, jit_config):
        rows = data.create_tuple_iterator(num_epochs=1)
        return lambda: step(*next(rows))

    ms.data_sink = sinks
    made = (np.zeros((2, 2), np.float32),)
    steps = sink.losses(lambda rate, x: x.sum(), [lambda: made, broken], [[0.1], [0.2]], workers=1, level="O0")
    try:
        list(steps)
    except Exception as error:
        found["error"] = [type(error).__name__, str(error)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
