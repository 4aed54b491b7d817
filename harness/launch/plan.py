"""Which launches a bench makes, in which order, and what a worker is told."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from pydantic import Field

from harness.files import write_atomically
from harness.frozen import Frozen
from harness.results import file_names
from harness.scenario.chips import ChipConfig
from harness.scenario.scenario import Scenario

FILE_NAME = file_names.LAUNCH
WORKER = "harness.worker"
"""The module that a rank of a launch runs."""


class PowerPlan(Frozen):
    """What the worker does for the sake of energy; nothing where there is no sensor.

    `idle_s` seconds at rest before and after the work, `min_window_s` the shortest phase whose energy can be told.
    """

    idle_s: float = 0.0
    min_window_s: float = 0.0


class Owner(Frozen):
    """A process, so that another can tell whether it still runs.

    `machine` stands for the host, its boot and the numbering of its processes; `started` for the process's start.
    """

    machine: str
    pid: int
    started: str | None


class LaunchPlan(Frozen):
    """One launch to make, with all that its node must know; written to its folder for the worker."""

    scenario: Scenario
    chip: ChipConfig
    launch: int
    order: int
    bench: str
    attempt: str
    power: PowerPlan = PowerPlan()
    weights_file: str | None = Field(default=None, description="safetensors with the weights that it starts from")
    progress_fd: int = -1
    progress_path: str | None = Field(default=None, description="named pipe in the place of progress_fd")
    profile: bool = Field(default=False, description="made under a profiler, for its trace and for no table")
    owner: Owner | None = Field(default=None, description="the process that makes the launch")

    @property
    def seed(self) -> int:
        """Seed of the initial weights and the order of the samples."""
        return self.scenario.seed + self.launch

    @property
    def ranks(self) -> int:
        """Processes that make the launch together."""
        return self.scenario.execution.world.devices

    @property
    def nodes(self) -> int:
        """Nodes that make the launch together, each with as many ranks."""
        return self.scenario.execution.world.nodes

    @property
    def ranks_of_node(self) -> int:
        """Processes on each node."""
        return self.ranks // self.nodes

    @property
    def runs_on_host(self) -> bool:
        """Whether the device is the CPU."""
        return self.scenario.device.lower() == "cpu"

    @property
    def device_count(self) -> int:
        """Devices of the chip that the launch uses on each node; the ranks on a CPU have one together."""
        return 1 if self.runs_on_host else self.ranks_of_node

    @property
    def python(self) -> str | None:
        """The Python that the chip's file names for the framework; None: that of the bench."""
        entry = self.chip.frameworks.get(self.scenario.framework)
        return None if entry is None else entry.python

    @property
    def needs(self) -> Mapping[str, str]:
        """Bounds of the versions of the framework's packages."""
        entry = self.chip.frameworks.get(self.scenario.framework)
        return {} if entry is None else entry.needs

    @property
    def devices(self) -> set[str]:
        """What frameworks call the chip, so that chip files of other names for the same device take turns."""
        return {entry.device for entry in self.chip.frameworks.values() if entry.device}

    def folder(self, results: Path) -> Path:
        """Where the launch leaves its files; the attempt keeps it apart from any other on any machine."""
        return results / self.scenario.suite / self.scenario.cell / f"{self.launch:02d}-{self.attempt}"

    def write(self, folder: Path) -> None:
        """Write launch.json."""
        write_atomically(folder / FILE_NAME, self.model_dump_json())

    @staticmethod
    def read(folder: Path) -> "LaunchPlan":
        """Read launch.json."""
        return LaunchPlan.model_validate(json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))


def interleave(
    cells: Sequence[Scenario],
    chip: ChipConfig,
    launches: int,
    bench: str,
    weights_file: str | None = None,
    *,
    profile: bool = False,
) -> list[LaunchPlan]:
    """All launches of all cells, A B B A ..., so that a drift of the machine falls on all cells alike."""
    pairs = [
        (cell, launch) for launch in range(launches) for cell in (cells if launch % 2 == 0 else tuple(reversed(cells)))
    ]
    return [
        LaunchPlan(
            scenario=cell,
            chip=chip,
            launch=launch,
            order=order,
            bench=bench,
            attempt=uuid4().hex[:8],
            weights_file=weights_file,
            profile=profile,
        )
        for order, (cell, launch) in enumerate(pairs)
    ]
