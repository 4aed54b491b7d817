"""Has a node room for the ranks of a launch: a device for each of them, or on a CPU a core?"""

import os

from harness.results.environment import Environment
from harness.scenario.scenario import Scenario


def cores() -> int:
    """Cores on which this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def problem_of_ranks(scenario: Scenario, environment: Environment) -> str | None:
    """Why there is none; None where there is, or where nobody tells how many devices the job sees."""
    wanted = scenario.execution.world.devices
    if wanted == 1:
        return None
    if scenario.device.lower() == "cpu":
        there, what = cores(), "cores for ranks of which each takes one at least"
    else:
        there, what = len(environment.accelerator.devices), f"devices of {scenario.chip} that it sees"
    if there == 0 or wanted <= there:
        return None
    return f"world.devices: {wanted}: this job has {there} {what}: take at most DEVICES={there}"
