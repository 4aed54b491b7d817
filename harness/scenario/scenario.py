"""The cells of a bench as values: what is compared, all that defines it, what cannot run, and what a user selects."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeInt

from harness.data.config import DataConfig
from harness.frozen import Frozen
from harness.scenario import identity
from harness.scenario.execution import Execution, StoredExecution
from harness.scenario.schema import Design, FrameworkName, InferenceConfig, TrainingConfig
from harness.scenario.set_values import in_words

NOT_MEASURED = frozenset({"suite", "variant", "idle_s", "time_limit_s", "data_root", "set_values", "files"})
"""Fields of a scenario that change no measurement, and so are no part of its identity."""


class PlannedCell(Frozen):
    """What is compared: a model in a framework, run in a way, on a chip and on data."""

    model: str
    preset: str
    framework: FrameworkName
    execution: Execution
    chip: str
    data_name: str


class StartingWeights(Frozen):
    """The weights of a file that every launch of a cell starts from.

    `fingerprint` is that of harness.models.parameters; the name of the file, which holds no folder, changes no cell.
    """

    fingerprint: str
    file: str
    names: str | None = Field(default=None, description="names of scenarios/weights that the file has; default: ours")


class OwnPort(Frozen):
    """A network of a lab's own that runs in the place of the harness's."""

    name: str = Field(description="module[:name]")
    source: str = Field(description="SHA-256 (hex) of the module's file")


class Variant(Frozen):
    """The place of a cell among those that a suite makes of one model by axes or as the steps of a ladder."""

    design: Design
    position: NonNegativeInt = Field(description="in the order of the suite; 0: what the others are compared with")
    name: str = Field(description="the setting or the step, in words")


class Scenario(PlannedCell):
    """Everything that defines a cell but the seed of a launch."""

    suite: str
    architecture: str
    device: str
    data: DataConfig
    data_root: str | None
    data_digest: str | None = Field(description="fingerprint of the archive; None for generated data")
    grid: tuple[int, int]
    channels: tuple[str, ...]
    network: dict[str, Any]
    training: TrainingConfig
    inference: InferenceConfig
    seed: int
    idle_s: float = 0.0
    time_limit_s: float
    weights: StartingWeights | None = Field(default=None, description="None: drawn from the seed of the launch")
    variant: Variant | None = Field(default=None, description="None in a suite without axes and ladder")
    port: OwnPort | None = Field(default=None, description="None: the network is the harness's")
    set_values: dict[str, Any] = Field(
        default_factory=dict, description="values of the command line in this scenario, by path: training.batch_size"
    )
    files: dict[str, str] = Field(
        default_factory=dict, description="YAML files that stand beside scenarios/: of the chip or model"
    )

    @property
    def own_words(self) -> str:
        """What was set of it on the command line and the port of its own, as labels say them; empty without both."""
        stages = [stage.name for stage in self.training.stages]
        port = f"port {self.port.name}" if self.port else ""
        return ", ".join(filter(None, (in_words(self.set_values, stages), port)))

    @property
    def whole_batch_size(self) -> int:
        """Samples of a training step over all devices; `training.batch_size` is that of each."""
        return self.training.batch_size * self.execution.world.devices

    @property
    def cell(self) -> str:
        """A readable name that no other cell shares: whatever changes a measurement changes the digest at its end.

        The same for equal settings in any suite, in records of any age, and whatever fields are added later.
        """
        apart = {"execution", "network", "weights"}
        content = identity.away(self, without=NOT_MEASURED | apart)
        content["execution"] = identity.away(self.execution)
        content["network"] = identity.away_of_network(self.architecture, self.network)
        if self.weights is not None:
            content["weights"] = self.weights.fingerprint
        how = f"{self.framework}-{self.execution.compilation.mode}"
        return f"{self.model}-{self.preset}.{how}.{self.chip}.{self.data_name}.{identity.digest(content)}"


class Absent(PlannedCell):
    """A cell that cannot exist or cannot run here, and why; the execution of one that an old bench noted is a word."""

    execution: StoredExecution
    reason: str


@dataclass(frozen=True)
class Selection:
    """What the options of `crosscast bench` select from a suite."""

    chip: str = "cpu"
    suite: str = "smoke"
    model: str | None = None
    framework: str | None = None
    preset: str | None = None
    data: Path | str | None = None
    mapping: str | None = None
    repeats: int | None = None
    weights: Path | None = None
    devices: tuple[int, ...] = ()
    settings: tuple[str, ...] = ()
    port: str | None = None
    nodes: int | None = None

    @property
    def gives_data(self) -> bool:
        """Whether all models run on data of the selection instead of those that the suite names."""
        return self.data is not None or self.mapping is not None
