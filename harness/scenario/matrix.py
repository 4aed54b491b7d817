"""A suite on a chip, expanded into cells: from values alone, without a device, an archive or an installed package."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError

from harness.data.config import DataConfig
from harness.errors import UserError
from harness.scenario import axes
from harness.scenario.changes import execution_of, laid_over
from harness.scenario.chips import ChipConfig
from harness.scenario.execution import Execution, World
from harness.scenario.limits import FIRST_COMPILE_S
from harness.scenario.regions import Region
from harness.scenario.scenario import Absent, OwnPort, Scenario, Variant
from harness.scenario.schema import FrameworkName, InferenceConfig, Scaling, SuiteConfig, SuiteModel, TrainingConfig
from harness.scenario.set_values import OF_A_PRESET, Setting, changed, value_at

Supports = Callable[[FrameworkName, str, Execution, str], str | None]
"""Why a framework cannot run an execution on a device with an architecture, None where it can."""


@dataclass(frozen=True)
class ModelOnData:
    """A model's preset on data: what is run in every framework and execution of a suite.

    `network` has all hyperparameters on this data; `data_digest` is the fingerprint of an archive, None for generated
    data, and `grid` and `channels` are the archive's or else those of the preset and of the data's mapping. `settings`
    hold values in the place of the preset's and of the suite's bounds; `files` are those of YAML files beside
    scenarios/, by what they are of. `regions` are those that the inference names.
    """

    entry: SuiteModel
    model: str
    preset: str
    architecture: str
    network: dict[str, Any]
    training: TrainingConfig
    inference: InferenceConfig
    data_name: str
    data: DataConfig
    data_root: str | None
    data_digest: str | None
    grid: tuple[int, int]
    channels: tuple[str, ...]
    settings: tuple[Setting, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    regions: Mapping[str, Region] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Model and preset."""
        return f"{self.model} {self.preset}"

    def bounded(self, inference: InferenceConfig) -> tuple[Region, ...]:
        """The regions of an inference, those with a name alone as they are known."""
        return tuple(self.regions[each] if isinstance(each, str) else each for each in inference.regions)

    def set_values(self, training: TrainingConfig, inference: InferenceConfig) -> dict[str, Any]:
        """What the settings have set, by path, as it stands in the cell."""
        content = {
            "training": training.model_dump(mode="json"),
            "inference": inference.model_dump(mode="json"),
            "network": self.network,
        }
        return {each.path: value_at(content[each.group], each) for each in self.settings if each.group in OF_A_PRESET}


