"""What the exchange of gradients costs: training steps with it and without it, in turn, after the training itself.

A step that exchanges nothing computes the same on inputs of the same shapes, so that the difference is what the
exchange adds to a step. What of it hides behind the computing costs nothing and is not counted.
"""

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.dealing import Share
from harness.data.windows import Windows
from harness.errors import UserError, one_line
from harness.frameworks.base import Framework
from harness.results.measurements import Communication
from harness.runners.agreement import slowest
from harness.runners.training import Extras
from harness.scenario.schema import TrainingConfig

UNTIMED, TURNS, STEPS_A_TURN = 2, 4, 2


def communication(
    framework: Framework, windows: Windows, config: TrainingConfig, extras: Extras, seed: int
) -> Communication | None:
    """Steps on the first batch of the first stage; the weights are afterwards what they were.

    None with one rank, or where nothing was trained. What keeps one rank from beginning is the reason why nothing is
    known of it, on all ranks, as none may wait for another that does not come. A framework that makes no step without
    the exchange is such a reason, too; what else a rank meets later is raised.
    """
    if framework.ranks.rank.size == 1 or not config.trained_stages:
        return None
    problem, inputs = None, None
    try:
        inputs = _inputs(framework, windows, config, extras, seed)
    except UserError as error:
        problem = str(error)
    except Exception as error:
        traceback.print_exc()
        problem = one_line(error)
    if framework.ranks.sum(np.array([float(problem is not None)]))[0] or inputs is None:
        return Communication(reason=problem or "another rank could not begin")
    try:
        return _measured(framework, config, inputs)
    except UserError as error:
        return Communication(reason=str(error))


def _inputs(
    framework: Framework, windows: Windows, config: TrainingConfig, extras: Extras, seed: int
) -> tuple[Any, Any, Any, list[Any]]:
    """This rank's part of the first batch on the device: inputs, targets, forcings and what is drawn for it."""
    ranks = framework.ranks
    stage = config.trained_stages[0]
    share = Share(ranks.rank.number, ranks.rank.size)
    whole = config.batch_size * share.size
    inputs, targets, forcings = windows.batch_tasks("train", whole, lead=stage.rollout_steps, share=share)[0]()
    drawn = extras(1, np.random.default_rng(seed))
    x, y = framework.put(inputs), framework.put(targets)
    known = None if forcings is None else framework.put(forcings)
    own = [framework.put(array[share.of_batch(len(array))]) for array in drawn]
    return x, y, known, own


def _measured(
    framework: Framework, config: TrainingConfig, inputs: tuple[Any, Any, Any, Sequence[Any]]
) -> Communication:
    ranks, stage = framework.ranks, config.trained_stages[0]
    x, y, known, own = inputs
    weights = framework.weights()
    rates: NDArray[np.float64] = np.zeros(2 * (UNTIMED + TURNS * STEPS_A_TURN))
    framework.start_stage(config.optimiser, rates, stage.rollout_steps)

    def times_s(steps: int) -> Iterator[float]:
        framework.synchronise()
        slowest(ranks, 0.0)
        for _ in range(steps):
            begun_s = perf_counter()
            framework.train_step(x, y, known, own)
            framework.synchronise()
            yield perf_counter() - begun_s

    exchanging_s: list[float] = []
    silent_s: list[float] = []
    silently = partial(_without_exchange, framework)
    ways: list[tuple[Callable[[], AbstractContextManager[Any]], list[float]]]
    ways = [(nullcontext, exchanging_s), (silently, silent_s)]
    try:
        for way, _ in ways:
            with way():
                list(times_s(UNTIMED))
        for _ in range(TURNS):
            for way, measured_s in ways:
                with way():
                    measured_s += times_s(STEPS_A_TURN)
            ways.reverse()
    finally:
        framework.load(weights)
    step_s, without_s = (tuple(slowest(ranks, time_s) for time_s in each) for each in (exchanging_s, silent_s))
    of_each_s = tuple(map(float, ranks.texts(repr(median(silent_s)))))
    return Communication(step_s=step_s, without_exchange_s=without_s, of_each_s=of_each_s)


def _without_exchange(framework: Framework) -> AbstractContextManager[Any]:
    """Steps in it exchange no gradients. Raises UserError where a framework or a way of dividing has none."""
    without = getattr(framework, "without_exchange", None)
    if without is None:
        raise UserError(f"{framework.describe().name} makes no step without the exchange of gradients")
    silent: AbstractContextManager[Any] = without()
    return silent
