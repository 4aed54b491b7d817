"""What ranks of MindSpore answer, each in FOLDER/rank-NUMBER.npz: arrays by name. msrun starts it with FOLDER."""

import os
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import ops

import harness.models.operators.mindspore as operators
from harness.errors import UserError
from harness.frameworks import open_framework
from harness.frameworks.mindspore import compilation, loss_scaling, parallel
from harness.frameworks.mindspore.trainer import MindSpore
from harness.frameworks.policy import LossScaling
from harness.frameworks.ranks import Alone
from harness.scenario.execution import Compilation, Execution, Precision, Recompute, World
from tests.parallel.mindspore_worlds import (
    ADAMW,
    FEW,
    FEW_STEPS,
    MEANS,
    NETWORKS,
    OF_RANK,
    RANKS,
    REFERENCE,
    STEPS,
    subject,
)
from tests.precision.worlds import dense

TEXTS = ("", "Rechner äöü 風 " * 40)
PLANTED = LossScaling(initial=1024.0, interval=100)
PLANTED_STEPS, BEYOND_INPUT, BEYOND_GRADIENT = 6, 1, 3
SMALL_BUCKETS, LARGER_BUCKETS = (partial(parallel.buckets, most_bytes=most) for most in (512, 8192))
ONE = World()
DATA, SHARDED = World(devices=RANKS), World(devices=RANKS, parallel="sharded_optimiser")
MANY = {"fourcastnet": ("data", DATA), "aigoms": ("sharded", SHARDED), "graphcast": ("sharded", SHARDED)}
SAVED = ("fourcastnet", "aigoms")
SAVING = {"recompute": Recompute(unit="blocks"), "accumulation": 2, "precision": Precision(autocast="fp16")}
EVERY = slice(None)