@dataclass(frozen=True)
class Expansion:
    """The cells of a suite in its order, those that cannot run, and a line for each execution that cannot be."""

    cells: tuple[Scenario, ...]
    absent: tuple[Absent, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """The cells of a bench in the order of the suite, and how often each is launched.

    `remarks` say what was done to the values of archives and what their files leave open, each once.
    """

    suite: str
    launches: int
    cells: tuple[Scenario, ...]
    absent: tuple[Absent, ...]
    remarks: tuple[str, ...] = ()


class NotDivided(UserError):
    """Devices cannot be divided evenly among nodes."""


class Way(NamedTuple):
    """A framework, an execution in it, its place in a design of several, and what of batches is divided among devices.

    With `divided` the batch of a preset is that of all devices together, else that of each.
    """

    framework: FrameworkName
    execution: Execution
    variant: Variant | None
    divided: bool = False


def expand(
    suite: SuiteConfig,
    chip: ChipConfig,
    subjects: Sequence[ModelOnData],
    *,
    suite_name: str,
    chip_name: str,
    supports: Supports,
    unavailable: Mapping[FrameworkName, str] | None = None,
    framework: str | None = None,
    devices: Sequence[int] = (),
    nodes: int | None = None,
    ports: Mapping[FrameworkName, OwnPort] | None = None,
) -> Expansion:
    """Every subject in every framework and execution of a suite, or in one framework alone.

    `devices` are numbers of devices in the place of those of the suite, and `nodes` is the number of nodes among which
    those of each launch are divided.
    `supports` says what cannot run anywhere, `unavailable` which frameworks cannot run at all where the bench is to be,
    and why. `ports` run in the place of the harness's own networks.
    """
    cells: list[Scenario] = []
    absent: list[Absent] = []
    problems: list[str] = []
    for subject in subjects:
        try:
            ways = [way for way in _wider(suite, subject.entry, devices, nodes) if framework in (None, way.framework)]
        except NotDivided as error:
            problems.append(str(error))
            continue
        except UserError as error:
            problems.append(f"suite {suite_name!r}: {subject.model} {subject.preset}: {error}")
            continue
        for way in ways:
            device, reason = _device(chip, way.framework, unavailable or {})
            if device is not None and reason is None:
                reason = _undivided(subject, way) or supports(
                    way.framework, device, way.execution, subject.architecture
                )
            if device is None or reason is not None:
                absent.append(_absent(subject, way, chip_name, reason or "no device"))
            else:
                cell = _scenario(suite, subject, way, suite_name, chip_name, chip, device)
                cells.append(cell.model_copy(update={"port": (ports or {}).get(way.framework)}))
    return Expansion(tuple(cells), tuple(absent), tuple(dict.fromkeys(problems)))


def ways_of(suite: SuiteConfig, devices: Sequence[int] = (), nodes: int | None = None) -> tuple[Way, ...]:
    """All frameworks and executions of a suite, each once, whatever the model; `devices` in the place of the suite's.

    `nodes` are those of `expand`. Raises UserError where settings do not fit together.
    """
    return tuple(dict.fromkeys(way for model in suite.models for way in _wider(suite, model, devices, nodes)))


def _wider(suite: SuiteConfig, model: SuiteModel, devices: Sequence[int], nodes: int | None) -> Iterator[Way]:
    """Those of a model on each number of devices, each once, by the name that it has first.

    An axis over world.devices or world.parallel reaches the same execution as a number of devices does.
    """
    every = (
        wider
        for way in _each_once(_ways(suite, model))
        for wider in _on_devices(way, devices or suite.devices, suite.scaling, nodes)
    )
    return _each_once(every)


def _each_once(ways: Iterable[Way]) -> Iterator[Way]:
    found: dict[tuple[FrameworkName, Execution, bool], Way] = {}
    for way in ways:
        found.setdefault((way.framework, way.execution, way.divided), way)
    return iter(found.values())


def _ways(suite: SuiteConfig, model: SuiteModel) -> Iterator[Way]:
    if suite.design == "ladder":
        yield from _steps(suite, model)
        return
    design = axes.full if suite.design == "full" else axes.one_at_a_time
    for entry in suite.frameworks:
        base = laid_over(suite.execution.content(), model.execution.content(), entry.execution.content())
        for position, (name, execution) in enumerate(design(base, suite.axes)):
            variant = Variant(design=suite.design, position=position, name=name) if suite.axes else None
            yield Way(entry.framework, execution, variant)


def _on_devices(
    way: Way, devices: Sequence[int], scaling: Sequence[Scaling], nodes: int | None = None
) -> Iterator[Way]:
    """A way on each number of devices, itself where none is given; on several as each kind of scaling has it.

    What divides the states of one network among devices is plain on one of them, which is on one node. Raises UserError
    where devices cannot be divided among the nodes.
    """
    if not devices and nodes is None:
        yield way
        return
    for number in dict.fromkeys(devices or (way.execution.world.devices,)):
        if number == 1 and devices:
            yield way._replace(execution=way.execution.model_copy(update={"world": World()}))
            continue
        world = _world(way.execution.world, number, nodes)
        if not devices:
            yield way._replace(execution=way.execution.model_copy(update={"world": world}))
            continue
        for kind in dict.fromkeys(scaling):
            wider = way.execution.model_copy(update={"world": world})
            yield way._replace(execution=wider, divided=kind == "strong")


def _world(world: World, devices: int, nodes: int | None) -> World:
    """A world with so many devices in all, and on so many nodes where these are given; raises NotDivided."""
    changed = {"devices": devices, "nodes": world.nodes if nodes is None else nodes}
    try:
        return World.model_validate(world.model_dump() | changed)
    except ValidationError as error:
        what = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise NotDivided(
            f"{what}: give the devices of all nodes together, as in DEVICES={2 * changed['nodes']}"
        ) from None


def _undivided(subject: ModelOnData, way: Way) -> str | None:
    """Why the batch of a subject cannot be divided among the devices of a way, or a device's part among micro-batches.

    Where nothing is divided among devices, micro-batches are the suite's own and no number of devices changes that.
    """
    size, number, parts = subject.training.batch_size, way.execution.world.devices, way.execution.accumulation
    if not way.divided:
        return None
    whole = f"scaling: strong: training.batch_size {size}"
    if size % number:
        return f"{whole} cannot be divided among {number} devices"
    if (each := size // number) % parts:
        return f"{whole} leaves {each} to each of {number} devices, which accumulation {parts} does not divide"
    return None


def _steps(suite: SuiteConfig, model: SuiteModel) -> Iterator[Way]:
    content = laid_over(suite.execution.content(), model.execution.content())
    framework: FrameworkName | None = None
    for position, step in enumerate(suite.ladder):
        framework = step.framework or framework
        assert framework
        content = laid_over(content, step.execution.content())
        try:
            execution = execution_of(content)
        except UserError as error:
            raise UserError(f"ladder: {step.name}: {error}") from None
        yield Way(framework, execution, Variant(design="ladder", position=position, name=step.name))


def _device(
    chip: ChipConfig, framework: FrameworkName, unavailable: Mapping[FrameworkName, str]
) -> tuple[str | None, str | None]:
    """The framework's name of the chip, and why it cannot run."""
    entry = chip.frameworks.get(framework)
    if entry is None:
        return None, f"the chip's file says nothing of {framework}"
    return entry.device, entry.unavailable or unavailable.get(framework)


def _absent(subject: ModelOnData, way: Way, chip_name: str, reason: str) -> Absent:
    return Absent(
        model=subject.model,
        preset=subject.preset,
        framework=way.framework,
        execution=way.execution,
        chip=chip_name,
        data_name=subject.data_name,
        reason=reason,
    )


def _training(suite: SuiteConfig, subject: ModelOnData, way: Way) -> TrainingConfig:
    bounded = suite.bounds.training(subject.training)
    training = changed("training", bounded, subject.settings, subject.title)
    if not way.divided:
        return training
    each = training.batch_size // way.execution.world.devices
    return training.model_copy(update={"batch_size": each})


def _scenario(
    suite: SuiteConfig, subject: ModelOnData, way: Way, suite_name: str, chip_name: str, chip: ChipConfig, device: str
) -> Scenario:
    training = _training(suite, subject, way)
    bounded = suite.bounds.inference(subject.inference)
    inference = changed("inference", bounded, subject.settings, subject.title)
    return Scenario(
        model=subject.model,
        preset=subject.preset,
        framework=way.framework,
        execution=way.execution,
        chip=chip_name,
        data_name=subject.data_name,
        suite=suite_name,
        architecture=subject.architecture,
        device=device,
        data=subject.data,
        data_root=subject.data_root,
        data_digest=subject.data_digest,
        grid=subject.grid,
        channels=subject.channels,
        network=subject.network,
        training=training,
        inference=inference.model_copy(update={"regions": subject.bounded(inference)}),
        seed=suite.seed,
        idle_s=suite.idle_s,
        time_limit_s=max(suite.time_limit_s, FIRST_COMPILE_S) if chip.device_nodes else suite.time_limit_s,
        variant=way.variant,
        set_values=subject.set_values(training, inference),
        files=dict(subject.files),
    )
