"""Build a network in MindSpore and say what it is made of: `python -m harness.porting.traps.mindspore FACTORY`."""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn

from harness.errors import UserError
from harness.own_code import made_by
from harness.porting.traps.facts import CallFacts, CellFacts, NetworkFacts, OptimiserFacts

ATTRIBUTES = (
    *("approximate", "epsilon", "momentum", "p", "keep_prob", "training", "pad_mode", "kernel_size", "stride"),
    *("has_bias", "alpha", "reduction"),
)
METHODS = ("std", "var")
"""What is looked for among the methods of what the user's code has in its hands, which is taken for a tensor."""


def facts(factory: str) -> NetworkFacts:
    """What `package.module:factory` returns: a cell, or a cell and its optimiser.

    Raises UserError where the name leads to nothing of the kind.
    """
    network, optimiser = _made(factory)
    cells = list(network.cells_and_names())
    own = {type(cell): path for path, cell in reversed(cells) if not type(cell).__module__.startswith("mindspore.")}
    return NetworkFacts(
        version=ms.__version__,
        cells=tuple(_cell(path, cell) for path, cell in cells),
        calls=tuple(call for kind, path in reversed(own.items()) for call in _calls(kind, path)),
        optimiser=None if optimiser is None else OptimiserFacts(kinds=_kinds(optimiser), decays=_decays(optimiser)),
    )


def _made(factory: str) -> tuple[nn.Cell, Any]:
    made = made_by(factory)
    network, optimiser = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(network, nn.Cell) or not isinstance(optimiser, nn.Optimizer | None):
        raise UserError(f"{factory}: must return a mindspore.nn.Cell, alone or with its optimiser")
    return network, optimiser


def _cell(path: str, cell: nn.Cell) -> CellFacts:
    values = {name: getattr(cell, name) for name in ATTRIBUTES if hasattr(cell, name)}
    plain = {name: value if _is_plain(value) else str(value) for name, value in values.items()}
    if isinstance(cell, nn.Embedding):
        plain["table_std"] = float(np.std(cell.embedding_table.init_data().asnumpy()))
    return CellFacts(path=path or "the network", kinds=_kinds(cell), attributes=plain)


def _kinds(value: Any) -> tuple[str, ...]:
    return tuple(kind.__name__ for kind in type(value).__mro__ if kind is not object)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _decays(optimiser: nn.Optimizer) -> bool:
    decay = getattr(optimiser, "weight_decay", 0.0)
    return bool(getattr(optimiser, "exec_weight_decay", False)) or (isinstance(decay, float) and decay > 0)


def _calls(kind: type, path: str) -> Iterator[CallFacts]:
    """Calls of mindspore's functions in the methods of a class of the user's; none where its source is not there."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
        file, line = inspect.getsourcefile(kind), inspect.getsourcelines(kind)[1]
    except (OSError, TypeError, SyntaxError):
        return
    names = vars(sys.modules[kind.__module__])
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _name(node.func, names)):
            given = {each.arg: each.value for each in node.keywords if each.arg}
            plain = {arg: v.value for arg, v in given.items() if isinstance(v, ast.Constant) and _is_plain(v.value)}
            place = f"{path or 'the network'} ({Path(str(file)).name}:{line + node.lineno - 1})"
            unpacked = any(each.arg is None for each in node.keywords)
            unpacked |= any(isinstance(each, ast.Starred) for each in node.args)
            yield CallFacts(
                place=place,
                name=name,
                keywords=plain,  # type: ignore[arg-type]
                given=tuple(given),
                positional=None if unpacked else len(node.args),
            )


def _name(function: ast.expr, names: dict[str, Any]) -> str | None:
    """The name of a function from mindspore on, such as ops.einsum or Tensor.std; None where it is none of its own."""
    parts: list[str] = []
    while isinstance(function, ast.Attribute):
        parts.insert(0, function.attr)
        function = function.value
    if not isinstance(function, ast.Name):
        return None
    root = names.get(function.id)
    if root is None and parts and parts[-1] in METHODS:
        return f"Tensor.{parts[-1]}"
    if inspect.ismodule(root) and root.__name__.split(".")[0] == "mindspore":
        return ".".join([*root.__name__.split(".")[1:], *parts])
    module = getattr(root, "__module__", None) or ""
    if not parts and module.startswith("mindspore.ops"):
        return f"ops.{function.id}"
    return None


if __name__ == "__main__":
    try:
        print(facts(sys.argv[1]).model_dump_json())
    except UserError as mistake:
        print(json.dumps({"mistake": str(mistake)}))
