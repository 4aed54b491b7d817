"""A recorded trace played as if it were measured now: for demonstrations and tests, and never a measurement."""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from collectors.accounting.energy_curve import midpoint_ns
from collectors.base import Probe, Reading
from collectors.samples import CounterReading, SampleLog, read_parquet, read_samples
from collectors.vendors.smi_csv import read_smi_log

FILE_VARIABLE = "CROSSCAST_REPLAY"
LOOP_VARIABLE = "CROSSCAST_REPLAY_LOOP"


class ReplayCollector:
    """Readings and counters of the file that CROSSCAST_REPLAY names, at their own pace from `start` on.

    The file is a sampler's log (.parquet or .jsonl) or an nvidia-smi CSV log. After its end nothing comes any more;
    with CROSSCAST_REPLAY_LOOP=1 it begins anew, counters going on from where they were. Its sensors are of the kind
    `replay`, for which the accounting gives no energy.
    """

    name = "replay"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._readings: list[Reading] = []
        self._counters: dict[str, list[CounterReading]] = {}
        self._trace_ns = (0, 0)
        self._round_ns = 1
        self._began_ns = 0
        self._n_played = 0

    def probe(self) -> Probe:
        """The sensors of the trace, or why it cannot be played."""
        name = self._environ.get(FILE_VARIABLE)
        if not name:
            return Probe(reason=f"{FILE_VARIABLE} names no trace to replay")
        path = Path(name)
        log = _read(path)
        if log.no_sensor_reason:
            return Probe(reason=f"{path}: {log.no_sensor_reason}")
        self._readings = sorted(log.readings, key=midpoint_ns)
        for counter in sorted(log.counters, key=midpoint_ns):
            self._counters.setdefault(counter.sensor, []).append(counter)
        times_ns = sorted([*map(midpoint_ns, log.readings), *map(midpoint_ns, log.counters)])
        if len(times_ns) < 2:
            return Probe(reason=f"{path} holds no samples")
        self._trace_ns = times_ns[0], times_ns[-1]
        length_ns = times_ns[-1] - times_ns[0]
        self._round_ns = max(1, length_ns + length_ns // (len(times_ns) - 1))
        return Probe(tuple(replace(sensor, kind="replay", name=f"replay of {path.name}") for sensor in log.sensors))

    def start(self, period_s: float) -> None:
        """Begins to play."""
        self._began_ns, self._n_played = time.monotonic_ns(), 0

    def sample(self) -> Sequence[Reading]:
        """Readings of the trace whose time has come since the last call, on the clock of now."""
        now_ns = time.monotonic_ns()
        played = []
        while self._readings:
            n_rounds, place = divmod(self._n_played, len(self._readings))
            reading = self._readings[place]
            shift_ns = self._began_ns + n_rounds * self._round_ns - self._trace_ns[0]
            if (n_rounds and not self._loops) or midpoint_ns(reading) + shift_ns > now_ns:
                break
            played.append(replace(reading, t0_ns=reading.t0_ns + shift_ns, t1_ns=reading.t1_ns + shift_ns))
            self._n_played += 1
        return played

    def read_counter(self, sensor: str) -> float | None:
        """The counter as it stood in the trace at this time, None before its first value and after the trace's end."""
        counters = self._counters.get(sensor, [])
        n_rounds, into_ns = divmod(time.monotonic_ns() - self._began_ns, self._round_ns)
        place = bisect_right(counters, self._trace_ns[0] + into_ns, key=midpoint_ns) - 1
        if place < 0 or (n_rounds and not self._loops):
            return None
        known = [counter.counter_j for counter in counters if counter.counter_j is not None]
        counter_j = counters[place].counter_j
        return None if counter_j is None else counter_j + n_rounds * (known[-1] - known[0])

    def stop(self) -> None:
        """Nothing to close."""

    @property
    def _loops(self) -> bool:
        return self._environ.get(LOOP_VARIABLE, "0") not in ("", "0")


def _read(path: Path) -> SampleLog:
    if path.suffix == ".jsonl":
        return read_samples(path)
    if path.suffix != ".parquet":
        return read_smi_log(path)
    try:
        return read_parquet(path)
    except Exception as error:
        return SampleLog(None, problem=f"power log cannot be read: {error}")
