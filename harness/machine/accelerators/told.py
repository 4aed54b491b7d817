"""Versions and numbers in the files and outputs of vendors."""

import re
from collections.abc import Iterable
from pathlib import Path

from collectors.vendors.command import absence, ask, excerpt

LIMIT_S = 10.0
"""What a tool may take for an answer."""

MOST_CHARACTERS = 100_000
VERSION = re.compile(r"^\s*(?:version|package_version)\s*[=:]\s*\[?\s*([0-9][\w.+-]*)", re.I | re.M)
BARE_VERSION = re.compile(r"\s*([0-9][\w.+-]*)\s*\Z")


def version_in(paths: Iterable[Path]) -> str | None:
    """The version that the first readable of these files tells: "version=8.0.RC1" or "8.0.RC1" alone; else None."""
    for path in paths:
        text = text_of(path)
        if found := VERSION.search(text) or BARE_VERSION.match(text):
            return found[1]
    return None


def text_of(path: Path) -> str:
    """The beginning of a file's text, empty where it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(MOST_CHARACTERS)
    except OSError:
        return ""


def output_of(program: str, *options: str, missing: list[str]) -> str:
    """What a program prints; where it cannot be asked, nothing, and `missing` gets the reason."""
    if reason := absence(program):
        missing.append(reason)
        return ""
    answer = ask([program, *options], LIMIT_S)
    if answer.problem:
        missing.append(f"{' '.join([program, *options])}: {answer.problem}: {excerpt(answer.text)}".rstrip(": "))
        return ""
    return answer.text


def number(text: str | None) -> float | None:
    """The number at the start of a text such as "1400 MHz" or "65536"; None where there is none."""
    found = re.match(r"\s*(\d+(?:\.\d+)?)", text or "")
    return float(found[1]) if found else None
