"""Code of a lab's own, by name: `module[:name]` from the current folder."""

import hashlib
import importlib
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
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
        if isinstance(error, ModuleNotFoundError) and not f"{module_name}.".startswith(f"{error.name}."):
            raise UserError(f"{name}: it imports {error.name!r}, which is not installed here") from None
        raise UserError(f"{name}: {one_line(error)}; give module[:name] from the current folder") from None
    except Exception as error:
        raise UserError(f"{name}: the module fails when imported: {one_line(error)}") from None


def refuse_absent(name: str) -> None:
    """Raise UserError where `module[:name]` is no such name, or its module is not to be found.

    Nothing is imported, so that this is known before a framework starts: whether the module has the name is seen then.
    """
    source_of(name)


def source_of(name: str) -> Path | None:
    """The file of the module of `module[:name]`, found without importing it; None where it has none.

    Raises UserError where this is no such name, or the module is not to be found.
    """
    module_name, colon, attribute = name.partition(":")
    parts = module_name.split(".")
    if not all(part.isidentifier() for part in (*parts, *([attribute] if colon else []))):
        raise UserError(f"{name}: no name of the form module[:name]")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    places: Iterable[str] | None = None
    spec: ModuleSpec | None = None
    for number in range(len(parts)):
        full = ".".join(parts[: number + 1])
        spec = _spec(full, places)
        if spec is None:
            raise UserError(f"{name}: No module named {full!r}; give module[:name] from the current folder")
        places = spec.submodule_search_locations or ()
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def source_digest(name: str) -> str | None:
    """SHA-256 (hex) of the file of the module of `module[:name]`; None where it has none.

    Raises UserError as `source_of` does.
    """
    source = source_of(name)
    return None if source is None else hashlib.sha256(source.read_bytes()).hexdigest()


def _spec(name: str, places: Iterable[str] | None) -> ModuleSpec | None:
    """How a module would be imported: asked of the finders, as `find_spec` imports the package around it."""
    importlib.invalidate_caches()
    for finder in sys.meta_path:
        if (spec := finder.find_spec(name, None if places is None else list(places))) is not None:
            return spec
    return None


def made_by(factory: str) -> Any:
    """What a factory returns.

    Raises UserError where it is not there or fails.
    """
    function = named(factory)
    try:
        return function()
    except Exception as error:
        raise UserError(f"{factory}: the factory fails: {one_line(error)}") from None
