"""Executions as comparisons need them: their settings one by one, and the axes that these belong to."""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from harness.scenario.execution import EAGER, Execution, every_setting

WHOLE_GROUPS = ("compilation", "recompute", "loading", "world", "clock")
"""Groups of settings that are one axis; every other setting is an axis of its own."""


class Unequal(NamedTuple):
    """A setting in which two executions differ, by its dotted name."""

    name: str
    ours: Any
    theirs: Any


@cache
def setting_names() -> tuple[str, ...]:
    """The dotted names of all settings."""
    return tuple(name for name, _ in every_setting(EAGER))


def unequal(ours: Execution, theirs: Execution) -> tuple[Unequal, ...]:
    """The settings in which two executions differ."""
    if ours is theirs or ours == theirs:
        return ()
    pairs = zip(every_setting(ours), every_setting(theirs), strict=True)
    return tuple(Unequal(name, value, other) for (name, value), (_, other) in pairs if value != other)


def axis_of(name: str) -> str:
    """The axis that a setting belongs to."""
    group = name.partition(".")[0]
    return group if group in WHOLE_GROUPS else name


def axes_of(names: Iterable[str]) -> tuple[str, ...]:
    """The axes that settings belong to, each once."""
    return tuple(dict.fromkeys(map(axis_of, names)))


def belongs(name: str, groups: Iterable[str]) -> bool:
    """Whether a setting is one of several or in a group of them."""
    return any(name == group or name.startswith(f"{group}.") for group in groups)
