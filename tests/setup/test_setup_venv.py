"""The plain environment: made once, brought up to date, never half-made."""

import ast
import fcntl
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import setup_venv
from tests.setup.conftest import REPOSITORY

PINNED = {"crosscast-0.1.0", "devtool-1.0", "mindspore-2.10.0", "oceanlib-1.5", "torch-2.13.0", "wavelib-2.5"}


def only_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


def wait_for_pip(process, log):
    """Until pip has begun to write its log."""
    while not (log.exists() and log.stat().st_size):
        assert process.poll() is None
        time.sleep(0.02)


def test_environment_is_made_once_and_then_follows_the_project(project):
    made = project.set_up(".venv")
    assert made.returncode == 0, made.stderr
    assert only_line(made.stdout).startswith("making .venv: ")
    assert project.installed(".venv") == PINNED

    log = project.folder / ".venv" / "setup.log"
    before = log.stat().st_mtime_ns
    again = project.set_up(".venv")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    active = project.set_up(".venv", python=project.folder / ".venv" / "bin" / "python")
    assert (active.returncode, active.stdout, active.stderr) == (0, "", "")
    assert log.stat().st_mtime_ns == before

    project.replace("pyproject.toml", '"wavelib>=2"', '"wavelib>=2", "tidelib"')
    project.replace("constraints.txt", "oceanlib==1.5", "oceanlib==1.0")
    project.replace("constraints.txt", "wavelib==2.5", "wavelib==2.1")
    updated = project.set_up(".venv")
    assert (updated.returncode, only_line(updated.stdout)) == (0, "updating .venv")
    unchanged = PINNED - {"oceanlib-1.5", "wavelib-2.5"}
    assert project.installed(".venv") == unchanged | {"tidelib-1.0", "oceanlib-1.0", "wavelib-2.1"}


def test_pins_hold_for_the_build_too(project):
    project.replace("pyproject.toml", "requires = []", 'requires = ["hatchling"]')
    project.replace("constraints.txt", "hatchling==", "hatchling==0.0.")
    refused = project.set_up("--accelerator", ".venv")
    assert refused.returncode == 1
    assert "pip finds no hatchling==0.0." in only_line(refused.stderr)


