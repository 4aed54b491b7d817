"""Commands of a night: children that are gone when the night is, and are asked to end before they are killed."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from collectors import children
from harness.errors import UserError


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed into the streams that were kept."""

    status: int
    said: str

    @property
    def last_words(self) -> str:
        """The last line of that; its status where there is none."""
        lines = self.said.strip().splitlines()
        return lines[-1] if lines else f"ended with status {self.status}"


def run(
    words: Sequence[str],
    *,
    keep: Literal["nothing", "errors", "all"] = "nothing",
    silent: bool = False,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    limit_s: float | None = None,
    ask_s: float = 10.0,
) -> Done:
    """Run a command to its end. What is not kept goes where this process prints to, or nowhere where it is `silent`.

    A signal to this process asks the command to end, for `ask_s`, and kills what is left of it. Raises UserError where
    it cannot be started, and subprocess.TimeoutExpired after it was ended at `limit_s`.
    """
    out = subprocess.PIPE if keep == "all" else subprocess.DEVNULL if silent else None
    errors = {"nothing": None, "errors": subprocess.PIPE, "all": subprocess.STDOUT}[keep]
    try:
        child = children.start(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
    except OSError as error:
        raise UserError(f"{error.filename or words[0]} cannot be started: {error.strerror}") from None
    try:
        printed = child.communicate(timeout=limit_s)
    except KeyboardInterrupt:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=ask_s)
        raise
    finally:
        child.end()
    said = b"".join(part for part in printed if part is not None)
    return Done(child.returncode, said.decode(errors="replace"))
