"""Single values of what is run, as `--set PATH=VALUE` gives them in the place of those of suites and models."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from harness import mistakes
from harness.errors import UserError, nearest
from harness.scenario import axes, bounded_yaml
from harness.scenario.changes import ExecutionChange, laid_over
from harness.scenario.schema import SuiteConfig
from harness.text import counted

OF_A_PRESET = ("training", "inference", "network")
EXECUTION = "execution"
GROUPS = (*OF_A_PRESET, EXECUTION)
ENTRY = re.compile(r"(.*)\[(\d+)\]")
PART = re.compile(r"(\w+)((?:\[\d{1,4}\])*)")
MOST_CHARACTERS = 1_000
SHOWN_CHARACTERS = 60
HOW = "give PATH=VALUE, such as training.stages[0].epochs=3"

ConfigT = TypeVar("ConfigT", bound=BaseModel)


class Setting(NamedTuple):
    """A dotted path, such as `training.stages[0].epochs`, and the value that is to stand there."""

    path: str
    value: Any

    @property
    def group(self) -> str:
        """The first part of the path: one of GROUPS."""
        return self.path.partition(".")[0]

    @property
    def location(self) -> tuple[int | str, ...]:
        """The names and numbers of the path below its group."""
        found: list[int | str] = []
        for part in self.path.split(".")[1:]:
            match = PART.fullmatch(part)
            assert match
            found += [match[1], *map(int, re.findall(r"\d+", match[2]))]
        return tuple(found)

    def __str__(self) -> str:
        return f"--set {self.path}"


def read_settings(texts: Iterable[str]) -> tuple[Setting, ...]:
    """The settings of texts such as `inference.lead_steps=[1, 2]`, whose values are written as YAML writes them.

    Raises UserError where one is no such text, names nothing that can be set, or is given twice.
    """
    found: dict[str, Setting] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not equals or not path:
            raise UserError(f"--set {text[:SHOWN_CHARACTERS]}: {HOW}")
        group, _, rest = path.partition(".")
        if group not in GROUPS:
            raise UserError(f"--set {path}: {group!r} holds nothing that can be set; {nearest(group, GROUPS)}")
        if not rest or not all(PART.fullmatch(part) for part in rest.split(".")):
            raise UserError(f"--set {path}: names no single value; {HOW}")
        if path in found:
            raise UserError(f"--set {path}: given twice")
        found[path] = Setting(path, _value(path, value))
    return tuple(found.values())


def content_of(value: BaseModel) -> dict[str, Any]:
    """A training, an inference or a network as JSON has it, with what is written to no file where it is the default."""
    return {name: to_jsonable_python(getattr(value, name)) for name in type(value).model_fields}


def values_of(group: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every path that can be set in the content of a group, and the value that stands there."""
    for place, value in _leaves(content):
        yield _path(group, place), value


def changed(group: str, value: ConfigT, settings: Sequence[Setting], owner: str) -> ConfigT:
    """A training, an inference or a network with the values of those settings that are of its group.

    Raises UserError with the nearest paths where a path is not there, and where a value does not fit. `owner` is whose
    it is, in words.
    """
    own = [each for each in settings if each.group == group]
    if not own:
        return value
    content = content_of(value)
    for each in own:
        _check_path(each, group, content, owner)
        stands = value_at(content, each)
        if _holds_truth(each.value) and not _holds_truth(stands) and _holds_numbers(stands):
            raise UserError(f"{each}={said(each.value)}: must be a number, as {said(stands)}")
        _put(content, each.location, each.value)
    try:
        found = type(value).model_validate(content)
    except ValidationError as error:
        raise UserError(_refusal(own, error)) from None
    read = content_of(found)
    for each in own:
        if list(mistakes.truths_as_numbers(each.value, value_at(read, each))):
            raise UserError(f"{each}={said(each.value)}: must be a number")
    return found


def _holds_truth(value: Any) -> bool:
    return any(isinstance(each, bool) for each in (value if isinstance(value, list) else [value]))


def _holds_numbers(value: Any) -> bool:
    return any(isinstance(each, int | float) for each in (value if isinstance(value, list) else [value]))


def value_at(content: Mapping[str, Any], setting: Setting) -> Any:
    """What stands at the path of a setting in the content of its group."""
    found: Any = content
    for part in setting.location:
        found = found[part]
    return found


def execution_change(settings: Sequence[Setting]) -> dict[str, Any]:
    """What the settings of executions change of one; UserError where there is no such setting or value."""
    change: dict[str, Any] = {}
    for each in (each for each in settings if each.group == EXECUTION):
        try:
            change = laid_over(change, axes.setting(each.path.partition(".")[2], each.value))
        except ValueError as error:
            raise UserError(f"{each}: {error}") from None
    return change


