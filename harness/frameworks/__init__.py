"""The frameworks, each behind the same small protocol (base.py) and imported only inside a child process."""

from importlib import import_module

from harness.errors import UserError, one_line
from harness.faults import MACHINE, fault_in
from harness.frameworks.base import Framework
from harness.scenario.execution import EAGER, Execution


def open_framework(name: str, device: str, execution: Execution = EAGER) -> Framework:
    """Import a framework and open its device.

    Raises UserError, with a remedy, where the vendor's words say that the machine is not ready for it.
    """
    try:
        framework: Framework = import_module(f"harness.frameworks.{name}.trainer").open_device(device, execution)
    except (ImportError, OSError, RuntimeError, UserError) as error:
        fault = fault_in(f"{error.__context__ or ''}\n{error}")
        if fault is None or fault.kind not in MACHINE:
            raise
        said = str(error) if isinstance(error, UserError) else one_line(error)
        raise UserError(f"{said.rstrip('.')}: {fault.remedy}") from error
    return framework
