"""The terminal: what cannot be printed there never costs what is measured or written."""

import errno
import io
import os
import sys
from pathlib import Path
from typing import TextIO

import click

from harness.text import escaped


class TolerantStream(io.TextIOWrapper):
    """A stream over a file descriptor whose reader may stop reading, and whose disk may be full.

    After an error everything goes to os.devnull; `problem` says why, None where nobody needs to know: the reader of a
    pipe, such as `head`, had enough. Characters that the encoding lacks are written as escapes.
    """

    problem: str | None = None

    def write(self, text: str) -> int:
        """Write text, or drop it where the stream is broken."""
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Flush what was written, or drop it where the stream is broken."""
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if error.errno != errno.EPIPE:
            self.problem = error.strerror or str(error)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)


def say(line: object, *, err: bool = False) -> None:
    """Print one line, such as a path, without wrapping it."""
    click.echo(escaped(str(line)), err=err)


def make_tolerant() -> None:
    """Let stdout and stderr of this process survive full disks, closed pipes and characters that they lack."""
    sys.stdout = _tolerant(sys.stdout)
    sys.stderr = _tolerant(sys.stderr)


def problem_of_output() -> str | None:
    """Why something that was printed is lost, as far as that is known."""
    return getattr(sys.stdout, "problem", None)


def _tolerant(stream: TextIO | None) -> TextIO:
    """The stream itself where it is none of the operating system, as in tests; a closed one becomes os.devnull."""
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream
    return TolerantStream(
        io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=getattr(stream, "line_buffering", False),
    )
