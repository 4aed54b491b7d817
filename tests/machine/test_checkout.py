"""The commit of the harness and whether its files differ from it, as a record says them."""

from functools import partial

import pytest

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
