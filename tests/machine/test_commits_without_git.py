"""The commit of a checkout where git cannot be asked, by git itself."""

import pytest

from harness import git as git_of_harness
from harness.machine import environment
from tests.nightly.conftest import git


@pytest.fixture
def repository(tmp_path):
    """A repository with a commit."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "of-a/lab")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "one")
    return folder


def test_the_commit_is_the_one_that_git_tells(repository, tmp_path):
    commit = git(repository, "rev-parse", "HEAD")
    assert git_of_harness.checked_out(repository) == commit
    git(repository, "pack-refs", "--all")
    assert git_of_harness.checked_out(repository) == commit
    git(repository, "worktree", "add", "--quiet", "--detach", str(tmp_path / "checkout"))
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "two")
    git(repository, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "branch"))
    git(repository, "pack-refs", "--all")
    assert git_of_harness.checked_out(tmp_path / "checkout") == commit
    for folder in (repository, tmp_path / "branch"):
        assert git_of_harness.checked_out(folder) == git(repository, "rev-parse", "HEAD") != commit
    assert git_of_harness.checked_out(tmp_path) is None
    (tmp_path / "checkout/.git").write_text("gitdir: /nowhere")
    assert git_of_harness.checked_out(tmp_path / "checkout") is None
    git(repository, "checkout", "--quiet", "--orphan", "empty")
    assert git_of_harness.checked_out(repository) is None


@pytest.mark.parametrize("name", ["PATH", "GIT_TEST_ASSUME_DIFFERENT_OWNER"])
def test_a_record_names_its_commit_in_an_image_without_git_and_of_another_users_checkout(repository, monkeypatch, name):
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setattr(environment, "REPOSITORY", repository)
    assert environment._checkout() == (commit, False)
    monkeypatch.setenv(name, "1")
    assert environment._checkout() == (commit, None)
