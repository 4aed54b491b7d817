"""What records of a results folder tell of steps: their work, time, memory and power, for efficiencies to be fitted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from harness.analysis.cells import Cell, Results
from harness.errors import UserError
from harness.models import architecture
from harness.models.domain import Domain
from harness.models.executing import runs_in_tiles
from harness.models.memory import step_memory
from harness.projection.ceilings import Ceilings
from harness.projection.domains import domain_of
from harness.projection.measured_steps import MeasuredSteps, epochs_by_hidden_part, inference_s, training_steps
from harness.projection.power import PowerSample
from harness.projection.roofline import Sample, formats_of
from harness.projection.work import Work, prediction_work, step_work
from harness.scenario.execution import Mode
from harness.scenario.schema import FrameworkName

TRAINING, INFERENCE = "training step", "inference step"


class MeasuredChip(NamedTuple):
    """A chip that has records: the variant that its device is, or None, and its ceilings."""

    variant: str | None
    ceilings: Ceilings


ChipOf = Callable[[str, str, str], MeasuredChip]
"""The chip of a record, by the name of its file, the name that the framework gives the device, and its host.

Raises UserError where it is not known what that chip can do at the most.
"""


class Place(NamedTuple):
    """Where steps were measured: the chip by the name of its file and by its variant, and the host."""

    file: str
    variant: str | None
    host: str

    @property
    def name(self) -> str:
        """In words, by which samples of this place are found."""
        return f"{self.variant or self.file} {self.host}"


@dataclass(frozen=True)
class MemorySample:
    """The peak memory of a launch and what was counted for its training step, in bytes.

    `process` says whether the peak is that of a whole process, libraries included, or of what a device was given.
    """

    name: str
    process: bool
    counted: int
    measured: int


@dataclass(frozen=True)
class Evidence:
    """All that records of one framework and mode tell; `unused` says of others why they tell nothing."""

    places: tuple[Place, ...]
    steps: tuple[Sample, ...]
    memory: tuple[MemorySample, ...]
    power: tuple[PowerSample, ...]
    unused: tuple[str, ...]


def evidence_of(found: Results, framework: FrameworkName, mode: Mode, chip_of: ChipOf) -> Evidence:
    """What the records of a framework that runs in a mode tell."""
    places: list[Place] = []
    samples: list[Sample] = []
    memory: list[MemorySample] = []
    power: list[PowerSample] = []
    unused: list[str] = []
    for cell in found.cells:
        scenario = cell.scenario
        if (scenario.framework, scenario.execution.compilation.mode) != (framework, mode) or not cell.launches:
            continue
        try:
            told = _Told(cell, chip_of)
            of_cell = tuple(told.steps())
            memory += told.memory()
            power += told.power(of_cell)
        except UserError as error:
            unused.append(f"{cell.key}: {error}")
            continue
        unused += (f"{cell.key}: {reason}" for reason in told.unused)
        if of_cell:
            places.append(told.place)
            samples += of_cell
    return Evidence(
        tuple(dict.fromkeys(places)), tuple(samples), tuple(memory), tuple(power), tuple(dict.fromkeys(unused))
    )


class _Told:
    """What the launches of a cell tell; `unused` says what could not be used of them.

    Raises UserError for a cell that tells nothing.
    """

    def __init__(self, cell: Cell, chip_of: ChipOf) -> None:
        self.cell, self.scenario, self.unused = cell, cell.scenario, list[str]()
        devices = self.scenario.execution.world.devices
        if devices > 1:
            raise UserError(
                f"ran on {devices} devices: projections rest on records of one device, whose steps send nothing"
            )
        if self.scenario.port is not None:
            raise UserError(f"ran the port {self.scenario.port.name}: what its operators do is not counted")
        device = cell.launches[0].summary.framework
        chip = chip_of(self.scenario.chip, device.device_name if device else "", cell.launches[0].environment.host)
        self.ceilings = chip.ceilings
        self.place = Place(self.scenario.chip, chip.variant, cell.host)
        self.package = architecture(self.scenario.architecture)
        try:
            self.network: Any = self.package.Network.model_validate(self.scenario.network)
        except ValidationError:
            raise UserError(f"its network is none that {self.scenario.architecture} knows") from None
        self.domain: Domain = domain_of(self.scenario.data, self.scenario.grid)
        self.name = f"{self.scenario.model} {self.scenario.preset}"

    def steps(self) -> Iterator[Sample]:
        """The steps of every stage, and of inference."""
        for measured in self._training_steps():
            yield from self._sample(TRAINING, self._step_work(measured), measured.seconds, measured)
        if (seconds := inference_s(self.cell.launches)) is not None:
            yield from self._sample(INFERENCE, self._prediction_work(), seconds)

    def _training_steps(self) -> tuple[MeasuredSteps, ...]:
        if self.scenario.execution.loading.sink:
            self.unused.append("training step: with loading.sink its time holds that of the data")
            return ()
        try:
            return tuple(training_steps(self.cell.launches, self.network, self.scenario.training.trained_stages))
        except UserError as error:
            self.unused.append(str(error))
            return ()

    def _sample(
        self, activity: str, work: Work, seconds: float, measured: MeasuredSteps | None = None
    ) -> Iterator[Sample]:
        if lacking := sorted(formats_of(work) - self.ceilings.peak.keys()):
            figures = " and no ".join(f"peak_tflops.{name}" for name in lacking)
            self.unused.append(f"{activity}: the file of {self.scenario.chip} gives no {figures}")
            return
        yield Sample(
            name=self.name,
            activity=activity,
            chip=self.place.name,
            work=work,
            ceilings=self.ceilings,
            seconds=seconds,
            stage=measured.stage.name if measured else "",
            is_whole_stage=measured is None or measured.is_whole_stage,
        )

    def _step_work(self, measured: MeasuredSteps) -> Work:
        return step_work(
            self.package,
            self.network,
            self.domain,
            self.scenario.training,
            self.scenario.execution,
            self.scenario.framework,
            rollout_steps=measured.stage.rollout_steps,
            epoch=measured.epoch,
        )

    def _prediction_work(self) -> Work:
        return prediction_work(
            self.package,
            self.network,
            self.domain,
            self.scenario.inference.batch_size,
            self.scenario.execution,
            self.scenario.framework,
        )

    def memory(self) -> Iterator[MemorySample]:
        """The peak of the first launch, where it trained and what its step keeps is counted."""
        memory, training = self.cell.launches[0].measurements.memory, self.scenario.training
        if memory is None or not training.epochs:
            return
        if 0.0 not in epochs_by_hidden_part(self.network, 1, training.epochs):
            self.unused.append("memory: every epoch hides some of the tokens, and what is counted holds all of them")
            return
        execution = self.scenario.execution
        tiled = runs_in_tiles(self.package, execution, self.scenario.framework, self.scenario.device)
        counted = step_memory(self.package, self.network, self.domain, training, execution, tiled=tiled)
        process = memory.device_bytes is None
        measured = memory.process_rss_bytes if process else memory.device_bytes
        if counted is not None and measured is not None:
            yield MemorySample(self.name, process, counted.total, measured)

    def power(self, samples: tuple[Sample, ...]) -> Iterator[PowerSample]:
        """The power of every stage and of inference above that at rest, where both stand in the record."""
        for launch in self.cell.launches:
            idle = launch.energy.idle
            if idle is None or idle.power_w is None:
                continue
            for use in launch.summary.energy_uses:
                sample = _sample_of(use.activity, samples)
                if sample is None or not use.mean_power_w or not use.step_energy_j:
                    continue
                seconds = use.step_energy_j / use.mean_power_w
                if not sample.is_whole_stage:
                    self.unused.append(f"power of stage {sample.stage}: some of its epochs hide more of the tokens")
                elif (found := PowerSample.of(sample, use.mean_power_w, idle.power_w, seconds)) is not None:
                    yield found
                else:
                    self.unused.append(
                        f"power: the file of {self.scenario.chip} gives no power_cap_w above what was measured at rest"
                    )


def _sample_of(activity: str, samples: tuple[Sample, ...]) -> Sample | None:
    """The steps whose energy was measured, of inference or of one stage; None of the training as a whole."""
    kind, _, stage = activity.partition(" ")
    wanted = {"inference": INFERENCE, "training": TRAINING}.get(kind)
    return next((each for each in samples if (each.activity, each.stage) == (wanted, stage)), None)
