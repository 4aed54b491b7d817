"""Blocks: the parts of a suite whose cells are compared with each other, each with all that its node must know."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from collectors.regular_files import read_regular
from harness.data.config import ArchiveConfig
from harness.errors import UserError, nearest
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.launch.schedulers.slurm import gres_of
from harness.launch.submission.read_files import state_of_files
from harness.launch.survey import like_of_suite
from harness.scenario import catalogue
from harness.scenario.bounded_yaml import build, root_node
from harness.scenario.matrix import ways_of
from harness.scenario.names import named_problems
from harness.scenario.networks import check_settings
from harness.scenario.scenario import Selection
from harness.scenario.schema import SuiteConfig
from harness.scenario.set_values import Setting, read_settings, suite_with
from harness.scenario.sites import Results, SiteConfig

FILE_NAME = "block.json"
MOST_BYTES = 2**20
KEY_DIGITS = 16
NUMBER = TypeAdapter(int)


class Block(Frozen):
    """One block of a submission, as its node reads it."""

    name: str = Field(description="the model whose cells it compares")
    key: str = Field(description="the same for blocks that make the same launches")
    suite: str = Field(description="file of the suite with this model alone, in the block's folder")
    chip: str = Field(description="file of the chip with the site's Pythons, in the block's folder")
    framework: str | None = None
    preset: str | None = None
    data: str | None = None
    mapping: str | None = None
    repeats: int | None = None
    weights: str | None = None
    settings: tuple[str, ...] = Field(default=(), description="as `crosscast bench --set` takes them")
    on_devices: tuple[int, ...] = Field(default=(), description="as `crosscast bench --devices` takes them")
    on_nodes: int | None = Field(default=None, description="as `crosscast bench --nodes` takes it")
    nodes: int = Field(default=1, description="nodes that a launch takes at most")
    devices: int = Field(description="accelerators that a launch takes at most on each node")
    results: str = Field(description="the folder of results, as all nodes see it")
    writes: Results = Results()
    variables: dict[str, str] = Field(default_factory=dict, description="environment variables of the site")
    container: tuple[str, ...] = Field(default=(), description="the site's command that runs another in the image")
    visible_devices: str | None = Field(default=None, description="the chip's variable that selects devices")
    scheduler: str

    def selection(self, folder: Path) -> Selection:
        """What a bench on the node is asked for; the block lies in `folder`."""
        return Selection(
            chip=str(folder / self.chip),
            suite=str(folder / self.suite),
            framework=self.framework,
            preset=self.preset,
            data=self.data,
            mapping=self.mapping,
            repeats=self.repeats,
            weights=None if self.weights is None else Path(self.weights),
            settings=self.settings,
            devices=self.on_devices,
            nodes=self.on_nodes,
        )

    @staticmethod
    def read(folder: Path) -> "Block":
        """The block of a folder. Raises UserError where there is none."""
        path = folder / FILE_NAME
        try:
            return Block.model_validate_json(read_regular(path, MOST_BYTES))
        except (OSError, ValidationError) as error:
            raise UserError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None


@dataclass(frozen=True)
class NewBlock:
    """A block and the content of the files beside it, before anything is written, and what `state_of_files` says."""

    block: Block
    files: Mapping[str, str]
    read_files: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Make the block's folder."""
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            write_atomically(folder / name, content)
        write_atomically(folder / FILE_NAME, self.block.model_dump_json(indent=1) + "\n")


def blocks_of(selection: Selection, site: SiteConfig, results: Path) -> list[NewBlock]:
    """The blocks of a selection, one a model of the suite.

    Suite and chip are copied, so that a job that waits for days runs what was submitted. Raises UserError for what does
    not exist, does not fit, or needs more devices than a node of the site has.
    """
    suite_path, chip_path = catalogue.path_of("suites", selection.suite), catalogue.path_of("chips", selection.chip)
    settings = read_settings(selection.settings)
    _check_names(selection, suite_with(catalogue.suite(selection.suite), settings), settings)
    chip = catalogue.chip(selection.chip)
    for problem in named_problems([("suite", suite_path.stem), ("chip", chip_path.stem)]):
        raise UserError(problem)
    suite = build(suite_path, root_node(suite_path))
    chip_file = with_pythons(build(chip_path, root_node(chip_path)), site)
    options: dict[str, Any] = {
        "framework": selection.framework,
        "preset": selection.preset,
        "data": None if selection.data is None else absolute_data(str(selection.data)),
        "mapping": absolute_yaml(selection.mapping),
        "repeats": selection.repeats,
        "weights": None if selection.weights is None else str(selection.weights.absolute()),
        **({"settings": selection.settings} if selection.settings else {}),
        **({"on_devices": selection.devices} if selection.devices else {}),
        **({"on_nodes": selection.nodes} if selection.nodes is not None else {}),
    }
    found = []
    for name, part in _parts(suite, selection):
        content = {"suite": part, "suite name": suite_path.stem, "chip": chip_file, "chip name": chip_path.stem}
        what = f"{name} of suite {suite_path.stem!r}"
        demand = demand_of(part, what, site, selection, accelerator=bool(chip.device_nodes))
        block = Block(
            name=name,
            key=_digest({**content, **options}),
            suite=f"{suite_path.stem}.yaml",
            chip=f"chip/{chip_path.stem}.yaml",
            nodes=demand.nodes,
            devices=demand.devices,
            results=str(results.absolute()),
            writes=site.results,
            variables=site.variables,
            container=site.container,
            visible_devices=chip.visible_devices,
            scheduler=site.scheduler,
            **options,
        )
        read = state_of_files(SuiteConfig.model_validate(part), block.selection(Path()))
        found.append(NewBlock(block, {block.suite: yaml_of(part), block.chip: yaml_of(chip_file)}, read))
    return found


