"""YAML files to checked values, with errors that name file, line and field."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from harness.errors import UserError

T = TypeVar("T")
Location = Sequence[int | str]


def load(path: Path, kind: type[T] | Any) -> T:
    """Read one YAML file and check it against a pydantic model or annotated type.

    Raises UserError with file, line and field where the file cannot be read, is not YAML, names a key twice or does
    not fit.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_repeated_keys(path, root)
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise UserError(_first_error(path, root, error, kind)) from None


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint that names the closest valid name, or all of them where none is close."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose from: {', '.join(names)}" if names else "none are defined"


def _refuse_repeated_keys(path: Path, node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            if key.value in seen:
                raise UserError(f"{path}:{key.start_mark.line + 1}: {key.value}: given twice, remove one")
            seen.add(key.value)
            _refuse_repeated_keys(path, child)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_repeated_keys(path, child)


def _first_error(path: Path, root: yaml.Node | None, error: ValidationError, kind: Any) -> str:
    errors = error.errors(include_url=False)
    first = errors[0]
    line, field = _find(root, first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        unknown = str(first["loc"][-1])
        message = f"unknown field; {nearest(unknown, _fields_beside(kind, first['loc']))}"
    elif first["type"] == "literal_error":
        valid = [part.strip("' ") for part in first["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        message = f"{first['input']!r} is not one of them; {nearest(str(first['input']), valid)}"
    elif first["type"] == "missing":
        message = "required, but missing"
    elif not isinstance(first["input"], dict | list):
        message = f"{message}, not {first['input']!r}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{path}:{line}: {field or 'file'}: {message}{more}"


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
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            parts.append(str(part))
    return line, ".".join(parts)


def _fields_beside(kind: Any, location: Location) -> list[str]:
    """Names of the fields that the schema allows where `location` points."""
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
            elif isinstance(place.get("additionalProperties"), dict):
                onward += resolve(place["additionalProperties"])
        places = onward or places
    return sorted({name for place in places for name in place.get("properties", {})})


def json_schema(kind: type[BaseModel] | Any, title: str) -> dict[str, Any]:
    """The JSON Schema of a kind of file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TypeAdapter(kind).json_schema(),
        "title": title,
    }
