"""torch.compile: of the network, or of a whole step's network, rollout and loss, with what it says of its graphs.

Graphs are whole (a part that cannot be compiled is an error, nothing falls back to eager in silence) and static: each
shape has its own, as in MindSpore, so that the first call of a shape, and no other, compiles.

The graph of a step holds the rollout, the loss and all gradients. The update stays the optimiser's one fused kernel:
torch.compile does not trace into fused optimisers, and the others correct their moments in float32 once compiled.
"""

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from harness.errors import UserError
from harness.frameworks.base import Graphs
from harness.frameworks.compile_cache import use_folder
from harness.scenario.execution import Compilation

MOST_GRAPHS = 256
"""Of one function, by shapes and by whether gradients are asked for; PyTorch's own limit is 8."""


def prepare(compilation: Compilation, device: str) -> None:
    """Make ready to compile: limits, the folder of the cache, and what inductor needs to generate code.

    The folder comes first: importing inductor names one of its own. Raises UserError where that needs a compiler of C++
    (on a CPU) or a package that is not here.
    """
    if compilation.mode == "eager":
        return
    use_folder("pytorch")
    if device == "cpu":
        _require_cpp_compiler()
    else:
        _require_generator(device)
    limit = "recompile_limit" if hasattr(torch._dynamo.config, "recompile_limit") else "cache_size_limit"
    setattr(torch._dynamo.config, limit, MOST_GRAPHS)


def _require_generator(device: str) -> None:
    """torch_npu gives inductor no NPU without Triton, or MLIR where its variable asks for that."""
    wants_mlir = device == "npu" and os.environ.get("TORCHINDUCTOR_NPU_BACKEND") == "mlir"
    package, source = ("torch_mlir", "torch-mlir") if wants_mlir else ("triton", "triton")
    if find_spec(package) is None:
        made_for = "triton-ascend, made for this torch_npu" if (device, package) == ("npu", "triton") else source
        raise UserError(
            f"torch.compile generates code for {device} with the Python package {package}, which is not installed: "
            f"install {made_for}, or choose compilation.mode: eager"
        )


def _require_cpp_compiler() -> None:
    from torch._inductor import config

    named = config.cpp.cxx if isinstance(config.cpp.cxx, list | tuple) else (config.cpp.cxx,)
    tried = [name for name in named if name]
    if not any(map(shutil.which, tried)):
        raise UserError(
            f"torch.compile needs a C++ compiler on a CPU and finds none ({', '.join(tried)}): install g++, name one "
            "with CXX=, or choose compilation.mode: eager"
        )


def compiled(function: Callable[..., Any], compilation: Compilation, *, scope: str) -> Any:
    """The function as a graph where `compilation` asks for a graph of that scope, else as it is."""
    if compilation.mode == "eager" or compilation.scope != scope:
        return function
    mode = None if compilation.options == "default" else compilation.options
    return torch.compile(function, fullgraph=True, dynamic=False, mode=mode)


def begin_step(compilation: Compilation) -> None:
    """Tell CUDA graphs, which all options but the default use, that what those of the step before gave is done with."""
    if compilation.options != "default":
        torch.compiler.cudagraph_mark_step_begin()


def kept(value: Tensor, compilation: Compilation) -> Tensor:
    """The result of a step, in memory that the CUDA graphs of the next step leave alone."""
    return value if compilation.options == "default" else value.clone()


def described(compilation: Compilation) -> dict[str, str]:
    """What is compiled and how; empty without a graph."""
    if compilation.mode == "eager":
        return {}
    return {"scope": compilation.scope, "options": compilation.options}


def graphs(compilation: Compilation) -> Graphs:
    """The graphs that this process has compiled, and those of them that the cache of inductor did not hold.

    Without that cache nobody counts the latter.
    """
    if compilation.mode == "eager":
        return Graphs(made=0, built=0)
    from torch._dynamo.utils import counters
    from torch._inductor import config

    made, cache = counters["stats"]["unique_graphs"], counters["inductor"]
    if not config.fx_graph_cache or getattr(config, "force_disable_caches", False):
        return Graphs(made=made, built=None)
    return Graphs(made=made, built=cache["fxgraph_cache_miss"] + cache["fxgraph_cache_bypass"])
