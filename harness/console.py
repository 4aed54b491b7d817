"""Tables and lines of foreign text on the terminal, and nothing that the terminal would obey."""

import os
import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from harness.text import escaped

WIDTH_OF_A_FILE = 110


class PlainConsole(Console):
    """A console on which text is only text: no markup, no emoji codes, no control sequence but its own."""

    def __init__(self) -> None:
        is_told = os.environ.get("COLUMNS", "").isdigit()
        width = None if is_told or (sys.stdout and sys.stdout.isatty()) else WIDTH_OF_A_FILE
        super().__init__(width=width, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of anything that rich prints, characters that a terminal obeys or hides as their escapes."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(escaped(segment.text, keep="\n"), segment.style)