class Driver:
    """One rank."""

    def __init__(self):
        self.ranks = open_framework("mindspore", "CPU", Execution(world=DATA)).ranks
        self.number = self.ranks.rank.number
        self.own = slice(self.number * OF_RANK, (self.number + 1) * OF_RANK)
        self.graph = False
        self.found = {}

    def framework(self, world, **more):
        how = Compilation(mode="graph" if self.graph else "eager")
        ranks = Alone() if world == ONE else self.ranks
        return MindSpore("CPU", Execution(compilation=how, world=world, **more), (), ranks)

    def built(self, about, world, **more):
        framework = self.framework(world, **more)
        framework.build(about.architecture, about.network, about.domain)
        framework.load(about.weights())
        return framework

    def trained(self, about, framework, world, steps, rates=None):
        """Losses of the steps of a fresh stage: one rank takes all samples."""
        rates = np.linspace(5e-3, 1e-3, steps) if rates is None else rates
        framework.start_stage(ADAMW, rates, about.rollout_steps)
        return self.continued(about, framework, EVERY if world == ONE else self.own, steps)

    def continued(self, about, framework, samples, steps):
        losses = []
        for step in range(steps):
            x, targets, extras = about.batch(step, samples)
            given = framework.put(x), framework.put(targets), None, tuple(map(framework.put, extras))
            losses.append(float(framework.get(framework.train_step(*given))))
        return np.array(losses)

    def keep(self, name, losses, framework):
        self.found[f"{name}/losses"] = losses
        self.found |= {f"{name}/weights/{key}": values for key, values in framework.weights().items()}

    def words(self):
        """Sums and texts; what is refused."""
        random = np.random.default_rng(self.number)
        values = np.exp(random.uniform(-200, 200, (3, 5))) * random.choice([-1, 1], (3, 5))
        self.found["sum/own"], self.found["sum/of_all"] = values, self.ranks.sum(values)
        self.found["sum/scalar"] = self.ranks.sum(np.array(1 / 3))
        self.found["sum/none"] = self.ranks.sum(np.zeros((0, 2)))
        self.found["texts"] = np.array(self.ranks.texts(TEXTS[self.number]))
        self.found["texts/empty"] = np.array(self.ranks.texts(""))
        self.found["rank"] = np.array(self.ranks.rank)
        self.found["refused/too_few"] = self.refused()
        role = os.environ.pop("MS_ROLE")
        self.found["refused/alone"] = self.refused()
        os.environ["MS_ROLE"] = role

    def refused(self):
        try:
            parallel.join("CPU", World(devices=3))
        except UserError as error:
            return np.array(str(error))
        return np.array("")

    def alone(self, model):
        """Whether this rank is the one that trains a network alone."""
        return self.number == REFERENCE[model]

    def gradients(self, model):
        """Of the batch of all ranks by one; of each rank's by one; of both by both."""
        about = subject(model)
        for name, world, samples in (("whole", ONE, EVERY), ("half", ONE, self.own), ("both", DATA, self.own)):
            if (name != "whole" or self.alone(model)) and (name != "half" or model in MEANS):
                framework = self.built(about, world)
                self.keep_gradients(f"gradients/{model}/{name}", framework, *about.batch(0, samples))

    def keep_gradients(self, name, framework, x, targets, extras):
        given = framework.put(x), framework.put(np.ascontiguousarray(targets[-1])), tuple(map(framework.put, extras))
        loss, gradients = framework.gradients(*given)
        self.found[f"{name}/loss"] = np.array(loss)
        self.found |= {f"{name}/{key}": values for key, values in gradients.items()}

    def float64_gradients(self, model, name, world):
        """The same in float64, which AllReduce does not take."""
        about = subject(model)
        framework = self.built(about, world)
        widen(framework)
        x, targets, extras = about.batch(0, EVERY if world == ONE else self.own)
        self.keep_gradients(f"float64/{model}/{name}", framework, x.astype(float), targets.astype(float), extras)

    def few_steps(self, model, name, world, **more):
        """Op by op."""
        about = subject(model)
        framework = self.built(about, world, **more)
        self.keep(f"few/{model}/{name}", self.trained(about, framework, world, FEW), framework)
        self.found[f"few/{model}/{name}/states"] = np.array(states(framework))
        self.found[f"few/{model}/{name}/skipped"] = np.array(framework.skipped_steps or 0)

    def many_steps(self, model, name, world):
        """As a graph."""
        about = subject(model, rollout_steps=1)
        framework = self.built(about, world)
        self.keep(f"many/{model}/{name}", self.trained(about, framework, world, STEPS), framework)

    def exchanges(self, model):
        """How many messages a step with micro-batches sends, and how many its gradients fill."""
        about = subject(model)
        framework = self.built(about, DATA, accumulation=2)
        self.trained(about, framework, DATA, 0, np.full(2, 1e-3))
        with counted(ops.AllReduce) as calls:
            self.continued(about, framework, self.own, 2)
        self.found[f"exchanges/{model}"] = np.array([len(calls), len(framework._train_step.averaged.buckets)])

    def silent(self):
        """Without an exchange each rank trains alone; afterwards all together as ever."""
        about = subject("fourcastnet")
        for world in (DATA, SHARDED):
            framework = self.built(about, world)
            self.trained(about, framework, world, 0, np.full(FEW, 1e-3))
            with framework.without_exchange():
                losses = self.continued(about, framework, self.own, FEW)
            self.keep(f"silent/{world.parallel}/without", losses, framework)
            framework.load(about.weights())
            self.keep(f"silent/{world.parallel}/with", self.trained(about, framework, world, FEW), framework)
        alone = self.built(about, ONE)
        self.trained(about, alone, ONE, 0, np.full(FEW, 1e-3))
        self.keep("silent/alone", self.continued(about, alone, self.own, FEW), alone)

    def planted(self, name, world):
        """Gradients beyond float16 on one rank at a time: scale, skipped steps, loss and weights after each step."""
        framework = self.framework(world, precision=Precision(autocast="fp16"))
        about, weights = dense()
        framework.build(about.architecture, about.network, about.domain)
        framework.load(weights)
        framework.start_stage(ADAMW, np.full(PLANTED_STEPS, 0.01), 1)
        after = []
        for step in range(PLANTED_STEPS):
            x, targets = about.inputs[step].copy(), about.targets[step].copy()
            x[1] *= 1e5 if step == BEYOND_INPUT else 1
            targets[:, 0] *= 1e7 if step == BEYOND_GRADIENT else 1
            samples = EVERY if world == ONE else slice(self.number, self.number + 1)
            own = np.ascontiguousarray(x[samples]), np.ascontiguousarray(targets[:, samples])
            framework.train_step(*map(framework.put, own))
            flat = np.concatenate([values.ravel() for _, values in sorted(framework.weights().items())])
            after.append((framework.loss_scale, framework.skipped_steps, flat))
        for key, values in zip(("scale", "skipped", "weights"), zip(*after, strict=True), strict=True):
            self.found[f"planted/{name}/{key}"] = np.array(values)


