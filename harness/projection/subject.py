"""What is projected, and the chip that it is projected onto."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.data.config import ArchiveConfig, GeneratedConfig
from harness.models.domain import Domain
from harness.projection.ceilings import missing
from harness.projection.domains import domain_of, training_samples
from harness.projection.exchange import Link
from harness.projection.work import Work, prediction_work, step_work
from harness.scenario.chips import ChipConfig, Figure
from harness.scenario.execution import Execution
from harness.scenario.folders import ROOT
from harness.scenario.labels import label
from harness.scenario.schema import FrameworkName, Preset, Stage


@dataclass(frozen=True)
class Subject:
    """What is projected: a preset of a model on data, in a framework and an execution."""

    model: str
    preset_name: str
    package: ModuleType
    preset: Preset[Any]
    data_name: str
    data: GeneratedConfig | ArchiveConfig
    framework: FrameworkName
    execution: Execution
    samples: int | None = None

    @cached_property
    def domain(self) -> Domain:
        """Channels and grid."""
        return domain_of(self.data, self.preset.grid)

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.model} {self.preset_name}, data {self.data_name}, {self.framework} {label(self.execution)}"

    def step(self, stage: Stage, epoch: int) -> Work:
        """The work of a training step of a stage in an epoch, counted from 1 over the training."""
        return step_work(
            self.package,
            self.preset.network,
            self.domain,
            self.preset.training,
            self.execution,
            self.framework,
            rollout_steps=stage.rollout_steps,
            epoch=epoch,
        )

    def training_samples(self, stage: Stage) -> int | None:
        """How many samples an epoch has: as given, or as the data make them; None where their files say it."""
        if self.samples is not None:
            return self.samples
        return training_samples(self.data, self.package.input_spec(self.preset.network), stage.rollout_steps)

    def prediction(self) -> Work:
        """The work of an inference step."""
        size = self.preset.inference.batch_size
        return prediction_work(self.package, self.preset.network, self.domain, size, self.execution, self.framework)


@dataclass(frozen=True)
class Target:
    """The chip that is projected onto: `path` is its file, `place` its name among those that have records, or None.

    `link_of_ranks` measures the link of so many ranks on one node, where that is possible.
    """

    name: str
    path: Path
    chip: ChipConfig
    place: str | None
    link_of_ranks: Callable[[int], Link] | None = None

    @property
    def file(self) -> str:
        """The file in words, without folders that are of this machine."""
        return f"scenarios/chips/{self.path.name}" if self.path.parent == ROOT / "chips" else str(self.path)

    def place_of(self, name: str, figure: Figure | None) -> str:
        """That a figure is null, and where to fill it in."""
        return f"{self.file} gives no {next(missing({name: figure}))}: fill it in there"
