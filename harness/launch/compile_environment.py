"""What a worker that compiles finds in its environment: an empty folder for compiled code, and threads that sleep.

A folder for each launch makes all launches of a cell compile alike, cold; it is removed with the worker, however that
ends. One that the user names in the framework's own variable (harness.frameworks.compile_cache) is kept, and warm from
the second launch on. MindSpore's graphs on a CPU need none: they are kept in a folder of the user's alone.

Beside the fused kernels of MindSpore on a CPU, OpenMP's waiting threads must sleep: its pool and MindSpore's own have
as many threads as there are cores each, and one that spins keeps the other from working (a step took 20 times as long).
"""

import contextlib
from collections.abc import Iterator, Mapping

from harness.frameworks.compile_cache import VARIABLES, fuses_on_cpu
from harness.processes import scratch_folder
from harness.scenario.execution import Execution

SLEEPING: Mapping[str, str] = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


@contextlib.contextmanager
def compiling(
    framework: str, device: str, execution: Execution, inherited: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """The environment of a worker, with a folder for compiled code that lasts as long as the context.

    What `inherited` holds already is kept. Raises UserError where no folder can be made.
    """
    fuses = framework == "mindspore" and fuses_on_cpu(execution.compilation, device)
    keeps_whole_graphs = framework == "mindspore" and device == "CPU" and not fuses
    if not execution.is_graph or keeps_whole_graphs:
        yield dict(inherited)
        return
    with scratch_folder("compiled") as folder:
        yield {**(SLEEPING if fuses else {}), VARIABLES[framework]: str(folder), **inherited}
