"""LaTeX in the tests: a folder with a paper.tex, compiled."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

LATEX = ("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex")
BIBTEX = ("bibtex", "paper")


def typeset(folder: Path, *commands: tuple[str, ...]) -> str:
    """The log of the last run of LaTeX; `commands` are LATEX and BIBTEX in their order, by default LATEX once."""
    if missing := [words[0] for words in (LATEX, *commands) if not shutil.which(words[0])]:
        pytest.skip(f"no {missing[0]} here; Debian: texlive-latex-recommended texlive-science texlive-binaries")
    for words in commands or (LATEX,):
        done = subprocess.run(words, cwd=folder, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stdout[-3000:]
    return (folder / "paper.log").read_text(errors="replace")


def overfull(log: str) -> list[float]:
    """Points by which lines stick out."""
    return [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
