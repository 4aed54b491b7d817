"""The ranks of PyTorch, started by torchrun. It ends all of them where one fails."""

from collections.abc import Sequence
from pathlib import Path

from collectors.children import python_module
from harness.launch.launchers import LOCAL
from harness.launch.plan import WORKER, LaunchPlan


def command(plan: LaunchPlan, folder: Path, port: int, scratch: Path) -> list[str]:
    """torchrun on this node; see Launcher."""
    options = {"--nnodes": 1, "--nproc-per-node": plan.ranks, "--master-addr": LOCAL, "--master-port": port}
    arguments = [word for option in options.items() for word in option]
    return [
        *python_module("torch.distributed.run", *arguments, "--no-python", python=plan.python),
        *python_module(WORKER, folder.absolute(), python=plan.python),
    ]


def logs(scratch: Path) -> Sequence[Path]:
    """None: its ranks write where it writes."""
    return ()
