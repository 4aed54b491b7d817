"""MindSpore's graphs: kernel by kernel (O0) or with fused kernels (O1), and what it says of them.

On a CPU, jit_level O1 alone fuses nothing in 2.10: fusion is `enable_graph_kernel`, whose kernels a child process of
MindSpore's own code generator (AKG) builds. It needs the package `decorator`, without which MindSpore says no more than
"Response is empty", and waiting threads that sleep: two pools of threads otherwise keep each other from working
(harness.launch.compile_environment).

MindSpore's cache of whole graphs is off but where graph_cache.py turns it on.
"""

import atexit
import os
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import mindspore as ms
from mindspore import context

from harness.errors import UserError
from harness.frameworks.base import Graphs
from harness.frameworks.compile_cache import VARIABLES, fuses_on_cpu, use_folder
from harness.scenario.execution import Compilation

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""How threads of OpenMP wait, on which the speed of fused kernels depends."""

KERNELS = "akg_kernel_meta/*.o"
"""Fused kernels in the folder of the cache, named by a hash of what they compute."""

LITTER = "dsa_transfrom.log"
"""What the code generator writes into the current folder, beside the kernels in the folder of the cache."""


def prepare(compilation: Compilation, device: str) -> None:
    """Set the mode, the level and the fusion of kernels for all that this process compiles.

    Raises UserError where fusion lacks a package.
    """
    if ms.get_context("enable_graph_kernel"):
        ms.set_context(enable_graph_kernel=False)
    if compilation.mode == "eager":
        ms.set_context(mode=ms.PYNATIVE_MODE)
        return
    ms.set_context(mode=ms.GRAPH_MODE, enable_compile_cache=False)
    if compilation.level is not None:
        ms.set_context(jit_config={"jit_level": compilation.level})
    if compilation.level == "O1":
        _remove_at_the_end(Path.cwd() / LITTER)
    if fuses_on_cpu(compilation, device):
        if find_spec("decorator") is None:
            raise UserError(
                "MindSpore fuses kernels (compilation.level: O1) on a CPU only with the Python package decorator: "
                "install it (python -m pip install decorator) or choose O0"
            )
        use_folder("mindspore")
        ms.set_context(enable_graph_kernel=True)


def _remove_at_the_end(path: Path) -> None:
    """Remove a file when this process ends, unless it is there already."""

    def remove() -> None:
        with suppress(OSError):
            path.unlink()

    if not path.exists():
        atexit.register(remove)


def described() -> dict[str, str]:
    """Level, fusion and cache of graphs as MindSpore tells them at the moment; empty where nothing is compiled."""
    if ms.get_context("mode") == ms.PYNATIVE_MODE:
        return {}
    level = (context.get_jit_config() or {}).get("jit_level", "not set")
    fused = ms.get_context("enable_graph_kernel")
    return {
        "jit_level": level,
        "enable_graph_kernel": str(fused),
        "enable_compile_cache": str(keeps_graphs()),
        **({name: os.environ.get(name, "not set") for name in WAITING} if fused else {}),
    }


def keeps_graphs() -> bool:
    """Whether whole graphs are kept: on a CPU, in the folder that the user's variable names, where no kernel is fused.

    On an Ascend the variable names the folder of its compiled kernels, and the cache of graphs was never tried.
    """
    is_plain = ms.get_context("device_target") == "CPU" and not ms.get_context("enable_graph_kernel")
    return is_plain and bool(os.environ.get(VARIABLES["mindspore"]))


def graphs(made: int, loaded: int, compilation: Compilation, device: str) -> Graphs:
    """These graphs; built are those that were not loaded, or the fused kernels of a CPU."""
    if not fuses_on_cpu(compilation, device):
        return Graphs(made=made, built=made - loaded)
    return Graphs(made=made, built=sum(1 for _ in use_folder("mindspore").glob(KERNELS)))
