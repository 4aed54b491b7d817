"""Executions as labels and comparisons need them: their settings one by one, their axes, and their names."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel

from harness.scenario.execution import EAGER, GRAPH, Execution

WORDS = {"eager": EAGER, "compiled": GRAPH, "graph": GRAPH}
"""What scenarios and users call the two plain executions."""

MODE = "compilation.mode"
WHOLE_GROUPS = ("compilation", "recompute", "loading", "world", "clock")
"""Groups of settings that are one axis; every other setting is an axis of its own."""


class Run(Protocol):
    """What says how it is run: a scenario, an absent cell, a certificate."""

    @property
    def execution(self) -> Any:
        """An Execution, or the word of a plain one."""


class Unequal(NamedTuple):
    """A setting in which two executions differ, by its dotted name."""

    name: str
    ours: Any
    theirs: Any


def execution_of(entry: Run) -> Execution:
    """How the cell of an entry is run."""
    said: Any = entry.execution
    found: Execution = WORDS[said] if isinstance(said, str) else said
    return found


def word_of(entry: Run) -> str:
    """Whether the cell of an entry runs compiled, in the word of its label."""
    said: Any = entry.execution
    return said if isinstance(said, str) else said.compilation.mode


def name_of(entry: Run) -> str:
    """The execution as a baseline names it: `eager`, `graph+precision.autocast=bf16`."""
    more = {name: value for name, value in execution_of(entry).settings().items() if name != MODE}
    return "+".join([word_of(entry), *(f"{name}={value}" for name, value in more.items())])


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
