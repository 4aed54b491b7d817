"""Whether the nodes of a launch have the same software, and in what else they are unlike."""

from collections.abc import Mapping
from typing import Any

from harness.results.environment import Environment

VERSIONS: Mapping[str, str] = {
    "crosscast_version": "crosscast",
    "git_commit": "commit of crosscast",
    "python": "Python",
    "interpreter": "interpreter",
    "packages": "list of installed packages",
    "accelerator.vendor": "vendor of the devices",
    "accelerator.driver": "driver",
    "accelerator.firmware": "firmware",
    "accelerator.toolkit": "toolkit",
    "accelerator.kernels": "kernel package",
}
"""What all nodes must have the same of, and what it is called."""

PASSING = frozenset({"host", "container", "cpu_mhz"})
"""What differs between any two nodes and says nothing."""


def problem_of_software(first: Environment, other: Environment) -> str | None:
    """Why a node cannot take part in a launch of the first: other versions; None where all are the same."""
    ours, theirs = _values(first), _values(other)
    unequal = [
        f"{called} {_shown(theirs[name])} and not {_shown(ours[name])}"
        for name, called in VERSIONS.items()
        if ours[name] != theirs[name]
    ]
    if not unequal:
        return None
    return f"it has {', '.join(unequal)} as the first node: give all nodes of a launch the same software"


def differences(first: Environment, other: Environment) -> tuple[str, ...]:
    """In what else a node is unlike the first, one line each."""
    ours, theirs = _values(first), _values(other)
    return tuple(
        f"{name}: {theirs[name]}, {ours[name]} on the first node"
        for name in ours
        if name not in VERSIONS and name not in PASSING and ours[name] != theirs[name]
    )


def _shown(value: object) -> str:
    """A value in words, of a digest its beginning."""
    text = str(value)
    return text[:12] if len(text) >= 40 and text.isalnum() else text


def _values(environment: Environment) -> dict[str, Any]:
    accelerator = environment.accelerator
    found = {name: value for name, value in environment if name != "accelerator"}
    return found | {f"accelerator.{name}": value for name, value in accelerator}
