"""A preset's network on data: its hyperparameters, with what the mapping of the data changes of them."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from harness.architectures import architecture
from harness.data.config import ArchiveConfig
from harness.errors import UserError
from harness.mistakes import in_words
from harness.scenario.catalogue import NamedPreset
from harness.scenario.set_values import OF_A_PRESET, Setting, changed


def network_on(
    found: NamedPreset, data: Any, data_name: str, grid: tuple[int, int], settings: Sequence[Setting] = ()
) -> dict[str, Any]:
    """A preset's hyperparameters, with what the mapping of its data and then the settings change.

    Raises UserError where they do not fit.
    """
    package = architecture(found.config.architecture)
    overrides = data.model_overrides.get(found.config.architecture, {}) if isinstance(data, ArchiveConfig) else {}
    try:
        network = package.Network.model_validate({**found.preset.network.model_dump(), **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        where = f"data {data_name!r}: model_overrides.{found.config.architecture}.{field}"
        raise UserError(f"{where}: {in_words(first)}") from None
    network = changed("network", network, settings, f"{found.model} {found.name}")
    try:
        package.check_grid(network, grid)
    except UserError as error:
        even = _even_grid(package, network, data, grid)
        raise UserError(f"{found.model} {found.name} on data {data_name!r}: {error}{even}") from None
    content: dict[str, Any] = network.model_dump(mode="json")
    return content


def _even_grid(package: ModuleType, network: Any, data: Any, grid: tuple[int, int]) -> str:
    """What a mapping may say of an archive with an odd number of rows or columns, where the network then fits."""
    rows, columns = (size - size % 2 for size in grid)
    if (rows, columns) == grid or not isinstance(data, ArchiveConfig) or data.even_grid:
        return ""
    try:
        package.check_grid(network, (rows, columns))
    except UserError:
        return ""
    return f"; or `even_grid: true` in the mapping, which leaves one out: {rows}x{columns}"


def check_settings(found: NamedPreset, settings: Sequence[Setting]) -> NamedPreset:
    """A preset with the values of the settings in its training, inference and network, whatever its data.

    Raises UserError where one does not fit.
    """
    preset, title = found.preset, f"{found.model} {found.name}"
    parts = {name: changed(name, getattr(preset, name), settings, title) for name in OF_A_PRESET}
    return found._replace(preset=preset.model_copy(update=parts))
