"""A checkout and an environment for each side of a night, kept from night to night.

The checkouts are two git worktrees that are moved to the commits of the night. The environments lie in them, untouched
by git, so that a commit whose requirements are those of the night before costs nothing; wheels are kept in one cache.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors import children
from harness import git
from harness.errors import UserError
from harness.nightly.commands import run
from harness.scenario.sites import SiteConfig

GIT_LIMIT_S = 600.0
SET_UP_LIMIT_S = 3600.0
END_S = 10.0
"""What git may take to remove its locks when it is asked to end."""

ENVIRONMENT = {False: ".venv", True: ".venv-accelerator"}
"""Name of a checkout's environment, by whether the chip is an accelerator."""

NO_HOOKS = f"core.hooksPath={os.devnull}"
"""Hooks of the repository are for those who work in it: they may change a checkout, or fail where cron has no tools."""


@dataclass(frozen=True)
class Checkout:
    """The sources of one side, and the Python that runs them."""

    folder: Path
    python: str


def commit_of(repository: Path, name: str) -> str:
    """The commit that a name stands for. Raises UserError where there is none, or this is no repository."""
    _refuse_unreadable(repository)
    told = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", check=False)
    if not git.COMMIT.fullmatch(told.strip()):
        raise UserError(f"{name!r} names no commit of the repository {repository}: name a branch, a tag or a commit")
    return told.strip()


def has_uncommitted(repository: Path, commit: str) -> bool:
    """Whether files of the repository differ from this commit, which is the one that it has checked out."""
    if _git(repository, "rev-parse", "HEAD", check=False).strip() != commit:
        return False
    return bool(_git(repository, "status", "--porcelain", "--untracked-files=no", check=False).strip())


def check_out(repository: Path, commit: str, folder: Path) -> None:
    """Have the sources of a commit in a folder, which is a worktree of the repository; what git ignores there stays.

    A worktree of another repository, as of a clone that has been made anew since, is replaced and its environments are
    kept. Nobody else may be at work in the folder: what a killed git has left there is removed. Raises UserError where
    git refuses.
    """
    kept = folder.with_name(f".{folder.name}-environments")
    if _is_of(repository, folder):
        own = folder / _git(folder, "rev-parse", "--git-dir").strip()
        for name in ("index.lock", "HEAD.lock"):
            (own / name).unlink(missing_ok=True)
        _git(folder, "checkout", "--quiet", "--detach", "--force", commit)
        _git(folder, "clean", "--quiet", "--force", "-d")
    else:
        _move_environments(folder, kept)
        if folder.exists():
            shutil.rmtree(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _git(repository, "worktree", "prune")
        _git(repository, "worktree", "add", "--quiet", "--detach", "--force", str(folder.absolute()), commit)
    _move_environments(kept, folder)
    shutil.rmtree(kept, ignore_errors=True)


def _is_of(repository: Path, folder: Path) -> bool:
    """Whether the folder is a worktree of the repository."""
    if not (folder / ".git").exists():
        return False
    ours, theirs = (_git(each, "rev-parse", "--git-common-dir", check=False).strip() for each in (folder, repository))
    return bool(ours) and (folder / ours).resolve() == (repository / theirs).resolve()


def _move_environments(source: Path, target: Path) -> None:
    """Take the environments along that the target has not: they hold the path of the checkout, which stays the same."""
    for name in ENVIRONMENT.values():
        if (source / name).exists() and not (target / name).exists():
            target.mkdir(exist_ok=True)
            (source / name).rename(target / name)


def environment_of(folder: Path, site: SiteConfig, *, accelerator: bool, wheels: Path) -> Checkout:
    """Bring the environment of a checkout up to date; it is the checkout's own rule what that means.

    Raises UserError with the last line of the set-up where it fails.
    """
    if site.night.environment == "given":
        return Checkout(folder, site.python or sys.executable)
    name = ENVIRONMENT[accelerator]
    words = [*site.container, _system_python(site), "harness/setup_venv.py", *(["--accelerator"] * accelerator), name]
    try:
        done = run(words, keep="all", cwd=folder, env={**os.environ, **_wheels(site, wheels)}, limit_s=SET_UP_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise UserError(f"the environment of {folder} is not made after {SET_UP_LIMIT_S / 60:g} minutes") from None
    if done.status:
        raise UserError(f"the environment of {folder} cannot be made: {done.last_words}")
    return Checkout(folder, str(folder.absolute() / name / "bin" / "python"))


def _system_python(site: SiteConfig) -> str:
    """The Python that makes environments: the site's, else the one below this environment."""
    return site.python or str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


def _wheels(site: SiteConfig, cache: Path) -> Mapping[str, str]:
    """What has pip keep its wheels in one cache and, where the site has a wheelhouse, take them from there alone."""
    found = {"PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(cache.absolute()))}
    if site.night.wheelhouse is not None:
        found |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": site.night.wheelhouse}
    return found


def _refuse_unreadable(repository: Path) -> None:
    """Raise UserError where there is no repository, or one of another user, which git does not trust."""
    status, _, complaint = _run(repository, "rev-parse", "--git-dir")
    if "dubious ownership" in complaint:
        raise UserError(
            f"{repository}: git trusts no repository of another user: run "
            f"`git config --global --add safe.directory {shlex.quote(str(repository.resolve()))}`"
        )
    if status:
        raise UserError(f"{repository}: is no repository of git: run this in a checkout, or name one with --repository")


def _git(folder: Path, *words: str, check: bool = True) -> str:
    """What git prints. Raises UserError with what it complains of where it fails and that is to be checked."""
    status, said, complaint = _run(folder, *words)
    if check and status:
        lines = complaint.strip().splitlines() or [f"ended with status {status}"]
        fatal = [line for line in lines if line.startswith(("fatal: ", "error: "))]
        raise UserError(f"git {words[0]} in {folder}: {(fatal or lines)[0]}")
    return said


def _run(folder: Path, *words: str) -> tuple[int, str, str]:
    """The status of git, what it prints and what it complains of; it ends with this process."""
    try:
        child = children.start(
            ["git", "-C", str(folder), "-c", NO_HOOKS, *words],
            env=git.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise UserError(f"git cannot be started: {error.strerror}") from None
    try:
        said, complaint = child.communicate(timeout=GIT_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise UserError(f"git {words[0]} in {folder} does not end within {GIT_LIMIT_S:g} s") from None
    finally:
        child.end(grace_s=END_S)
    return child.returncode, said.decode(errors="replace"), complaint.decode(errors="replace")
