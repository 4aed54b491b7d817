"""What is told of a bench without a terminal: a line for each launch that ends, with its loss and its power."""

from io import StringIO

from rich.console import Console

from harness.launch.progress import BenchProgress
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
