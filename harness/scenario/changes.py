"""Parts of an execution, as suites give them: each sets what it names, and several are laid over one another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ValidationError, create_model, model_validator

from harness.errors import UserError
from harness.frozen import Frozen
from harness.mistakes import in_words
from harness.scenario.execution import Execution

HOW = "give its fields, such as {compilation: {mode: graph}}"


class Change(Frozen):
    """Fields of an execution or of a group of it, any number of them; those that are not given change nothing.

    Rules between fields hold for the whole execution only: a part may say `level: O1` where another says `mode: graph`.
    """

    @model_validator(mode="before")
    @classmethod
    def _fields(cls, given: Any) -> Any:
        if isinstance(given, str):
            raise ValueError(f"{given!r} is no part of an execution: {HOW}")
        return given

    def content(self) -> dict[str, Any]:
        """What is given."""
        return self.model_dump(exclude_unset=True)


def _change_of(kind: type[BaseModel]) -> type[Change]:
    fields: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            group = _change_of(field.annotation)
            fields[name] = (group, group())
        else:
            fields[name] = (field.annotation, field)
    return create_model(f"{kind.__name__}Change", __base__=Change, __doc__=kind.__doc__, **fields)


if TYPE_CHECKING:
    ExecutionChange = Change
else:
    ExecutionChange = _change_of(Execution)

NOTHING: Change = ExecutionChange()


def laid_over(*changes: Mapping[str, Any]) -> dict[str, Any]:
    """Contents of changes as one; of a field that several give the last counts."""
    found: dict[str, Any] = {}
    for change in changes:
        for name, value in change.items():
            earlier = found.get(name)
            both = isinstance(value, Mapping) and isinstance(earlier, Mapping)
            found[name] = laid_over(cast(Mapping[str, Any], earlier), value) if both else value
    return found


def execution_of(content: Mapping[str, Any]) -> Execution:
    """The execution that has these settings away from its defaults; UserError where they do not fit together."""
    try:
        return Execution.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("execution", *first["loc"])))
        raise UserError(f"{where}: {in_words(first)}") from None
