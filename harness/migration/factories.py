"""Code of a lab's own, by name: `package.module:name` from the current folder."""

import importlib
import sys
from pathlib import Path
from typing import Any

from harness.errors import UserError, one_line


def named(name: str) -> Any:
    """The object `name` of a module, or the module itself without a colon; the current folder is on the path.

    Raises UserError where it cannot be imported or is not there.
    """
    module_name, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
        return getattr(module, attribute) if attribute else module
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{name}: {one_line(error)}; give package.module:name from the current folder") from None
    except Exception as error:
        raise UserError(f"{name}: {module_name} fails when imported: {one_line(error)}") from None


def made_by(factory: str) -> Any:
    """What a factory returns.

    Raises UserError where it is not there or fails.
    """
    function = named(factory)
    try:
        return function()
    except Exception as error:
        raise UserError(f"{factory}: the factory fails: {one_line(error)}") from None
