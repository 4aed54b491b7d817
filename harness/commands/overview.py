"""What there is to run and what can run here, for `crosscast list`."""

from rich.table import Table

from harness.machine.availability import cannot_run
from harness.scenario import catalogue
from harness.scenario.schema import FrameworkName

FRAMEWORKS: tuple[FrameworkName, ...] = ("pytorch", "mindspore")


def overview() -> list[Table]:
    """Tables of suites, models, data and chips with the frameworks on each."""
    return [_suites(), _models(), _data(), _chips()]


def _suites() -> Table:
    table = Table("suite", "models", "launches", "description", title="Suites", title_justify="left")
    for name in catalogue.names("suites"):
        suite = catalogue.suite(name)
        models = ", ".join(
            f"{entry.model} {entry.preset}" + (f" on {entry.data}" if entry.data else "") for entry in suite.models
        )
        table.add_row(name, models, str(suite.launches), suite.description)
    return table


def _models() -> Table:
    table = Table("model", "preset", "grid", "description", title="Models", title_justify="left")
    for name in catalogue.names("models"):
        for preset_name, preset in catalogue.model(name).presets.items():
            table.add_row(name, preset_name, f"{preset.grid[0]}x{preset.grid[1]}", preset.description)
    return table


def _data() -> Table:
    table = Table("mapping", "kind", "description", title="Data", title_justify="left")
    for name in catalogue.names("data"):
        config = catalogue.data(name)
        table.add_row(name, config.kind, config.description)
    return table


def _chips() -> Table:
    table = Table("chip", *FRAMEWORKS, title="Chips, and what runs here", title_justify="left")
    for name in catalogue.names("chips"):
        chip = catalogue.chip(name)
        table.add_row(name, *(cannot_run(chip, framework) or "runs here" for framework in FRAMEWORKS))
    return table
