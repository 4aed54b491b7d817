"""The sampler: its own process that reads power until it is told to stop or its parent is gone.

    python -m collectors.sampling.sampler --out DIR/power.jsonl --collectors nvml,rapl

Writes a header line, then one line a reading (see `collectors.samples`), then an end line. Where no collector works
it writes the header with the reasons and exits 0.
"""

from __future__ import annotations

import argparse
import os
import platform
import select
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType

from collectors.base import STATUS_ERROR, Collector, Reading, Sensor
from collectors.registry import CollectorChoice, Registry, choose
from collectors.samples import CounterReading, Header, counter_record, encode, reading_record
from collectors.sampling.drain import Drain

DEFAULT_PERIOD_S = 0.1
PERIOD_BOUNDS_S = (0.01, 1.0)
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class LineWriter:
    """Writes whole lines straight to a file. A line that could not be written is counted and the next starts afresh."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._broken = False
        self.n_lost_lines = 0

    def write(self, record: dict[str, object]) -> None:
        """Appends one record. Never raises."""
        line = encode(record)
        if self._broken:
            line = b"\n" + line
        try:
            self._broken = os.write(self._fd, line) < len(line)
        except OSError:
            self._broken = True
        self.n_lost_lines += self._broken


class StopRequest:
    """Turns signals into an interruptible wait: `requested` names the first stop signal received."""

    def __init__(self) -> None:
        self.requested: str | None = None
        self._wake, wake_write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested is None:
            self.requested = signal.Signals(number).name

    def ignore(self) -> None:
        """From now on signals do nothing: the log is complete and nothing is left to drain."""
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def wait(self, seconds: float) -> None:
        """Sleeps, until a signal arrives at the latest."""
        if select.select([self._wake], [], [], max(0.0, seconds))[0]:
            os.read(self._wake, 4096)


class Sampler:
    """Reads all sensors of a collector at a steady period and writes what it gets."""

    def __init__(self, collector: Collector, sensors: Sequence[Sensor], writer: LineWriter, period_s: float) -> None:
        self._collector = collector
        self._sensors = sensors
        self._writer = writer
        self._period_ns = int(period_s * 1e9)
        self._drain = Drain(sensors, period_s)
        self.n_ticks = 0
        self.n_late_ticks = 0
        self.max_late_s = 0.0

    def run(self, stop: StopRequest, parent_pid: int) -> str:
        """Samples until told to stop, then on until the last window is bracketed. Returns why it ended."""
        due_ns = time.monotonic_ns()
        while True:
            start_ns = time.monotonic_ns()
            self._note_lateness(start_ns - due_ns)
            self.tick()
            if self._drain.is_done(start_ns):
                return str(stop.requested)
            due_ns = max(due_ns + self._period_ns, start_ns)
            while True:
                if os.getppid() != parent_pid:
                    return "parent ended"
                if stop.requested and not self._drain.begun:
                    self._drain.begin(time.monotonic_ns())
                left_ns = due_ns - time.monotonic_ns()
                if left_ns <= 0:
                    break
                stop.wait(left_ns / 1e9)

    def tick(self) -> None:
        """Reads every sensor once. Whatever the collector raises becomes a failed reading."""
        self.n_ticks += 1
        t0_ns = time.monotonic_ns()
        try:
            readings = self._collector.sample()
        except Exception as error:
            raw = f"{type(error).__name__}: {error}"
            t1_ns = time.monotonic_ns()
            readings = [Reading(t0_ns, t1_ns, sensor.id, None, STATUS_ERROR, raw) for sensor in self._sensors]
        self._drain.note(readings)
        for reading in readings:
            self._writer.write(reading_record(reading))
        for sensor in self._sensors:
            if sensor.has_counter:
                counter = self._read_counter(sensor.id)
                self._drain.note_counter(counter)
                self._writer.write(counter_record(counter))

    def _read_counter(self, sensor: str) -> CounterReading:
        t0_ns = time.monotonic_ns()
        try:
            counter_j = self._collector.read_counter(sensor)
        except Exception:
            counter_j = None
        return CounterReading(t0_ns, time.monotonic_ns(), sensor, counter_j)

    def _note_lateness(self, late_ns: int) -> None:
        self.n_late_ticks += late_ns > self._period_ns
        self.max_late_s = max(self.max_late_s, late_ns / 1e9)


def period_of(sensors: Sequence[Sensor]) -> float:
    """Sampling period in seconds: the fastest sensor's own update period, within bounds."""
    updates = [sensor.update_period_s for sensor in sensors if sensor.update_period_s]
    low_s, high_s = PERIOD_BOUNDS_S
    return min(max(min(updates, default=DEFAULT_PERIOD_S), low_s), high_s)


