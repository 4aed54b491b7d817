"""What a backward pass needs, kept in the memory of the host instead of the device's."""

from contextlib import AbstractContextManager, nullcontext

from torch.autograd.graph import save_on_cpu

from harness.errors import UserError
from harness.scenario.execution import Execution


def check_offload(device: str, execution: Execution) -> None:
    """Raise UserError where there is no other memory than the host's."""
    if device == "cpu" and execution.recompute.unit == "offload":
        raise UserError("recompute.unit offload: a CPU has no memory but the host's; use unit: blocks")


def kept_on_host(execution: Execution, device: str) -> AbstractContextManager[object]:
    """A context whose forward passes keep on the host what their backward passes need, where an execution asks for it.

    Pinned memory, which copies faster, is taken on CUDA, where it is known to exist.
    """
    if execution.recompute.unit != "offload":
        return nullcontext()
    context: AbstractContextManager[object] = save_on_cpu(pin_memory=device == "cuda")
    return context
