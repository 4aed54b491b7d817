"""A pickle module for `torch.load` that runs nothing of what a file names.

`weights_only` stops at the first name that is not PyTorch's own, and at dicts and lists of other classes. Checkpoints
of real trainings are full of them: learning rates that a YAML library read, settings, paths, dates. Here a name is
never imported. It becomes one of the few functions below that put tensors and arrays together, or else a stand-in: a
class of no effect that keeps a number or a text where it stands for one. Names of Python's own library that could do
something are refused, so that a file that means harm is told from one that is merely full.
"""

import pickle
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import IO, Any

from harness.errors import UserError

INERT_MODULES = frozenset(
    (
        *("argparse", "array", "collections", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools"),
        *("ipaddress", "logging", "pathlib", "random", "re", "threading", "time", "types", "uuid", "zoneinfo"),
    )
)
"""Modules of Python's library whose objects are found in checkpoints; they too become stand-ins."""
INERT_BUILTINS = frozenset(("builtins.range", "builtins.slice", "builtins.Ellipsis", "builtins.NotImplemented"))
TEXT_ENCODINGS = ("latin1", "latin-1", "iso-8859-1", "utf-8", "utf8", "ascii")


class ForbiddenNameError(UserError):
    """A file names what it must not; the name alone is the message."""


class StandIn(dict[Any, Any]):
    """Accepts whatever a pickle gives to an object, keeps the entries of a dict, and does nothing."""

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__()

    def __new__(cls, *arguments: object, **named: object) -> "StandIn":
        """A stand-in, whatever the arguments."""
        return super().__new__(cls)

    def __hash__(self) -> int:  # type: ignore[override]
        """By identity: a path or a date may be the key of a dict."""
        return id(self)

    def __setstate__(self, state: object) -> None:
        """Forget the state."""

    def append(self, value: object) -> None:
        """Forget the value."""

    def extend(self, values: object) -> None:
        """Forget the values."""

    def add(self, value: object) -> None:
        """Forget the value."""


class ListStandIn(list[Any]):
    """The same for a list."""

    def __init__(self, *arguments: object) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


class FloatStandIn(float):
    """The same for a number."""

    def __new__(cls, value: Any = 0.0, *arguments: object, **named: object) -> "FloatStandIn":
        """The number, without what else its class knows of it."""
        return super().__new__(cls, value)

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


class IntStandIn(int):
    """The same for a whole number."""

    def __new__(cls, value: Any = 0, *arguments: object, **named: object) -> "IntStandIn":
        """The number, without what else its class knows of it."""
        return super().__new__(cls, value)

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


class TextStandIn(str):
    """The same for a text."""

    __slots__ = ()

    def __new__(cls, value: object = "", *arguments: object, **named: object) -> "TextStandIn":
        """The text, without what else its class knows of it."""
        return super().__new__(cls, value)

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


OF_RUAMEL: dict[str, type] = {
    "scalarfloat": FloatStandIn,
    "scalarint": IntStandIn,
    "scalarbool": IntStandIn,
    "scalarstring": TextStandIn,
}
"""What the scalars of ruamel.yaml are, by the last part of their module's name."""
LISTS = ("CommentedSeq", "CommentedKeySeq", "ListConfig", "deque", "UserList")


def encode(text: str, encoding: str = "latin1") -> bytes:
    """The bytes that a pickle of protocol 2 spells as text; raises ForbiddenNameError for any other codec."""
    if encoding not in TEXT_ENCODINGS:
        raise ForbiddenNameError(f"the codec {encoding!r}")
    return text.encode(encoding)


def byte_array(content: Any = b"", encoding: str = "latin1") -> bytearray:
    """A byte array of bytes or of a text that spells them, never one of a given length."""
    return bytearray(encode(content, encoding) if isinstance(content, str) else bytes(memoryview(content)))


def reconstructed(cls: Callable[..., Any], base: object, state: object) -> Any:
    """What copyreg makes of a class, its base and the base's value."""
    return cls() if state is None else cls(state)


def new(cls: type, *arguments: object) -> Any:
    """What copyreg makes of a class and its arguments."""
    return cls.__new__(cls, *arguments)


def of_tensor_type(function: Callable[..., Any], kind: object, arguments: tuple[Any, ...], state: object) -> Any:
    """A tensor without the class and the attributes that it had."""
    return function(*arguments)


def _known() -> Iterator[tuple[str, Any]]:
    import numpy as np
    import torch

    for kind in (set, frozenset, list, dict, tuple, int, float, str, bool, complex, object):
        yield f"builtins.{kind.__name__}", kind
    yield "builtins.bytearray", byte_array
    yield "collections.OrderedDict", OrderedDict
    yield "collections.Counter", Counter
    yield "_codecs.encode", encode
    yield "copyreg._reconstructor", reconstructed
    yield "copyreg.__newobj__", new
    for core in ("numpy.core", "numpy._core"):
        yield f"{core}.multiarray._reconstruct", np.core.multiarray._reconstruct  # type: ignore[attr-defined]
        yield f"{core}.multiarray.scalar", np.core.multiarray.scalar  # type: ignore[attr-defined]
        yield f"{core}.numeric._frombuffer", np.core.numeric._frombuffer  # type: ignore[attr-defined]
    yield "numpy.ndarray", np.ndarray
    yield "numpy.dtype", np.dtype
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"):
        yield f"torch._utils.{name}", getattr(torch._utils, name)
    yield (
        "torch._utils._rebuild_parameter_with_state",
        lambda data, *rest: torch._utils._rebuild_parameter(data, False, OrderedDict()),
    )
    yield "torch._tensor._rebuild_from_type_v2", of_tensor_type
    yield "torch.nn.parameter.Parameter", torch.nn.Parameter
    yield "torch.Tensor", torch.Tensor
    yield "torch.Size", torch.Size
    yield "torch.device", torch.device
    for name in dir(torch):
        if isinstance(value := getattr(torch, name), torch.dtype):
            yield f"torch.{name}", value
    for storage in torch._storage_classes:
        yield f"{storage.__module__}.{storage.__name__}", storage


def of_python_3(module: str, name: str) -> tuple[str, str]:
    """The name of today for one that protocols up to 2 write as Python 2 had it: subprocess is commands there."""
    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[module, name]
    return IMPORT_MAPPING.get(module, module), name


class Names:
    """What the names of a pickle become; `known` are the objects that are no stand-ins."""

    def __init__(self, known: dict[str, Any]) -> None:
        self._known = known
        self._made: dict[str, type] = {}

    def find(self, module: str, name: str) -> Any:
        """The object or stand-in of a name; raises ForbiddenNameError for one that could do something."""
        module, name = of_python_3(module, name)
        full, top = f"{module}.{name}", module.partition(".")[0]
        if full in self._known:
            return self._known[full]
        inert = top in INERT_MODULES or full in INERT_BUILTINS
        if not inert and (top in sys.stdlib_module_names or top in sys.builtin_module_names):
            raise ForbiddenNameError(full)
        if full not in self._made:
            base = OF_RUAMEL.get(module.rpartition(".")[2]) or (ListStandIn if name in LISTS else StandIn)
            self._made[full] = type(name.rpartition(".")[2] or "nameless", (base,), {"__module__": "stand_in"})
        return self._made[full]


class Unpickler(pickle.Unpickler):
    """What `torch.load` builds on: tensors, arrays and plain values, anything else a stand-in."""

    def __init__(self, file: IO[bytes], **options: Any) -> None:
        super().__init__(file, **options)
        self._names = Names(dict(_known()))

    def find_class(self, module: str, name: str) -> Any:
        """See `Names.find`."""
        return self._names.find(module, name)


def load(file: IO[bytes], **options: Any) -> Any:
    """As `pickle.load`, by the unpickler above."""
    return Unpickler(file, **options).load()


class Inspector(pickle.Unpickler):
    """Reads a checkpoint's pickle with stand-ins alone; `storages` are what it says of the tensors' memory."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="utf-8")
        self._names = Names({"builtins." + kind.__name__: kind for kind in (set, frozenset, complex)})
        self._names_of_types: dict[Any, str] = {}
        self.storages: list[tuple[str, str, int]] = []

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in; builtins and codecs that are known elsewhere are stand-ins here too."""
        if ".".join(of_python_3(module, name)) in _HARMLESS:
            return StandIn
        found = self._names.find(module, name)
        self._names_of_types[found] = name
        return found

    def persistent_load(self, pid: Any) -> Any:
        """Note a storage: its key, the name of its type, and how many values it claims."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] not in ("storage", b"storage"):
            raise pickle.UnpicklingError("it refers to what is no tensor")
        _, kind, key, _, count = pid[:5]
        if not isinstance(count, int) or count < 0:
            raise pickle.UnpicklingError(f"a tensor claims {count} values")
        name = self._names_of_types.get(kind, "") if isinstance(kind, type) else ""
        self.storages.append((str(key), name, count))
        return StandIn()


_KINDS = ("list", "dict", "tuple", "int", "float", "str", "bool", "object", "bytearray")
_HARMLESS = frozenset(
    (
        *(f"builtins.{name}" for name in _KINDS),
        *("_codecs.encode", "copyreg._reconstructor", "copyreg.__newobj__", "collections.OrderedDict"),
    )
)
