from io import StringIO

import pytest
from rich.console import Console

from harness.launch import progress
from harness.launch.progress import ReadingProgress


def shown(*, terminal: bool, fractions: list[float]) -> str:
    console = Console(file=StringIO(), force_terminal=terminal, width=100)
    with ReadingProgress(console) as reading:
        for fraction in fractions:
            reading.update(fraction)
    return console.file.getvalue()


def test_a_bar_on_a_terminal():
    text = shown(terminal=True, fractions=[0.25, 0.5])
    assert "reading data" in text
    assert "50 %" in text


def test_elsewhere_one_line_once_it_takes_long(monkeypatch):
    assert shown(terminal=False, fractions=[0.5, 1.0]) == ""
    clock_s = iter([0.0, 2.0, 6.0, 9.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock_s))
    assert shown(terminal=False, fractions=[0.1, 0.25, 0.5]) == "reading data: about 18 s left\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_where_nothing_is_read(terminal):
    assert "reading" not in shown(terminal=terminal, fractions=[])
