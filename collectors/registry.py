"""Finds the installed collectors by entry point and picks the first that works."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from collectors.base import Collector, Probe

GROUP = "crosscast.collectors"


class Registry:
    """Collectors by name, loaded when first asked for. `failures` remembers why one could not be loaded."""

    def __init__(self, found: Mapping[str, EntryPoint]) -> None:
        self._found = dict(found)
        self._loaded: dict[str, Callable[[], Collector]] = {}
        self.failures: dict[str, str] = {}

    @classmethod
    def installed(cls) -> Registry:
        """The collectors that the installed distributions register. Loads none of them."""
        return cls(_registered(tuple(sys.path)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all registered collectors, sorted, loadable or not."""
        return tuple(sorted(self._found))

    def create(self, name: str) -> Collector | None:
        """A new collector, or None with the reason in `failures`."""
        if name not in self._found:
            near = difflib.get_close_matches(name, self.names, n=1)
            hint = f", did you mean {near[0]}?" if near else f" (there are: {', '.join(self.names) or 'none'})"
            self.failures[name] = f"no collector of this name is installed{hint}"
            return None
        if name in self.failures:
            return None
        try:
            if name not in self._loaded:
                self._loaded[name] = self._found[name].load()
            return self._loaded[name]()
        except Exception as error:
            self.failures[name] = f"failed to load: {type(error).__name__}: {error}"
            return None


@cache
def _registered(path: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    """The entry points of the group on a path, which is searched once."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@dataclass(frozen=True)
class CollectorChoice:
    """The collector chosen and the name it is registered by, what it found, and why those before it do not work."""

    name: str | None
    collector: Collector | None
    probe: Probe
    reasons: dict[str, str] = field(default_factory=dict)


def probe_safely(collector: Collector) -> Probe:
    """What the collector finds; a collector that breaks its promise and raises is one that found nothing."""
    try:
        found = collector.probe()
    except Exception as error:
        return Probe(reason=f"probe failed: {type(error).__name__}: {error}")
    if not found.works and not found.reason:
        return Probe(reason="found no sensor and gave no reason")
    return found


def choose(preferences: Sequence[str], registry: Registry | None = None) -> CollectorChoice:
    """Probes the named collectors in order and returns the first that has a sensor. Never raises."""
    registry = registry or Registry.installed()
    reasons: dict[str, str] = {}
    for name in preferences:
        collector = registry.create(name)
        if collector is None:
            reasons[name] = registry.failures[name]
            continue
        found = probe_safely(collector)
        if found.works:
            return CollectorChoice(name, collector, found, reasons)
        reasons[name] = found.reason or ""
    return CollectorChoice(None, None, Probe(reason=no_sensor_reason(reasons)), reasons)


def no_sensor_reason(reasons: Mapping[str, str]) -> str:
    """One line for tables and records: "no sensor: nvml: ...; rapl: ..."."""
    told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return f"no sensor: {told or 'no collector was asked for'}"
