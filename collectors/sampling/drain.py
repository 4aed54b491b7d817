"""How long a sampler reads on after it was told to stop, so that the last window of the work is bracketed."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.base import Reading, Sensor
from collectors.samples import CounterReading

LONGEST_NS = 5_000_000_000
"""The drain ends then at the latest: a tool that hangs is not waited for."""


class Drain:
    """Follows when each sensor last told something, and how long its tool takes to tell it.

    A value stands for the middle of the call that gave it, so that a window is bracketed only by a call that began
    about as long after its end as a call takes. Times are those of the monotonic clock in nanoseconds.
    """

    def __init__(self, sensors: Sequence[Sensor], period_s: float) -> None:
        self._update_ns = round(max((sensor.update_period_s or period_s) for sensor in sensors) * 1e9)
        self._period_ns = round(period_s * 1e9)
        self._call_ns: dict[str, int] = {}
        self._told_ns: dict[tuple[str, str], int] = {}
        self._counter_j: dict[str, float] = {}
        self._begun_ns: int | None = None

    @property
    def begun(self) -> bool:
        """Whether the sampler was told to stop."""
        return self._begun_ns is not None

    def begin(self, now_ns: int) -> None:
        """The sampler was told to stop."""
        self._begun_ns = now_ns

    def note(self, readings: Sequence[Reading]) -> None:
        """Power readings, as they came. How long a call took that failed says nothing of one that will not."""
        for reading in readings:
            if reading.power_w is not None:
                duration_ns = reading.t1_ns - reading.t0_ns
                self._call_ns[reading.sensor] = max(self._call_ns.get(reading.sensor, 0), duration_ns)
                self._told_ns[reading.sensor, "power"] = (reading.t0_ns + reading.t1_ns) // 2

    def note_counter(self, counter: CounterReading) -> None:
        """A counter as it was read; it tells something only where it has moved."""
        if counter.counter_j is None:
            return
        if counter.counter_j != self._counter_j.get(counter.sensor):
            self._counter_j[counter.sensor] = counter.counter_j
            self._told_ns[counter.sensor, "counter"] = (counter.t0_ns + counter.t1_ns) // 2

    def is_done(self, tick_ns: int) -> bool:
        """Whether a tick that began at `tick_ns` was the last that is needed.

        At least one update of the slowest sensor is waited for, then until all that ever told something have told
        something later than the end, for at most two calls and updates.
        """
        if self._begun_ns is None or tick_ns < self._begun_ns + self._update_ns:
            return False
        most_ns = 2 * (self._update_ns + max(self._call_ns.values(), default=0)) + 2 * self._period_ns
        if tick_ns >= self._begun_ns + min(max(most_ns, self._update_ns), LONGEST_NS):
            return True
        return all(told_ns >= self._begun_ns for told_ns in self._told_ns.values())
