"""What a checkpoint of ours says of itself beside its tensors, read from files that may be damaged."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from harness.errors import UserError
from harness.frozen import Frozen
from harness.porting.convert.tensors import Role

Beta = Annotated[float, Field(ge=0, lt=1)]
WIDEST = 2**63
Plain = Annotated[int, Field(ge=-WIDEST, lt=WIDEST)] | bool | float | str | None
LONGEST_SHOWN = 120


class Optimiser(Frozen):
    """Names that a MindSpore file gave to its state, and the settings of PyTorch's."""

    names: dict[Role, str] | None = None
    hyperparameters: dict[str, Plain | list[Plain]] | None = None


class About(Frozen):
    """The model, the preset and the optimiser of a checkpoint."""

    model: str | None = None
    preset: str | None = None
    optimiser: Optimiser | None = None


class _Betas(Frozen):
    betas: tuple[Beta, Beta] | None = None


def checked_about(about: Any, path: object) -> dict[str, Any]:
    """`about` where it has the form that is written; raises UserError where it has not."""
    try:
        checked = About.model_validate(about)
        settings = checked.optimiser.hyperparameters if checked.optimiser else None
        _Betas.model_validate({key: value for key, value in (settings or {}).items() if key == "betas"})
    except ValidationError as error:
        first = error.errors()[0]
        field = shown(".".join(map(str, first["loc"])))
        where = f"{field}: " if field else ""
        raise UserError(f"{path}: what it says of itself is damaged: {where}{first['msg']}; write it again") from None
    return dict(about)


def shown(text: object) -> str:
    """A text of a file as a terminal may get it: on one line, without control characters, not endless."""
    plain = str(text)
    plain = plain if plain.isprintable() else ascii(plain)
    return plain if len(plain) <= LONGEST_SHOWN else f"{plain[:LONGEST_SHOWN]}..."


def parsed(text: str, what: str, path: object) -> Any:
    """The value of a JSON text of a file; raises UserError where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(f"{path}: its {what} is damaged: not JSON; write it again") from None


def parsed_roles(text: str, path: object) -> dict[str, Role]:
    """The role of every tensor of a framework-free file; raises UserError where it has another form."""
    roles = parsed(text, "list of roles", path)
    known = Role.__args__  # type: ignore[attr-defined]
    if not isinstance(roles, Mapping) or not all(isinstance(role, str) and role in known for role in roles.values()):
        raise UserError(f"{path}: its list of roles is damaged; write it again")
    return dict(roles)
