"""CPU packages and their memory through the Linux powercap tree (RAPL energy counters)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from collectors.base import Probe, Reading, Scope, Sensor

POWERCAP = Path("/sys/class/powercap")
UPDATE_PERIOD_S = 0.05
"""How often to read. The counter itself moves about once a millisecond (Intel SDM, RAPL interfaces)."""

MICROJOULE_J = 1e-6
SCOPE_OF_ZONE: dict[str, Scope] = {"package": "cpu_package", "dram": "dram", "psys": "node"}


class RaplCollector:
    """Energy counters in joules of each CPU package and, where it has its own counter, of the package's memory.

    Core and uncore zones lie inside a package and the platform zone (psys) overlaps the packages: cores are never
    read, psys only where the packages cannot be. The counter is given as the kernel holds it; it wraps at
    `counter_wrap_j`.
    """

    name = "rapl"

    def __init__(self, root: Path = POWERCAP) -> None:
        self._root = root
        self._zones: dict[str, Path] = {}

    def probe(self) -> Probe:
        """One sensor a readable zone, or why none: no tree, no domain, or counters that only root may read."""
        if not self._root.is_dir():
            return Probe(reason=f"{self._root} does not exist (no powercap driver, or a virtual machine)")
        zones = [zone for path in sorted(self._root.glob("intel-rapl:*")) if (zone := _zone(path))]
        if not zones:
            return Probe(reason=f"{self._root} has no intel-rapl domain")
        inner = [item for item in zones if item[1].scope != "node"]
        platform = [item for item in zones if item[1].scope == "node"]
        errors: list[str] = []
        for group in (inner, platform):
            group_errors = [error for path, _ in group if (error := _read_error(path))]
            if group and not group_errors:
                self._zones = {sensor.id: path for path, sensor in group}
                return Probe(tuple(sensor for _, sensor in group))
            errors += group_errors
        return Probe(reason="; ".join(errors))

    def start(self, period_s: float) -> None:
        """Nothing to open: each read opens its file."""

    def sample(self) -> Sequence[Reading]:
        """None: all sensors are counters."""
        return ()

    def read_counter(self, sensor: str) -> float | None:
        """Energy counter of a zone in joules, None where the file cannot be read."""
        try:
            return _read_number(self._zones[sensor] / "energy_uj") * MICROJOULE_J
        except (OSError, ValueError):
            return None

    def stop(self) -> None:
        """Nothing to close."""


def _zone(path: Path) -> tuple[Path, Sensor] | None:
    """The sensor of a powercap zone, None for zones inside another and for control types."""
    try:
        name = (path / "name").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    scope = SCOPE_OF_ZONE.get(name.split("-")[0])
    if scope is None:
        return None
    try:
        wrap_j = _read_number(path / "max_energy_range_uj") * MICROJOULE_J
    except (OSError, ValueError):
        wrap_j = None
    return path, Sensor(
        id=path.name,
        scope=scope,
        kind="counter",
        name=name,
        update_period_s=UPDATE_PERIOD_S,
        has_counter=True,
        counter_resolution_j=MICROJOULE_J,
        counter_wrap_j=wrap_j,
        power_cap_w=_cap_w(path),
        driver_version=os.uname().release,
    )


def _cap_w(zone: Path) -> float | None:
    """The highest limit that is enforced, over any of its time windows; None where none is told or enforced."""
    limits_uw = []
    with contextlib.suppress(OSError, ValueError):
        if not _read_number(zone / "enabled"):
            return None
    for path in zone.glob("constraint_*_power_limit_uw"):
        with contextlib.suppress(OSError, ValueError):
            limits_uw.append(_read_number(path))
    return max(limits_uw, default=0) * MICROJOULE_J or None


def _read_error(zone: Path) -> str | None:
    """Why the counter of a zone cannot be read and what would help, None where it can."""
    counter = zone / "energy_uj"
    try:
        _read_number(counter)
    except PermissionError:
        return f"{counter} may be read by root alone: run as root, or let a group read it (chmod g+r)"
    except (OSError, ValueError) as error:
        return f"{counter}: {error}"
    return None


def _read_number(path: Path) -> int:
    return int(path.read_text(encoding="utf-8"))
