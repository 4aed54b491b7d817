"""Nights of two real commits on this host: in turn, judged, kept, gone on with after they were cut off."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import yaml

from harness.errors import UserError
from harness.history.findings import NOTHING
from harness.launch.schedulers import Task, scheduler_of
from harness.nightly import night
from harness.nightly.kept import Night, nights_in
from harness.nightly.night import Nights
from harness.nightly.pruning import prune
from harness.results.record import load
from harness.scenario.sites import SiteConfig
from tests import started
from tests.launch.conftest import write_micro
from tests.launch.processes import wait_until
from tests.launch.stand_in import COMPLETE, stand_in
from tests.nightly.conftest import JUDGED

AT_GATE = """
(Path(__file__).parent / f"begun-{folder.name}").touch()
while not (Path(__file__).parent / "open").exists():
    tell("waiting")
    time.sleep(0.05)
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A local site for two launches a commit, in tmp_path."""
    site = {"title": "here", "scheduler": "local", "python": sys.executable}
    night_fields = {"environment": "given", "launches": 2, "suite": str(write_micro(tmp_path, idle_s=0))}
    (tmp_path / "here.yaml").write_text(yaml.safe_dump({**site, "night": night_fields}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def nightly(host: Path, commits, behaviour: str, *arguments: object) -> started.Command:
    """The command, whose launches are made by a stand-in that does so."""
    words = (
        "nightly",
        *("--site", host / "here.yaml", "--repository", commits.repository, "--folder", host / "nights"),
        *("--candidate", "main", *arguments),
    )
    return started.Command(host, words, stand_in(host / "stand_in", behaviour))


def made(host: Path) -> list:
    """All records of all nights, in the order in which they were made."""
    found = [load(path) for path in host.glob("nights/*/*/*/*/*/record.json")]
    return sorted(found, key=lambda record: (record.started_at, record.launch))


def test_a_night_that_is_killed_twice_goes_on(host, commits):
    """First the command, whose job goes on, then the job; each launch of each commit is made once, in turn."""
    first = nightly(host, commits, AT_GATE + COMPLETE)
    wait_until(lambda: list(host.glob("stand_in/begun-*")))
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert first.returncode == 128 + signal.SIGTERM
    (file,) = host.glob("nights/*/night.json")
    (job,) = json.loads(file.read_text())["jobs"]
    site = SiteConfig(title="here", scheduler="local")
    assert scheduler_of(site).states([job])[job].phase == "running"
    scheduler_of(site).cancel([job])
    wait_until(lambda: not scheduler_of(site).states([job])[job].is_active)
    (cut,) = made(host)
    assert (cut.status, cut.reason.partition(":")[0]) == ("interrupted", "ended by the scheduler (SIGTERM)")
    (host / "stand_in/open").touch()
    second = nightly(host, commits, AT_GATE + COMPLETE)
    out, err = second.communicate(timeout=300)
    assert f"night {file.parent.name} goes on" in out, err
    done = [record for record in made(host) if record.status == "completed"]
    order = [(record.launch, record.environment.git_commit) for record in done]
    a, b = commits.baseline, commits.candidate
    assert order == [(0, a), (0, b), (1, b), (1, a)]
    kept = json.loads(file.read_text())
    assert (kept["step"], len(kept["jobs"]), kept["verdict"], second.returncode) == ("judged", 2, NOTHING, NOTHING)
    assert file.parent.name in (host / "nights/nights.md").read_text()
    assert b[:7] in (host / "nights/history.html").read_text()


def test_the_gate_is_asked_and_its_status_passed_on(host, commits, monkeypatch):
    """Whatever the block has left, here nothing: the gate is given both folders, and says what that means."""
    said, told = host / "said.json", host / "told.json"
    note = "import json, sys; json.dump(sys.argv[1:], open({!r}, 'w')); {}; sys.exit({})"
    monkeypatch.setattr(night, "GATE_COMMAND", (sys.executable, "-c", note.format(str(said), JUDGED, 1)))
    monkeypatch.setattr(night, "REPORT_COMMAND", (sys.executable, "-c", ""))
    monkeypatch.setattr(night, "HISTORY_COMMAND", (sys.executable, "-c", note.format(str(told), "pass", 0)))
    monkeypatch.setattr(night, "FUNCTION", "harness.text:one_line")
    site = SiteConfig.model_validate(yaml.safe_load((host / "here.yaml").read_text()))
    nights = Nights(host / "nights", site, "here", commits.repository, print)
    (host / "nights").mkdir()
    (host / "nights/gate-state.json").touch()
    moves = commits.repository / "baseline.yaml"
    moves.touch()
    try:
        assert nights.run("baseline", "main", site.night.suite, (), wait=True) == 1
    finally:
        moves.unlink()
    words = json.loads(said.read_text())
    (folder,) = (path.parent for path in host.glob("nights/*/night.json"))
    assert words[:4] == ["--baseline", str(folder / "baseline"), "--candidate", str(folder / "candidate")]
    assert json.loads((folder / "night.json").read_text())["verdict"] == 1
    assert "regressed" in (host / "nights/nights.md").read_text()
    assert len(json.loads((folder / "night.json").read_text())["jobs"]) == site.night.jobs
    shown = ["--results", str(host / "nights"), "--page", str(host / "nights/history.html")]
    known = ["--state", str(host / "nights/gate-state.json"), "--baseline-file", str(moves)]
    assert json.loads(told.read_text()) == [*shown, *known]


def test_what_cannot_be_is_one_line_and_did_not_run(host, commits):
    process = nightly(host, commits, COMPLETE, "--baseline", "nowhere")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "'nowhere' names no commit" in err
    assert err.count("\n") == 1
    assert not (host / "nights").exists()
    for words in (["nightly", "--site", "nowhere"], ["nightly", "--sit", "x"]):
        done = started.run(host, words, os.environ)
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)


def test_a_job_that_waits_for_others_is_refused_here():
    with pytest.raises(UserError, match="without --no-wait"):
        scheduler_of(SiteConfig(title="here", scheduler="local")).submit_after([], Task("a:b", Path()), Path(), "x")


def test_two_nights_of_one_date_are_in_the_order_in_which_they_began(tmp_path):
    fields = dict.fromkeys(("site", "suite", "baseline", "candidate", "repository", "directory"), "x")
    begun = {"2026-11-27-f": "2026-11-28T03:00:00+00:00", "2026-11-27-0": "2026-11-28T04:00:00+00:00"}
    for name, at in {**begun, "2026-11-26-a": "2026-11-27T03:00:00+00:00"}.items():
        (tmp_path / name).mkdir()
        Night(name=name, begun_at=at, command=(), **fields).write(tmp_path / name)
    (tmp_path / "2026-11-27-9").mkdir()
    (tmp_path / "2026-11-27-9/night.json").write_text("{")
    names = [folder.name for folder in nights_in(tmp_path)]
    assert names == ["2026-11-26-a", "2026-11-27-9", "2026-11-27-f", "2026-11-27-0"]


def test_old_nights_keep_their_records_alone(tmp_path):
    nights = [tmp_path / name for name in ("2026-11-01-a", "2026-11-02-b", "2026-11-03-c")]
    for folder in nights:
        launch = folder / "baseline/suite/cell/00-01234567"
        (launch / "profile").mkdir(parents=True)
        for name in ("record.json", "steps.parquet", "log.txt", "power.jsonl", "profile/trace"):
            (launch / name).touch()
    assert prune(nights, 2) == 1
    assert prune(nights, 2) == 0
    left = {folder.name: sorted(path.name for path in folder.rglob("*") if path.is_file()) for folder in nights}
    assert left["2026-11-01-a"] == ["record.json"]
    assert len(left["2026-11-02-b"]) == len(left["2026-11-03-c"]) == 5
    assert [path.name for path in nights[0].glob("baseline/suite/cell/*/*")] == ["record.json"]
