"""The cost of exchanging gradients is asked for last, and costs nothing else where it cannot be had."""

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from harness.errors import UserError
from harness.frameworks.ranks import RankNumber
from harness.results.measurements import Communication
from harness.runners import communication as module
from harness.runners.communication import communication
from tests.analysis.made_records import make_scenario
from tests.runners.made_ranks import at_once


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (RuntimeError("CUDA error: out of memory\nsee the log"), "RuntimeError: CUDA error: out of memory"),
        (MemoryError(), "MemoryError: no message"),
        (UserError("this framework has no such step"), "this framework has no such step"),
    ],
)
def test_whatever_goes_wrong_is_the_reason_why_it_is_not_known(fault, reason):
    def fail(*arguments, **options):
        raise fault

    framework = SimpleNamespace(ranks=SimpleNamespace(rank=RankNumber(0, 2, 0), sum=lambda values: values))
    windows = SimpleNamespace(batch_tasks=fail)
    training = make_scenario().training
    assert communication(framework, windows, training, fail, 1) == Communication(reason=reason)


def test_nobody_waits_for_a_rank_that_cannot_begin():
    batch = (np.zeros((2, 1)), np.zeros((2, 1)), None)
    windows = SimpleNamespace(batch_tasks=lambda *arguments, **options: [lambda: batch])
    ranks = SimpleNamespace(rank=RankNumber(0, 2, 0), sum=lambda values: values + 1)
    framework = SimpleNamespace(ranks=ranks, put=lambda array: array)
    found = communication(framework, windows, make_scenario().training, lambda epoch, random: (), 1)
    assert found == Communication(reason="another rank could not begin")


def test_one_rank_exchanges_nothing():
    framework = SimpleNamespace(ranks=SimpleNamespace(rank=RankNumber(0, 1, 0)))
    assert communication(framework, None, make_scenario().training, None, 1) is None


class Slowing:
    """A framework on a machine that becomes slower by a tenth with every step; a quarter of a step is the exchange."""

    ranks = SimpleNamespace(rank=RankNumber(0, 2, 0), sum=lambda values: values, texts=lambda text: [text] * 2)

    def __init__(self):
        self.now_s, self.steps, self.sends, self.restored = 0.0, 0, True, False

    def train_step(self, *arguments):
        self.steps += 1
        self.now_s += (1 + 0.1 * self.steps) * (1.0 if self.sends else 0.75)

    @contextmanager
    def without_exchange(self):
        self.sends = False
        yield
        self.sends = True

    def start_stage(self, optimiser, rates, rollout_steps):
        self.rates = len(rates)

    def put(self, array):
        return array

    weights = synchronise = lambda self: None

    def load(self, weights):
        assert weights is None
        self.restored = True


def test_a_machine_that_becomes_slower_meanwhile_has_no_part_in_the_exchange(monkeypatch):
    framework = Slowing()
    batch = (np.zeros((2, 1)), np.zeros((2, 1)), None)
    windows = SimpleNamespace(batch_tasks=lambda *arguments, **options: [lambda: batch])
    monkeypatch.setattr(module, "perf_counter", lambda: framework.now_s)
    found = communication(framework, windows, make_scenario().training, lambda epoch, random: (), 1)
    assert found.share == pytest.approx(0.25)
    assert framework.steps == framework.rates
    assert framework.restored


def test_which_rank_is_slow_is_told_by_steps_without_the_exchange(monkeypatch):
    """Two ranks, each by a clock of its own, of which the second takes three times as long for a step."""
    clocks = threading.local()

    class Paced(Slowing):
        def train_step(self, *arguments):
            clocks.now_s += (1 + 2 * self.ranks.rank.number) * (1.0 if self.sends else 0.75)

    batch = (np.zeros((2, 1)), np.zeros((2, 1)), None)
    windows = SimpleNamespace(batch_tasks=lambda *arguments, **options: [lambda: batch])
    monkeypatch.setattr(module, "perf_counter", lambda: clocks.now_s)

    def of_rank(ranks):
        clocks.now_s, framework = 0.0, Paced()
        framework.ranks = ranks
        return communication(framework, windows, make_scenario().training, lambda epoch, random: (), 1)

    for found in at_once(2, of_rank):
        assert found.of_each_s == (0.75, 2.25)
        assert found.over_quickest == (1.0, 3.0)
        assert set(found.without_exchange_s) == {2.25}
