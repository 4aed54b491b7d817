"""Which executions a framework cannot run on a device, and why: answered before a device is touched.

Here stands what is known of the frameworks (versions in constraints.txt) whatever the machine. Whether a framework is
installed and a chip present is answered by harness.machine.availability.
"""

from collections.abc import Callable, Iterator

from harness.architectures import architecture as package_of
from harness.frameworks.compile_cache import fuses_on_cpu
from harness.scenario.execution import Execution
from harness.scenario.schema import FrameworkName

PRODUCTS = {
    "tf32": (("pytorch", "cuda"),),
    "hf32": (("pytorch", "npu"), ("mindspore", "Ascend")),
}
"""Where there are products of float32 in a lower format."""


def cannot_execute(
    framework: FrameworkName, device: str, execution: Execution, architecture: str | None = None
) -> str | None:
    """Why a framework cannot run an execution on a device; None where nothing is known to speak against it.

    The device has the framework's own name: cpu, cuda or npu of PyTorch, CPU or Ascend of MindSpore. What only some
    architectures can is asked for where one is named.
    """
    rules: tuple[Callable[..., Iterator[str]], ...] = (
        _compilation,
        _precision,
        _recompute,
        _operators,
        _loading,
        _world,
    )
    reasons = [reason for rule in rules for reason in rule(framework, device, execution)]
    if execution.recompute.unit == "ranges" and architecture and not getattr(package_of(architecture), "RANGES", False):
        reasons.append(f"recompute.unit: {architecture} does not work through ranges of grid points; use blocks")
    return "; ".join(reasons) or None


def _compilation(framework: FrameworkName, device: str, execution: Execution) -> Iterator[str]:
    chosen = execution.compilation
    if framework == "pytorch" and chosen.level is not None:
        yield f"compilation.level: {chosen.level} is a jit_level of MindSpore, which PyTorch does not have"
    if framework == "mindspore":
        if chosen.scope != "forward":
            yield "compilation.scope: step is for torch.compile; a graph of MindSpore always holds the step"
        if chosen.options != "default":
            yield f"compilation.options: {chosen.options} is a mode of torch.compile, which MindSpore does not have"


def _precision(framework: FrameworkName, device: str, execution: Execution) -> Iterator[str]:
    chosen = execution.precision
    where = PRODUCTS.get(chosen.matmul)
    if where is not None and (framework, device) not in where:
        there = " and ".join(f"{name} on {its_device}" for name, its_device in where)
        yield f"precision.matmul: {chosen.matmul} is for {there}, not for {framework} on {device}"
    if framework == "mindspore" and execution.is_graph and chosen.autocast.startswith("native-"):
        yield (
            f"precision.autocast: {chosen.autocast}: in a graph MindSpore's own list leaves some gradients low, "
            "with which neither their norm nor the update can be taken; it runs op by op"
        )
    if (framework, device) == ("mindspore", "CPU") and chosen.autocast.endswith("bf16"):
        yield f"precision.autocast: {chosen.autocast}: MindSpore on a CPU has no operators in bfloat16; fp16 runs"


def _recompute(framework: FrameworkName, device: str, execution: Execution) -> Iterator[str]:
    if execution.recompute.unit == "offload" and (framework, device) not in (("pytorch", "cuda"), ("pytorch", "npu")):
        yield f"recompute.unit: offload is for PyTorch on cuda and npu, not for {framework} on {device}"
    casts = execution.precision.autocast in ("bf16", "fp16")
    if framework == "pytorch" and execution.is_graph and casts and execution.recompute.unit in ("blocks", "ranges"):
        yield (
            f"recompute.unit: {execution.recompute.unit}: a graph of torch.compile cannot compute anew what "
            f"precision.autocast: {execution.precision.autocast} casts; take mode: eager, or "
            f"native-{execution.precision.autocast}"
        )


def _operators(framework: FrameworkName, device: str, execution: Execution) -> Iterator[str]:
    if framework == "pytorch" and execution.operators.segment_sum == "gathered":
        yield "operators.segment_sum: gathered is a way of MindSpore; PyTorch adds up by an operator of its own"


def _loading(framework: FrameworkName, device: str, execution: Execution) -> Iterator[str]:
    if not execution.loading.sink:
        return
    if (framework, device) != ("mindspore", "Ascend"):
        yield f"loading.sink: for mindspore on Ascend alone, not for {framework} on {device}"
    if not execution.is_graph:
        yield "loading.sink: the device takes its batches in a graph alone; add compilation: {mode: graph}"


def _world(framework: FrameworkName, device: str, execution: Execution) -> Iterator[str]:
    if execution.world.devices == 1:
        return
    yield from _world_of_mindspore(device, execution) if framework == "mindspore" else _world_of_pytorch(execution)


def _world_of_mindspore(device: str, execution: Execution) -> Iterator[str]:
    if execution.world.parallel == "sharded":
        yield (
            "world.parallel: sharded: it needs ReduceScatter, which MindSpore does not have on a CPU, so that it was "
            "never run; use sharded_optimiser, or pytorch"
        )
    if execution.loading.sink:
        yield "loading.sink: the sink was never run with several devices; leave it out"
    if fuses_on_cpu(execution.compilation, device):
        yield "compilation.level: O1 was never run with several devices on a CPU; use O0"


def _world_of_pytorch(execution: Execution) -> Iterator[str]:
    """fully_shard gathers parameters in hooks, at which a graph of torch.compile would have to break."""
    if execution.world.parallel != "sharded":
        return
    if execution.is_graph:
        yield "world.parallel: sharded runs op by op alone in PyTorch; with a graph use sharded_optimiser"
    if execution.recompute.unit == "offload":
        yield "world.parallel: sharded has not been run with recompute.unit: offload; use unit: blocks"
