"""How an execution is called in tables, figures, progress and exports: in words, no more of them than tell it apart."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from harness.scenario.execution import Execution, Precision

MODE = "compilation.mode"
NOTHING = (None, False, 0, "none", "default", "ieee")
"""Defaults that set nothing, so that a return to one is said by what is left."""

WORDS: Mapping[str, Callable[[Any], str]] = {
    "compilation.scope": lambda scope: f"{scope} compiled",
    "compilation.level": str,
    "compilation.options": str,
    "precision.matmul": lambda matmul: matmul.upper(),
    "precision.autocast": lambda autocast: autocast.replace("-", " "),
    "recompute.unit": lambda unit: "" if unit == "ranges" else f"recompute {unit}",
    "recompute.ranges": lambda ranges: f"recompute {ranges} ranges",
    "accumulation": lambda count: f"accumulation {count}",
    "operators.spectral": lambda choice: f"spectral {choice}",
    "operators.segment_sum": lambda choice: f"segment sum {choice}",
    "loading.prefetch": lambda depth: f"prefetch {depth}",
    "loading.workers": lambda count: _counted(count, "worker"),
    "loading.sink": lambda sink: "sink",
    "world.devices": lambda count: _counted(count, "device"),
    "world.nodes": lambda count: _counted(count, "node"),
    "world.parallel": lambda kind: kind.replace("_", " "),
    "clock.window": lambda steps: f"window of {steps}",
}
"""What is said of a setting away from its default; without words here its name and value. Ranges say their unit."""


def labels(executions: Iterable[Execution]) -> dict[Execution, str]:
    """A label of each: eager or graph, then the settings that are not the same in all and not its default.

    Different executions have different labels.
    """
    settings = {execution: execution.settings() for execution in executions}
    names = dict.fromkeys(name for found in settings.values() for name in found)
    differing = {name for name in names if len({found.get(name) for found in settings.values()}) > 1}
    return {
        execution: _joined(execution, {name: value for name, value in found.items() if name in differing})
        for execution, found in settings.items()
    }


@lru_cache(maxsize=2**10)
def label(execution: Execution) -> str:
    """All that is set away from its default, for where there are no others to tell it from."""
    return _joined(execution, execution.settings())


def shared(executions: Iterable[Execution]) -> str:
    """What `labels` leave out because all share it, for a title; empty where that is nothing."""
    found = [execution.settings() for execution in dict.fromkeys(executions)]
    if not found:
        return ""
    said = (
        _said(name, value)
        for name, value in found[0].items()
        if name != MODE and all(other.get(name) == value for other in found)
    )
    return ", ".join(filter(None, said))


def precision_label(precision: Precision) -> str:
    """The formats of numbers in words: fp32 where nothing is lower."""
    products = "fp32" if precision.matmul == "ieee" else precision.matmul.upper()
    if precision.autocast == "none":
        return products
    lower = precision.autocast.replace("-", " ")
    return lower if precision.matmul == "ieee" else f"{lower}, {products}"


def as_name(text: str) -> str:
    """A label as a part of a name that is typed or that a file has: hyphens in the place of spaces and commas."""
    return re.sub(r"[\s,]+", "-", text)


def names_of(execution: Execution) -> tuple[str, str]:
    """What an execution may be called in the name of a cell: its mode alone, or all that is set."""
    return execution.compilation.mode, as_name(label(execution))


def changed(name: str, to: Any, before: Any) -> str:
    """In words what a setting is changed to; empty where another setting that is changed with it says it."""
    if name == MODE:
        return str(to)
    if name == "recompute.ranges" and to == 1:
        return ""
    if name == "recompute.unit" and to == "none":
        return "no recompute"
    return f"no {_said(name, before)}" if to in NOTHING else _said(name, to)


def _joined(execution: Execution, settings: Mapping[str, Any]) -> str:
    said = [_said(name, value) for name, value in settings.items() if name != MODE]
    return ", ".join([execution.compilation.mode, *filter(None, said)])


def _said(name: str, value: Any) -> str:
    return WORDS[name](value) if name in WORDS else f"{name} {value}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"
