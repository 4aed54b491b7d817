"""How the ranks of a launch are started: a command line from a plan, one module a launcher.

`single` starts the only rank of a launch, `torchrun` those of PyTorch, `msrun` those of MindSpore. Each has `command`,
and `logs`, the files in its scratch folder in which ranks write instead of the log of the launch. The environment that
a launcher gives to its ranks is read by `harness.worker.place`. Of a launch on several nodes each has a launcher of its
own (`harness.launch.nodes`).
"""

import socket
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from harness.launch.plan import LaunchPlan

LOCAL = "127.0.0.1"
OF_SEVERAL = {"pytorch": "torchrun", "mindspore": "msrun"}


class Meeting(NamedTuple):
    """Where the ranks of a launch find one another: a port of the first node; `node` is the number of this one."""

    port: int
    address: str = LOCAL
    node: int = 0


class Launcher(Protocol):
    """A module that starts ranks."""

    def command(self, plan: LaunchPlan, folder: Path, meeting: Meeting, scratch: Path) -> list[str]:
        """The command line that starts all ranks of a plan on this node; the launch is in `folder`.

        `scratch` is an empty folder that nobody keeps.
        """

    def logs(self, scratch: Path) -> Sequence[Path]:
        """Files in which ranks have written what did not go to the standard output of the launcher."""


def launcher_of(plan: LaunchPlan) -> Launcher:
    """What starts the ranks of a plan."""
    name = "single" if plan.ranks == 1 else OF_SEVERAL[plan.scenario.framework]
    return cast(Launcher, import_module(f"{__name__}.{name}"))


def free_port(address: str = LOCAL) -> int:
    """A port of this node that nobody listens at just now; another process may take it before it is used.

    Ranks of other nodes come to all addresses of this one: `address` is empty for them.
    """
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
