"""Whether a framework can run here: its packages installed in this Python, the chip's device files present."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from harness.machine import rehearsal


class FrameworkOnChip(Protocol):
    """What a chip's file says of a framework, as harness.scenario.schema has it."""

    @property
    def packages(self) -> Sequence[str]:
        """Import names that must be installed."""

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
    def frameworks(self) -> Mapping[Any, FrameworkOnChip]:
        """By the name of the framework."""


def cannot_run(chip: Chip, framework: str) -> str | None:
    """Why a framework cannot run on a chip in this Python, None if nothing speaks against it."""
    entry = chip.frameworks.get(framework)
    if entry is None:
        return f"the chip's file says nothing of {framework}"
    if entry.unavailable is not None:
        return entry.unavailable
    missing = [package for package in entry.packages if find_spec(package) is None]
    if missing:
        return f"{' and '.join(missing)} not installed; {entry.obtain}"
    if chip.device_nodes is not None and not device_files(chip.device_nodes):
        return f"no {chip.title} here: {chip.device_nodes} does not exist"
    return None


def device_files(pattern: str) -> list[Path]:
    """The device files of a pattern, such as /dev/nvidia[0-9]*, that exist here."""
    return sorted(rehearsal.device_root().glob(pattern.lstrip("/")))
