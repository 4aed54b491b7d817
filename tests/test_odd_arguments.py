"""Odd calls of every command: each is answered with one line and exit status 2 before anything is written."""

import os
import sys
from pathlib import Path

import pytest

from harness.commands import cli

NAN_AND_SO_ON = ("nan", "NaN", "inf", "-inf", "1e400", "1e300", "-1", "0.0.1", "", " ", "x", "1e9")
SUBJECTS = ("tables", "claims", "figures", "report", "export --pytest-benchmark x", "parity", "calibrate", "bench")
SEEDS = ("-1", "1.5", "9" * 400, "")
MODULES = (
    "nowhere:factory",
    "nowhere.at.all:factory",
    "os.nowhere:factory",
    ":factory",
    "module:",
    "module::factory",
    "a b:factory",
    "../module:factory",
    ".module:factory",
    "module.:factory",
    "1module:factory",
    "é\u0000:factory",
)

LONG = (
    *(f"{subject} --results" for subject in SUBJECTS),
    "report --output",
    "export --pytest-benchmark",
    "schemas --folder",
    "history --results",
    "history --page",
    "history --asv",
    "history --baseline-file",
    "baseline --file",
    "new chip lab --folder",
    "new chip",
    "prepare storm --data",
    "power show",
    "submit --site",
    "bench --chip",
    "bench --suite",
    "bench --data",
    "status",
)
"""What takes a path or a name as its last word."""

CALLS = [
    *(f"power record --out p --seconds|{value}" for value in (*NAN_AND_SO_ON, "0")),
    *(f"power record --out p --idle|{value}" for value in NAN_AND_SO_ON),
    *(f"power record --out p --period-ms|{value}" for value in (*NAN_AND_SO_ON, "0")),
    *(f"calibrate --period|{value}" for value in (*NAN_AND_SO_ON, "0")),
    *(f"calibrate --cycles|{value}" for value in ("0", "2", "3.5", "nan", "")),
    *(f"doctor --seconds|{value}" for value in (*NAN_AND_SO_ON, "0")),
    *(f"{subject} --results|{value}" for subject in SUBJECTS for value in ("", " ", "file", "file/below")),
    *(f"operators|{name}" for name in (*MODULES, "", "fourcastnt")),
    *(f"traps|{name}" for name in (*MODULES, "")),
    *(f"parity --port|{name.split(':')[0]}" for name in ("nowhere", "nowhere.at.all", "os.nowhere", "a b", "", "1a")),
    *(f"{command} --seed|{seed}" for command in ("parity", "operators fourcastnet") for seed in SEEDS),
    *(f"parity --{option}|{value}" for option in ("batch-size", "steps") for value in ("0", "-1", "nan", "9" * 5000)),
    *(f"schemas --folder|{value}" for value in ("file", "file/below", "", "read only/x")),
    *(f"power show|{value}" for value in ("", "absent", "file", "fifo", "folder", "x" * 300, "a\0b")),
    *(f"bench --{option}|" for option in ("data", "chip", "suite", "model", "preset", "framework", "mapping")),
    *(f"{command}|{value}" for command in LONG for value in ("x" * 300, f"{'x' * 300}/y", "ä" * 128, "x/" * 2048)),
    "bench --repeats|",
    *(f"bench --{option}|fifo.yaml" for option in ("chip", "suite", "model")),
    *(f"bench --{option}|{'x' * 300}.yaml" for option in ("chip", "suite", "model")),
    *(f"submit --site|{value}" for value in ("", "nowhere", "fifo.yaml", "file")),
    *(f"submit --site local --{option}|" for option in ("chip", "suite", "model", "preset", "data", "results")),
    *(f"submit --site local --suite|{value}" for value in ("nowhere", "fifo.yaml")),
    *(f"submit --site local --{option}" for option in ("model|x", "repeats|0", "weights|x", "preset|x", "mapping|x")),
    "cancel|",
    *(f"{command}|nowhere" for command in ("status", "cancel")),
    "bench --mapping rossby --data|fifo",
    "bench --mapping storm --data|fifo",
    "bench --repeats|nan",
    "claims --ledger|",
    "claims --ledger|fifo.yaml",
    "operators fourcastnet --json|",
    "operators fourcastnet --json|absent/x.json",
    "operators fourcastnet --json|file/x.json",
    "report --output|folder",
    "export --pytest-benchmark|folder",
    "export --pytest-benchmark|",
]  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with what the calls name, in which they are made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "fifo.yaml"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "read only").write_text("")
    return tmp_path


@pytest.mark.parametrize("call", CALLS, ids=[call[:60].replace("\0", "NUL") for call in CALLS])
def test_an_odd_call_is_one_line(place, capsys, monkeypatch, call):
    before = sorted(place.rglob("*"))
    words, _, last = call.partition("|")
    monkeypatch.setattr(sys, "argv", ["crosscast", *words.split(), last])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1), said[-500:]
    assert said.startswith("crosscast: ")
    assert sorted(place.rglob("*")) == before


def test_there_are_as_many_as_were_tried():
    assert len(CALLS) > 180


def test_nothing_is_imported_to_know_whether_a_module_is_there(place, capsys, monkeypatch):
    (place / "crosscast_package").mkdir()
    (place / "crosscast_package/__init__.py").write_text(f"open({str(place / 'imported')!r}, 'w')")
    monkeypatch.setattr(sys, "argv", ["crosscast", "operators", "crosscast_package.absent:factory"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "No module named 'crosscast_package.absent'" in capsys.readouterr().err
    assert not (place / "imported").exists()


def test_paths_with_blanks_are_paths(place, capsys, monkeypatch):
    folder = place / "with blanks, and 'quotes'"
    monkeypatch.setattr(sys, "argv", ["crosscast", "schemas", "--folder", str(folder)])
    cli.main()
    written = capsys.readouterr().out.splitlines()
    assert written == [str(path) for path in map(Path, written) if path.exists()]
    assert len(list(folder.iterdir())) == len(written) > 5
