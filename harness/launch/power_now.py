"""The power of a launch while it runs, from the end of the log that its sampler writes."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from collectors.accounting.energy import job_sensors
from collectors.base import NOT_MEASURED, STATUS_OK, Sensor
from collectors.samples import CounterReading, Header, SampleLog
from collectors.sampling.log_lines import BadLine, parse_line
from harness.launch.worker_process import Progress

EVERY_S = 3.0
"""Between two looks at the log: a look is one read of its end, some tens of microseconds."""

TAIL_BYTES, HEADER_BYTES = 1 << 15, 1 << 17
OLDEST_S = 5.0
"""Age of a reading that is no longer told."""


class PowerNow:
    """Watts of the job's devices, or of its host where that is what the sampler reads, as last written."""

    def __init__(self, log: Path, device_count: int | None, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock_ns` is the clock of the log, which is the monotonic one; `device_count` as for `job_sensors`."""
        self._log, self._device_count, self._clock_ns = log, device_count, clock_ns
        self._sensors: tuple[Sensor, ...] | None = None
        self._looked_ns: int | None = None
        self._watts: float | None = None

    def watts(self) -> float | None:
        """The sum over sensors; None where one of them has told nothing of late or measures nothing."""
        now_ns = self._clock_ns()
        if self._looked_ns is None or now_ns - self._looked_ns >= EVERY_S * 1e9:
            self._looked_ns = now_ns
            try:
                self._watts = self._read(now_ns)
            except OSError:
                self._watts = None
        return self._watts

    def _read(self, now_ns: int) -> float | None:
        with self._log.open("rb") as file:
            if self._sensors is None:
                self._sensors = _measuring(file.readline(HEADER_BYTES), self._device_count)
            if not self._sensors:
                return None
            file.seek(max(0, self._log.stat().st_size - TAIL_BYTES))
            _, *whole = file.read(TAIL_BYTES).split(b"\n")[:-1] or [b""]
        told = _latest(whole, now_ns - int(OLDEST_S * 1e9))
        known = [told[sensor.id] for sensor in self._sensors if sensor.id in told]
        return sum(known) if len(known) == len(self._sensors) else None


def with_power(progress: Progress, power: PowerNow) -> Progress:
    """Progress that also tells the power."""

    def told(text: str, fraction: float) -> None:
        watts = power.watts()
        progress(text if watts is None else f"{text}, {watts:.3g} W", fraction)

    return told


def _measuring(header: bytes, device_count: int | None) -> tuple[Sensor, ...]:
    """The sensors whose sum is the job's power; none where that is not known."""
    try:
        _, record = parse_line(header)
        sensors, problem, _ = job_sensors(SampleLog(Header.from_dict(record)), device_count)
    except ValueError:
        return ()
    return () if problem or any(sensor.kind in NOT_MEASURED for sensor in sensors) else sensors


def _latest(lines: Iterable[bytes], since_ns: int) -> dict[str, float]:
    """Watts by sensor: the last good reading, of a counter the mean between its first and last reading here."""
    powers: dict[str, float] = {}
    counters: dict[str, list[CounterReading]] = {}
    for line in lines:
        try:
            kind, record = parse_line(line)
        except BadLine:
            continue
        if kind == "power" and record["t1_ns"] >= since_ns and record["power_w"] is not None:
            if record.get("status", STATUS_OK) == STATUS_OK:
                powers[record["sensor"]] = record["power_w"]
        elif kind == "counter" and record["t1_ns"] >= since_ns and record["counter_j"] is not None:
            counters.setdefault(record["sensor"], []).append(CounterReading(**record))
    return {**{sensor: watts for sensor, read in counters.items() if (watts := _mean(read)) is not None}, **powers}


def _mean(read: list[CounterReading]) -> float | None:
    """The mean power in watts over the readings of a counter in joules; None where it went round or stood still."""
    first, last = read[0], read[-1]
    if last.t1_ns <= first.t1_ns or first.counter_j is None or last.counter_j is None:
        return None
    joules = last.counter_j - first.counter_j
    return joules / ((last.t1_ns - first.t1_ns) / 1e9) if joules > 0 else None