def header_of(choice: CollectorChoice, period_s: float | None) -> Header:
    """The first line of the log, with both clocks read together."""
    versions = {"python": platform.python_version(), "system": f"{platform.system()} {platform.release()}"}
    for distribution in ("crosscast", "nvidia-ml-py"):
        try:
            versions[distribution] = version(distribution)
        except PackageNotFoundError:
            continue
    return Header(
        collector=choice.name,
        sensors=choice.probe.sensors,
        reasons=choice.reasons,
        period_s=period_s,
        monotonic_ns=time.monotonic_ns(),
        wall_ns=time.time_ns(),
        versions=versions,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the sampler. Returns 0, or 2 where the log cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m collectors.sampling.sampler", description="Log the power of this machine."
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON lines file to write")
    parser.add_argument("--collectors", default="nvml,rapl", help="names in order of preference, comma-separated")
    parser.add_argument("--period-ms", type=float, help="sampling period (default: the sensor's update period)")
    parser.add_argument("--parent-pid", type=int, default=os.getppid(), help="end when this process is not the parent")
    options = parser.parse_args(arguments)
    if options.period_ms is not None and options.period_ms <= 0:
        parser.error("--period-ms must be positive")

    os.environ["LC_ALL"] = "C"
    stop = StopRequest()
    try:
        writer = LineWriter(options.out)
    except OSError as error:
        print(f"cannot write {options.out}: {error}", file=sys.stderr)
        return 2
    names = [name.strip() for name in options.collectors.split(",") if name.strip()]
    choice, period_s = choose_and_start(names, options.period_ms)
    sample(choice, writer, period_s, stop, options.parent_pid)
    stop.ignore()
    return 0


def choose_and_start(names: Sequence[str], period_ms: float | None) -> tuple[CollectorChoice, float]:
    """The first collector that both works and starts, with its sampling period in seconds. Never raises."""
    registry, reasons = Registry.installed(), dict[str, str]()
    while True:
        choice = choose(names, registry)
        reasons |= choice.reasons
        choice = replace(choice, reasons=reasons)
        period_s = period_of(choice.probe.sensors) if period_ms is None else period_ms / 1000
        if choice.collector is None or choice.name is None:
            return choice, period_s
        try:
            choice.collector.start(period_s)
            return choice, period_s
        except Exception as error:
            reasons[choice.name] = f"cannot start: {error}"
            names = names[names.index(choice.name) + 1 :]


def sample(choice: CollectorChoice, writer: LineWriter, period_s: float, stop: StopRequest, parent_pid: int) -> None:
    """Writes the whole log for a collector that was started, or the header alone where there is none."""
    collector, sensors = choice.collector, choice.probe.sensors
    if collector is None:
        writer.write(header_of(choice, None).to_dict())
        writer.write({"type": "end", "t_ns": time.monotonic_ns(), "reason": "no sensor"})
        return
    writer.write(header_of(choice, period_s).to_dict())
    sampler = Sampler(collector, sensors, writer, period_s)
    reason = sampler.run(stop, parent_pid)
    collector.stop()
    writer.write(
        {
            "type": "end",
            "t_ns": time.monotonic_ns(),
            "reason": reason,
            "n_ticks": sampler.n_ticks,
            "n_late_ticks": sampler.n_late_ticks,
            "max_late_s": sampler.max_late_s,
            "n_lost_lines": writer.n_lost_lines,
            "cpu_s": time.process_time(),
        }
    )


if __name__ == "__main__":
    sys.exit(main())
