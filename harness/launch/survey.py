"""What a selection makes of a suite here: its files read, archives opened, frameworks looked for, and cells listed."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.data.config import ArchiveConfig
from harness.errors import UserError, nearest, refuse
from harness.frameworks.support import cannot_execute
from harness.launch.own_port import ports_of
from harness.machine.availability import cannot_run
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig
from harness.scenario.matrix import Matrix, ModelOnData, expand
from harness.scenario.names import folder_problem, named_problems
from harness.scenario.networks import network_on
from harness.scenario.scenario import Selection
from harness.scenario.schema import FrameworkName, SuiteConfig, SuiteModel
from harness.scenario.set_values import Setting, changed, read_settings, suite_with

if TYPE_CHECKING:
    from harness.data.source import Progress, Source


@dataclass(frozen=True)
class Survey:
    """A matrix, the archives of its cells by the name of their data, and a line for all that does not fit."""

    matrix: Matrix
    archives: "Mapping[str, Source]"
    problems: tuple[str, ...]


def matrix_of(selection: Selection, progress: "Progress" = lambda fraction: None) -> Matrix:
    """Read the files that a selection names, check them together and list the cells.

    `progress` is told how far an archive has been read, if it must be read whole.
    Raises UserError, one for all cells, for anything that does not exist or does not fit: names, the grid of the data
    and the patches.
    """
    found = survey(selection, progress)
    refuse(found.problems)
    return found.matrix


def survey(selection: Selection, progress: "Progress" = lambda fraction: None) -> Survey:
    """What `matrix_of` gives, with the problems of models and data listed instead of raised.

    Raises UserError where suite, chip or framework do not exist, and where a setting or a port is none.
    """
    settings = read_settings(selection.settings)
    suite = suite_with(catalogue.suite(selection.suite), settings)
    chip = catalogue.chip(selection.chip)
    suite_name, chip_name = Path(selection.suite).stem, Path(selection.chip).stem
    if selection.framework not in (None, *suite.framework_names):
        hint = nearest(str(selection.framework), suite.framework_names)
        raise UserError(f"framework {selection.framework!r} is not in suite {suite_name!r}; {hint}")
    problems = named_problems([("suite", suite_name), ("chip", chip_name)])
    subjects: list[ModelOnData] = []
    archives: dict[str, Source] = {}
    remarks: dict[str, None] = {}
    named_data = _remembering(partial(_named_data, selection, progress))
    for entry in _models(selection, suite, suite_name):
        try:
            data = named_data(suite.data if selection.gives_data else entry.data or suite.data)
            subject = _subject(entry, data, settings, _own_files(selection, entry))
        except UserError as error:
            problems.append(str(error))
            continue
        if data.archive is not None:
            archives[data.name] = data.archive
            remarks |= dict.fromkeys(f"data {data.name}: {line}" for line in data.archive.reading.lines)
        bad_names = named_problems([("model", subject.model), ("preset", subject.preset), ("data", data.name)])
        problems += bad_names
        subjects += [] if bad_names else [subject]
    models = dict.fromkeys(subject.model for subject in subjects)
    found = expand(
        suite,
        chip,
        subjects,
        suite_name=suite_name,
        chip_name=chip_name,
        supports=cannot_execute,
        unavailable=_unavailable(chip, suite.framework_names),
        framework=selection.framework,
        devices=selection.devices,
        nodes=selection.nodes,
        ports=ports_of(selection, models, suite.framework_names),
    )
    problems += found.problems
    for scenario in found.cells:
        if too_long := folder_problem(scenario.cell):
            problems.append(f"the folder {scenario.cell!r} of a cell {too_long}: shorten the names of its files")
    launches = selection.repeats or suite.launches
    matrix = Matrix(suite_name, launches, found.cells, found.absent, tuple(remarks))
    return Survey(matrix, archives, tuple(problems))


def _unavailable(chip: ChipConfig, frameworks: Sequence[FrameworkName]) -> dict[FrameworkName, str]:
    found = ((framework, cannot_run(chip, framework)) for framework in frameworks)
    return {framework: reason for framework, reason in found if reason is not None}


def _models(selection: Selection, suite: SuiteConfig, suite_name: str) -> Sequence[SuiteModel]:
    if selection.model is None:
        chosen = suite.models
    elif selection.model.endswith((".yaml", ".yml")):
        chosen = (like_of_suite(suite, selection.model),)
    else:
        chosen = tuple(entry for entry in suite.models if entry.model == selection.model)
        if not chosen:
            valid = {entry.model for entry in suite.models}
            hint = nearest(selection.model, valid)
            raise UserError(f"model {selection.model!r} is not in suite {suite_name!r}; {hint}")
    if selection.preset is None:
        return chosen
    of_preset = (entry.model_copy(update={"preset": selection.preset}) for entry in chosen)
    return tuple({json.dumps(entry.model_dump(exclude_unset=True)): entry for entry in of_preset}.values())


def like_of_suite(suite: SuiteConfig, path: str) -> SuiteModel:
    """A model file with preset, data and execution of the suite's first model of its architecture, or else its first's.

    Of a model of another architecture the preset alone is taken.
    """
    architecture = catalogue.model(path).architecture
    alike = [entry for entry in suite.models if catalogue.model(entry.model).architecture == architecture]
    if alike:
        return alike[0].model_copy(update={"model": path})
    return SuiteModel(model=path, preset=suite.models[0].preset)


def _own_files(selection: Selection, entry: SuiteModel) -> dict[str, str]:
    """The YAML files beside scenarios/ that a cell is made of, by what they are of."""
    named = {"chip": selection.chip, "model": entry.model}
    return {kind: name for kind, name in named.items() if name.endswith((".yaml", ".yml"))}


def _subject(
    entry: SuiteModel, data: "_NamedData", settings: Sequence[Setting], files: Mapping[str, str]
) -> ModelOnData:
    """Raises UserError where there is no such preset, it does not fit the data, or a setting does not fit it."""
    found = catalogue.preset(entry.model, entry.preset)
    title = f"{found.model} {found.name}"
    archive, preset = data.archive, found.preset
    grid = preset.grid if archive is None else (len(archive.latitude), len(archive.longitude))
    inference = changed("inference", preset.inference, settings, title)
    return ModelOnData(
        entry=entry,
        model=found.model,
        preset=found.name,
        architecture=found.config.architecture,
        network=network_on(found, data.config, data.name, grid, settings),
        training=changed("training", preset.training, settings, title),
        inference=inference,
        data_name=data.name,
        data=data.config,
        data_root=data.root,
        data_digest=None if archive is None else archive.fingerprint,
        grid=grid,
        channels=tuple(data.config.channels if archive is None else archive.channels),
        settings=tuple(settings),
        files=files,
        regions=catalogue.regions(inference),
    )


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
    if str(root).endswith((".yaml", ".yml")):
        raise UserError(
            f"DATA={root}: a mapping and no archive: give it as MAPPING=, alone where it generates its data, else with "
            "the folder of its data as DATA="
        )
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
