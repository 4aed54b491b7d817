"""What pydantic finds wrong with a value, in words for whoever wrote it."""

from pydantic_core import ErrorDetails


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
