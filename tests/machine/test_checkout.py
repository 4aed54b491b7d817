"""The commit of the harness and whether its files differ from it, as a record says them."""

import os
from functools import partial

import pytest

from harness.git import ask
from harness.machine import environment
from tests.nightly.conftest import git as git_in


@pytest.fixture
def git(tmp_path, monkeypatch):
    """git(*words) in a new repository that stands for that of the harness."""
    monkeypatch.setattr(environment, "REPOSITORY", tmp_path)
    git_in(tmp_path, "init", "--quiet")
    return partial(git_in, tmp_path)


def test_commit_and_changes_are_those_that_git_tells(git, tmp_path):
    (tmp_path / "module.py").write_text("x = 1\n")
    assert environment._checkout() == (None, True)
    git("add", "--all")
    git("commit", "--quiet", "--message", "first")
    commit = git("rev-parse", "HEAD")
    assert environment._checkout() == (commit, False)
    (tmp_path / "module.py").write_text("x = 2\n")
    assert environment._checkout() == (commit, True)
    git("checkout", "--quiet", "--detach")
    git("commit", "--quiet", "--all", "--message", "second")
    assert environment._checkout() == (git("rev-parse", "HEAD"), False)


def test_without_a_repository_nothing_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "REPOSITORY", tmp_path)
    assert environment._checkout() == (None, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout to somebody else")
def test_a_checkout_of_somebody_else_is_told_and_stays_his(git, tmp_path, monkeypatch):
    """As in a container whose root runs a user's checkout: git itself refuses to read it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "module.py").write_text("x = 1\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "first")
    commit = git("rev-parse", "HEAD")
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, 12345, 12345)
    (tmp_path / "module.py").touch()
    assert ask(tmp_path, "rev-parse", "HEAD") is None
    assert environment._checkout() == (commit, False)
    assert (tmp_path / ".git" / "index").stat().st_uid == 12345