def suite_with(suite: SuiteConfig, settings: Sequence[Setting]) -> SuiteConfig:
    """A suite whose frameworks all execute with the values of the settings of executions.

    Raises UserError where there is no such setting or value, where an axis of the suite gives it in turn, and where the
    suite is a ladder, whose steps say how each is run.
    """
    change = execution_change(settings)
    for each in (each for each in settings if each.group == EXECUTION):
        name = each.path.partition(".")[2]
        if suite.design == "ladder":
            raise UserError(f"{each}: the suite is a ladder, whose steps say how each is run; change its file")
        for axis in suite.axes:
            if f"{name}.".startswith(f"{axis}.") or f"{axis}.".startswith(f"{name}."):
                raise UserError(f"{each}: the suite's axis {axis} gives it in turn; change its file")
    if not change:
        return suite
    frameworks = tuple(
        entry.model_copy(
            update={"execution": ExecutionChange.model_validate(laid_over(entry.execution.content(), change))}
        )
        for entry in suite.frameworks
    )
    return suite.model_copy(update={"frameworks": frameworks})


def in_words(values: Mapping[str, Any], stages: Sequence[str]) -> str:
    """Values by their paths as labels say them: `epochs 3`, or `rollout epochs 3` where there are several stages."""
    return ", ".join(f"{_named(path, stages)} {said(value)}" for path, value in values.items())


def _value(path: str, text: str) -> Any:
    if len(text) > MOST_CHARACTERS:
        raise UserError(f"--set {path}: a value of {len(text):,} characters; the longest has {MOST_CHARACTERS:,}")
    found = bounded_yaml.value_of(f"--set {path}", text)
    scalars = found if isinstance(found, list) else [found]
    for each in scalars:
        if each is not None and not isinstance(each, str | bool | int | float):
            raise UserError(f"--set {path}: takes one value, or a list of them such as [1, 2, 4]")
    return found


def _leaves(content: Any, place: tuple[int | str, ...] = ()) -> Iterator[tuple[tuple[int | str, ...], Any]]:
    if isinstance(content, Mapping) and content:
        for name, value in content.items():
            yield from _leaves(value, (*place, name))
    elif isinstance(content, list) and any(isinstance(value, Mapping) for value in content):
        for number, value in enumerate(content):
            yield from _leaves(value, (*place, number))
    else:
        yield place, content


def _path(group: str, place: Iterable[int | str]) -> str:
    return group + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)


def _check_path(setting: Setting, group: str, content: Mapping[str, Any], owner: str) -> None:
    valid = [path for path, _ in values_of(group, content)]
    if setting.path in valid:
        return
    below = [path for path in valid if path.startswith((f"{setting.path}.", f"{setting.path}["))]
    if below:
        raise UserError(f"{setting}: holds several values; set one of {', '.join(below)}")
    if place := ENTRY.match(setting.path):
        entries = {path[len(place[1]) :].partition("]")[0] for path in valid if path.startswith(f"{place[1]}[")}
        if entries and int(place[2]) >= len(entries):
            there = counted(len(entries), "entry", "entries")
            raise UserError(f"{setting}: {place[1]} of {owner} has {there}, counted from 0")
    close = difflib.get_close_matches(setting.path, valid, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"choose from: {', '.join(valid)}"
    raise UserError(f"{setting}: {owner} has no such value; {hint}")


def _put(content: Any, location: Sequence[int | str], value: Any) -> None:
    *before, last = location
    for part in before:
        content = content[part]
    content[last] = value


def _refusal(settings: Sequence[Setting], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = tuple(first["loc"])
    meant = [each for each in settings if place[: len(each.location)] == each.location] or list(settings)
    given = " and ".join(f"{each}={said(each.value)}" for each in meant)
    message = mistakes.in_words(first)
    if first["type"] == "literal_error":
        valid = re.findall("'([^']*)'", first["ctx"]["expected"])
        return f"{given}: is not one of them; {nearest(str(first['input']), valid)}"
    if isinstance(first["input"], str) and first["input"].lower() == "none":
        message += "; null stands for none"
    return f"{given}: {message}"


def _named(path: str, stages: Sequence[str]) -> str:
    group, *parts = path.split(".")
    words = [group] if group == "inference" else []
    for part in parts:
        match = PART.fullmatch(part)
        number = re.search(r"\d+", match[2]) if match else None
        if match and match[1] == "stages" and number:
            words += [stages[int(number[0])]] if len(stages) > 1 and int(number[0]) < len(stages) else []
        else:
            words.append(part.replace("_", " "))
    return " ".join(words)


def said(value: Any) -> str:
    """A value in words."""
    if isinstance(value, list | tuple):
        return " ".join(map(said, value))
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
