"""The nodes that Slurm has given this job: their names, the address of the first, and a command on the others."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.errors import UserError

CONTAINER = "CROSSCAST_CONTAINER"
"""Variable of a job with the words by which its site runs a command in the image: srun starts outside of it."""

LIMIT_S = 30.0
HOW = "hand it in with `crosscast submit --nodes`, or run `crosscast bench` in a job of Slurm that has the nodes"


class Allocation(NamedTuple):
    """Nodes by the names that Slurm has for them; this process runs on the first, which others reach at `address`."""

    names: tuple[str, ...]
    address: str


def problem_of_nodes(nodes: int, environ: Mapping[str, str] = os.environ) -> str | None:
    """Why a launch on so many nodes cannot be made from this process; None where it can."""
    if nodes == 1:
        return None
    if "SLURM_JOB_ID" not in environ:
        return f"world.nodes: {nodes}: there is no Slurm job here: {HOW}"
    there = environ.get("SLURM_JOB_NUM_NODES", "1")
    if not there.isdecimal() or int(there) < nodes:
        return f"world.nodes: {nodes}: this job has {there}: {HOW}"
    if missing := [name for name in ("srun", "scontrol") if shutil.which(name) is None]:
        return (
            f"world.nodes: {nodes}: no {' and no '.join(missing)} on this node: put Slurm's programs on its path, and "
            "bind them into the container"
        )
    return None


def allocation(nodes: int) -> Allocation:
    """The first nodes of this job. Raises UserError where it has not as many, or Slurm does not name them."""
    if problem := problem_of_nodes(nodes):
        raise UserError(problem)
    names = tuple(hostnames(os.environ.get("SLURM_JOB_NODELIST", "")))[:nodes]
    if len(names) < nodes:
        raise UserError(f"world.nodes: {nodes}: scontrol does not name the nodes of this job")
    found = re.search(r"\bNodeAddr=(\S+)", _told("scontrol", "-o", "show", "node", names[0]))
    return Allocation(names, found[1] if found else names[0])


def hostnames(listed: str) -> list[str]:
    """The names in a list as Slurm writes it: n[1-3,7] are n1, n2, n3 and n7; none where Slurm does not answer."""
    return _told("scontrol", "show", "hostnames", listed).split() if listed else []


def srun(nodes: int, words: Sequence[str]) -> list[str]:
    """The command that runs one process with these words on each of the nodes after the first.

    Each has all of the job on its node, whatever the batch step has of it there, and one that fails ends no other.
    """
    others = nodes - 1
    return [
        *("srun", f"--nodes={others}", f"--ntasks={others}", "--ntasks-per-node=1", "--relative=1", "--overlap"),
        *("--kill-on-bad-exit=0", "--wait=0", "--input=none", "--cpu-bind=none", "--export=ALL"),
        *shlex.split(os.environ.get(CONTAINER, "")),
        *words,
    ]


def _told(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
