"""Tiny networks on the device: a prediction, gradients and two training steps against the CPU's in float64."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.doctor.deep.plan import BATCH_SIZE, SEED, STEPS
from harness.frameworks.base import Framework
from harness.porting.parity.sample import Sample
from harness.results.deep_report import BoundedValue, Check
from harness.runners.schedule import learning_rates
from harness.scenario.scenario import Scenario
from harness.suggesting import command
from harness.worker.subject import prepare

Array = NDArray[np.floating]

GRADIENT = "gradient/"
TOLERANCES: Mapping[str, float] = {
    "prediction": 3e-5,
    "loss": 3e-5,
    "losses of two steps": 3e-5,
    "gradient": 3e-5,
    "gradient of one parameter": 5e-5,
}
"""L2 norm of the difference over that of the truth, at most.

Right networks in float32 on a CPU are off 3e-7 at most, in the gradient by a single parameter 1e-6. What is wrong in
one operator may be small in a whole network: a GELU by tanh is off 1e-4 in the gradient by one parameter, 1e-6 else.
"""


def sample_of(scenario: Scenario) -> Sample:
    """Weights and batches of a scenario, the same in every child."""
    return Sample(prepare(scenario), scenario, SEED, BATCH_SIZE, STEPS)


def answers(framework: Framework, sample: Sample, begin: Callable[[str], None]) -> dict[str, Array]:
    """A prediction, the loss, its gradients and the losses of training steps; `begin` is told what comes next."""
    subject = sample.subject
    begin("building")
    framework.build(subject.package, subject.network, subject.domain)
    framework.load(sample.weights)
    put = framework.put
    x, target = put(sample.first.inputs), put(sample.target)
    begin("prediction")
    found: dict[str, Array] = {"prediction": framework.get(framework.predict(x))}
    begin("gradients")
    loss, gradients = framework.gradients(x, target, [put(values) for values in sample.extras(0)])
    found["loss"] = np.array([loss])
    found |= {f"{GRADIENT}{name}": values for name, values in gradients.items()}
    begin("training steps")
    training = sample.scenario.training
    stage = training.stages[0].model_copy(update={"epochs": 1, "warmup_steps": 0, "schedule": "constant"})
    framework.start_stage(training.optimiser, learning_rates(stage, STEPS), stage.rollout_steps)
    losses = []
    for step, batch in enumerate(sample.batches):
        forcings = None if batch.forcings is None else put(batch.forcings)
        extras = [put(values) for values in sample.extras(step)]
        losses.append(framework.get(framework.train_step(put(batch.inputs), put(batch.targets), forcings, extras)))
    framework.synchronise()
    found["losses of two steps"] = np.array([float(value) for value in losses])
    return found


def judge(
    found: Mapping[str, Array], truth: Mapping[str, Array], group: str, name: str, against: str, chip: str
) -> Check:
    """The check of one network on a chip, by its name or YAML file."""
    measured = tuple(_measured(found, truth))
    wrong = [each for each in measured if each.value is None or each.value > each.at_most]
    if wrong:
        worst = ", ".join(f"{each.what} {_text(each.value)}, allowed {each.at_most:.0e}" for each in wrong)
        advice = (
            "see whether an operator or the precision of products is wrong above; else "
            f"{command('parity', name, '--chip', chip)} names the layer. No number of this network counts"
        )
        return Check(
            group=group, name=name, verdict="failed", found=f"off {against}: {worst}", advice=advice, measured=measured
        )
    said = ", ".join(f"{each.what} {_text(each.value)}" for each in measured)
    return Check(group=group, name=name, verdict="ok", found=f"off {against} by: {said}", measured=measured)


def _measured(found: Mapping[str, Array], truth: Mapping[str, Array]) -> Iterator[BoundedValue]:
    gradients = [name for name in truth if name.startswith(GRADIENT)]
    for what in ("prediction", "loss", "losses of two steps"):
        yield _one(what, what, off(found[what], truth[what]))
    together = [np.concatenate([each[name].ravel() for name in gradients]) for each in (found, truth)]
    yield _one("gradient", "gradient", off(*together))
    single = {name: off(found[name], truth[name]) for name in gradients}
    worst = max(single, key=lambda name: single[name])
    yield _one("gradient of one parameter", f"gradient by {worst.removeprefix(GRADIENT)}", single[worst])


def _one(kind: str, what: str, value: float) -> BoundedValue:
    return BoundedValue(what=what, value=value if np.isfinite(value) else None, at_most=TOLERANCES[kind])


def off(found: Array, truth: Array) -> float:
    """L2 norm of the difference over that of the truth; infinite where they cannot be compared."""
    if found.shape != truth.shape or not np.isfinite(found).all():
        return float("inf")
    size = float(np.linalg.norm(truth))
    error = float(np.linalg.norm(found.astype(np.float64) - truth))
    return error / size if size else float("inf") if error else 0.0


def _text(value: float | None) -> str:
    return "not comparable" if value is None else f"{value:.0e}"


def truth_path(folder: Path, scenario: Scenario) -> Path:
    """Where the truth of a scenario's network lies."""
    return folder / f"{scenario.model}-{scenario.preset}.npz"
