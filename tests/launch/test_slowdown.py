"""A launch that has become slower than at its beginning, of made times and made readings of the cores."""

import subprocess
import sys
import time

import psutil
import pytest

from harness.launch.foreign_load import ForeignLoadMeter
from harness.launch.slowdown import AGAIN_S, STRETCH_S, SlowdownWatch, times_slower, warning

STEPS = 1_000


@pytest.mark.parametrize(
    ("stretches", "slower"),
    [
        ([1, 1, 1, 2, 2], None),
        ([1, 1, 1, 2, 2, 2], 2),
        ([9, 1, 1, 2, 50, 2], 2),
        ([4, 4, 4, 1, 1, 1, 1, 8, 6, 6], 1.5),
    ],
)
def test_the_middle_of_the_last_three_over_that_of_the_first_three(stretches, slower):
    assert times_slower(stretches) == slower


@pytest.mark.parametrize(
    ("slower", "foreign_cores", "said"),
    [(None, 2.0, False), (1.5, 2.0, False), (1.6, 0.25, False), (1.6, 0.26, True), (16.0, 0.0, False)],
)
def test_it_is_told_where_it_is_slower_and_others_work_more_than_they_may(slower, foreign_cores, said):
    assert bool(warning(slower, foreign_cores, allowed=0.25)) == said


class Meter:
    cores = 2

    def __init__(self, foreign):
        self._foreign = foreign

    def foreign_cores(self):
        return self._foreign


class Run:
    """A launch whose steps take made times, told after each; keeps what was said, and counts looks at the cores."""

    def __init__(self, foreign):
        self.now_s, self.steps, self.looks, self.said = 100.0, 0, 0, []
        self.watch = SlowdownWatch(lambda: self.look(foreign), lambda: self.now_s)

    def look(self, foreign):
        self.looks += 1
        return Meter(foreign)

    def go(self, steps, step_s, stage="pretrain"):
        for _ in range(steps):
            self.now_s += step_s
            self.steps += 1
            if line := self.watch.note(f"{stage} epoch {self.steps // 10}/99, loss 0.5", self.steps / STEPS):
                self.said.append(line)


def test_it_is_said_once_and_only_after_the_cores_were_looked_at():
    run = Run(foreign=1.25)
    run.go(20, 1.0)
    assert (run.said, run.looks) == ([], 0)
    run.go(60, 1.7)
    assert len(run.said) == run.looks == 1
    assert "takes 1.7 times as long as at its beginning, and other work keeps 1.2 cores busy" in run.said[0]


def test_a_launch_that_slows_itself_down_is_left_alone_and_the_cores_are_looked_at_once_a_minute():
    run = Run(foreign=0.1)
    run.go(20, 1.0)
    begun_s = run.now_s
    run.go(100, 3.0)
    assert run.said == []
    assert 1 < run.looks <= 1 + (run.now_s - begun_s) / AGAIN_S


def test_another_stage_and_what_is_no_training_are_compared_with_nothing_before():
    run = Run(foreign=2.0)
    run.go(20, 1.0)
    run.go(20, 4.0, stage="finetune")
    for number in range(20):
        run.now_s += 60.0
        assert run.watch.note("inference", (run.steps + number) / STEPS) is None
    assert (run.said, run.looks) == ([], 0)


def test_steps_of_milliseconds_are_taken_together():
    """Their times as told are those of five messages a second, and mean nothing each by itself."""
    run = Run(foreign=2.0)
    for number in range(400):
        run.go(1, 0.05 + 0.1 * (number % 2))
    assert (run.said, run.looks) == ([], 0)
    assert 400 * 0.1 / STRETCH_S >= 2 * 3


def test_children_that_still_run_are_no_foreign_load():
    """Of two meters of the same time the one that takes a busy child for foreign reads more by what the child used."""
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        busy = psutil.Process(child.pid)
        alone, with_running = ForeignLoadMeter(), ForeignLoadMeter(with_running=True)
        begun_s = sum(busy.cpu_times()[:2])
        while (used_s := sum(busy.cpu_times()[:2]) - begun_s) < 0.3:
            time.sleep(0.05)
        less_s = with_running.foreign_cores() * with_running.elapsed_s
        assert alone.foreign_cores() * alone.elapsed_s >= less_s + used_s - 0.1
    finally:
        child.kill()
        child.wait()
