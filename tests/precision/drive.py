"""What a framework does in lower formats, in a process: `drive.py FRAMEWORK EXECUTION CASES ANSWERS`.

ANSWERS/answers.npz holds arrays by FORMAT/NAME.
"""

import importlib
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from harness.frameworks import open_framework
from harness.frameworks.policy import LOSS_SCALING, LossScaling
from harness.scenario.execution import Compilation, Execution, Precision, Recompute
from harness.scenario.schema import OptimiserConfig
from tests.precision.worlds import COMPILED, NETWORKS, dense, world

FORMATS = {"pytorch": ("bf16", "fp16"), "mindspore": ("fp16",)}
DEVICES = {"pytorch": "cpu", "mindspore": "CPU"}
STEPS = {"fourcastnet": 8, "aigoms": 4, "graphcast": 3}
"""Of the networks: op by op, MindSpore takes one to two seconds for a step of the larger ones."""
SAVING_STEPS = 2
"""The loss of the second tells of the gradients of the first."""
OTHER_SEEDS = (1, 2)
PLANTED = LossScaling(initial=1024.0, interval=4)
WITHOUT_SKIPS = LossScaling(initial=256.0)
BEYOND_INPUT, BEYOND_GRADIENT, WITH_EXTRAS = 3, 9, 5
PLANTED_STEPS = 14
RATES = 0.02 / (1 + np.arange(PLANTED_STEPS))
CLIPPED = OptimiserConfig(name="adamw", weight_decay=0.1, clip_norm=0.5, epsilon=0.1)


def opened(name, execution, autocast, **more):
    compilation = Compilation(mode="graph" if execution == "compiled" else "eager")
    how = Execution(compilation=compilation, precision=Precision(autocast=autocast), **more)
    return open_framework(name, DEVICES[name], how)


def losses(framework, subject, seed, steps):
    framework.build(subject.architecture, subject.network, subject.domain)
    framework.load(subject.weights(seed))
    framework.start_stage(OptimiserConfig(clip_norm=32.0), np.full(steps, 2e-3), 1)
    found = []
    for step in range(steps):
        x, targets = subject.inputs[step % len(subject.inputs)], subject.targets[step % len(subject.targets)]
        found.append(float(framework.get(framework.train_step(framework.put(x), framework.put(targets)))))
    return np.array(found)


def product(framework):
    """Predictions of the dense layer alone and of both, as they arrive."""
    subject, weights = dense()
    framework.build(subject.architecture, subject.network, subject.domain)
    x = framework.put(subject.inputs[0])
    none = {name: np.zeros_like(values) for name, values in weights.items() if name.startswith("modes")}
    framework.load({**weights, **none})
    found = {"product/dense": framework.get(framework.predict(x))}
    framework.load(weights)
    found["product/both"] = framework.get(framework.predict(x))
    return found


def planted(framework, steps):
    """Scale, number of skipped steps and weights after each of `steps`, two of which may be beyond float16."""
    subject, weights = dense()
    framework.build(subject.architecture, subject.network, subject.domain)
    framework.load(weights)
    framework.start_stage(CLIPPED, RATES[steps], 1)
    after = []
    for step in steps:
        x = subject.inputs[step] * np.float32(1e5 if step == BEYOND_INPUT else 1)
        targets = subject.targets[step] * np.float32(1e7 if step == BEYOND_GRADIENT else 1)
        extras = (framework.put(np.float32([0.5])),) if step == WITH_EXTRAS else ()
        loss = framework.get(framework.train_step(framework.put(x), framework.put(targets), None, extras))
        flat = np.concatenate([values.ravel() for _, values in sorted(framework.weights().items())])
        after.append((framework.loss_scale or 0, framework.skipped_steps or 0, float(loss), flat))
    framework.start_stage(CLIPPED, RATES, 1)
    return {
        "scale": np.array([each[0] for each in after]),
        "skipped": np.array([each[1] for each in after]),
        "loss": np.array([each[2] for each in after]),
        "weights": np.array([each[3] for each in after]),
        "next_stage": np.array([framework.loss_scale or 0, framework.skipped_steps or 0]),
    }


def small_updates(framework):
    """How far weights near 1 move in 8 steps of 1e-6: less than any lower format can tell."""
    subject, weights = dense()
    framework.build(subject.architecture, subject.network, subject.domain)
    framework.load(weights)
    framework.start_stage(OptimiserConfig(), np.full(8, 1e-6), 1)
    for step in range(8):
        framework.train_step(framework.put(subject.inputs[step]), framework.put(subject.targets[step]))
    return framework.weights()["head.weight"] - weights["head.weight"]


def answer(name, execution, autocast):
    scaling = importlib.import_module(f"harness.frameworks.{name}.loss_scaling")
    scaling.LOSS_SCALING = LOSS_SCALING
    framework = opened(name, execution, autocast)
    found = product(framework)
    found["first_scale"] = np.array(framework.loss_scale or 0)
    found["small_updates"] = small_updates(framework)
    scaling.LOSS_SCALING = PLANTED
    every = np.arange(PLANTED_STEPS)
    found |= {f"planted/{key}": values for key, values in planted(framework, every).items()}
    good = every[(every != BEYOND_INPUT) & (every != BEYOND_GRADIENT)]
    found |= {f"without/{key}": values for key, values in planted(framework, good).items()}
    scaling.LOSS_SCALING = WITHOUT_SKIPS
    found |= importlib.import_module(f"tests.precision.types_in_{name}").found(framework, execution)
    for model in NETWORKS if execution == "eager" else COMPILED:
        subject = world(model)
        framework.build(subject.architecture, subject.network, subject.domain)
        found[f"losses/{model}"] = losses(framework, subject, 0, STEPS[model])
        found[f"skipped/{model}"] = np.array(framework.skipped_steps or 0)
        framework.load(subject.weights(0))
        x, target = framework.put(subject.inputs[0]), framework.put(subject.targets[0, 0])
        found[f"prediction/{model}"] = framework.get(framework.predict(x))
        found[f"layers/{model}"] = np.array(framework.low_precision_layers())
        if execution == "eager":
            loss, gradients = framework.gradients(x, target)
            found[f"evaluated/{model}"] = np.array([loss, framework.get(framework.evaluate(x, target))])
            found |= {f"gradients/{model}/{key}": values for key, values in gradients.items()}
            saving = opened(name, execution, autocast, recompute=Recompute(unit="blocks"), accumulation=2)
            found[f"saving/{model}"] = losses(saving, subject, 0, SAVING_STEPS)
    if execution == "eager":
        native = opened(name, execution, f"native-{autocast}")
        subject = world("fourcastnet")
        found["native/losses"] = losses(native, subject, 0, steps=4)
        found["native/prediction"] = native.get(native.predict(native.put(subject.inputs[0])))
        assert native.low_precision_layers() is None
    if (name, autocast) == ("pytorch", "bf16"):
        plain = opened(name, execution, "none")
        for model in NETWORKS:
            subject = world(model)
            for seed in (0, *OTHER_SEEDS):
                found[f"plain/{model}/{seed}"] = losses(plain, subject, seed, STEPS[model])
            plain.load(subject.weights(0))
            found[f"plain/prediction/{model}"] = plain.get(plain.predict(plain.put(subject.inputs[0])))
        found |= {f"plain/product/{key}": values for key, values in planted(plain, good).items()}
    return {f"{autocast}/{key}": values for key, values in found.items()}


def main(name, execution, _, answers):
    found = [answer(name, execution, autocast) for autocast in FORMATS[name]]
    np.savez(Path(answers) / "answers.npz", **{key: values for each in found for key, values in each.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
