"""The names in a ledger of claims: whether they stand for something, and the bench that measures what they name."""

import itertools
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import NamedTuple

from harness.analysis.cells import Results
from harness.analysis.comparison.baseline import BaselineName
from harness.errors import UserError, nearest
from harness.scenario import catalogue
from harness.scenario.catalogue import Kind
from harness.scenario.claims import Ledger
from harness.scenario.labels import names_of
from harness.scenario.matrix import ways_of
from harness.suggesting import command


class Wanted(NamedTuple):
    """A cell that a claim speaks of, by the names that the ledger gives; `data_root` is the archive of `data`."""

    suite: str
    model: str
    name: str
    preset: str | None
    data: str | None = None
    data_root: str | None = None
    results: Path | None = None

    @property
    def chip(self) -> str:
        """The chip's name or YAML file."""
        return _chip(self.name)

    @property
    def devices(self) -> tuple[int, ...]:
        """One device and those that the name gives, for which a bench has an option; none where it gives none."""
        found = re.search(r"-(\d+)-devices\b", self.name)
        return (1, int(found[1])) if found else ()

    @property
    def unavailable(self) -> str | None:
        """Why the framework can never run on the chip; None where the chip's file does not say so."""
        if not _is_in_catalogue("chips", self.chip):
            return None
        entry = catalogue.chip(self.chip).frameworks.get(parse(self.name).framework)  # type: ignore[call-overload]
        return entry.unavailable if entry else None

    @property
    def no_command(self) -> str | None:
        """Why there is no command for `crosscast bench` to measure it; None where nothing speaks against one."""
        named: tuple[tuple[Kind, str | None], ...] = (
            ("suites", self.suite),
            ("models", self.model),
            ("chips", self.chip),
            ("data", self.data),
        )
        for kind, each in named:
            if each is not None and not _is_in_catalogue(kind, each):
                return f"{kind.removesuffix('s')} {each!r} is not in scenarios/{kind}, give bench its YAML file"
        suite, parsed = catalogue.suite(self.suite), parse(self.name)
        if not _is_file(self.model) and self.model not in {entry.model for entry in suite.models}:
            return f"suite {self.suite!r} has no model {self.model!r}"
        executions = {
            name
            for way in ways_of(suite, self.devices)
            if way.framework == parsed.framework
            for name in names_of(way.execution)
        }
        if not executions or parsed.execution not in (None, *executions):
            return f"suite {self.suite!r} has no {parsed.framework} {parsed.execution or ''}".rstrip()
        if parsed.framework not in catalogue.chip(self.chip).frameworks:
            return f"the file of chip {self.chip!r} says nothing of {parsed.framework}"
        return None

    @property
    def command(self) -> str:
        """The bench that measures it, on a host with the chip."""
        options = {
            "chip": self.chip,
            "suite": self.suite,
            "model": self.model,
            "preset": self.preset,
            "framework": parse(self.name).framework,
            "devices": ",".join(map(str, self.devices)) or None,
            "data": self.data_root,
            "mapping": self.data,
        }
        given = {f"--{option}": value for option, value in options.items() if value is not None}
        return command("bench", *itertools.chain(*given.items()), results=self.results)


def parse(name: str) -> BaselineName:
    """The name of a cell in a ledger, with the chip as records name it."""
    framework, _, execution = name.rpartition("/")[2].partition("-")
    return BaselineName(framework, execution or None, recorded(_chip(name)))


def recorded(name: str) -> str:
    """What records call a model or a chip that a ledger gives by name or by its YAML file."""
    return Path(name).stem if _is_file(name) else name


def check_names(path: Path, ledger: Ledger, found: Results) -> None:
    """Raise UserError with the ledger's file, the claim and the nearest name where a name stands for nothing.

    Suites, chips, models and presets are those of scenarios/, of YAML files that the ledger gives, and of the records.
    """
    ran = [*(cell.scenario for cell in found.cells), *(entry for _, entry in found.absent)]

    @cache
    def presets(model: str) -> set[str]:
        of_file = catalogue.model(model).presets if _is_in_catalogue("models", model) else ()
        return {*of_file, *(entry.preset for entry in ran if entry.model == recorded(model))}

    _check(str(path), "suites", ledger.suite, found.suites)
    for claim in ledger.claims:
        where = f"{path}: claim {claim.name!r}"
        for name in (*claim.cells, *(() if claim.reference else (claim.baseline,))):
            _check(where, "chips", _chip(name), {entry.chip for entry in ran})
        for model in claim.models:
            _check(where, "models", model, {entry.model for entry in ran})
            if claim.preset is not None and claim.preset not in presets(model):
                hint = nearest(claim.preset, presets(model))
                raise UserError(f"{where}: model {model!r} has no preset {claim.preset!r}; {hint}")


def _check(where: str, kind: Kind, name: str, of_records: Collection[str]) -> None:
    what = kind.removesuffix("s")
    if _is_file(name):
        if not Path(name).is_file():
            raise UserError(f"{where}: {what} {name}: no such file")
    elif name not in (valid := {*catalogue.names(kind), *of_records}):
        raise UserError(f"{where}: no {what} {name!r} in scenarios/{kind} or the records; {nearest(name, valid)}")


def _is_in_catalogue(kind: Kind, name: str) -> bool:
    return _is_file(name) or name in catalogue.names(kind)


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _chip(name: str) -> str:
    return name.rpartition("/")[0]
