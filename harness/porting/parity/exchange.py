"""What passes between the parent and the children, as files in one folder."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harness.files import write_atomically
from harness.frozen import Frozen, PositiveInt
from harness.porting.parity.quantities import Array, ComparedArray
from harness.scenario.execution import Autocast, Execution
from harness.scenario.labels import as_name, label
from harness.scenario.scenario import Scenario

FILE_NAME = "plan.json"


class Trial(Frozen):
    """A port with weights and batches drawn from a seed; `port` None is the harness's own."""

    seed: int
    port: str | None = None


class ParityPlan(Frozen):
    """What the children do. `scenario` is that of the port; the reference takes its data and network from it.

    The yardstick is what PyTorch is off in the same `autocast`.
    """

    scenario: Scenario
    trials: tuple[Trial, ...]
    batch_size: PositiveInt
    steps: PositiveInt
    autocast: Autocast = "none"

    @property
    def seeds(self) -> tuple[int, ...]:
        """Every seed once."""
        return tuple(dict.fromkeys(trial.seed for trial in self.trials))

    def write(self, folder: Path) -> None:
        """Write plan.json."""
        write_atomically(folder / FILE_NAME, self.model_dump_json())

    @staticmethod
    def read(folder: Path) -> "ParityPlan":
        """Read plan.json."""
        return ParityPlan.model_validate(json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))


def answer_path(folder: Path, execution: Execution, trial: int) -> Path:
    """The file with the answer of a port, run in an execution, to a trial of the plan, counted from 0."""
    return folder / f"{as_name(label(execution))}-{trial}.json"


class ModuleCall(Frozen):
    """The first call of a module: its name and class and the shapes of its outputs.

    `parameters` are those that lie in it and in no module inside it that is called too.
    """

    name: str
    kind: str
    outputs: tuple[tuple[int, ...], ...]
    parameters: tuple[str, ...]


class Described(Frozen):
    """What ran: the framework, its device, how it executed, and a digest of the sources of the network."""

    framework: str
    version: str
    device: str
    device_name: str
    execution: str
    sources: str


class Reference(Frozen):
    """What the reference found with one seed: its calls in the order in which they ended, and the yardstick.

    `yardstick` is the largest deviation from the truth of float32 PyTorch's variations, by quantity.
    """

    described: Described
    architecture_fingerprint: str
    calls: tuple[ModuleCall, ...]
    yardstick: dict[str, float]

    def write(self, folder: Path, seed: int) -> None:
        """Write what was found with a seed."""
        write_atomically(folder / f"reference-{seed}.json", self.model_dump_json())

    @staticmethod
    def read(folder: Path, seed: int) -> "Reference":
        """Read what was found with a seed."""
        return Reference.model_validate_json((folder / f"reference-{seed}.json").read_bytes())


class Answer(Frozen):
    """What a port found in one trial; `reason` says why it came to no end.

    `deviations` is by quantity; `only_here` and `only_in_reference` are modules without a counterpart. A deviation that
    is infinite is written as None.
    """

    described: Described | None = None
    deviations: dict[str, float | None] = Field(default_factory=dict)
    only_here: tuple[str, ...] = ()
    only_in_reference: tuple[str, ...] = ()
    reason: str | None = None


def write_arrays(path: Path, arrays: Mapping[ComparedArray, Array]) -> None:
    """Arrays by quantity."""
    np.savez(path, **{quantity.key: values for quantity, values in arrays.items()})


def read_arrays(path: Path) -> dict[ComparedArray, NDArray[np.float64]]:
    """Arrays by quantity."""
    with np.load(path) as stored:
        return {ComparedArray.of_key(key): stored[key] for key in stored}
