"""What another Python has is asked of it, and what keeps the harness from running there is one line."""

import hashlib
import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from harness.machine import environment, probe
from harness.machine.interpreters import look
from tests.made_pythons import install, make_environment, packages_of


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """A second environment over the same packages, with some of its own."""
    folder = tmp_path_factory.mktemp("second")
    python = make_environment(folder)
    install(packages_of(folder), "made_framework", "2.5.1", "numpy")
    return python


def test_packages_are_those_of_the_other_python(second):
    found = look(str(second), ("made_framework", "made_nowhere", "numpy"))
    assert found.problem is None
    assert found.python == sys.version.split()[0]
    assert found.packages["made_framework"].version == "2.5.1"
    assert not found.packages["made_nowhere"].there
    assert found.packages["numpy"].version == probe.package("numpy")["version"]
    assert found.distributions != probe.distributions()


def test_the_packages_are_those_that_python_lists():
    listed = {f"{one.metadata['Name']}=={one.metadata['Version']}" for one in metadata.distributions()}
    assert len(listed) > 50
    assert probe.distributions() == hashlib.sha256("\n".join(sorted(listed)).encode()).hexdigest()


def test_environment_of_a_worker_is_that_of_its_python(second, monkeypatch):
    captured = environment.capture(None)
    assert captured.interpreter is None
    assert environment.of_worker(captured, None) is captured
    there = environment.of_worker(captured, str(second))
    assert there.packages == look(str(second)).distributions
    assert there.interpreter == f"…/{second.parents[1].name}/bin/{second.name}"
    assert there.host == captured.host
    monkeypatch.setenv("CROSSCAST_KEEP_PATHS", "1")
    assert environment.of_worker(captured, str(second)).interpreter == str(second)


def without_the_harness(folder):
    return make_environment(folder, sees_ours=False)


def with_other_sources(folder):
    python = make_environment(folder, sees_ours=False)
    (packages_of(folder) / "harness").mkdir()
    (packages_of(folder) / "harness" / "__init__.py").write_text("VERSION = 'of last year'\n")
    install(packages_of(folder), "crosscast", "0.0.1")
    return python


def lacking_a_requirement(folder):
    python = make_environment(folder, sees_ours=False)
    root = Path(probe.__file__).parents[2]
    (packages_of(folder) / "sources.pth").write_text(f"{root}\n")
    never = "made_never ; python_version < '3'"
    install(packages_of(folder), "crosscast", "0.1.0", "made_lacking>=2", never, "made_extra ; extra == 'dev'")
    return python


def no_python(folder):
    folder.mkdir()
    (folder / "python").write_text("#!/bin/sh\necho this is no Python\n")
    (folder / "python").chmod(0o755)
    return folder / "python"


def no_file(folder):
    return folder / "bin" / "python"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (without_the_harness, "has no crosscast: make an environment"),
        (with_other_sources, "has a crosscast of other sources"),
        (lacking_a_requirement, "lacks what crosscast requires: made_lacking"),
        (no_python, "does not answer as a Python does"),
        (no_file, "is no program that can be run"),
    ],
)
def test_why_the_harness_cannot_run_there_is_one_line(tmp_path, make, said):
    python = make(tmp_path / "other")
    problem = look(str(python)).problem
    assert problem is not None
    assert problem.startswith(f"{python} ")
    assert said in problem
    assert "\n" not in problem
    if make is lacking_a_requirement:
        assert problem.endswith("made_lacking")


def other_pythons():
    """Interpreters that are too old or too new, wherever a machine keeps them."""
    folders = [Path("/usr/bin"), Path("/usr/local/bin"), *(Path.home() / ".pyenv" / "versions").glob("*/bin")]
    names = [f"python3.{minor}" for minor in (6, 7, 8, 9, 13, 14)]
    return [folder / name for folder in folders for name in names if os.access(folder / name, os.X_OK)]


def test_python_that_does_not_fit_is_said_by_its_version():
    pythons = other_pythons()
    if not pythons:
        pytest.skip("no other Python on this machine")
    for python in pythons:
        assert f" is Python {python.name.removeprefix('python')}." in (look(str(python)).problem or "")
        assert look(str(python)).problem.endswith(", and the harness needs <3.13,>=3.10")
