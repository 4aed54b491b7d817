"""Where the files of scenarios/ are and how a name or a path becomes a checked value."""

import os
import re
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NamedTuple, cast

from pydantic import AfterValidator, BaseModel

from collectors.registry import Registry
from harness.architectures import architecture
from harness.data.config import DataConfig
from harness.errors import UserError, nearest
from harness.files import refuse_unnameable
from harness.scenario.chips import ChipConfig
from harness.scenario.claims import Ledger
from harness.scenario.folders import ROOT, Kind, files_of
from harness.scenario.loading import load
from harness.scenario.regions import Bounds, Region
from harness.scenario.schema import InferenceConfig, ModelConfig, Preset, SuiteConfig
from harness.scenario.sites import TO_CHANGE, SiteConfig
from harness.scenario.weights import WeightNames


class NamedPreset(NamedTuple):
    """A preset of a model file, with the names it was found under."""

    model: str
    name: str
    config: ModelConfig[Any]
    preset: Preset[Any]


def names(kind: Kind) -> list[str]:
    """Names of the files of a kind."""
    return list(files_of(kind))


def regions(config: InferenceConfig) -> dict[str, Region]:
    """The regions that an inference names, as scenarios/regions.yaml has them.

    Raises UserError with the nearest names where it does not have one.
    """
    wanted = [region for region in config.regions if isinstance(region, str)]
    there: dict[str, Bounds] = load(ROOT / "regions.yaml", dict[str, Bounds]) if wanted else {}
    for name in wanted:
        if name not in there:
            raise UserError(f"region {name!r} is not in scenarios/regions.yaml; {nearest(name, there)}")
    return {name: Region(name=name, **there[name].model_dump()) for name in wanted}


def path_of(kind: Kind, name: str) -> Path:
    """The file that a name in scenarios/, or a path ending in .yaml, stands for.

    Raises UserError with the nearest valid name, or where the path is not UTF-8.
    """
    if name.endswith((".yaml", ".yml")):
        if not os.path.lexists(name):
            stem = Path(name).stem
            raise UserError(f"{name}: no such file{f'; did you mean {stem!r}?' if stem in files_of(kind) else ''}")
        refuse_unnameable(name)
        return Path(name)
    files = files_of(kind)
    if name not in files:
        raise UserError(f"{kind.removesuffix('s')} {name!r}: no such file in scenarios/{kind}; {nearest(name, files)}")
    return files[name]


def chip(name: str) -> ChipConfig:
    """A chip by name or path; raises UserError, too, where one of its power collectors is not registered."""
    path = path_of("chips", name)
    found: ChipConfig = load(path, ChipConfig)
    registered = Registry.installed().names
    for collector in found.power_collectors:
        if collector not in registered:
            raise UserError(
                f"{path}: power_collectors: {collector!r} is not registered; {nearest(collector, registered)}; or "
                "make one of your own: crosscast new sensor NAME"
            )
    return found


def suite(name: str) -> SuiteConfig:
    """A suite by name or path."""
    return load(path_of("suites", name), SuiteConfig)


def usual_suite(chip_config: ChipConfig) -> str:
    """The suite of a bench that names none: times of the published networks on a device, all in small on a CPU."""
    return "smoke" if chip_config.device_nodes is None else "timing"


def claims(name: str) -> Ledger:
    """A ledger of claims by name or path."""
    return load(path_of("claims", name), Ledger)


def weights(name: str) -> WeightNames:
    """The names of a published network's weights, by name or path."""
    return load(path_of("weights", name), WeightNames)


def site(name: str) -> SiteConfig:
    """A lab by name or path.

    Raises UserError where a value is still the one that `crosscast new site` writes for you to change.
    """
    found: SiteConfig = load(path_of("sites", name), SiteConfig)
    for field, value in found:
        if value == TO_CHANGE:
            raise UserError(f"{name}: {field}: {value}: write what it is at your site, or leave the line out")
    return found


def data(name: str) -> Any:
    """A data set's mapping by name or path."""
    return load(path_of("data", name), DataConfig)


def model(name: str) -> ModelConfig[Any]:
    """A model by name or path, its networks checked by the architecture they name."""
    path = path_of("models", name)
    head: _Head = load(path, _Head)
    model_config: Any = ModelConfig
    return cast(ModelConfig[Any], load(path, model_config[head.architecture.Network]))


def preset(model_name: str, preset_name: str) -> NamedPreset:
    """One preset of a model.

    Raises UserError with the nearest valid name.
    """
    found = model(model_name)
    if preset_name not in found.presets:
        raise UserError(f"model {model_name!r} has no preset {preset_name!r}; {nearest(preset_name, found.presets)}")
    return NamedPreset(Path(model_name).stem, preset_name, found, found.presets[preset_name])


def check_device(chip_name: str, expected: str | None, device_name: str) -> None:
    """Raise UserError where the device that a framework opened is not the chip, whose name `expected` is found in."""
    if expected is not None and not re.search(expected, device_name, re.IGNORECASE):
        chip = Path(chip_name).stem
        raise UserError(
            f"the device here is {device_name!r}, not a {chip}; choose CHIP= accordingly, or, where it is one that "
            f"drivers call by another name, add that to device_name in a copy of the chip's file and give CHIP=lab/"
            f"{chip}.yaml"
        )


def _registered(name: Any) -> ModuleType:
    try:
        return architecture(str(name))
    except UserError as error:
        raise ValueError(str(error)) from None


class _Head(BaseModel):
    """What a model's file must say before the rest can be checked."""

    architecture: Annotated[Any, AfterValidator(_registered)]
