"""Whether the power sensor moves when the device works."""

from collections.abc import Iterator

import numpy as np

from collectors.accounting.energy import job_sensors
from collectors.calibration.behaviour import power_series
from collectors.samples import SampleLog
from harness.results.deep_report import Check

Window = tuple[int, int]
"""Two moments on the monotonic clock, ns."""

NAME, GROUP = "power sensor", "machine"
SETTLING = 0.3
"""Share of the load that is left out at its beginning: sensors average over up to a second."""

LEAST_READS = 3
LEAST_RISE = 0.05
"""Share of the power at rest by which the mean must rise under load; a chip that works doubles it at least."""


def check_power(log: SampleLog, reason: str | None, rest: Window, loaded: Window | None) -> Iterator[Check]:
    """One check of each sensor of the first device, which alone is kept busy, or one that says why there is none."""
    if not log.sensors:
        advice = "without a sensor every energy column holds this reason; crosscast doctor lists the collectors"
        yield Check(group=GROUP, name=NAME, verdict="warning", found=reason or "none", advice=advice)
        return
    if loaded is None:
        advice = "see the checks of the framework, whose products were to be the load"
        yield Check(group=GROUP, name=NAME, verdict="warning", found="the device was never kept busy", advice=advice)
        return
    main, problem, _ = job_sensors(log, 1)
    if problem is not None:
        advice = "choose one device by the variable that the chip's file names, such as CUDA_VISIBLE_DEVICES=0"
        yield Check(group=GROUP, name=NAME, verdict="warning", found=problem, advice=advice)
    begin_ns = loaded[0] + int(SETTLING * (loaded[1] - loaded[0]))
    of_device = {sensor.id for sensor in main}
    for sensor in (each for each in log.sensors if of_device & {each.id, each.checks}):
        series = power_series(log, sensor)
        at_rest, under_load = (
            series.power_w[(series.t_ns >= first) & (series.t_ns <= last)]
            for first, last in (rest, (begin_ns, loaded[1]))
        )
        yield _judge(sensor.id, at_rest, under_load)


def _judge(
    sensor: str,
    at_rest: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    under_load: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> Check:
    name = f"{NAME} {sensor}"
    if min(at_rest.size, under_load.size) < LEAST_READS:
        found = f"{at_rest.size} readings at rest and {under_load.size} under load"
        advice = "the sensor is too slow or fails: crosscast doctor shows its period, crosscast calibrate its delay"
        return Check(group=GROUP, name=name, verdict="warning", found=found, advice=advice)
    rest_w, load_w = float(at_rest.mean()), float(under_load.mean())
    found = f"{rest_w:.1f} W at rest, {load_w:.1f} W under load"
    if load_w < (1 + LEAST_RISE) * rest_w + 2 * float(at_rest.std()):
        advice = "it does not see the load: it may be that of another device, or stuck; no energy measured here counts"
        return Check(group=GROUP, name=name, verdict="failed", found=found, advice=advice)
    return Check(group=GROUP, name=name, verdict="ok", found=found)
