"""A suite on a chip, expanded into cells and launches."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field, ValidationError

from harness.data.config import ArchiveConfig, DataConfig
from harness.errors import UserError, nearest, refuse
from harness.frozen import Frozen
from harness.machine.availability import cannot_run
from harness.models import architecture
from harness.scenario import catalogue
from harness.scenario.names import folder_problem, named_problems
from harness.scenario.schema import (
    Execution,
    FrameworkName,
    InferenceConfig,
    Precision,
    SuiteConfig,
    SuiteModel,
    TrainingConfig,
)

if TYPE_CHECKING:
    from harness.data.source import Progress, Source


class Cell(Frozen):
    """What is compared: a model in a framework on a chip and on data."""

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


class Scenario(Cell):
    """Everything that defines a cell but the seed of a launch."""

    suite: str
    architecture: str
    precision: Precision
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

    @property
    def cell(self) -> str:
        """A readable name that no other cell shares: whatever changes a measurement changes the digest at its end."""
        content = self.model_dump(mode="json", exclude={"idle_s", "time_limit_s", "data_root", "weights"})
        if self.weights is not None:
            content["weights"] = self.weights.fingerprint
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.model}-{self.preset}.{self.framework}-{self.execution}.{self.chip}.{self.data_name}.{digest}"


class Absent(Cell):
    """A cell that cannot exist or cannot run here, and why."""

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

    @property
    def gives_data(self) -> bool:
        """Whether all models run on data of the selection instead of those that the suite names."""
        return self.data is not None or self.mapping is not None


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


@dataclass(frozen=True)
class Survey:
    """A matrix, the archives of its cells by the name of their data, and a line for all that does not fit."""

    matrix: Matrix
    archives: "Mapping[str, Source]"
    problems: tuple[str, ...]


def expand(selection: Selection, progress: "Progress" = lambda fraction: None) -> Matrix:
    """Read the files that a selection names, check them together and list the cells.

    `progress` is told how far an archive has been read, if it must be read whole.
    Raises UserError, one for all cells, for anything that does not exist or does not fit: names, the grid of the data
    and the patches.
    """
    found = survey(selection, progress)
    refuse(found.problems)
    return found.matrix


def survey(selection: Selection, progress: "Progress" = lambda fraction: None) -> Survey:
    """What `expand` gives, with the problems of models and data listed instead of raised.

    Raises UserError where suite, chip or framework do not exist.
    """
    suite = catalogue.suite(selection.suite)
    chip = catalogue.chip(selection.chip)
    suite_name, chip_name = Path(selection.suite).stem, Path(selection.chip).stem
    frameworks = [entry for entry in suite.frameworks if selection.framework in (None, entry.framework)]
    if not frameworks:
        valid = {entry.framework for entry in suite.frameworks}
        hint = nearest(str(selection.framework), valid)
        raise UserError(f"framework {selection.framework!r} is not in suite {suite_name!r}; {hint}")
    cells: list[Scenario] = []
    absent: list[Absent] = []
    problems = named_problems([("suite", suite_name), ("chip", chip_name)])
    archives: dict[str, Source] = {}
    remarks: dict[str, None] = {}
    named_data = _remembering(partial(_named_data, selection, progress))
    for entry in _models(selection, suite, suite_name):
        try:
            found = catalogue.preset(entry.model, entry.preset)
            data = named_data(suite.data if selection.gives_data else entry.data or suite.data)
            archive = data.archive
            grid = found.preset.grid if archive is None else (len(archive.latitude), len(archive.longitude))
            network = network_on(found, data.config, data.name, grid)
        except UserError as error:
            problems.append(str(error))
            continue
        if archive is not None:
            archives[data.name] = archive
            remarks |= dict.fromkeys(f"data {data.name}: {line}" for line in archive.reading.lines)
        bad_names = named_problems([("model", found.model), ("preset", found.name), ("data", data.name)])
        problems += bad_names
        if bad_names:
            continue
        channels = data.config.channels if archive is None else archive.channels
        for framework in frameworks:
            cell = {
                "model": found.model,
                "preset": found.name,
                "framework": framework.framework,
                "execution": framework.execution,
                "chip": chip_name,
                "data_name": data.name,
            }
            reason = cannot_run(chip, framework.framework)
            if reason is not None:
                absent.append(Absent.model_validate({**cell, "reason": reason}))
                continue
            settings = {
                "suite": suite_name,
                "architecture": found.config.architecture,
                "precision": suite.precision,
                "device": chip.frameworks[framework.framework].device,
                "data": data.config,
                "data_root": data.root,
                "data_digest": None if archive is None else archive.fingerprint,
                "grid": grid,
                "channels": channels,
                "network": network,
                "training": found.preset.training,
                "inference": found.preset.inference,
                "seed": suite.seed,
                "idle_s": suite.idle_s,
                "time_limit_s": suite.time_limit_s,
            }
            cells.append(Scenario.model_validate({**cell, **settings}))
    for scenario in cells:
        if too_long := folder_problem(scenario.cell):
            problems.append(f"the folder {scenario.cell!r} of a cell {too_long}: shorten the names of its files")
    launches = selection.repeats or suite.launches
    matrix = Matrix(suite_name, launches, tuple(cells), tuple(absent), tuple(remarks))
    return Survey(matrix, archives, tuple(problems))


def _remembering(find: "Callable[[str], _NamedData]") -> "Callable[[str], _NamedData]":
    """The same, asked once a name: an archive that cannot be used is not read again for the next model."""
    found: dict[str, _NamedData | UserError] = {}

    def ask(name: str) -> _NamedData:
        if name not in found:
            try:
                found[name] = find(name)
            except UserError as error:
                found[name] = error
        answer = found[name]
        if isinstance(answer, UserError):
            raise answer
        return answer

    return ask


def _models(selection: Selection, suite: SuiteConfig, suite_name: str) -> Sequence[SuiteModel]:
    if selection.model is None:
        chosen = suite.models
    elif selection.model.endswith((".yaml", ".yml")):
        chosen = (_like_of_suite(suite, selection.model),)
    else:
        chosen = tuple(entry for entry in suite.models if entry.model == selection.model)
        if not chosen:
            valid = {entry.model for entry in suite.models}
            hint = nearest(selection.model, valid)
            raise UserError(f"model {selection.model!r} is not in suite {suite_name!r}; {hint}")
    if selection.preset is None:
        return chosen
    return tuple(dict.fromkeys(entry.model_copy(update={"preset": selection.preset}) for entry in chosen))


def _like_of_suite(suite: SuiteConfig, path: str) -> SuiteModel:
    """A model file with preset and data of the suite's first model of its architecture, or else its first preset."""
    architecture = catalogue.model(path).architecture
    alike = [entry for entry in suite.models if catalogue.model(entry.model).architecture == architecture]
    like = alike[0] if alike else suite.models[0].model_copy(update={"data": None})
    return like.model_copy(update={"model": path})


