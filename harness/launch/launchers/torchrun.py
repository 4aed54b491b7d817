"""The ranks of PyTorch, started by torchrun. It ends all of them where one fails."""

from collections.abc import Sequence
from pathlib import Path

from collectors.children import python_module
from harness.launch.launchers import Meeting
from harness.launch.plan import WORKER, LaunchPlan


def command(plan: LaunchPlan, folder: Path, meeting: Meeting, scratch: Path) -> list[str]:
    """torchrun on this node; see Launcher."""
    options = {
        "--nnodes": plan.nodes,
        "--node-rank": meeting.node,
        "--nproc-per-node": plan.ranks_of_node,
        "--master-addr": meeting.address,
        "--master-port": meeting.port,
    }
    arguments = [word for option in options.items() for word in option]
    return [
        *python_module("torch.distributed.run", *arguments, "--no-python", python=plan.python),
        *python_module(WORKER, folder.absolute(), python=plan.python),
    ]


def logs(scratch: Path) -> Sequence[Path]:
    """None: its ranks write where it writes."""
    return ()
