"""The Pythons in which frameworks run: this one, or one that a chip's file names for a framework."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from harness.machine import probe

LIMIT_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


class Package(msgspec.Struct, frozen=True):
    """A package of an interpreter; `version` is None where it is not told without an import."""

    there: bool
    version: str | None
    requires: tuple[str, ...]


class _Harness(msgspec.Struct, frozen=True):
    sources: str
    requires: dict[str, str | None]


class _Answer(msgspec.Struct, frozen=True):
    """What `harness.machine.probe` prints."""

    python: str
    packages: dict[str, Package]
    distributions: str
    harness: _Harness | None


class Interpreter(msgspec.Struct, frozen=True):
    """What a Python has; `problem` says why the harness cannot work in it, and is None where it can."""

    python: str
    packages: Mapping[str, Package]
    distributions: str
    problem: str | None = None


def packages_here(names: Sequence[str]) -> dict[str, Package]:
    """The packages of this Python that have these import names; looked for once on each `sys.path`."""
    return {name: _package(name, tuple(sys.path)) for name in names}


@lru_cache
def _package(name: str, places: tuple[str, ...]) -> Package:
    return msgspec.convert(probe.package(name), Package)


@lru_cache
def look(python: str, names: tuple[str, ...] = ()) -> Interpreter:
    """What another Python has of the packages of these import names; asked once in a process."""
    told = _ask(python, names)
    if isinstance(told, str):
        return Interpreter("unknown", {}, "unknown", told)
    return Interpreter(told.python, told.packages, told.distributions, _problem(python, told))


def _ask(python: str, names: Sequence[str]) -> _Answer | str:
    """Its answer, or why there is none."""
    from collectors import children
    from harness.processes import worker_environment

    if not os.access(python, os.X_OK) or Path(python).is_dir():
        return f"{python} is no program that can be run: name a Python"
    try:
        child = children.start(
            [python, "-c", Path(probe.__file__).read_text(encoding="utf-8"), *names],
            env=worker_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        return f"{python} cannot be started: {error.strerror}"
    try:
        told, _ = child.communicate(timeout=LIMIT_S)
        return msgspec.json.decode(told.splitlines()[-1] if told.strip() else b"", type=_Answer)
    except subprocess.TimeoutExpired:
        return f"{python} does not answer within {LIMIT_S:g} s"
    except msgspec.MsgspecError:
        return f"{python} does not answer as a Python does: name a Python of 3.6 or newer"
    finally:
        child.end()


def _problem(python: str, told: _Answer) -> str | None:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    fitting = _requires_python()
    if not SpecifierSet(fitting).contains(told.python, prereleases=True):
        return f"{python} is Python {told.python}, and the harness needs {fitting}"
    if told.harness is None:
        return (
            f"{python} has no crosscast: make an environment that sees its packages (make venv PYTHON={python} "
            "VENV_ACCELERATOR=.venv-NAME CHIP=CHIP) and name bin/python of that"
        )
    if told.harness.sources != _own_sources():
        return f"{python} has a crosscast of other sources than the one that is running: install this one there"
    place: Any = {"python_version": ".".join(told.python.split(".")[:2]), "python_full_version": told.python}
    needs = {Requirement(line): version for line, version in told.harness.requires.items()}
    missing = [
        need.name
        for need, version in needs.items()
        if version is None and (need.marker is None or need.marker.evaluate(place))
    ]
    return f"{python} lacks what crosscast requires: {', '.join(missing)}" if missing else None


def _requires_python() -> str:
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        return metadata("crosscast")["Requires-Python"] or ">=3.10"
    except (PackageNotFoundError, KeyError):
        return f">={sys.version_info.major}.{sys.version_info.minor}"


@lru_cache
def _own_sources() -> str:
    return probe.sources(ROOT)
