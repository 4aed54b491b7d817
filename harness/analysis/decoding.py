"""Read record files in a fraction of the time that pydantic takes, for the tables of ten thousand.

The structures into which msgspec decodes are derived from the models and dataclasses of harness.results.record. Models
with rules beyond the types of their fields stay with pydantic, and so does every file that does not fit: pydantic says
what is wrong with it.
"""

from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache, lru_cache, reduce
from operator import or_
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from collectors.regular_files import read_regular
from harness.errors import UserError
from harness.frameworks.base import FrameworkDescription, Numerics
from harness.results import record as records
from harness.results.record import Measurements, Record

IN_THE_FILE = ("measurements", "energy")
"""The large fields of a record, which tables do not keep."""

KEPT_MODELS = (FrameworkDescription, Numerics)
"""Models within IN_THE_FILE that tables keep: they are instances."""

KEPT = tuple(name for name in Record.model_fields if name not in IN_THE_FILE)


def load(path: Path) -> Record:
    """Read a record of which IN_THE_FILE have the attributes and properties of their models but are no instances.

    Equal scenarios and environments are one object. Raises what harness.results.record.load raises.
    """
    try:
        found = _decoder().decode(read_regular(path, records.MOST_BYTES))
        _validate(found, Record)
        _validate(found.measurements, Measurements)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, ValidationError, RecursionError):
        return records.load(path)
    return cast(Record, found)


@cache
def _decoder() -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(_structure(Record, frozenset(IN_THE_FILE)), dec_hook=_validated)


def _validated(model: type[BaseModel], content: Any) -> BaseModel:
    return cast(BaseModel, _adapter(model).validate_json(msgspec.json.encode(content)))


def _validate(found: Any, kind: type[BaseModel]) -> None:
    """Put instances in the place of the text of a structure's UNREAD fields; equal texts give one object."""
    for name, annotation in _unread(kind):
        text = getattr(found, name)
        if type(text) is msgspec.Raw:
            setattr(found, name, _instance(annotation, bytes(text)))


@cache
def _unread(kind: type[BaseModel]) -> tuple[tuple[str, Any], ...]:
    """Fields of models that are instances, with their types: their text is kept until it is looked up."""
    if kind not in (Record, Measurements):
        return ()
    hints = get_type_hints(kind, include_extras=True)
    return tuple((name, hints[name]) for name in kind.model_fields if _holds_instances(kind, name, hints[name]))


def _holds_instances(kind: type[BaseModel], name: str, annotation: Any) -> bool:
    if kind is Measurements:
        return bool(set(get_args(annotation)) & set(KEPT_MODELS))
    models = (annotation, *get_args(annotation))
    return name in KEPT and any(isinstance(each, type) and issubclass(each, BaseModel) for each in models)


@cache
def _adapter(annotation: Any) -> "TypeAdapter[Any]":
    return TypeAdapter(annotation)


@lru_cache(maxsize=2**12)
def _instance(annotation: Any, text: bytes) -> Any:
    return _adapter(annotation).validate_json(text)


def _type(annotation: Any) -> Any:
    """The same type with structures in the place of models and dataclasses."""
    if isinstance(annotation, type) and is_dataclass(annotation):
        return _structure(annotation, frozenset(field.name for field in fields(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        stays = annotation in KEPT_MODELS or _has_rules(annotation)
        return annotation if stays else _structure(annotation, frozenset(annotation.model_fields))
    origin, of = get_origin(annotation), get_args(annotation)
    if origin is None or origin is Literal:
        return annotation
    if origin is Annotated:
        return _type(of[0])
    inner = tuple(each if each is Ellipsis else _type(each) for each in of)
    return reduce(or_, inner) if origin in (Union, UnionType) else origin[inner]


def _has_rules(model: type[BaseModel]) -> bool:
    found = model.__pydantic_decorators__
    constrained = any(field.metadata for field in model.model_fields.values())
    return constrained or bool(found.validators or found.field_validators or found.model_validators)


def _has_default(field: "FieldInfo | Field[Any]") -> bool:
    return field.default is not MISSING if isinstance(field, Field) else not field.is_required()


@cache
def _structure(kind: type[Any], derived: frozenset[str]) -> type[msgspec.Struct]:
    """A structure with the fields, defaults and properties of a model or dataclass.

    Fields that are not `derived` keep their models.
    """
    hints = get_type_hints(kind, include_extras=True)
    described = kind.model_fields if issubclass(kind, BaseModel) else {field.name: field for field in fields(kind)}
    types = {name: _type(hints[name]) if name in derived else hints[name] for name in described}
    if issubclass(kind, BaseModel):
        types |= {name: msgspec.Raw for name, _ in _unread(kind)}
    return msgspec.defstruct(
        kind.__name__,
        [
            (name, types[name], field.default) if _has_default(field) else (name, types[name])
            for name, field in described.items()
        ],
        namespace={name: each for name, each in vars(kind).items() if isinstance(each, property)},
        kw_only=True,
        forbid_unknown_fields=True,
        gc=False,
    )
