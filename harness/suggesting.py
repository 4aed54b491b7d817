"""Commands that messages suggest, whole, so that they work as they are printed.

But for files outside the folder of a bench: a record keeps no folder of theirs, and they are printed as `…/NAME`.
"""

import shlex
from pathlib import Path

USUAL_RESULTS = Path("results")
"""The folder of results of every command that is given no other."""


def command(*words: str, results: Path | None = None) -> str:
    """A `crosscast` command as a shell takes it; with --results where that is not the usual folder."""
    of_results = [] if results in (None, USUAL_RESULTS) else ["--results", str(results)]
    return shlex.join(["crosscast", *words, *of_results])
