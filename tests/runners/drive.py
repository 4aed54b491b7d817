"""Both runners in a world that the network `carry` forecasts exactly, in a process: `drive.py FRAMEWORK GAIN PATH`.

At every point the state changes by 0.1 times a forcing of +-1 at the time of the new state, as many points one way as
the other. The validation split is smaller than a batch. Prints the losses, the scores and what was asked of
`training_extras`, as JSON; keeps a forecast at PATH.
"""

import json
import sys
from pathlib import Path

import carry
import numpy as np

from harness.data.config import Splits
from harness.data.windows import Windows
from harness.frameworks import open_framework
from harness.models.domain import plain_channels
from harness.runners import inference, training
from harness.runners.reporter import Reporter
from harness.scenario.execution import EAGER, GRAPH, Clock, Loading
from harness.scenario.schema import InferenceConfig, OptimiserConfig, Stage, TrainingConfig

STEPS, GRID, BATCH, SEED, SURE = 60, (4, 6), 4, 11, 30.0
DEVICES = {"pytorch": "cpu", "mindspore": "CPU"}


class World:
    channels, units, channel_info = ("x",), ("1",), plain_channels(["x"])
    forcings, statics = ("push",), ("height",)
    latitude, longitude = np.linspace(60.0, -60.0, GRID[0]), np.arange(GRID[1]) * 60.0
    step = np.timedelta64(6, "h").astype("timedelta64[ns]")
    times = np.datetime64("2001-01-01", "ns") + step * np.arange(STEPS)
    mask, valid_steps, fingerprint = np.ones((1, *GRID), bool), np.ones(STEPS, bool), "none"

    def __init__(self):
        random, points = np.random.default_rng(5), GRID[0] * GRID[1]
        signs = np.repeat([-1.0, 1.0], points // 2)
        self.push = np.stack([random.permutation(signs) for _ in range(STEPS)]).reshape(STEPS, 1, *GRID)
        self.fields = np.cumsum(0.1 * self.push, axis=0)
        self.height = random.standard_normal((1, *GRID)).astype(np.float32)

    def read(self, indices):
        return self.fields[np.asarray(indices)].astype(np.float32)

    def read_forcings(self, indices):
        return self.push[np.asarray(indices)].astype(np.float32)

    def read_statics(self):
        return self.height


def losses_of(stages):
    return [[loss for epoch in stage.epochs for loss in epoch.loss] for stage in stages]


def main(framework_name, gain, folder):
    execution = GRAPH if framework_name == "mindspore" else EAGER
    framework = open_framework(framework_name, DEVICES[framework_name], execution)
    windows = Windows(World(), Splits(train=0.6, validation=0.08, test=0.32), carry.input_spec(None))
    weight = np.zeros((1, 6), np.float32)
    weight[0, 4] = SURE
    framework.build(carry, carry.Network(), windows.domain)
    weights = {"weight": weight, "bias": np.zeros(1, np.float32)}
    framework.load(weights)
    asked = []

    def extras(epoch, random):
        asked.append([epoch, random.random()])
        return (np.full(BATCH, gain, np.float32),)

    stages = (
        Stage(name="one", epochs=2, learning_rate=1e-12),
        Stage(name="two", epochs=1, learning_rate=1e-12, rollout_steps=3),
    )
    config = TrainingConfig(batch_size=BATCH, optimiser=OptimiserConfig(clip_norm=1.0), stages=stages)
    trained = training.train(framework, windows, config, extras, SEED, Reporter())
    asked_plainly = list(asked)
    framework.load(weights)
    ahead = execution.model_copy(update={"loading": Loading(prefetch=3, workers=2), "clock": Clock(window=4)})
    overlapped = training.train(framework, windows, config, extras, SEED, Reporter(), ahead)
    skill = inference.rollout(framework, windows, InferenceConfig(lead_steps=(1, 2, 5)), Reporter(), folder)
    print(
        json.dumps(
            {
                "losses": losses_of(trained),
                "losses_ahead": losses_of(overlapped),
                "validation": [epoch.validation_loss for stage in trained for epoch in stage.epochs],
                "rmse": [[score.forecaster, score.lead_h, score.rmse] for score in skill.scores],
                "asked": asked_plainly,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
