"""The network of a lab's own that a bench runs in the place of the harness's in one framework."""

from collections.abc import Collection, Sequence
from typing import get_args

from harness.errors import UserError
from harness.launch.plan import LaunchPlan
from harness.own_code import source_digest
from harness.processes import ask_child
from harness.scenario.scenario import OwnPort, Selection
from harness.scenario.schema import FrameworkName

DEFAULT: FrameworkName = "mindspore"
"""The framework of a port where the selection names none, as in `crosscast parity`."""

LIMIT_S = 300.0
"""What importing a port may take, which imports its framework."""


def ports_of(
    selection: Selection, models: Collection[str], frameworks: Collection[str]
) -> dict[FrameworkName, OwnPort]:
    """The port of a selection by its framework; none where it names none.

    Raises UserError where its module is not to be found, where it would stand for several models, and where the suite
    has not its framework.
    """
    if selection.port is None:
        return {}
    source = source_digest(selection.port)
    if source is None:
        raise UserError(f"--port {selection.port}: the module has no file of its own to tell its versions apart")
    if len(models) > 1:
        raise UserError(
            f"--port {selection.port} is one network, but these are selected: {', '.join(models)}; "
            "choose one with --model"
        )
    framework = next((each for each in get_args(FrameworkName) if each == selection.framework), DEFAULT)
    if framework not in frameworks:
        raise UserError(f"--port {selection.port}: the suite has no {framework}; give --framework {min(frameworks)}")
    return {framework: OwnPort(name=selection.port, source=source)}


def problems_of_ports(plans: Sequence[LaunchPlan]) -> list[str]:
    """A line for each port that cannot be loaded by the Python that is to run it."""
    ports = dict.fromkeys((plan.scenario.port.name, plan.python) for plan in plans if plan.scenario.port)
    answers = [ask_child("harness.models.ports", name, timeout_s=LIMIT_S, python=python) for name, python in ports]
    return [answer["reason"] for answer in answers if answer]