def _check_names(selection: Selection, suite: SuiteConfig, settings: Sequence[Setting]) -> None:
    """Raise UserError for a framework, preset, mapping or value that does not exist; nodes open the archives."""
    if selection.framework not in (None, *suite.framework_names):
        hint = nearest(str(selection.framework), suite.framework_names)
        raise UserError(f"framework {selection.framework!r} is not in suite {Path(selection.suite).stem!r}; {hint}")
    for entry in suite.models:
        if selection.model in (None, entry.model):
            check_settings(
                catalogue.preset(entry.model, entry.preset if selection.preset is None else selection.preset), settings
            )
            of_entry = suite.data if entry.data is None else entry.data
            name = of_entry if selection.mapping is None else selection.mapping
            if isinstance(catalogue.data(name), ArchiveConfig) and selection.data is None:
                raise UserError(f"data {name!r} are read from an archive: give its folder or file with --data")


def _parts(suite: Any, selection: Selection) -> Iterator[tuple[str, Any]]:
    """The suite of each of its models, by the model's name; entries of one model stay together."""
    suite = with_absolute_files(suite)
    entries = list(suite["models"])
    models = list(dict.fromkeys(entry["model"] for entry in entries))
    if selection.model is not None:
        wanted = absolute_yaml(selection.model)
        if wanted not in models and str(wanted).endswith((".yaml", ".yml")):
            alike = like_of_suite(SuiteConfig.model_validate(suite), str(wanted))
            entries.append(alike.model_dump(mode="json", exclude_unset=True))
        elif wanted not in models:
            suite_name = Path(selection.suite).stem
            raise UserError(f"model {selection.model!r} is not in suite {suite_name!r}; {nearest(str(wanted), models)}")
        models = [str(wanted)]
    for model in models:
        own = [entry for entry in entries if entry["model"] == model]
        yield Path(model).stem, {**suite, "models": own}


def with_absolute_files(suite: Any) -> Any:
    """A suite's content whose files of models and data are found from any folder."""
    suite = {**suite, "data": absolute_yaml(suite["data"])} if "data" in suite else suite
    entries = [
        {**entry, **{field: absolute_yaml(entry[field]) for field in ("model", "data") if field in entry}}
        for entry in suite["models"]
    ]
    return {**suite, "models": entries}


def with_pythons(chip: Any, site: SiteConfig) -> Any:
    """A chip's content with the site's Pythons in the place of its own."""
    frameworks = {
        name: {**entry, "python": site.pythons[name]} if name in site.pythons and "device" in entry else entry
        for name, entry in chip["frameworks"].items()
    }
    return {**chip, "frameworks": frameworks}


class Demand(NamedTuple):
    """The nodes that a launch takes at most, and the accelerators on each."""

    nodes: int
    devices: int


def demand_of(suite: Any, what: str, site: SiteConfig, selection: Selection, *, accelerator: bool) -> Demand:
    """What the launches of a suite's content take on this site, with the selection's numbers of devices and nodes.

    Raises UserError, which calls the content `what`, where the site has no such nodes, a node fewer devices, results
    that are not in a folder that all nodes see, or the site does not say how its chip is asked for.
    """
    if selection.nodes in (None, 1) and largest_world(suite, "nodes") == 1 and not selection.settings:
        devices = max(selection.devices, default=largest_world(suite, "devices"))
        return Demand(1, devices_on_node(devices, what, site, accelerator=accelerator))
    changed = suite_with(SuiteConfig.model_validate(suite), read_settings(selection.settings))
    worlds = [way.execution.world for way in ways_of(changed, selection.devices, selection.nodes)]
    nodes = max(world.nodes for world in worlds)
    if nodes > 1 and site.scheduler != "slurm":
        raise UserError(f"{what} takes {nodes} nodes, and a local site is one host: submit to a site with Slurm")
    if nodes > 1 and site.results.place != "shared":
        raise UserError(f"{what} takes {nodes} nodes, which must see one folder: take results: {{place: shared}}")
    most = max(world.devices_of_node for world in worlds)
    return Demand(nodes, devices_on_node(most, what, site, accelerator=accelerator))


def devices_on_node(devices: int, what: str, site: SiteConfig, *, accelerator: bool) -> int:
    """As many accelerators on a node, 0 on a chip that is none.

    Raises UserError where a node of the site has fewer, or the site does not say how its chip is asked for.
    """
    if site.devices_per_node is not None and devices > site.devices_per_node:
        raise UserError(
            f"{what} takes {devices} devices, and a node of this site has {site.devices_per_node}: take a smaller world"
        )
    accelerators = devices if accelerator else 0
    if site.scheduler == "slurm":
        gres_of(site, accelerators)
    return accelerators


def largest_world(value: Any, field: str) -> int:
    """The largest world that any execution in a suite's file asks for: of its `devices` or `nodes`.

    Numbers count as the suite's fields read them, in quotes, too.
    """
    found = [1]
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name in (field, f"world.{field}"):
                for number in each if isinstance(each, list) else [each]:
                    with contextlib.suppress(ValidationError):
                        found.append(NUMBER.validate_python(number))
            found.append(largest_world(each, field))
    elif isinstance(value, list):
        found += [largest_world(each, field) for each in value]
    return max(found)


def absolute_yaml(name: str | None) -> str | None:
    """A name as it is, the path of a YAML file from the root."""
    return str(Path(name).absolute()) if name is not None and name.endswith((".yaml", ".yml")) else name


def absolute_data(place: str) -> str:
    """A URL as it is, the path of an archive from the root."""
    return place if "://" in place else str(Path(place).absolute())


def yaml_of(content: Any) -> str:
    """The text of a file that holds the content."""
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:KEY_DIGITS]
