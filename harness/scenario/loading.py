"""YAML files to checked values, with errors that name file, line and field."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import DatetimeSchema

from harness.errors import UserError, nearest
from harness.mistakes import in_words, truths_as_numbers
from harness.scenario.bounded_yaml import build, root_node, short

T = TypeVar("T")
Location = Sequence[int | str]

MOST_LISTED = 10

adapter: Callable[[Any], TypeAdapter[Any]] = lru_cache(TypeAdapter)


def load(path: Path, kind: type[T] | Any) -> T:
    """Read one YAML file and check it against a pydantic model or annotated type.

    Raises UserError with file, line and field where the file cannot be read, is not YAML, is beyond the bounds of
    `bounded_yaml`, names a key twice or does not fit.
    """
    root = root_node(path)
    value = build(path, root)
    try:
        found: T = adapter(kind).validate_python(value)
    except ValidationError as error:
        raise UserError(_errors(path, root, error, kind)) from None
    for location in _not_finite(found, ()):
        line, field = _find(root, location)
        raise UserError(f"{path}:{line}: {field}: must be a finite number")
    for location in truths_as_numbers(value, found):
        line, field = _find(root, location)
        raise UserError(f"{path}:{line}: {field}: must be a number, not true or false")
    return found


def _not_finite(value: Any, location: tuple[int | str, ...]) -> Iterator[tuple[int | str, ...]]:
    """The places of numbers that are infinite or NaN, as text such as `1e400` becomes where a number is due."""
    if isinstance(value, float) and not math.isfinite(value):
        yield location
    elif isinstance(value, BaseModel | Mapping):
        for name, each in value if isinstance(value, BaseModel) else value.items():
            yield from _not_finite(each, (*location, name))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _not_finite(each, (*location, number))


def _errors(path: Path, root: yaml.Node | None, error: ValidationError, kind: Any) -> str:
    """All mistakes, each place once, in the order of the file, but for those that follow from another one.

    They are a field that is missing because its name is misspelt, and a whole of which a part is mistaken.
    """
    found: dict[str, tuple[int, str]] = {}
    errors = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    for each in errors:
        location = tuple(part for part in each["loc"] if part != "[key]")
        if each["type"].startswith("union_tag"):
            location = (*location, each["ctx"]["discriminator"].strip("'"))
        line, field = _find(root, location)
        message = _message(each, location, kind)
        misspelt = any(f"did you mean {field.rpartition('.')[2]!r}?" in said for _, said in found.values())
        if not (each["type"] == "missing" and misspelt):
            found.setdefault(field or "file", (line, message))
    found = {field: told for field, told in found.items() if not any(each.startswith(f"{field}.") for each in found)}
    if len(found) == 1:
        [(field, (line, message))] = found.items()
        return f"{path}:{line}: {field}: {message}"
    ordered = sorted(found.items(), key=lambda entry: entry[1][0])
    listed = "; ".join(
        f"({number}) line {line}: {field}: {message}"
        for number, (field, (line, message)) in enumerate(ordered[:MOST_LISTED], start=1)
    )
    left = f"; and {len(ordered) - MOST_LISTED} more" if len(ordered) > MOST_LISTED else ""
    return f"{path}: {len(ordered)} mistakes: {listed}{left}"


def _message(error: ErrorDetails, location: Location, kind: Any) -> str:
    given, context = error["input"], error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return f"unknown field; {nearest(short(str(location[-1])), _fields_beside(kind, location))}"
        case "missing" | "union_tag_not_found":
            return "required, but missing"
        case "literal_error":
            return f"{_shown(given)} is not one of them; {nearest(short(str(given)), _quoted(context['expected']))}"
        case "union_tag_invalid":
            tag = short(context["tag"])
            return f"{tag!r} is not one of them; {nearest(tag, _quoted(context['expected_tags']))}"
        case "model_type" | "dict_type" | "model_attributes_type":
            needed = [f"{name}: ..." for place in _places(kind, (*location, "")) for name in place.get("required", ())]
            example = f": {{{', '.join(needed)}}}" if needed else ""
            message = f"needs fields and their values{example}"
        case "value_error":
            return in_words(error)
        case _:
            message = in_words(error)
    if given is None:
        return f"{message}, but nothing is given"
    return message if isinstance(given, dict | list) else f"{message}, not {_shown(given)}"


def _shown(given: Any) -> str:
    return short(repr(given))


def _quoted(expected: str) -> list[str]:
    return re.findall("'([^']*)'", expected)


def _find(root: yaml.Node | None, location: Location) -> tuple[int, str]:
    """Line (from 1) and dotted name of the deepest part of `location` that the file has.

    Parts that pydantic adds for itself (the tag of a union) are passed over.
    """
    line = 1
    parts: list[str] = []
    node = root
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key, child in node.value:
                if key.value == str(part):
                    line, node = key.start_mark.line + 1, child
                    parts.append(str(part))
                    break
            else:
                if part == location[-1]:
                    parts.append(str(part))
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            parts.append(str(part))
            if part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
    return line, ".".join(map(short, parts))


def _fields_beside(kind: Any, location: Location) -> list[str]:
    """Names of the fields that the schema allows where `location` points."""
    return sorted({name for place in _places(kind, location) for name in place.get("properties", {})})


def _places(kind: Any, location: Location) -> list[dict[str, Any]]:
    """The parts of the schema that hold the field where `location` points."""
    schema = TypeAdapter(kind).json_schema()
    definitions = schema.get("$defs", {})

    def resolve(part: dict[str, Any]) -> list[dict[str, Any]]:
        if "$ref" in part:
            return resolve(definitions[part["$ref"].rsplit("/", 1)[-1]])
        options = part.get("anyOf") or part.get("oneOf")
        return [found for option in options for found in resolve(option)] if options else [part]

    places = resolve(schema)
    for step in location[:-1]:
        onward: list[dict[str, Any]] = []
        for place in places:
            if step in place.get("properties", {}):
                onward += resolve(place["properties"][step])
            elif isinstance(step, int) and "items" in place:
                onward += resolve(place["items"])
            else:
                others = (*place.get("patternProperties", {}).values(), place.get("additionalProperties"))
                onward += [found for part in others if isinstance(part, dict) for found in resolve(part)]
        places = onward or places
    return places


class YamlSchema(GenerateJsonSchema):
    """JSON Schema with times as YAML writes them, which need no T and no time zone."""

    def datetime_schema(self, schema: DatetimeSchema) -> JsonSchemaValue:
        """Any text; the format date-time would refuse `2000-01-01 00:00:00`."""
        return {"type": "string"}


def json_schema(kind: type[BaseModel] | Any, title: str) -> dict[str, Any]:
    """The JSON Schema of a kind of file, for editors."""
    schema = TypeAdapter(kind).json_schema(schema_generator=YamlSchema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
