"""Mappings of a user's own, copied into a night: a later change of such a file must not fall between its launches.

Files of models stay where they lie, as the code that they name lies beside them.
"""

import hashlib
import itertools
from pathlib import Path
from typing import Any

from harness.files import write_atomically
from harness.scenario import catalogue

MAPPING = "--mapping"
ENDINGS = (".yaml", ".yml")


def refuse_unusable(content: Any, options: tuple[str, ...]) -> None:
    """Raise UserError where a mapping that is a file, of a suite's content or of a bench's options, cannot be used."""
    for name in (*_named(content), *_given(options)):
        if name.endswith(ENDINGS):
            catalogue.data(name)


def of_suite(content: Any, folder: Path) -> Any:
    """A suite's content with copies in `folder` in the place of its mappings that are files."""
    entries = [{**entry, **_copied(entry, folder)} for entry in content["models"]]
    return {**content, **_copied(content, folder), "models": entries}


def of_options(options: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """The same of what a bench is given."""
    given = _given(options)
    return tuple(_copy(word, folder) if word in given else word for word in options)


def _named(content: Any) -> list[str]:
    return [each["data"] for each in (content, *content["models"]) if "data" in each] if content else []


def _given(options: tuple[str, ...]) -> list[str]:
    return [value for name, value in itertools.pairwise(options) if name == MAPPING]


def _copied(entry: Any, folder: Path) -> dict[str, str]:
    return {"data": _copy(entry["data"], folder)} if "data" in entry else {}


def _copy(name: str, folder: Path) -> str:
    """The path of a copy, which has the file's name, by which results know it; a name in scenarios/data as it is."""
    if not name.endswith(ENDINGS):
        return name
    target = folder / hashlib.sha256(name.encode()).hexdigest()[:8] / Path(name).name
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, Path(name).read_bytes())
    return str(target)
