"""Axes of a suite: from a base execution and lists of values to the executions that are to be compared."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from harness.errors import UserError, nearest
from harness.mistakes import in_words, truths_as_numbers
from harness.scenario.changes import ExecutionChange, execution_of, laid_over
from harness.scenario.execution import Execution

LEADING = {
    "compilation": "mode",
    "recompute": "unit",
    "loading": "prefetch",
    "world": "devices",
    "clock": "window",
}
"""The field of a group that a single value of an axis stands for."""

BASE = "base"


class Placed(NamedTuple):
    """An execution of a design and what it is called in it."""

    name: str
    execution: Execution


def setting(axis: str, value: Any) -> dict[str, Any]:
    """What a value of an axis sets of an execution.

    An axis is a field such as `precision.autocast`, or a group; a value of a group is its leading field's, or a mapping
    of its fields, and sets the whole group: fields that it does not name get their defaults. ValueError where there is
    no such axis or value.
    """
    field, last = _field(axis)
    if field is not None and not isinstance(value, Mapping):
        if last not in LEADING:
            raise ValueError(f"{axis}: give the fields that a value sets, or choose one: {_listed(axis, field)}")
        value = {LEADING[last]: value}
    content: Any = value if field is None else {**field().model_dump(), **value}
    for name in reversed(axis.split(".")):
        content = {name: content}
    try:
        change = ExecutionChange.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "literal_error":
            hint = nearest(str(first["input"]), _words(first["ctx"]["expected"]))
            raise ValueError(f"{axis}: {first['input']!r} is not one of them; {hint}") from None
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {in_words(first)}, not {first['input']!r}") from None
    for place in truths_as_numbers(content, change):
        raise ValueError(f"{'.'.join(map(str, place))}: must be a number, not true or false")
    return change.content()


def one_at_a_time(base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> list[Placed]:
    """The base, then each value of each axis laid over it that changes it; each execution once."""
    return _each_once(
        base, ((named(axis, value), setting(axis, value)) for axis, values in axes.items() for value in values)
    )


def full(base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> list[Placed]:
    """The base, then all values of all axes with one another, the last axis in the innermost turn; each once."""
    chosen = itertools.product(*([(axis, value) for value in values] for axis, values in axes.items()))
    return _each_once(
        base,
        (
            ("; ".join(itertools.starmap(named, pairs)), laid_over(*itertools.starmap(setting, pairs)))
            for pairs in chosen
        ),
    )


def named(axis: str, value: Any) -> str:
    """A value of an axis in words."""
    if isinstance(value, Mapping):
        value = ", ".join(f"{name} {each}" for name, each in value.items())
    return f"{axis}: {'none' if value is None else value}"


def _each_once(base: Mapping[str, Any], changes: Iterator[tuple[str, Mapping[str, Any]]]) -> list[Placed]:
    """Raises UserError, with the name of the change, where one does not fit the base."""
    found = {execution_of(base): BASE}
    for name, change in changes:
        try:
            found.setdefault(execution_of(laid_over(base, change)), name)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
    return [Placed(name, execution) for execution, name in found.items()]


def _field(axis: str) -> tuple[type[BaseModel] | None, str]:
    """The group that an axis names, None where it names a field, and the last part of its name."""
    kind: type[BaseModel] | None = Execution
    *_, last = parts = axis.split(".")
    for part in parts:
        if kind is None or part not in kind.model_fields:
            raise ValueError(f"no axis {axis!r}; {nearest(axis, _names(Execution))}")
        annotation = kind.model_fields[part].annotation
        kind = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    return kind, last


def _names(kind: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{prefix}{name}.")


def _listed(axis: str, kind: type[BaseModel]) -> str:
    return ", ".join(f"{axis}.{name}" for name in kind.model_fields)


def _words(expected: str) -> list[str]:
    return [part for part in expected.split("'") if part.strip() and part.strip() not in (",", "or")]
