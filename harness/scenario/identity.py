"""What makes two settings the same one, so that a measurement is found again whatever is added to the code later.

An identity is made of what was set away from its default. A field that is added with the default of today's behaviour
therefore renames nothing. A default never changes its value once results exist: that would rename what used it.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined, to_jsonable_python

from harness.architectures import architecture
from harness.errors import UserError

VERSION = 2
"""1 hashed all fields, the suite and descriptions among them."""

DIGITS = 8
WORDING = frozenset({"description"})
"""Fields that say something to people and change no measurement, wherever they are."""


def away(value: BaseModel, without: Collection[str] = ()) -> dict[str, Any]:
    """What of a value is set away from the defaults of its type, as JSON has it; what has no default is always there.

    Fields of the value named in `without` are left out, and so is WORDING on every level.
    """
    found: dict[str, Any] = {}
    for name, default in _defaults(type(value)):
        own = getattr(value, name)
        if name not in without and (default is PydanticUndefined or own != default):
            found[name] = _plain(own)
    return found


def away_of_network(architecture_name: str, network: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a network's hyperparameters; all that are given where the architecture is not installed here."""
    given = dict(network)
    kind = _network_type(architecture_name)
    if kind is None:
        return given
    try:
        return away(kind.model_validate(given))
    except ValidationError:
        defaults = {name: _plain(default) for name, default in _defaults(kind) if default is not PydanticUndefined}
        return {name: value for name, value in given.items() if name not in defaults or value != defaults[name]}


def digest(content: Mapping[str, Any]) -> str:
    """Hexadecimal digits that stand for the content, the same for any order of its names."""
    text = json.dumps({"version": VERSION, **content}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


@lru_cache
def _defaults(kind: type[BaseModel]) -> tuple[tuple[str, Any], ...]:
    """Name and default of every field of a type but WORDING, in their order."""
    return tuple(
        (name, field.get_default(call_default_factory=True))
        for name, field in kind.model_fields.items()
        if name not in WORDING
    )


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return away(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return to_jsonable_python(value)


@lru_cache
def _network_type(architecture_name: str) -> type[BaseModel] | None:
    try:
        found: type[BaseModel] = architecture(architecture_name).Network
    except UserError:
        return None
    return found
