"""The accelerators that Slurm has given a job, as the variable by which the chip's drivers select them.

Slurm sets CUDA_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES itself, where gres.conf names the device files; of resources
with other names, such as an NPU, it tells a job nothing, and what it has allocated stands in `scontrol -d show job`.
"""

import re
import subprocess
from collections.abc import Mapping, MutableMapping

from harness.errors import UserError
from harness.launch.nodes.allocation import hostnames

LIMIT_S = 30.0
ALLOCATED = re.compile(r"\(IDX:([0-9,-]+)\)")
COUNTED = re.compile(r"\(CNT:([0-9]+)\)")
WHOLE_NODE = "OverSubscribe=NO"

SELECTED = "CROSSCAST_DEVICES_OF"
"""Variable that names the node of which `select_devices` has set the variable of the chip."""


def select_devices(scheduler: str, variable: str | None, count: int, environment: MutableMapping[str, str]) -> None:
    """Set the variable, where it is not set yet, to the devices of this job; nothing where the block takes none.

    A job that Slurm does not run has all devices of its host, or those that the variable names. Raises UserError where
    the job has fewer than `count`, or Slurm does not say which.
    """
    if scheduler != "slurm" or not count or variable is None or variable in environment:
        return
    node = environment.get("SLURMD_NODENAME", "")
    found = allocated(_job_details(environment), node)
    if not found:
        raise UserError(
            "Slurm does not say which devices this job has: name the chip's resource under gres of the site, and the "
            "device files in gres.conf, or take whole nodes (sbatch: {exclusive: true})"
        )
    if len(found) < count:
        raise UserError(f"the job has {len(found)} devices, and its launches take {count}")
    environment[variable] = ",".join(map(str, found))
    environment[SELECTED] = node


def select_again(variable: str | None, count: int, environment: MutableMapping[str, str]) -> None:
    """The same on another node of the job, where what was found on the first came with the environment."""
    if variable is not None and environment.pop(SELECTED, None) is not None:
        environment.pop(variable, None)
        select_devices("slurm", variable, count, environment)


def allocated(details: str, node: str = "") -> list[int]:
    """Indices of the devices in what `scontrol -d -o show job` prints: `GRES=npu:ascend910b:3(IDX:0-1,5)` are 0, 1, 5.

    Of a job with several parts, those of the part that `node` is in: nodes of which a job has the same are told as one.
    Where gres.conf names no device files Slurm only counts them, which says all of a job that has the node to itself.
    Raises UserError where the job has resources of two kinds, whose indices would be mixed.
    """
    _, *parts = details.split(" Nodes=")
    of_node = parts[0] if len(parts) == 1 else next((part for part in parts if node in _names(part)), "")
    found = ALLOCATED.findall(of_node)
    if len(found) > 1:
        raise UserError("the job has generic resources of several kinds: ask for those of the chip alone")
    counted = COUNTED.findall(of_node)
    if counted and WHOLE_NODE in details:
        return list(range(int(counted[0])))
    numbers: list[int] = []
    for part in ",".join(found).split(",") if found else ():
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def _names(part: str) -> list[str]:
    """The nodes of which a part tells, its first word."""
    listed = part.split(maxsplit=1)[0]
    return [listed, *(hostnames(listed) if "[" in listed or "," in listed else ())]


def _job_details(environment: Mapping[str, str]) -> str:
    job = environment.get("SLURM_JOB_ID", "")
    try:
        told = subprocess.run(
            ["scontrol", "-d", "-o", "show", "job", job],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout
