"""A suite on a chip, expanded into cells: from values alone, without a device, an archive or an installed package."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.data.config import DataConfig
from harness.errors import UserError
from harness.scenario import axes
from harness.scenario.changes import execution_of, laid_over
from harness.scenario.execution import Execution
from harness.scenario.limits import FIRST_COMPILE_S
from harness.scenario.scenario import Absent, Scenario, Variant
from harness.scenario.schema import ChipConfig, FrameworkName, InferenceConfig, SuiteConfig, SuiteModel, TrainingConfig

Supports = Callable[[FrameworkName, str, Execution, str], str | None]
"""Why a framework cannot run an execution on a device with an architecture, None where it can."""


@dataclass(frozen=True)
class ModelOnData:
    """A model's preset on data: what is run in every framework and execution of a suite.

    `network` has all hyperparameters on this data; `data_digest` is the fingerprint of an archive, None for generated
    data, and `grid` and `channels` are the archive's or else those of the preset and of the data's mapping.
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


class Way(NamedTuple):
    """A framework, an execution in it, and its place in a design of several."""

    framework: FrameworkName
    execution: Execution
    variant: Variant | None


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
) -> Expansion:
    """Every subject in every framework and execution of a suite, or in one framework alone.

    `supports` says what cannot run anywhere, `unavailable` which frameworks cannot run at all where the bench is to be,
    and why.
    """
    cells: list[Scenario] = []
    absent: list[Absent] = []
    problems: list[str] = []
    for subject in subjects:
        try:
            ways = [way for way in _ways_of(suite, subject.entry) if framework in (None, way.framework)]
        except UserError as error:
            problems.append(f"suite {suite_name!r}: {subject.model} {subject.preset}: {error}")
            continue
        for way in ways:
            device, reason = _device(chip, way.framework, unavailable or {})
            if device is not None and reason is None:
                reason = supports(way.framework, device, way.execution, subject.architecture)
            if device is None or reason is not None:
                absent.append(_absent(subject, way, chip_name, reason or "no device"))
            else:
                cells.append(_scenario(suite, subject, way, suite_name, chip_name, chip, device))
    return Expansion(tuple(cells), tuple(absent), tuple(dict.fromkeys(problems)))


def ways_of(suite: SuiteConfig) -> tuple[Way, ...]:
    """All frameworks and executions of a suite, each once, whatever the model.

    Raises UserError where settings do not fit together.
    """
    return tuple(dict.fromkeys(way for model in suite.models for way in _ways_of(suite, model)))


def _ways_of(suite: SuiteConfig, model: SuiteModel) -> list[Way]:
    """Those of a model; a framework has each execution once, by the name that it has first."""
    found: dict[tuple[FrameworkName, Execution], Way] = {}
    for way in _ways(suite, model):
        found.setdefault((way.framework, way.execution), way)
    return list(found.values())


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


def _scenario(
    suite: SuiteConfig, subject: ModelOnData, way: Way, suite_name: str, chip_name: str, chip: ChipConfig, device: str
) -> Scenario:
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
        training=suite.bounds.training(subject.training),
        inference=suite.bounds.inference(subject.inference),
        seed=suite.seed,
        idle_s=suite.idle_s,
        time_limit_s=max(suite.time_limit_s, FIRST_COMPILE_S) if chip.device_nodes else suite.time_limit_s,
        variant=way.variant,
    )
