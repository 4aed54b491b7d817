"""The frameworks, each behind the same small protocol (base.py) and imported only inside a child process."""

from importlib import import_module

from harness.errors import UserError, one_line
from harness.frameworks.base import Framework
from harness.frameworks.library_hints import remedy
from harness.scenario.execution import EAGER, Execution


def open_framework(name: str, device: str, execution: Execution = EAGER) -> Framework:
    """Import a framework and open its device. Raises UserError where a vendor's library is not found.

    From 2.5 on PyTorch imports torch_npu itself, and what that could not find is the cause of a RuntimeError.
    """
    try:
        framework: Framework = import_module(f"harness.frameworks.{name}.trainer").open_device(device, execution)
    except (ImportError, OSError, RuntimeError) as error:
        found: BaseException | None = error
        while found is not None:
            if hint := remedy(str(found)):
                raise UserError(f"{name} cannot be imported: {one_line(found)}; {hint}") from None
            found = found.__cause__ or found.__context__
        raise
    return framework
