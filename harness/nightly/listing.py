"""All nights in one file that people read: newest first, with their commits, their verdicts and where to read on."""

from collections.abc import Sequence
from pathlib import Path

from harness.files import write_atomically
from harness.history.statuses import MEANING
from harness.nightly.kept import Night
from harness.text import markdown_cell

FILE_NAME = "nights.md"


def write(root: Path, nights: Sequence[tuple[Path, Night]]) -> Path:
    """Write the list into the folder of all nights; its path."""
    lines = ["| night | suite | baseline | candidate | verdict | read on |", "|---|---|---|---|---|---|"]
    for folder, night in reversed(nights):
        verdict = night.step if night.verdict is None else MEANING.get(night.verdict, f"status {night.verdict}")
        found = [f"{folder.name}/gate/gate.html", f"{folder.name}/candidate/report.html"]
        there = [f"[{Path(name).stem}](<{name}>)" for name in found if (root / name).exists()]
        cells = (night.name, night.suite, night.baseline[:12], night.candidate[:12], verdict)
        lines.append(f"| {' | '.join((*map(markdown_cell, cells), ', '.join(there)))} |")
    path = root / FILE_NAME
    write_atomically(path, "\n".join(lines) + "\n")
    return path
