"""What there is to run and what can run here, for `crosscast list`.

Of each file the few fields that are shown are read, in a fraction of the time that a check of all of it takes. What
does not fit these is checked whole, for the message.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct
from rich.table import Table

from harness.machine.availability import cannot_run
from harness.scenario.bounded_yaml import build, root_node
from harness.scenario.folders import Kind, files_of
from harness.scenario.limits import ABSOLUTE_PATH, VERSIONS

FRAMEWORKS = ("pytorch", "mindspore")

T = TypeVar("T")


class _SuiteModel(Struct, frozen=True):
    model: str
    preset: str
    data: str | None = None


class _Suite(Struct, frozen=True):
    models: tuple[_SuiteModel, ...]
    launches: int
    description: str = ""


class _Preset(Struct, frozen=True):
    grid: tuple[int, int]
    description: str = ""


class _Model(Struct, frozen=True):
    presets: dict[str, _Preset]


class _Data(Struct, frozen=True):
    kind: str
    description: str = ""


class _Framework(Struct, frozen=True):
    packages: tuple[Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")], ...] = ()
    needs: dict[str, Annotated[str, Meta(pattern=VERSIONS)]] = {}
    python: Annotated[str, Meta(pattern=ABSOLUTE_PATH)] | None = None
    obtain: str = ""
    unavailable: str | None = None


class _Chip(Struct, frozen=True):
    title: str
    frameworks: dict[str, _Framework]
    device_nodes: Annotated[str, Meta(pattern=r"^(?!.*\*\*)/dev(/\w[\w-]*)*/[\w*?\[][\w.*?\[\]-]*$")] | None = None


def overview() -> list[Table]:
    """Tables of suites, models, data and chips with the frameworks on each."""
    return [_suites(), _models(), _data(), _chips()]


def _suites() -> Table:
    table = Table("suite", "models", "launches", "description", title="Suites", title_justify="left")
    for name, suite in _read("suites", _Suite):
        models = ", ".join(
            f"{entry.model} {entry.preset}" + (f" on {entry.data}" if entry.data else "") for entry in suite.models
        )
        table.add_row(name, models, str(suite.launches), suite.description)
    return table


def _models() -> Table:
    table = Table("model", "preset", "grid", "description", title="Models", title_justify="left")
    for name, model in _read("models", _Model):
        for preset_name, preset in model.presets.items():
            table.add_row(name, preset_name, f"{preset.grid[0]}x{preset.grid[1]}", preset.description)
    return table


def _data() -> Table:
    table = Table("mapping", "kind", "description", title="Data", title_justify="left")
    for name, config in _read("data", _Data):
        table.add_row(name, config.kind, config.description)
    return table


def _chips() -> Table:
    table = Table("chip", *FRAMEWORKS, title="Chips, and what runs here", title_justify="left")
    for name, chip in _read("chips", _Chip):
        table.add_row(name, *(cannot_run(chip, framework) or "runs here" for framework in FRAMEWORKS))
    return table


def _read(kind: Kind, of: type[T]) -> list[tuple[str, T]]:
    """The files of a kind by name, as far as they are shown; UserError where one is not what it has to be."""
    return [(name, _shown(kind, path, of)) for name, path in files_of(kind).items()]


def _shown(kind: Kind, path: Path, of: type[T]) -> T:
    try:
        return msgspec.convert(build(path, root_node(path)), of)
    except msgspec.ValidationError:
        from harness.scenario import catalogue

        check: dict[str, Callable[[str], Any]] = {
            "suites": catalogue.suite,
            "models": catalogue.model,
            "data": catalogue.data,
            "chips": catalogue.chip,
        }
        whole: T = check[kind](str(path))
        return whole
