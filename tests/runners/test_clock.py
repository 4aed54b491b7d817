import pytest

from harness.runners import clock as clocks
from harness.runners.clock import StepClock
from tests.runners.traced import Traced

pytestmark = pytest.mark.alone

READING_S = 0.5


def run(monkeypatch, steps, window, *, first_apart=False, **device):
    """An epoch whose every batch takes the host 0.5 s, on an asynchronous device."""
    framework = Traced(**device)
    monkeypatch.setattr(clocks, "perf_counter", framework.perf_counter)
    clock = StepClock(framework, window, first_apart=first_apart)
    clock.asking()
    for _ in range(steps):
        framework.now_s += READING_S
        clock.waited()
        x = framework.put(None)
        clock.copied()
        clock.stepped(framework.train_step(x, x))
        clock.asking()
    clock.ended()
    return clock.times, framework


def test_every_step_is_timed_between_two_synchronisations_and_holds_no_copy(monkeypatch):
    times, framework = run(monkeypatch, 3, 1)
    assert times.wait_s == [0.5] * 3
    assert times.data_s == [0.75] * 3
    assert times.step_s == [1.0] * 3
    assert framework.calls == ["put", "synchronise", "step", "synchronise", "get"] * 3


def test_a_window_has_one_synchronisation_and_fetches_its_losses_there(monkeypatch):
    times, framework = run(monkeypatch, 4, 4)
    assert framework.calls == ["put", "step"] * 4 + ["synchronise"] + ["get"] * 4
    assert times.loss == [2.0, 4.0, 6.0, 8.0]
    assert (times.wait_s, times.data_s) == ([0.5] * 4, [0.5] * 4)
    by_hand_s = 0.5 + 4 * (0.25 + 1.0)
    assert times.step_s == [pytest.approx((by_hand_s - 4 * 0.5) / 4)] * 4
    assert sum(times.data_s) + sum(times.step_s) == pytest.approx(framework.now_s)


def test_a_host_that_is_slower_than_its_device_is_what_a_window_lasts(monkeypatch):
    times, framework = run(monkeypatch, 4, 4, copy_s=0.0, step_s=0.125)
    assert framework.now_s == pytest.approx(4 * 0.5 + 0.125)
    assert times.step_s == [pytest.approx(0.125 / 4)] * 4


def test_the_last_window_of_an_epoch_may_be_short(monkeypatch):
    times, framework = run(monkeypatch, 5, 2)
    assert framework.calls.count("synchronise") == 3
    assert len(times.step_s) == len(times.loss) == 5
    assert times.step_s[4] == pytest.approx(1.25)
    assert sum(times.data_s) + sum(times.step_s) == pytest.approx(framework.now_s)


def test_the_first_step_of_a_stage_stands_apart_from_the_windows(monkeypatch):
    times, framework = run(monkeypatch, 5, 2, first_apart=True)
    assert framework.calls.count("synchronise") == 3
    assert [framework.calls[: framework.calls.index("synchronise")]] == [["put", "step"]]
    assert times.step_s[0] == pytest.approx(1.25)
    assert times.step_s[1] == times.step_s[2] != times.step_s[0]


def test_what_lies_between_windows_is_in_none(monkeypatch):
    framework = Traced(copy_s=0.0)
    monkeypatch.setattr(clocks, "perf_counter", framework.perf_counter)
    clock = StepClock(framework, 1)
    for _ in range(2):
        framework.now_s += 10.0
        clock.asking()
        clock.waited()
        clock.copied()
        clock.stepped(framework.train_step(None, None))
    clock.ended()
    assert (clock.times.data_s, clock.times.step_s) == ([0.0, 0.0], [1.0, 1.0])
