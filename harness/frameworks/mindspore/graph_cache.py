"""MindSpore's cache of whole graphs, with the look at what a graph is that MindSpore leaves out.

In 2.10 it takes a graph by its number among those that a process compiles, after a look at the source files alone: a
network of other sizes, or a batch of another shape, would be given the graph, and the results, of the one before. Here
the cache is on for the first call of each graph alone. It lies in a folder named by all that its graphs are made of,
and a list in it says which graph each number is; from the first that is another one on, nothing is taken from it.

MindSpore reads the name of the folder once, so that one network of a process has a cache. Two processes must not fill
one folder at the same time.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import mindspore as ms
import numpy as np
from mindspore import Tensor

from harness.files import write_atomically
from harness.frameworks.compile_cache import VARIABLES
from harness.frameworks.mindspore import compilation
from harness.models.domain import Domain
from harness.models.sources import sources_digest
from harness.scenario.execution import Execution

Result = TypeVar("Result")

LIST, GRAPH = "graphs.json", "rank_0/graph_cache/compile_cache_{}.mindir"
"""In the folder of a cache: what its graphs are, by number, and where MindSpore keeps each."""


class GraphCache:
    """The graphs of one network, kept in a folder; `loaded` counts those that were not compiled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._list: list[str] = _read(folder / LIST)
        self._seen: set[str] = set()
        self._follows = True
        self.loaded = 0

    def run(self, what: str, inputs: Sequence[Tensor], call: Callable[[], Result]) -> Result:
        """What a call gives; `what` and the shapes of its inputs say which graph runs in it."""
        name = " ".join([what, *(f"{each.dtype}{each.shape}" for each in inputs)])
        if name in self._seen:
            return call()
        number = len(self._seen)
        self._seen.add(name)
        known = self._list[number] if number < len(self._list) else None
        self._follows &= known in (None, name)
        if not self._follows:
            return call()
        return self._first(number, name, known is not None, call)

    def _first(self, number: int, name: str, known: bool, call: Callable[[], Result]) -> Result:
        path = self._folder / GRAPH.format(number)
        if not known:
            path.unlink(missing_ok=True)
        before = _written(path)
        ms.set_context(enable_compile_cache=True)
        try:
            result = call()
        except BaseException:
            self._follows = False
            raise
        finally:
            ms.set_context(enable_compile_cache=False)
        after = _written(path)
        if after is not None and after == before:
            self.loaded += 1
        elif after is None:
            self._follows = False
        elif not known:
            self._list.append(name)
            write_atomically(self._folder / LIST, json.dumps(self._list))
        return result


_opened: list[GraphCache] = []


def cache_of(architecture: ModuleType, network: Any, domain: Domain, execution: Execution) -> GraphCache | None:
    """The cache of a network, below the folder that the user's variable names.

    None where nothing is kept, with several ranks and for a further network of the process.
    """
    if _opened or not execution.is_graph or execution.world.devices > 1 or not compilation.keeps_graphs():
        return None
    folder = Path(os.environ[VARIABLES["mindspore"]]) / identity(architecture, network, domain, execution)
    os.environ[VARIABLES["mindspore"]] = str(folder)
    _opened.append(GraphCache(folder))
    return _opened[0]


def identity(architecture: ModuleType, network: Any, domain: Domain, execution: Execution) -> str:
    """SHA-256 (hex) of versions, sources, hyperparameters, way of running and the data that a graph holds."""
    versions = ms.__version__, np.__version__, platform.python_version(), platform.machine()
    told = [*versions, architecture.__name__, sources_digest(architecture, "mindspore"), execution.model_dump_json()]
    digest = hashlib.sha256("\0".join([*told, network.model_dump_json()]).encode())
    for field in fields(domain):
        value = getattr(domain, field.name)
        digest.update(f"\0{field.name}\0".encode())
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


def _read(path: Path) -> list[str]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _written(path: Path) -> int | None:
    """When a file was written, in nanoseconds; None where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