class _NamedData(NamedTuple):
    """A data set, the folder or file of its archive, and the archive opened; None for generated data."""

    name: str
    config: Any
    root: str | None
    archive: "Source | None"


def _named_data(selection: Selection, progress: "Progress", of_suite: str) -> _NamedData:
    """The data that the selection gives for all models, or else those that the suite names."""
    name, config, root = _data(selection, of_suite)
    return _NamedData(name, config, root, _open_archive(config, root, progress))


def _data(selection: Selection, of_suite: str) -> tuple[str, Any, str | None]:
    if selection.data is None:
        name = of_suite if selection.mapping is None else selection.mapping
        config = catalogue.data(name)
        if isinstance(config, ArchiveConfig):
            raise UserError(f"data {name!r} are read from an archive: give its folder or file with DATA=")
        return Path(name).stem, config, None
    from harness.data.locations import location
    from harness.data.matching import match_mapping

    try:
        root = location(selection.data)
        found = root.exists()
    except (OSError, ValueError) as error:
        raise UserError(f"DATA={selection.data}: no such file or folder: {error}") from None
    except UserError as error:
        raise UserError(f"DATA={error}") from None
    if not found:
        raise UserError(f"DATA={root}: no such file or folder")
    mappings = {name: catalogue.data(name) for name in catalogue.names("data")}
    archives = {each: config for each, config in mappings.items() if isinstance(config, ArchiveConfig)}
    name = match_mapping(root, archives) if selection.mapping is None else selection.mapping
    config = catalogue.data(name)
    if not isinstance(config, ArchiveConfig):
        raise UserError(f"data {name!r} are generated, no mapping of DATA={root}: leave one of the two out")
    return Path(name).stem, config, str(root.resolve())


def _open_archive(config: Any, root: str | None, progress: "Progress") -> "Source | None":
    if root is None or not isinstance(config, ArchiveConfig):
        return None
    from harness.data.locations import location
    from harness.data.opening import open_source

    return open_source(config, path=location(root), progress=progress)


def network_on(found: catalogue.NamedPreset, data: Any, data_name: str, grid: tuple[int, int]) -> dict[str, Any]:
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