@contextmanager
def counted(primitive):
    """Gathers the calls of a primitive, whoever makes them."""
    calls, call = [], primitive.__call__

    def noted(*arguments):
        calls.append(arguments)
        return call(*arguments)

    primitive.__call__ = noted
    try:
        yield calls
    finally:
        primitive.__call__ = call


class Operators:
    """Those of MindSpore, but AllReduce of any type: by the ranks' own sum."""

    def __init__(self, ranks):
        self.AllReduce = lambda: lambda own: ms.Tensor(ranks.sum(own.asnumpy()))

    def __getattr__(self, name):
        return getattr(ops, name)


def derive_gradients():
    """Leave gradients to MindSpore where operators have their own, which it gives back as float32."""
    for each in vars(operators).values():
        if isinstance(each, type) and "bprop" in vars(each):
            del each.bprop


def states(framework):
    moments = framework._train_step.update.moments
    return sum(parameter.asnumpy().nbytes for each in moments for parameter in each)


def widen(framework):
    """Everything that a network computes with to float64, op by op, with gradients as MindSpore derives them."""
    for _, cell in framework._one_ahead.cells_and_names():
        for name, value in [*vars(cell).items(), *cell._cells.items()]:
            if isinstance(value, ops.SoftShrink):
                setattr(cell, name, operators.ComposedSoftShrink(value.lambd))
            elif isinstance(value, list | ms.Tensor) and not isinstance(value, ms.Parameter):
                setattr(cell, name, wide(value))
        for parameter in cell._params.values():
            if parameter is not None:
                parameter.set_dtype(ms.float64)


def wide(value):
    if isinstance(value, list):
        return [wide(each) for each in value]
    return value.astype(ms.float64) if isinstance(value, ms.Tensor) and value.dtype == ms.float32 else value


def op_by_op(driver):
    driver.words()
    for model in NETWORKS:
        driver.gradients(model)
    parallel.buckets = SMALL_BUCKETS
    for model in filter(driver.alone, NETWORKS):
        driver.few_steps(model, "one", ONE)
    for model, way in FEW_STEPS:
        driver.few_steps(model, way, {"data": DATA, "sharded": SHARDED}[way])
    for model in filter(driver.alone, SAVED):
        driver.few_steps(model, "saving/one", ONE, **SAVING)
    driver.few_steps("aigoms", "saving/sharded", SHARDED, **SAVING)
    driver.exchanges("fourcastnet")
    driver.silent()
    for name, world in (("one", ONE), ("data", DATA), ("sharded", SHARDED)):
        driver.planted(f"eager/{name}", world)


def as_graphs(driver):
    parallel.buckets = LARGER_BUCKETS
    driver.planted("graph/sharded", SHARDED)
    driver.few_steps("fourcastnet", "saving/sharded", SHARDED, **SAVING)
    for model in filter(driver.alone, MANY):
        driver.many_steps(model, "one", ONE)
    for model, (name, world) in MANY.items():
        driver.many_steps(model, name, world)


def in_float64(driver):
    parallel.ops = Operators(driver.ranks)
    derive_gradients()
    for model in filter(driver.alone, NETWORKS):
        driver.float64_gradients(model, "whole", ONE)
    for model in NETWORKS:
        driver.float64_gradients(model, "both", DATA)


def main(folder):
    driver = Driver()
    loss_scaling.LOSS_SCALING = PLANTED
    for mode, part in (("eager", op_by_op), ("graph", as_graphs), ("eager", in_float64)):
        driver.graph = mode == "graph"
        compilation.prepare(Compilation(mode=mode), "CPU")
        part(driver)
    np.savez(Path(folder) / f"rank-{driver.number}.npz", **driver.found)
    time.sleep(driver.number)
    driver.ranks.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
