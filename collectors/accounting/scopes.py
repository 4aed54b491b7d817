"""The host's own scopes, each by itself: CPU packages, memory, the node with all that runs on it."""

from __future__ import annotations

from dataclasses import replace

from collectors.base import HOST_SCOPES
from collectors.samples import SampleLog


def host_scopes(log: SampleLog) -> tuple[str, ...]:
    """The scopes of the host that the sensors of a log have, sorted."""
    return tuple(sorted({sensor.scope for sensor in log.sensors if sensor.scope in HOST_SCOPES}))


def of_scope(log: SampleLog, scope: str) -> SampleLog:
    """The log with the sensors of one scope of the host alone.

    That a scope holds the work of others, too, is what it means and no objection to it.
    """
    if log.header is None:
        return log
    sensors = tuple(replace(sensor, shared=None) for sensor in log.sensors if sensor.scope == scope)
    names = {sensor.id for sensor in sensors}
    return replace(
        log,
        header=replace(log.header, sensors=sensors),
        readings=tuple(reading for reading in log.readings if reading.sensor in names),
        counters=tuple(counter for counter in log.counters if counter.sensor in names),
    )
