"""The example files: read as their programs read them, their commands run, with a crosscast that only reads its own."""

import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.shared import REPOSITORY

EXAMPLES = REPOSITORY / "docs/examples"

READS = f"""#!{sys.executable}
import json, os, sys
from harness.commands.cli import LazyGroup
name, *words = sys.argv[1:]
context = LazyGroup().get_command(None, name).make_context(name, words)
with open("said.json", "a") as file:
    file.write(json.dumps({{"command": name, **context.params}}, default=str) + "\\n")
if os.path.exists("judges"):
    gate = context.params["folder"] / "2026-11-28-89abcdef/gate"
    gate.mkdir(parents=True)
    for ending in ("md", "xml"):
        (gate / f"gate.{{ending}}").write_text("of this night")
"""


@pytest.fixture
def run(tmp_path):
    """Run a line of shell with the example's paths in a folder of the test; the calls of crosscast it makes."""
    bin_folder = tmp_path / "lustre/crosscast/.venv/bin"
    bin_folder.mkdir(parents=True)
    earlier = tmp_path / "lustre/nights/2026-11-27-0123abcd/gate"
    earlier.mkdir(parents=True)
    for ending in ("md", "xml"):
        (earlier / f"gate.{ending}").write_text("of the night before")
        os.utime(earlier / f"gate.{ending}", (1e9, 1e9))
    (tmp_path / "lustre/crosscast/judges").touch()
    (bin_folder / "crosscast").write_text(READS)
    (bin_folder / "crosscast").chmod(0o755)
    git = tmp_path / "bin/git"
    git.parent.mkdir()
    git.write_text("#!/bin/sh\nexit 0\n")
    git.chmod(0o755)

    def call(line: str) -> list[dict]:
        said = tmp_path / "lustre/crosscast/said.json"
        said.unlink(missing_ok=True)
        environment = {
            "PATH": f"{git.parent}:/usr/bin:/bin",
            "PYTHONPATH": str(REPOSITORY),
            "CI_COMMIT_SHA": "f" * 40,
            "GITHUB_SHA": "f" * 40,
            "GIT_COMMIT": "f" * 40,
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            "RUNNER_TEMP": str(tmp_path),
        }
        subprocess.run(
            ["sh", "-euc", line.replace("/lustre", str(tmp_path / "lustre")).replace("/usr/bin/git", str(git))],
            cwd=tmp_path / "lustre/crosscast",
            env=environment,
            check=True,
            timeout=60,
        )
        return [json.loads(text) for text in said.read_text().splitlines()] if said.exists() else []

    return call


def check(call: dict, candidate: str = "f" * 40) -> None:
    assert call["command"] == "nightly"
    assert (call["baseline"], call["candidate"]) == ("baseline", candidate)
    assert Path(call["site"]).name == "site.yaml"
    assert Path(call["folder"]).name == "nights"


def test_cron(run):
    lines = [line for line in (EXAMPLES / "crontab").read_text().splitlines() if line and line[0] != "#"]
    assert re.fullmatch(r"MAILTO=\S+", lines[0])
    *fields, command = lines[1].split(None, 5)
    assert all(re.fullmatch(r"\*|\d+", field) for field in fields)
    assert "%" not in command
    (call,) = run(command)
    check(call, "origin/main")


def test_systemd(run):
    service, timer = (configparser.RawConfigParser(interpolation=None) for _ in range(2))
    for parser, name in ((service, "service"), (timer, "timer")):
        parser.optionxform = str
        parser.read(EXAMPLES / f"crosscast-nightly.{name}")
    assert timer["Timer"]["OnCalendar"] == "*-*-* 01:30:00"
    assert run(service["Service"]["ExecStartPre"]) == []
    (call,) = run(service["Service"]["ExecStart"])
    check(call, "origin/main")


@pytest.fixture(params=[True, False], ids=["judged", "could not begin"])
def judged(request, run, tmp_path) -> bool:
    """Whether the night comes to a verdict."""
    if not request.param:
        (tmp_path / "lustre/crosscast/judges").unlink()
    return request.param


def test_gitlab(run, tmp_path, judged):
    job = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())["nightly"]
    (call,) = run("\n".join(job["script"]))
    check(call)
    assert run("\n".join(job["after_script"])) == []
    assert job["allow_failure"] == {"exit_codes": [2]}
    assert shown(tmp_path) == ({"gate.md": "of this night", "gate.xml": "of this night"} if judged else {})


def test_github(run, tmp_path, judged):
    workflow = yaml.safe_load((EXAMPLES / "github-workflow.yml").read_text())
    assert workflow[True]["schedule"] == [{"cron": "30 1 * * *"}]
    (job,) = workflow["jobs"].values()
    calls = [call for step in job["steps"] if "run" in step for call in run(step["run"])]
    (call,) = calls
    check(call)
    assert (tmp_path / "summary").read_text() == ("of this night" if judged else "")


def test_jenkins(run, tmp_path, judged):
    text = (EXAMPLES / "Jenkinsfile").read_text()
    assert text.count("{") == text.count("}")
    scripts = re.findall(r"""(?:script: |\bsh )(['"])(.+?)\1[)\n]""", text)
    assert len(scripts) == 3
    (call,) = [call for _, script in scripts for call in run(script)]
    check(call)
    assert shown(tmp_path) == ({"gate.md": "of this night", "gate.xml": "of this night"} if judged else {})


def shown(tmp_path: Path) -> dict[str, str]:
    """What an example hands on of the gate."""
    return {path.name: path.read_text() for path in (tmp_path / "lustre/crosscast/gate").iterdir()}
