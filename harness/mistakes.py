"""What pydantic finds wrong with a value, in words for whoever wrote it."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Place = tuple[int | str, ...]


def in_words(error: ErrorDetails) -> str:
    """What a value must be, as the end of a sentence that begins with its place."""
    match error["type"]:
        case "int_type" | "int_parsing" | "int_from_float":
            return "needs a whole number"
        case "float_type" | "float_parsing":
            return "needs a number"
        case "bool_type" | "bool_parsing":
            return "needs true or false"
        case "string_type":
            return "needs text"
        case "tuple_type" | "list_type":
            return "needs a list"
        case _:
            return error["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)


def truths_as_numbers(given: Any, read: Any, place: Place = ()) -> Iterator[Place]:
    """The places where true or false was given, or YAML's yes or no, and pydantic has read the number 1 or 0."""
    if isinstance(given, bool):
        if isinstance(read, int | float) and not isinstance(read, bool):
            yield place
    elif isinstance(given, Mapping):
        fields: Mapping[Any, Any] = dict(read) if isinstance(read, BaseModel | Mapping) else {}
        for name, each in given.items():
            yield from truths_as_numbers(each, fields.get(name), (*place, name))
    elif isinstance(given, list | tuple) and isinstance(read, list | tuple):
        for number, (each, found) in enumerate(zip(given, read, strict=False)):
            yield from truths_as_numbers(each, found, (*place, number))
