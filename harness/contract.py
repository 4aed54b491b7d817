"""Packages of others under the registry's contract: what goes wrong in one of their functions is told in one line."""

import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from harness.errors import UserError, one_line

SAYS = "harness/models/__init__.py says what it takes and gives"

DESCRIBED = ("parameters", "loss")
"""What a description has beside what its author puts there."""


def under_contract(name: str, module: ModuleType) -> ModuleType:
    """The package of an architecture whose functions raise UserError where they fail or give what none may give."""
    told = ModuleType(module.__name__, module.__doc__)
    vars(told).update(
        {
            key: _reporting(name, module, value)
            if isinstance(value, FunctionType) and not key.startswith("_")
            else value
            for key, value in vars(module).items()
        }
    )
    return told


def _reporting(name: str, module: ModuleType, function: FunctionType) -> Callable[..., Any]:
    """The function, with errors that say whose they are and on which line; memory that is lacking stays what it is."""

    @wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        try:
            found = function(*given, **named)
        except (UserError, MemoryError):
            raise
        except Exception as error:
            where = _where(error, module, function)
            raise UserError(
                f"architecture {name!r}: {function.__name__} failed at {where}: {one_line(error)}; {SAYS}"
            ) from error
        if problem := _PROBLEMS.get(function.__name__, _none)(found, given):
            raise UserError(f"architecture {name!r}: {function.__name__} gives {problem}; {SAYS}")
        return found

    return call


def _where(error: Exception, module: ModuleType, function: FunctionType) -> str:
    """The innermost line of the package that led to an error, that of the function where it was called wrongly.

    Of a function that the package has taken from elsewhere it is the innermost line of all.
    """
    own = Path(module.__file__ or function.__code__.co_filename)
    own = own.parent if hasattr(module, "__path__") else own
    places = [(function.__code__.co_filename, function.__code__.co_firstlineno)]
    places += [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    inside = [f"{Path(file).relative_to(own.parent)}:{line}" for file, line in places if Path(file).is_relative_to(own)]
    return inside[-1] if inside else "{}:{}".format(*places[-1])


def _none(found: Any, given: tuple[Any, ...]) -> str | None:
    """Nothing is known that would be wrong."""
    return None


def _of_description(found: Any, given: tuple[Any, ...]) -> str | None:
    missing = [key for key in DESCRIBED if not isinstance(found, Mapping) or key not in found]
    return f"no {' and no '.join(map(repr, missing))}" if missing else None


def _of_loss_weights(found: Any, given: tuple[Any, ...]) -> str | None:
    """Of one point for all channels, say, the loss would count what has no truth."""
    domain = given[1]
    wanted, shape = (domain.outputs, *domain.grid), getattr(found, "shape", None)
    return None if shape == wanted else f"the shape {shape}, not that of (C, H, W), {wanted}"


_PROBLEMS: Mapping[str, Callable[[Any, tuple[Any, ...]], str | None]] = {
    "describe": _of_description,
    "loss_weights": _of_loss_weights,
}
