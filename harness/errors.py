"""What a user's mistake is answered with."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """What is wrong, where, and what to do, in one line; the command line prints it and exits with 2."""


def refuse(problems: Iterable[str], consequence: str = "") -> None:
    """Raise one UserError that lists all problems, each once, and ends with the consequence; nothing without any."""
    found = list(dict.fromkeys(problems))
    if not found:
        return
    end = f"; {consequence}" if consequence else ""
    if len(found) == 1:
        raise UserError(f"{found[0]}{end}")
    listed = "; ".join(f"({number}) {problem}" for number, problem in enumerate(found, start=1))
    raise UserError(f"{len(found)} problems: {listed}{end}")


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint that names the closest valid name, or all of them where none is close."""
    names = {each.casefold(): each for each in sorted(valid)}
    close = difflib.get_close_matches(name.casefold(), names, n=1)
    if close:
        return f"did you mean {names[close[0]]!r}?"
    return f"choose from: {', '.join(names.values())}" if names else "none are defined"


def one_line(error: BaseException) -> str:
    """Type and first line of an error of a library; lines of hyphens, as MindSpore draws them, are none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -")]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
