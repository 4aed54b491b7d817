"""The collector of a machine that has no power sensor, or whose user wants none."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.base import Probe, Reading


class NullCollector:
    """Finds nothing and says why. Listing it last ends a list of preferences with a plain word."""

    name = "null"

    def __init__(self, reason: str = "no power is collected by choice") -> None:
        self.reason = reason

    def probe(self) -> Probe:
        """No sensor, and the reason given at construction."""
        return Probe(reason=self.reason)

    def start(self, period_s: float) -> None:
        """Nothing to open."""

    def sample(self) -> Sequence[Reading]:
        """No reading."""
        return ()

    def read_counter(self, sensor: str) -> float | None:
        """None: there is no counter."""
        return None

    def stop(self) -> None:
        """Nothing to close."""
