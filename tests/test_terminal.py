import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from harness.console import PlainConsole

REPOSITORY = Path(__file__).resolve().parents[1]
LIST = [sys.executable, "-c", "from harness.commands.cli import main; main()", "list"]


def printed(*what):
    console = PlainConsole()
    console.file = io.StringIO()
    for each in what:
        console.print(each)
    return console.file.getvalue()


def test_text_is_neither_markup_nor_emoji():
    table = Table("[bold]head", title="[/red]")
    table.add_row("true [/red] :smile:")
    assert "true [/red]" in printed("true [/red] :smile:")
    shown = printed(table)
    assert "[/red]" in shown
    assert "[bold]head" in shown
    assert ":smile:" in shown


def test_no_control_sequence_of_a_text_reaches_the_terminal():
    table = Table("column")
    table.add_row("\x1b]0;owned\x07")
    shown = printed(table, "\x1b[2J", "\x9b2J")
    assert not set(shown) & {"\x1b", "\x07", "\x9b"}
    assert "\\x1b[2J" in shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "utf-16"])
def test_output_of_any_encoding_is_printed(encoding):
    done = subprocess.run(
        LIST, cwd=REPOSITORY, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "FourCastNet" in done.stdout.decode(encoding)


def test_a_full_disk_costs_the_output_and_is_said():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(LIST, cwd=REPOSITORY, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == (
        "crosscast: what was printed is lost: No space left on device; files are written all the same\n"
    )


def test_a_reader_that_has_enough_is_no_problem():
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as nobody:
        done = subprocess.run(LIST, cwd=REPOSITORY, stdout=nobody, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_errors_that_cannot_be_printed_keep_their_status():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*LIST[:-1], "bench", "--suite", "none"], cwd=REPOSITORY, stderr=full, timeout=120)
    assert done.returncode == 2


@pytest.mark.parametrize(("columns", "width"), [("60", 60), ("", 110), ("wide", 110)])
def test_output_that_goes_to_a_file_is_as_wide_as_the_user_says(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert PlainConsole().width == width
