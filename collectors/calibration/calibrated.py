"""A power log seen through what a calibration found of its sensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from collectors.accounting.energy_curve import NS_PER_S
from collectors.base import Reading
from collectors.samples import SampleLog


@dataclass(frozen=True)
class Correction:
    """How a sensor differs from what its tool says of it, in seconds.

    A value stands for the mean power over `window_s` that ended `delay_s` before the read. None: nothing was found.
    """

    delay_s: float
    window_s: float | None = None
    update_period_s: float | None = None

    @property
    def shift_ns(self) -> int:
        """From a read back to the middle of what it stands for."""
        return round((self.delay_s + (self.window_s or 0.0) / 2) * NS_PER_S)


def corrected(log: SampleLog, corrections: Mapping[str, Correction]) -> SampleLog:
    """The log with the power readings of calibrated sensors moved to the time they stand for. Counters stay."""
    if log.header is None or not corrections:
        return log
    sensors = tuple(
        replace(
            sensor,
            window_s=correction.window_s or sensor.window_s,
            update_period_s=correction.update_period_s or sensor.update_period_s,
        )
        if (correction := corrections.get(sensor.id))
        else sensor
        for sensor in log.sensors
    )
    return replace(
        log,
        header=replace(log.header, sensors=sensors),
        readings=tuple(
            _moved(reading, corrections[reading.sensor].shift_ns) if reading.sensor in corrections else reading
            for reading in log.readings
        ),
    )


def _moved(reading: Reading, shift_ns: int) -> Reading:
    return replace(reading, t0_ns=reading.t0_ns - shift_ns, t1_ns=reading.t1_ns - shift_ns)
