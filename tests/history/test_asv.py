"""The export to asv: the format of its developer docs, "Benchmark suite layout and file formats", and asv itself."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.commands.cli import cli
from harness.errors import UserError
from harness.history.asv import write_asv
from harness.history.series import groups_of
from harness.history.store import refresh
from tests.history.made_nights import BEFORE, make_night
from tests.nightly.conftest import git

NIGHTS, SLOWER = 12, 7
LAST_NIGHT = int(datetime(2026, 3, 1 + NIGHTS, tzinfo=timezone.utc).timestamp())


@dataclass(frozen=True)
class Made:
    """A repository, its commits from the first on, and results of a night for each of them but the last."""

    repository: Path
    commits: tuple[str, ...]
    results: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The step is 30 % slower from a commit on; a night more has a commit that the repository does not know."""
    folder = tmp_path_factory.mktemp("made")
    repository = folder / "repository"
    repository.mkdir()
    git(repository, "init", "--quiet", "--initial-branch", "main")
    commits = []
    for number in range(NIGHTS):
        (repository / "step").write_text(str(number))
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", str(number))
        commits.append(git(repository, "rev-parse", "HEAD"))
    for number, commit in enumerate((*commits, "f" * 40)):
        slower = 1.3 if number >= SLOWER else 1.0
        make_night(folder / "results" / str(number), night=number, launches=3, slower=slower, commits=(BEFORE, commit))
    return Made(repository, tuple(commits), folder / "results")


def export(made, target, repository=None):
    words = ("--results", made.results, "--asv", target, "--repository", repository or made.repository)
    return CliRunner().invoke(cli, ["history", *map(str, words)])


def test_benchmarks_machines_and_results_belong_together(made, tmp_path):
    done = export(made, tmp_path)
    assert done.exit_code == 0, done.output
    settings = json.loads((tmp_path / "asv.conf.json").read_text())
    assert settings["repo"] == str(made.repository)
    results = tmp_path / settings["results_dir"]
    benchmarks = json.loads((results / "benchmarks.json").read_text())
    assert benchmarks.pop("version") == 2
    machine = json.loads((results / "aaaabbbbcccc/machine.json").read_text())
    assert (machine["machine"], machine["version"]) == ("aaaabbbbcccc", 1)
    files = sorted(results.glob("aaaabbbbcccc/*-existing-crosscast.json"))
    assert len(files) == NIGHTS + 1
    for path in files:
        content = json.loads(path.read_text())
        commit = content["commit_hash"]
        assert path.name.startswith(commit[:8])
        assert content["version"] == 2
        at = int(git(made.repository, "log", "-1", "--format=%ct", commit)) if commit in made.commits else LAST_NIGHT
        assert content["date"] == 1000 * at
        for name, row in content["results"].items():
            told = dict(zip(content["result_columns"], row, strict=False))
            assert told["params"] == benchmarks[name]["params"]
            assert told["version"] == benchmarks[name]["version"]
            assert len(told["result"]) == len(told["samples"]) == len(benchmarks[name]["params"][0])
            assert told["result"][0] == pytest.approx(np.median(told["samples"][0]))
    step = benchmarks["crosscast.time_train_step_s"]
    assert (step["type"], step["unit"], step["param_names"]) == ("time", "seconds", ["cell"])


def test_asv_publishes_the_series_and_finds_the_commit_that_made_them_slower(made, tmp_path):
    assert export(made, tmp_path).exit_code == 0
    words = [sys.executable, "-m", "asv", "publish", "--config", str(tmp_path / "asv.conf.json")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (graph,) = (path for path in tmp_path.rglob("crosscast.time_train_step_s.json") if "summary" not in path.parts)
    assert [place for place, _ in json.loads(graph.read_text())] == list(range(NIGHTS))
    found = json.loads((tmp_path / "html/regressions.json").read_text())["regressions"]
    steps = next(each for each in found if each[0].startswith("crosscast.time_train_step_s"))
    hashes = json.loads((tmp_path / "html/index.json").read_text())["revision_to_hash"]
    assert hashes[str(steps[-1][0][1])] == made.commits[SLOWER]
    assert steps[4] / steps[5] == pytest.approx(1.3, rel=0.02)


def test_a_folder_that_knows_none_of_the_commits_is_refused_before_anything_is_written(made, tmp_path):
    (tmp_path / "plain").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    git(other, "commit", "--quiet", "--allow-empty", "--message", "other")
    for folder in (tmp_path / "plain", other, tmp_path / "absent"):
        done = export(made, tmp_path / "asv", folder)
        assert "name their checkout with --repository" in str(done.exception)
    assert not (tmp_path / "asv").exists()


def test_a_checkout_with_changes_is_no_commit(tmp_path):
    make_night(tmp_path / "0", launches=3, candidate={"environment": {"git_dirty": True}})
    index, _ = refresh(tmp_path)
    with pytest.raises(UserError, match="clean commit"):
        write_asv(groups_of(index), tmp_path / "asv", tmp_path)
