"""The names and shapes that a model's preset has, without its data being opened."""

from pathlib import Path
from typing import Any

from harness.data.config import Channel, DataConfig
from harness.frozen import Frozen
from harness.models import architecture
from harness.models.domain import Domain, plain_channels
from harness.porting.convert.tensors import Shape
from harness.scenario import catalogue
from harness.scenario.networks import network_on

SUITE = "smoke"
DATA = "rossby"


class Expected(Frozen):
    """The network that weights are for: its architecture with hyperparameters on data and a grid; `title` names it."""

    title: str
    architecture: str
    network: dict[str, Any]
    data: DataConfig
    grid: tuple[int, int]


def expected_network(model: str, preset: str, data: str | None) -> Expected:
    """The network of a model's preset.

    `data` is a mapping of scenarios/data, which has the channels; default: the model's data in the suites. Raises
    UserError where there is no such model, preset or mapping, or they do not fit together.
    """
    found = catalogue.preset(model, preset)
    name = data or _data_of(found.model)
    config: Any = catalogue.data(name)
    network = network_on(found, config, name, found.preset.grid)
    return Expected(
        title=f"{found.model} {found.name}",
        architecture=found.config.architecture,
        network=network,
        data=config,
        grid=found.preset.grid,
    )


def shapes_of(expected: Expected) -> dict[str, Shape]:
    """Every parameter's shape by name."""
    import numpy as np

    package, config = architecture(expected.architecture), expected.data
    network = package.Network.model_validate(expected.network)
    rows, columns = expected.grid
    channels = [each.name if isinstance(each, Channel) else each for each in config.channels]
    domain = Domain(
        channels=plain_channels(channels),
        latitude=np.linspace(90, -90, rows),
        longitude=np.linspace(0, 360, columns, endpoint=False),
        mask=np.broadcast_to(np.True_, (len(channels), rows, columns)),
        residual_scale=np.ones(len(channels), np.float32),
        forcings=tuple(map(str, config.forcings)),
        statics=tuple(map(str, config.statics)),
    )
    return {parameter.name: parameter.shape for parameter in package.parameters(network, domain)}


def _data_of(model: str) -> str:
    suite = catalogue.suite(SUITE)
    return next((each.data or suite.data for each in suite.models if Path(each.model).stem == model), DATA)
