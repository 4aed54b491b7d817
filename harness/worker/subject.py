"""What a scenario names, made ready: its data, its network and the weights that the network starts from."""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.models import architecture
from harness.models.domain import Domain
from harness.models.parameters import draw
from harness.models.parameters import fingerprint as fingerprint_of
from harness.scenario.scenario import Scenario

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.data.source import Source
    from harness.data.windows import Windows


@dataclass(frozen=True, eq=False)
class Subject:
    """A network of an architecture and the windows that it is trained and scored on, without any framework."""

    package: ModuleType
    network: Any
    windows: "Windows"
    data_fingerprint: str

    @property
    def domain(self) -> Domain:
        """What the network must know of the data."""
        return self.windows.domain

    @cached_property
    def description(self) -> dict[str, Any]:
        """What makes two networks the same one, as the architecture describes it."""
        described: dict[str, Any] = self.package.describe(self.network, self.domain)
        return described

    @property
    def architecture_fingerprint(self) -> str:
        """SHA-256 (hex) of the description."""
        return hashlib.sha256(json.dumps(self.description, sort_keys=True).encode()).hexdigest()

    def initial_weights(self, seed: int) -> "dict[str, NDArray[np.float32]]":
        """Every parameter by name, the same in every framework."""
        return draw(self.package.parameters(self.network, self.domain), seed)

    def weights_of(self, path: Path, fingerprint: str) -> "dict[str, NDArray[np.float32]]":
        """Every parameter by name from a safetensors file that a bench prepared.

        Raises UserError where the file has not the weights of that fingerprint, or they are not this network's.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            weights: dict[str, NDArray[np.float32]] = load_file(path)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path}: the weights to start from cannot be read: {error}") from None
        if fingerprint_of(weights) != fingerprint:
            raise UserError(f"{path}: the weights to start from were changed while the bench ran; run it again")
        expected = {each.name: each.shape for each in self.package.parameters(self.network, self.domain)}
        found = {name: values.shape for name, values in weights.items()}
        for name in expected.keys() | found.keys():
            if expected.get(name) != found.get(name):
                raise UserError(
                    f"the weights to start from are not this network's: {name} has shape "
                    f"{found.get(name, 'none')} in the file and {expected.get(name, 'none')} here"
                )
        return weights

    def training_extras(
        self, batch_size: int, epoch: int, random: "np.random.Generator"
    ) -> "Sequence[NDArray[np.int32]]":
        """What the network takes beside x in a training step of an epoch, counted from 1."""
        extras: Sequence[NDArray[np.int32]] = self.package.training_extras(
            self.network, self.domain, batch_size, epoch, random
        )
        return extras


def prepare(scenario: Scenario) -> Subject:
    """Open the data of a scenario, compute what normalises them, and check its network.

    Raises UserError where the data cannot be used, or are not those that the scenario is of.
    """
    from harness.data.config import ArchiveConfig
    from harness.data.kept_passes import KEEP_NOTHING, KeptPasses
    from harness.data.windows import Windows

    source = _opened(scenario)
    if scenario.data_digest not in (None, source.fingerprint):
        raise UserError(
            f"{scenario.data_root}: the data are not those that were read when this began: they were changed since, or "
            f"the xarray of {sys.executable} reads them otherwise; run it again"
        )
    package = architecture(scenario.architecture)
    network = package.Network.model_validate(scenario.network)
    kept = KeptPasses(source.fingerprint) if isinstance(scenario.data, ArchiveConfig) else KEEP_NOTHING
    windows = Windows(source, scenario.data.splits, package.input_spec(network), kept)
    windows.normalise(source.read([0]))
    return Subject(package, network, windows, source.fingerprint)


def require_same_data(scenario: Scenario, subject: Subject) -> None:
    """Raise UserError where the data of a subject were changed since it was prepared.

    Some of its batches may have been of the data before, and some of those after. Files that were written again with
    the values that they had are read whole to find that out.
    """
    from harness.data.source import OfFiles

    source, found = subject.windows.source, ""
    if not isinstance(source, OfFiles):
        return
    try:
        if not source.is_touched() or _opened(scenario).fingerprint == source.fingerprint:
            return
    except UserError as error:
        found = f" ({error})"
    raise UserError(
        f"{scenario.data_root}: the data were changed while this launch read them, so that it is of no one set of "
        f"data{found}: run it again once nothing writes there"
    )


def _opened(scenario: Scenario) -> "Source":
    from harness.data.locations import location
    from harness.data.opening import open_source

    path = None if scenario.data_root is None else location(scenario.data_root)
    return open_source(scenario.data, path=path, grid=scenario.grid)
