"""The ranks of MindSpore, started by msrun, and the scheduler at which they meet, which runs the same program.

msrun runs a `python3` of the path and no other, so that this becomes the one that is wanted. It may end with status 0
though a rank has failed: ranks are judged by what they leave.
"""

from collections.abc import Sequence
from pathlib import Path

from collectors.children import python_module
from harness.launch.launchers import Meeting
from harness.launch.plan import WORKER, LaunchPlan

PYTHON = ("python3", "-I", "-S", "-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])")
MEETING_S = 300
"""What ranks may take until all have met."""


def command(plan: LaunchPlan, folder: Path, meeting: Meeting, scratch: Path) -> list[str]:
    """msrun on this node; see Launcher."""
    options = {
        "--worker_num": plan.ranks,
        "--local_worker_num": plan.ranks_of_node,
        "--node_rank": meeting.node,
        "--master_addr": meeting.address,
        "--master_port": meeting.port,
        "--log_dir": scratch,
        "--join": True,
        "--tail_worker_log": plan.ranks,
        "--cluster_time_out": MEETING_S,
    }
    arguments = [word for option in options.items() for word in option]
    return [
        *python_module("mindspore.parallel.cluster.run", *arguments, *PYTHON, python=plan.python),
        *python_module(WORKER, folder.absolute(), python=plan.python),
    ]


def logs(scratch: Path) -> Sequence[Path]:
    """One of each rank, and that of the scheduler."""
    return sorted(scratch.glob("*.log"))
