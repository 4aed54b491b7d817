"""Which mapping of scenarios/data fits the files of a folder."""

import shlex
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from harness.data.config import ArchiveConfig, DataConfig
from harness.data.coordinates import dimension_of
from harness.data.files import DataFile, find_files, open_lazily
from harness.data.levels import plan_levels
from harness.data.locations import Location
from harness.data.prepared import description_of, mapping_json
from harness.data.variables import has_levels, names_of, patterns_of
from harness.data.vertical import read_levels
from harness.errors import UserError


def match_mapping(path: Location, mappings: Mapping[str, DataConfig]) -> str:
    """The name of the mapping whose files, variables and levels are all under `path`.

    Of a prepared store, the one that it was made by. Of several, the one that uses all that every other one uses, and
    more. Raises UserError where none fits, with the reason for each, or no one of several stands out.
    """
    archives = {name: config for name, config in sorted(mappings.items()) if isinstance(config, ArchiveConfig)}
    prepared = description_of(path)
    if prepared is not None:
        made_by = [name for name, config in archives.items() if mapping_json(config) == prepared.mapping]
        if not made_by:
            raise UserError(f"{path}: prepared by a mapping that is not in scenarios/data: name it with MAPPING=")
        return made_by[0]
    opened = lru_cache(maxsize=None)(open_lazily)
    reasons = {name: _why_not(config, path, opened) for name, config in archives.items()}
    fitting = [name for name, reason in reasons.items() if reason is None]
    uses = {name: {(field.variable, field.level) for field in archives[name].fields} for name in fitting}
    richest = [name for name in fitting if all(uses[name] > uses[other] for other in fitting if other != name)]
    if len(richest) == 1:
        return richest[0]
    if fitting:
        raise UserError(f"{path}: several mappings fit, name one of them: {', '.join(fitting)}")
    told = set(reasons.values())
    if len(told) == 1 and "cannot be read" in (alike := str(*told)):
        raise UserError(alike if str(path) in alike else f"{path}: {alike}")
    short = {name: str(reason).partition(", only ")[0] for name, reason in reasons.items()}
    if reasons and all(reason.startswith("no file matches") for reason in short.values()):
        there = str(next(iter(reasons.values()))).partition(", only ")[2]
        short = {"there are only": there} if there else short
    listed = "; ".join(f"{name}: {reason}" for name, reason in short.items()) or "there is none"
    raise UserError(
        f"{path}: no mapping of scenarios/data fits; name a file of your own with MAPPING=, which "
        f"`crosscast mapping {shlex.quote(str(path))}` begins for you ({listed})"
    )


def _why_not(config: ArchiveConfig, path: Location, opened: Callable[[Location], DataFile]) -> str | None:
    try:
        for field in config.fields:
            files = find_files(path, patterns_of(config, field))
            found = [opened(file).raw[name] for file in files for name in field.variable if name in opened(file)]
            if not found:
                return f"no variable {' or '.join(map(repr, field.variable))} in {names_of(files)}"
            leveled = [array for array in found if has_levels(array, config.dimensions.level)]
            if field.level is None:
                if len(leveled) == len(found):
                    return f"{found[0].name} has levels in {names_of(files)}"
                continue
            if not leveled:
                return f"{found[0].name} has no levels in {names_of(files)}"
            array = leveled[0]
            dimension = dimension_of(array, "level", config.dimensions.level)
            if dimension in array.coords:
                values = array[dimension].values.astype(np.float64)
                wanted = [field.level]
                levels = read_levels(path, array, str(dimension), values, units=config.level_units, wanted=wanted)
                plan_levels(levels.values, wanted, config.level_method, str(array.name))
    except UserError as error:
        return str(error).removeprefix(f"{path}: ")
    return None
