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
import json, sys
from harness.commands.cli import LazyGroup
name, *words = sys.argv[1:]
context = LazyGroup().get_command(None, name).make_context(name, words)
with open("said.json", "a") as file:
    file.write(json.dumps({{"command": name, **context.params}}, default=str) + "\\n")
"""


@pytest.fixture
def run(tmp_path):
    """Run a line of shell with the example's paths in a folder of the test; the calls of crosscast it makes."""
    bin_folder = tmp_path / "lustre/crosscast/.venv/bin"
    bin_folder.mkdir(parents=True)
    for age_s, (commit, verdict) in enumerate((("0123abcd", "nothing"), ("fedc9876", "of the first of two nights"))):
        gate = tmp_path / f"lustre/nights/2026-11-27-{commit}/gate"
        gate.mkdir(parents=True)
        (gate / "gate.md").write_text(verdict)
        os.utime(gate, (1e9 - age_s, 1e9 - age_s))
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


def test_gitlab(run):
    job = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())["nightly"]
    (call,) = run("\n".join(job["script"]))
    check(call)
    assert run("\n".join(job["after_script"])) == []
    assert job["allow_failure"] == {"exit_codes": [2]}


def test_github(run, tmp_path):
    workflow = yaml.safe_load((EXAMPLES / "github-workflow.yml").read_text())
    assert workflow[True]["schedule"] == [{"cron": "30 1 * * *"}]
    (job,) = workflow["jobs"].values()
    calls = [call for step in job["steps"] if "run" in step for call in run(step["run"])]
    (call,) = calls
    check(call)
    assert (tmp_path / "summary").read_text() == "nothing"


def test_jenkins(run):
    text = (EXAMPLES / "Jenkinsfile").read_text()
    assert text.count("{") == text.count("}")
    scripts = re.findall(r"script: '([^']+)'", text) + re.findall(r"\bsh '([^']+)'", text)
    assert len(scripts) == 2
    (call,) = [call for script in scripts for call in run(script)]
    check(call)
