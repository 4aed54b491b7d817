"""Executions as comparisons need them: their settings one by one, and the axes that these belong to."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel

from harness.scenario.execution import Execution

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
    return tuple(_names(Execution(), ""))


def value_of(execution: Execution, name: str) -> Any:
    """A setting by its dotted name, set away from its default or not."""
    found: Any = execution
    for part in name.split("."):
        found = getattr(found, part)
    return found


def unequal(ours: Execution, theirs: Execution) -> tuple[Unequal, ...]:
    """The settings in which two executions differ."""
    if ours is theirs or ours == theirs:
        return ()
    values = ((name, value_of(ours, name), value_of(theirs, name)) for name in setting_names())
    return tuple(Unequal(*found) for found in values if found[1] != found[2])


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


def _names(value: BaseModel, prefix: str) -> Iterator[str]:
    for name in type(value).model_fields:
        inner = getattr(value, name)
        if isinstance(inner, BaseModel):
            yield from _names(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
