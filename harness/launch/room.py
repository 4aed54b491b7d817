"""Has a job room for the ranks of a launch: its nodes, and on each a device for every rank, or on a CPU a core?"""

import os

from harness.launch.nodes.allocation import problem_of_nodes
from harness.results.environment import Environment
from harness.scenario.scenario import Scenario


def cores() -> int:
    """Cores on which this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def problem_of_ranks(scenario: Scenario, environment: Environment) -> str | None:
    """Why there is none; None where there is, or where nobody tells how many devices the job sees."""
    world = scenario.execution.world
    if world.devices == 1:
        return None
    if problem := problem_of_nodes(world.nodes):
        return problem
    wanted = world.devices_of_node
    if scenario.device.lower() == "cpu":
        there, what = cores(), "cores for ranks of which each takes one at least"
    else:
        there, what = len(environment.accelerator.devices), f"devices of {scenario.chip} that it sees"
    if there == 0 or wanted <= there:
        return None
    on_each = f" on {world.nodes} nodes" if world.nodes > 1 else ""
    return (
        f"world.devices: {world.devices}{on_each}: this job has {there} {what}: take at most "
        f"DEVICES={there * world.nodes}"
    )
