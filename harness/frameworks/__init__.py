"""The frameworks, each behind the same small protocol (base.py) and imported only inside a child process."""

from collections.abc import Iterator
from importlib import import_module

from harness.errors import UserError
from harness.faults import MACHINE, fault_in
from harness.frameworks.base import Framework
from harness.scenario.execution import EAGER, Execution


def open_framework(name: str, device: str, execution: Execution = EAGER) -> Framework:
    """Import a framework and open its device.

    Raises UserError, with a remedy, where the vendor's words say that the machine is not ready for it. PyTorch imports
    torch_npu itself from 2.5 on, and what that could not find is the cause of a RuntimeError.
    """
    try:
        framework: Framework = import_module(f"harness.frameworks.{name}.trainer").open_device(device, execution)
    except (ImportError, OSError, RuntimeError, UserError) as error:
        fault = fault_in("\n".join(map(str, _causes(error))))
        if fault is None or fault.kind not in MACHINE:
            raise
        said = str(error).rstrip(".") if isinstance(error, UserError) else fault.said.rstrip(".")
        raise UserError(f"{said}: {fault.remedy}") from error
    return framework


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
