"""One chip or one model of `crosscast list`, by its name or its YAML file: what it says, checked whole."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from harness.errors import UserError
from harness.machine.availability import cannot_run
from harness.scenario import catalogue
from harness.scenario.catalogue import NamedPreset
from harness.scenario.changes import execution_of
from harness.scenario.chips import ChipConfig
from harness.scenario.execution import every_setting
from harness.scenario.networks import check_settings
from harness.scenario.set_values import (
    EXECUTION,
    OF_A_PRESET,
    Setting,
    content_of,
    execution_change,
    read_settings,
    said,
    values_of,
)


def chip_table(name: str) -> Table:
    """What the file of a chip says of each framework, and whether that can run here.

    Raises UserError where there is no such chip, or its file does not fit.
    """
    chip = catalogue.chip(name)
    table = Table("framework", "device", "here", "how to get it", title=_chip_title(name, chip), title_justify="left")
    for framework, entry in chip.frameworks.items():
        table.add_row(framework, entry.device or "", cannot_run(chip, framework) or "runs here", entry.obtain)
    return table


def preset_tables(name: str, settings: Sequence[str]) -> list[Table]:
    """The presets of a model, and every value that `--set` can change, with those that `settings` change.

    Raises UserError where there is no such model, its file does not fit, or a setting fits none of its presets.
    """
    read = read_settings(settings)
    model = catalogue.model(name)
    title = f"Model {Path(name).stem}: {model.title}"
    presets = Table("preset", "grid", "description", title=title, title_justify="left")
    columns: dict[str, dict[str, str]] = {}
    refused: list[UserError] = []
    for preset_name, preset in model.presets.items():
        presets.add_row(preset_name, f"{preset.grid[0]}x{preset.grid[1]}", preset.description)
        found = NamedPreset(Path(name).stem, preset_name, model, preset)
        before = after = _values(found, ())
        try:
            after = _values(found, read)
        except UserError as error:
            refused.append(error)
        columns[preset_name] = {path: _shown(value, before[path]) for path, value in after.items()}
    if len(refused) == len(columns):
        raise refused[0]
    values = Table("path", *columns, title="Values, for --set PATH=VALUE", title_justify="left")
    for path in _merged(columns.values()):
        values.add_row(path, *(column.get(path, "") for column in columns.values()))
    return [presets, values]


def _merged(columns: Iterable[Iterable[str]]) -> list[str]:
    """The paths of all columns, each once; one that the first lacks stands after that before it in its own column."""
    found: list[str] = []
    for column in columns:
        place = 0
        for path in column:
            if path not in found:
                found.insert(place, path)
            place = found.index(path) + 1
    return found


def _chip_title(name: str, chip: ChipConfig) -> str:
    return f"Chip {Path(name).stem}: {chip.title}; run with this harness: {chip.verified}"


def _values(found: NamedPreset, settings: Sequence[Setting]) -> dict[str, Any]:
    preset = check_settings(found, settings).preset
    values = {
        path: value for group in OF_A_PRESET for path, value in values_of(group, content_of(getattr(preset, group)))
    }
    return values | {
        f"{EXECUTION}.{path}": value for path, value in every_setting(execution_of(execution_change(settings)))
    }


def _shown(value: Any, before: Any) -> str:
    return said(value) if value == before else f"{said(value)} (in the file: {said(before)})"
