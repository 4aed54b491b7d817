"""What Slurm's programs and its jobs must not inherit from the shell, or the job, in which they are called.

sbatch hands all variables of its caller on to the job, and reads some as options that overrule those of a script;
squeue leaves out of its list what others say.
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping

from collectors.children import MARKS

QUESTIONS = re.compile("(SQUEUE|SCANCEL)_")
"""Variables that change what is listed, such as SQUEUE_USERS, and what is cancelled."""

OF_ANY_JOB = frozenset({"SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT"})
"""Variables of Slurm that are no word of the job in which sbatch is called."""

ALWAYS = frozenset({"array-inx", "no-requeue", "wait", "get-user-env"})
"""Options that no script of ours has, and that would change what it asks for."""

OTHERWISE: Mapping[str, tuple[str, ...]] = {
    "time": ("timelimit",),
    "mem": ("mem-per-node", "mem-per-cpu", "mem-per-gpu"),
}
"""Options whose variables are called otherwise, or that exclude each other."""


def for_questions() -> dict[str, str]:
    """The environment in which squeue lists, and scancel ends, every job that it is asked for."""
    return {name: value for name, value in os.environ.items() if not QUESTIONS.match(name)}


@contextlib.contextmanager
def without_inherited(options: Collection[str], devices: str | None) -> Iterator[None]:
    """Within the block a job is asked for as its script says, whose `options` are these, and inherits no other job.

    `devices` names the variable that selects devices: those of whoever calls sbatch are not those of the job.
    """
    named = {*options, *ALWAYS, *(name for option in options for name in OTHERWISE.get(option, ()))}
    dropped = {f"SBATCH_{name.upper().replace('-', '_')}" for name in named} | {MARKS, devices}
    if "SLURM_JOB_ID" in os.environ:
        dropped |= {name for name in os.environ if name.startswith("SLURM_") and name not in OF_ANY_JOB}
    kept = {name: os.environ.pop(name) for name in dropped if name is not None and name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
