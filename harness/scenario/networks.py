"""A preset's network on data: its hyperparameters, with what the mapping of the data changes of them."""

from typing import Any

from pydantic import ValidationError

from harness.architectures import architecture
from harness.data.config import ArchiveConfig
from harness.errors import UserError
from harness.scenario.catalogue import NamedPreset


def network_on(found: NamedPreset, data: Any, data_name: str, grid: tuple[int, int]) -> dict[str, Any]:
    """A preset's hyperparameters, with what the mapping of its data changes; UserError where they do not fit."""
    package = architecture(found.config.architecture)
    overrides = data.model_overrides.get(found.config.architecture, {}) if isinstance(data, ArchiveConfig) else {}
    try:
        network = package.Network.model_validate({**found.preset.network.model_dump(), **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        where = f"data {data_name!r}: model_overrides.{found.config.architecture}.{field}"
        raise UserError(f"{where}: {first['msg']}") from None
    try:
        package.check_grid(network, grid)
    except UserError as error:
        raise UserError(f"{found.model} {found.name} on data {data_name!r}: {error}") from None
    settings: dict[str, Any] = network.model_dump(mode="json")
    return settings
