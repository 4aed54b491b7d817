"""How to cite Crosscast, as BibTeX, from CITATION.cff."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from harness.analysis.tables.latex import escape

KEY = "crosscast"
PLACES = tuple(Path(__file__).parents[number] / "CITATION.cff" for number in (2, 3))
"""In an installed package, and in a checkout."""


def bibtex(versions: Iterable[str]) -> str:
    """An entry for the versions of Crosscast that made the records, and one for each reference of CITATION.cff."""
    content = _citation()
    made = sorted(set(versions))
    note = f"Version{'s' if len(made) > 1 else ''} {', '.join(made)}"
    entries = [_entry(KEY, content, note)]
    references = enumerate(content.get("references", ()), start=1)
    entries += [_entry(f"{KEY}-{number}", each, "") for number, each in references]
    return "\n\n".join(entries) + "\n"


def _citation() -> dict[str, Any]:
    """The content of CITATION.cff."""
    path = next(each for each in PLACES if each.exists())
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _entry(key: str, content: dict[str, Any], note: str) -> str:
    numbers = [str(each["value"]) for each in content.get("identifiers", ())]
    fields = {
        "author": " and ".join(f"{{{escape(_name(each))}}}" for each in content["authors"]),
        "title": f"{{{escape(content['title'])}}}",
        "year": str(content["date-released"])[:4] if "date-released" in content else "",
        "howpublished": escape("; ".join((*numbers, *filter(None, [content.get("repository-code")])))),
        "note": escape(note),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join((f"@misc{{{key},", *lines, "}"))


def _name(author: dict[str, Any]) -> str:
    return author.get("name") or " ".join(filter(None, (author.get("given-names"), author.get("family-names"))))