def test_an_environment_that_was_being_cleared_is_still_known_as_one(tmp_path, monkeypatch):
    """Python's own clearing removes pyvenv.cfg with all else, in any order."""
    for name in ("bin", "include", "lib"):
        (tmp_path / name).mkdir()
    (tmp_path / "pyvenv.cfg").touch()
    (tmp_path / "lib64").symlink_to("lib")

    def killed(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(setup_venv.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            setup_venv._clear(tmp_path)
    assert (tmp_path / "pyvenv.cfg").exists()
    setup_venv._clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pyvenv.cfg"]


def test_interrupted_set_up_is_made_anew_and_once_by_two_at_a_time(project):
    process = project.start("--accelerator", ".venv")
    wait_for_pip(process, project.folder / ".venv" / "setup.log")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    leftover = project.folder / ".venv" / "leftover"
    leftover.touch()

    waiting = "another set-up of .venv is running: waiting for its end\n"
    with (project.folder / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        processes = [project.start("--accelerator", ".venv") for _ in range(2)]
        assert [process.stdout.readline() for process in processes] == [waiting, waiting]
    printed = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    assert only_line("".join(out for out, _ in printed)).startswith("making .venv: ")
    assert not leftover.exists()
    assert project.installed(".venv") == {"crosscast-0.1.0", "oceanlib-1.5", "wavelib-2.5"}


def test_an_environment_is_of_one_kind_of_processor(tmp_path, monkeypatch):
    """Login nodes and compute nodes may share a checkout and have the same build of Python for unlike processors."""
    stamps = []
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr(setup_venv.os, "uname", partial(SimpleNamespace, machine=machine))
        stamps.append(setup_venv._wanted_stamp(tmp_path, False))
    assert not setup_venv._differ_by_inputs(*stamps)
    assert setup_venv._differ_by_inputs(stamps[0], {**stamps[0], "inputs": "others"})


def test_ctrl_c_is_one_line(project):
    process = project.start("--accelerator", ".venv")
    wait_for_pip(process, project.folder / ".venv" / "setup.log")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert only_line(err) == "crosscast: interrupted; .venv is made anew next time"


def test_ctrl_c_of_the_terminal_does_not_reach_what_another_python_is_asked():
    code = "import json, os; print(json.dumps(os.getsid(0) == os.getpid()))"
    assert setup_venv._answer(Path(sys.executable), code) is True


def test_a_python_that_does_not_answer_is_one_line():
    with pytest.raises(
        setup_venv.SetupError, match=r"python\S* does not tell which packages it has: KeyError: 'ghost'$"
    ):
        setup_venv._answer(Path(sys.executable), "{}['ghost']")


def test_failure_is_one_line_with_the_log(project):
    project.replace("pyproject.toml", '"wavelib>=2"', '"no-such-package-of-crosscast"')
    failed = project.set_up("--accelerator", ".venv")
    assert failed.returncode == 1
    line = only_line(failed.stderr)
    assert line.startswith("crosscast: cannot make .venv: ")
    assert "no-such-package-of-crosscast" in line
    assert Path(line.split("(log: ")[1].rstrip(")")).is_file()


def test_no_package_index_is_one_line(project):
    project.environment |= {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    project.environment["PIP_FIND_LINKS"] = ""
    failed = project.set_up("--accelerator", ".venv")
    assert failed.returncode == 1
    assert "pip reaches no package index" in only_line(failed.stderr)


def test_unfit_python_is_one_line(project):
    minor = sys.version_info.minor
    project.replace("pyproject.toml", ">=3.10,<3.13", f">=3.{minor + 1},<3.{minor + 3}")
    refused = project.set_up(".venv")
    assert refused.returncode == 1
    assert only_line(refused.stderr).endswith(
        f"this is Python {'.'.join(map(str, sys.version_info[:3]))}, and 3.{minor + 1} to 3.{minor + 2} will do: "
        f"name one, as in PYTHON=python3.{minor + 2}"
    )


def older_pythons():
    """Interpreters older than the harness needs, wherever a machine keeps them."""
    folders = [Path("/usr/bin"), Path("/usr/local/bin"), *(Path.home() / ".pyenv" / "versions").glob("*/bin")]
    names = [f"python3.{minor}" for minor in range(6, 10)]
    return [folder / name for folder in folders for name in names if os.access(folder / name, os.X_OK)]


def test_every_python_since_3_6_understands_the_file():
    ast.parse((REPOSITORY / "harness" / "setup_venv.py").read_text(), feature_version=(3, 6))


def test_older_pythons_get_one_line_for_their_place(project):
    for python in older_pythons():
        refused = project.set_up(".venv", python=python)
        assert refused.returncode == 1
        assert only_line(refused.stderr).endswith("and 3.10 to 3.12 will do: name one, as in PYTHON=python3.12")
        of_image = project.set_up("--accelerator", ".venv-accelerator", python=python)
        assert of_image.returncode == 1
        assert "take an image of the vendor with such a Python" in only_line(of_image.stderr)


def test_python_without_pip_is_one_line(project, tmp_path):
    subprocess.run([project.python, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    refused = project.set_up("--accelerator", ".venv-accelerator", python=tmp_path / "bare" / "bin" / "python")
    assert refused.returncode == 1
    assert " lacks pip: install " in only_line(refused.stderr)


def test_a_folder_that_path_cannot_name_is_one_line(project):
    project.folder = project.folder.rename(project.folder.with_name("my:project"))
    refused = project.set_up(".venv")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert only_line(refused.stderr).endswith(f"with a ':' in it: move or rename {project.folder}")


def test_folder_of_something_else_is_left_alone(project):
    notes = project.folder / "notes" / "thesis.txt"
    notes.parent.mkdir()
    notes.write_text("years of work")
    refused = project.set_up("notes")
    assert refused.returncode == 1
    assert "holds something else" in only_line(refused.stderr)
    assert notes.read_text() == "years of work"
