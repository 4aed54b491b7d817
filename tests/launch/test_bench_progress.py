"""What is told of a bench without a terminal: a line for each launch that ends, with its loss and its power."""

from io import StringIO

import pytest
from rich.console import Console

from harness.launch.progress import LINE_EVERY_S, BenchProgress
from harness.results.record import Energy, PhaseEnergy
from tests.analysis.made_records import make_epoch, make_measurements, make_record, make_stage, make_window


def line(record) -> str:
    console = Console(file=StringIO(), width=200)
    with BenchProgress(console, 3, {}) as progress:
        progress.end(record)
    return console.file.getvalue()


def test_the_loss_of_the_last_epoch_and_the_power_of_the_training():
    stage = make_stage(make_epoch(loss=(0.9, 0.7)), make_epoch(loss=(0.5, 0.3)))
    measured = make_measurements(training=(stage,))
    windows = {"train pretrain 1": make_window(50.0, 1.0), "training": make_window(2000.0, 10.0)}
    phases = tuple(PhaseEnergy(phase=name, window=window) for name, window in windows.items())
    energy = Energy(collector="nvml", reason=None, phases=phases)
    record = make_record(measurements=measured, energy=energy, duration_s=12.4)
    assert line(record) == "1/3 : completed (12 s, loss 0.4, 200 W)\n"


def test_nothing_is_told_of_what_was_not_measured():
    record = make_record(measurements=make_measurements(training=()), status="failed", reason="no data", duration_s=3.0)
    assert line(record) == "1/3 : failed: no data (3 s)\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_of_a_launch_that_runs_a_line_a_minute_is_told_where_there_is_no_bar(monkeypatch, terminal):
    now_s = [1000.0]
    monkeypatch.setattr("harness.launch.progress.time.monotonic", lambda: now_s[0])
    console = Console(file=StringIO(), width=200, force_terminal=terminal)
    progress = BenchProgress(console, 3, {})
    for second in range(0, 300, 10):
        now_s[0] = 1000.0 + second
        progress.update("pretrain epoch 1/3, loss 0.5, 212 W", second / 600)
    lines = console.file.getvalue().splitlines()
    if terminal:
        assert lines == []
    else:
        assert len(lines) == 300 / LINE_EVERY_S - 1
        assert lines[0] == "1/3 : pretrain epoch 1/3, loss 0.5, 212 W (10 %, about 540 s left)"
