"""Whether a framework can run here: its packages installed in its Python, in versions that fit, the chip present."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.machine import rehearsal
from harness.machine.interpreters import Package, look, packages_here
from harness.machine.versions import disagreements, unmet


class FrameworkEntry(Protocol):
    """What a chip's file says of a framework, as harness.scenario.schema has it."""

    @property
    def packages(self) -> Sequence[str]:
        """Import names that must be installed."""

    @property
    def needs(self) -> Mapping[str, str]:
        """Bounds of their versions."""

    @property
    def python(self) -> str | None:
        """The Python that runs the framework; None: this one."""

    @property
    def obtain(self) -> str:
        """How to get them."""

    @property
    def unavailable(self) -> str | None:
        """Why the framework cannot run on the chip."""


class Chip(Protocol):
    """What a chip's file says, as far as it matters here."""

    @property
    def title(self) -> str:
        """What people call it."""

    @property
    def device_nodes(self) -> str | None:
        """Device files that exist where the chip does."""

    @property
    def frameworks(self) -> Mapping[Any, FrameworkEntry]:
        """By the name of the framework."""


def cannot_run(chip: Chip, framework: str) -> str | None:
    """Why a framework cannot run on a chip in its Python, None if nothing speaks against it."""
    entry = chip.frameworks.get(framework)
    if entry is None:
        return f"the chip's file says nothing of {framework}"
    if entry.unavailable is not None:
        return entry.unavailable
    if (reason := _lacking(entry)) is not None:
        return reason
    if chip.device_nodes is not None and not device_files(chip.device_nodes):
        return f"no {chip.title} here: {chip.device_nodes} does not exist"
    return None


def _lacking(entry: FrameworkEntry) -> str | None:
    """What of the packages is missing or has a version that does not fit."""
    if entry.python is None:
        packages: Mapping[str, Package] = packages_here(entry.packages)
        where = ""
    else:
        found = look(entry.python, tuple(entry.packages))
        if found.problem is not None:
            return found.problem
        packages, where = found.packages, f" in {entry.python}"
    if missing := [name for name, package in packages.items() if not package.there]:
        return f"{' and '.join(missing)} not installed{where}; {entry.obtain}"
    versions = {name: package.version for name, package in packages.items()}
    requires = {name: package.requires for name, package in packages.items()}
    unfit = [*unmet(entry.needs, versions), *disagreements(versions, requires)]
    return f"{'; '.join(unfit)}{where}; {entry.obtain}" if unfit else None


def device_files(pattern: str) -> list[Path]:
    """The device files of a pattern, such as /dev/nvidia[0-9]*, that exist here."""
    return sorted(rehearsal.device_root().glob(pattern.lstrip("/")))
