"""Commands whose exit status is a verdict: whatever ends them otherwise did not run, and never reads as one."""

import sys

import click
import pytest

from harness.commands import cli, gate, nightly
from harness.history import gate as judging

SIDES = ["--baseline", "a", "--candidate", "b"]


@pytest.fixture
def end(capsys, monkeypatch):
    """Run the command line; its exit status and what it printed as an error."""

    def run(*words: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["crosscast", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("fault", [ZeroDivisionError("half of nothing"), OSError(5, "Input/output error"), KeyError(1)])
def test_a_fault_is_no_regression(end, monkeypatch, fault):
    def broken(*arguments):
        raise fault

    monkeypatch.setattr(judging, "gate", broken)
    status, said = end("gate", *SIDES)
    assert status == 3
    assert "in broken" in said
    assert said.splitlines()[-1].startswith(f"crosscast: this is a fault of crosscast: {type(fault).__name__}: ")


def test_a_mistake_is_one_line_wherever_it_is_found(end, monkeypatch):
    def mistaken(*arguments):
        raise click.BadParameter("not like this")

    monkeypatch.setattr(judging, "gate", mistaken)
    assert end("gate", *SIDES) == (3, "crosscast: Invalid value: not like this\n")
    assert end("gate", "--baselin", "a")[0] == 3


def test_help_is_no_fault(capsys):
    for command in (gate.gate, nightly.nightly):
        with pytest.raises(SystemExit) as ended:
            command.main(["--help"])
        assert not ended.value.code
    assert "Usage" in capsys.readouterr().out


def test_one_folder_is_not_compared_with_itself(end, tmp_path):
    status, said = end("gate", "--baseline", str(tmp_path), "--candidate", f"{tmp_path}/../{tmp_path.name}")
    assert (status, said) == (3, f"crosscast: {tmp_path}: is given for both sides: name the folder or file of each\n")
