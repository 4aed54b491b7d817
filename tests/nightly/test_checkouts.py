"""Checkouts and environments of a night: moved and kept, never made twice."""

import shutil
import sys

import pytest

from harness import git as git_of_harness
from harness.errors import UserError
from harness.nightly.checkouts import check_out, commit_of, environment_of
from harness.nightly.rounds import turns
from harness.scenario.sites import Night, SiteConfig
from tests.nightly.conftest import git

SET_UP = """
import os, pathlib, sys
place = pathlib.Path(sys.argv[-1]) / "bin"
place.mkdir(parents=True, exist_ok=True)
with open(place / "python", "a") as file:
    file.write(" ".join(sys.argv[1:]) + "|" + os.environ.get("PIP_CACHE_DIR", "") + "|")
    file.write(os.environ.get("PIP_FIND_LINKS", "") + "|" + os.environ.get("PIP_NO_INDEX", "") + "\\n")
"""


@pytest.fixture
def repository(tmp_path):
    """Two commits of a project whose set-up is a stand-in, and one whose set-up fails."""
    folder = tmp_path / "it's a repository"
    (folder / "harness").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    (folder / ".gitignore").write_text(".venv*\n")
    for name, text in (
        ("one", SET_UP),
        ("two", SET_UP),
        ("broken", "import sys; sys.exit('crosscast: no wheels here')"),
    ):
        (folder / "name").write_text(name)
        (folder / "harness/setup_venv.py").write_text(text)
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", name)
        git(folder, "tag", name)
    return folder


def local(**night) -> SiteConfig:
    return SiteConfig(title="here", scheduler="local", python=sys.executable, night=Night(**night))


def test_a_checkout_moves_and_its_environment_stays(repository, tmp_path, monkeypatch):
    for name in ("PIP_CACHE_DIR", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "nights/checkouts/candidate"
    wheels = tmp_path / "wheels"
    check_out(repository, commit_of(repository, "one"), place)
    assert (place / "name").read_text() == "one"
    made = environment_of(place, local(), accelerator=False, wheels=wheels)
    assert made.python == str(place / ".venv/bin/python")
    (place / "name").write_text("changed by somebody")
    (place / "litter").touch()
    check_out(repository, commit_of(repository, "two"), place)
    assert (place / "name").read_text() == "two"
    assert not (place / "litter").exists()
    environment_of(place, local(wheelhouse="/opt/wheels"), accelerator=False, wheels=wheels)
    asked = (place / ".venv/bin/python").read_text().splitlines()
    assert asked == [f".venv|{wheels}||", f".venv|{wheels}|/opt/wheels|1"]
    on_device = environment_of(place, local(), accelerator=True, wheels=wheels)
    assert (place / ".venv-accelerator/bin/python").read_text().startswith("--accelerator .venv-accelerator|")
    assert on_device.python == str(place / ".venv-accelerator/bin/python")


def test_a_checkout_whose_folder_was_half_made_is_made_again(repository, tmp_path):
    place = tmp_path / "candidate"
    check_out(repository, commit_of(repository, "one"), place)
    (place / ".git").unlink()
    check_out(repository, commit_of(repository, "two"), place)
    assert (place / "name").read_text() == "two"


@pytest.mark.parametrize("first_is_gone", [False, True])
def test_a_checkout_of_a_clone_that_was_made_anew_is_replaced_and_its_environment_stays(
    repository, tmp_path, first_is_gone
):
    """Runners clone into one folder today and into another tomorrow; the folder of nights is the same."""
    first, second, place = tmp_path / "first", tmp_path / "second", tmp_path / "nights/checkouts/candidate"
    for clone in (first, second):
        git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    check_out(first, commit_of(first, "one"), place)
    environment_of(place, local(), accelerator=False, wheels=tmp_path)
    made = (place / ".venv/bin/python").read_bytes()
    git(second, "commit", "--quiet", "--allow-empty", "--message", "new")
    if first_is_gone:
        shutil.rmtree(first)
    check_out(second, commit_of(second, "HEAD"), place)
    assert git(place, "rev-parse", "HEAD") == git(second, "rev-parse", "HEAD")
    assert (place / ".venv/bin/python").read_bytes() == made
    assert [path.name for path in place.parent.iterdir()] == ["candidate"]


def test_what_a_killed_git_has_left_keeps_no_later_night(repository, tmp_path):
    check_out(repository, commit_of(repository, "one"), tmp_path / "x")
    for name in ("index.lock", "HEAD.lock"):
        (tmp_path / "x" / git(tmp_path / "x", "rev-parse", "--git-dir") / name).touch()
    check_out(repository, commit_of(repository, "two"), tmp_path / "x")
    assert (tmp_path / "x/name").read_text() == "two"


def test_hooks_of_the_repository_are_not_for_nights(repository, tmp_path):
    hook = repository / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'pre-commit: not found' >&2\nexit 1\n")
    hook.chmod(0o755)
    for name in ("one", "two"):
        check_out(repository, commit_of(repository, name), tmp_path / "x")
        assert (tmp_path / "x/name").read_text() == name


def test_a_night_that_a_hook_or_a_rebase_calls_leaves_the_repository_as_it_is(repository, tmp_path, monkeypatch):
    check_out(repository, commit_of(repository, "one"), tmp_path / "x")
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository / ".git/index"))
    check_out(repository, commit_of(repository, "two"), tmp_path / "x")
    assert git_of_harness.ask(tmp_path / "x", "rev-parse", "HEAD") == f"{commit_of(repository, 'two')}\n"
    for name in ("GIT_DIR", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name)
    assert git(repository, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(repository, "status", "--porcelain") == ""
    assert git(tmp_path / "x", "status", "--porcelain") == ""


def test_what_cannot_be_is_one_line(repository, tmp_path):
    with pytest.raises(UserError, match="'three' names no commit of the repository"):
        commit_of(repository, "three")
    with pytest.raises(UserError, match="'--all' names no commit"):
        commit_of(repository, "--all")
    with pytest.raises(UserError, match="is no repository of git"):
        commit_of(tmp_path, "one")
    check_out(repository, commit_of(repository, "broken"), tmp_path / "x")
    with pytest.raises(UserError, match=r"git checkout in .*/x: fatal: "):
        check_out(repository, "0" * 40, tmp_path / "x")
    with pytest.raises(UserError, match="cannot be made: crosscast: no wheels here"):
        environment_of(tmp_path / "x", local(), accelerator=False, wheels=tmp_path)


def test_a_repository_of_another_user_is_no_missing_one(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(UserError, match=r"of another user: run `git config --global --add safe.directory '/.*repos"):
        commit_of(repository, "one")


def test_an_environment_that_is_given_is_taken_as_it_is(repository, tmp_path):
    check_out(repository, commit_of(repository, "broken"), tmp_path / "x")
    made = environment_of(tmp_path / "x", local(environment="given"), accelerator=False, wheels=tmp_path)
    assert made.python == sys.executable


def test_sides_alternate():
    assert list(turns(3)) == [(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (2, 1)]
