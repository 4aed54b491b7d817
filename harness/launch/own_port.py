"""The network of a lab's own that a bench runs in the place of the harness's in one framework."""

import hashlib
from collections.abc import Collection
from typing import get_args

from harness.errors import UserError
from harness.own_code import source_of
from harness.scenario.scenario import OwnPort, Selection
from harness.scenario.schema import FrameworkName

DEFAULT: FrameworkName = "mindspore"
"""The framework of a port where the selection names none, as in `crosscast parity`."""


def ports_of(
    selection: Selection, models: Collection[str], frameworks: Collection[str]
) -> dict[FrameworkName, OwnPort]:
    """The port of a selection by its framework; none where it names none.

    Raises UserError where its module is not to be found, where it would stand for several models, and where the suite
    has not its framework.
    """
    if selection.port is None:
        return {}
    source = source_of(selection.port)
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
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    return {framework: OwnPort(name=selection.port, source=digest)}
