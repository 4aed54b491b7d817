"""Steps of nights with a stand-in for Slurm, so that each takes milliseconds."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from harness.commands import cli
from harness.errors import UserError
from harness.history.statuses import DID_NOT_RUN
from harness.launch.schedulers import JobState, NoAnswer
from harness.launch.submission.state import BlockState
from harness.nightly import night
from harness.nightly.kept import read_night
from harness.nightly.night import Nights, called_back
from harness.scenario.sites import SiteConfig
from tests.launch.processes import wait_until
from tests.nightly.conftest import JUDGED, git
from tests.shared import REPOSITORY

SUITE = "models: [{model: fourcastnet, preset: tiny}]\nframeworks: [{framework: pytorch}]\nlaunches: 1\n"
WAVE = (REPOSITORY / "scenarios/data/rossby.yaml").read_text()
FAR = "execution: {world: {devices: 2}}\naxes: {world.nodes: [1, 2]}\n"
BENCH = """
import json, pathlib, sys
with (pathlib.Path(__file__).parents[1] / "asked.json").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
"""


class Slurm:
    """A scheduler that keeps what it was asked; a cancelled job goes on for a few questions, as real ones do."""

    def __init__(self) -> None:
        self.active: set[str] = set()
        self.cancelled: list[str] = []
        self.refuses = self.refuses_place = False
        self.patience, self.judges = 2, 0

    def refuse_unusable(self, folder):
        if self.refuses_place:
            raise UserError("no sbatch here")

    def submit(self, tasks, folder, name, devices, nodes=1):
        self.active.add(f"{len(self.active) + 1}")
        return [f"{len(self.active)}"]

    def submit_after(self, jobs, task, folder, name):
        if self.refuses:
            raise UserError("Slurm refuses the job")
        self.judges += 1
        return f"after {' '.join(jobs)}"

    def states(self, jobs):
        if self.cancelled:
            self.patience -= 1
        if self.patience < 0:
            self.active -= set(self.cancelled)
        return {job: JobState("running" if job in self.active else "ended", "?") for job in jobs}

    def cancel(self, jobs):
        self.cancelled += jobs


@pytest.fixture
def project(tmp_path):
    """A repository of two commits whose `harness` keeps what it is asked, with a suite each."""
    folder = tmp_path / "project"
    (folder / "harness").mkdir(parents=True)
    (folder / "scenarios/suites").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    for name in ("one", "two", "three"):
        (folder / "name").write_text(name)
        (folder / "harness/__init__.py").touch()
        (folder / "harness/__main__.py").write_text(BENCH)
        (folder / f"scenarios/suites/of-{name}.yaml").write_text(SUITE)
        (folder / "scenarios/suites/own.yaml").write_text(SUITE)
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", name)
        git(folder, "tag", name)
    return folder


@pytest.fixture
def lab(tmp_path, monkeypatch, project):
    """Nights of a lab whose scheduler is a stand-in."""
    scheduler = Slurm()
    monkeypatch.setattr(night, "scheduler_of", lambda site: scheduler)
    monkeypatch.setattr(night.time, "sleep", lambda seconds: None)
    monkeypatch.chdir(tmp_path)

    def make(**changes) -> Nights:
        fields = {"environment": "given", "suite": "own", **changes.pop("night", {})}
        content = {"title": "lab", "scheduler": "slurm", "time_limit_min": 10, **changes, "night": fields}
        return Nights(tmp_path / "nights", SiteConfig.model_validate(content), "lab", project, print)

    make.scheduler = scheduler
    return make


def kept(tmp_path: Path) -> list:
    """All nights, by their folders."""
    return [read_night(path.parent) for path in sorted(tmp_path.glob("nights/*/night.json"))]


def test_a_block_is_noted_before_anything_else_is_asked_of_the_scheduler(lab, tmp_path):
    lab.scheduler.refuses = True
    with pytest.raises(UserError, match="Slurm refuses the job"):
        lab().run("one", "two", "own", (), wait=False)
    (noted,) = kept(tmp_path)
    assert (noted.step, noted.jobs, noted.judge) == ("submitted", ("1",), None)
    lab.scheduler.refuses = False
    for _ in range(2):
        assert lab().run("one", "two", "own", (), wait=False) == 0
    (noted,) = kept(tmp_path)
    assert (noted.jobs, noted.judge) == (("1",), "after 1")


def test_where_no_job_can_be_handed_in_nothing_is_made(lab, tmp_path):
    """The path of cron has no programs of Slurm; environments would be made for half an hour before that is known."""
    lab.scheduler.refuses_place = True
    with pytest.raises(UserError, match="no sbatch here"):
        lab(night={"environment": "made"}).run("one", "two", "own", (), wait=False)
    assert [path.name for path in (tmp_path / "nights").iterdir()] == [".lock"]


def test_a_night_is_judged_by_the_harness_that_was_called_and_not_by_that_of_the_folder(
    lab, tmp_path, project, monkeypatch, capfd
):
    monkeypatch.chdir(project)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    for name in ("REPORT_COMMAND", "HISTORY_COMMAND"):
        monkeypatch.setattr(night, name, (sys.executable, "-c", ""))
    lab(night={"jobs": 1}).run("one", "two", "own", (), wait=False)
    lab.scheduler.active.clear()
    assert lab(night={"jobs": 1}).run("one", "two", "own", (), wait=True) == DID_NOT_RUN
    assert "baseline: no record of a launch" in capfd.readouterr().err
    assert not (project / "asked.json").exists()


def test_what_is_not_committed_is_not_measured_and_that_is_said(lab, project, capsys):
    said = "project has changes that are not committed: main is measured without them"
    (project / "untracked").touch()
    lab().run("one", "main", "own", (), wait=False)
    assert said not in capsys.readouterr().out
    (project / "name").write_text("an edit")
    for candidate in ("main", git(project, "rev-parse", "main"), "two"):
        lab().run("one", candidate, "own", (), wait=False)
        assert (said in capsys.readouterr().out) == (candidate == "main")


def test_a_night_outlives_a_controller_that_is_started_again_and_says_why_its_job_waits(
    lab, tmp_path, monkeypatch, capsys
):
    for name in ("GATE_COMMAND", "REPORT_COMMAND", "HISTORY_COMMAND"):
        monkeypatch.setattr(night, name, (sys.executable, "-c", JUDGED if name == "GATE_COMMAND" else ""))
    silent, waits = NoAnswer("squeue: Socket timed out"), JobState("waiting", "PENDING", "PartitionTimeLimit")
    answers = [silent, silent, waits, waits, silent, *[JobState("ended", "COMPLETED")] * 2]

    def states(jobs):
        answer = answers.pop(0)
        if isinstance(answer, NoAnswer):
            raise answer
        if answer.phase == "ended":
            (folder,) = tmp_path.glob("nights/*/job")
            BlockState(stage="done", job="1", node="n", started_at="now").write(folder)
        return dict.fromkeys(jobs, answer)

    monkeypatch.setattr(lab.scheduler, "states", states)
    assert lab().run("one", "two", "own", (), wait=True) == 0
    told = capsys.readouterr().out
    assert told.count("squeue: Socket timed out; it is asked again\n") == 1
    assert told.count(": job 1 waits: PartitionTimeLimit\n") == 1
    assert not answers
    monkeypatch.setattr(night, "ANSWER_S", -1.0)
    answers.append(silent)
    with pytest.raises(NoAnswer):
        lab().run("one", "three", "own", (), wait=True)


def test_a_job_that_somebody_cancels_is_not_handed_in_again_at_once(lab, tmp_path, monkeypatch):
    """Neither by the command that waits for it nor by the job that would judge; the command given again does it."""
    cancelled = JobState("ended", "CANCELLED")
    answers = [JobState("running", "RUNNING"), cancelled, cancelled]
    with monkeypatch.context() as patch:
        patch.setattr(lab.scheduler, "states", lambda jobs: dict.fromkeys(jobs, answers.pop(0)))
        with pytest.raises(UserError, match="job 1 was cancelled, and is not handed in again"):
            lab().run("one", "two", "own", (), wait=True)
        patch.setattr(lab.scheduler, "states", lambda jobs: dict.fromkeys(jobs, cancelled))
        (folder,) = tmp_path.glob("nights/*/job")
        patch.setattr(night.catalogue, "site", lambda name: None)
        with pytest.raises(UserError, match="job 1 was cancelled"):
            called_back(folder)
    (noted,) = kept(tmp_path)
    assert (noted.step, noted.jobs) == ("submitted", ("1",))
    lab.scheduler.active.clear()
    lab().run("one", "two", "own", (), wait=False)
    assert len(kept(tmp_path)[0].jobs) == 2


def test_a_job_that_judges_and_was_cancelled_is_handed_in_again(lab, tmp_path):
    lab().run("one", "two", "own", (), wait=False)
    lab.scheduler.active.add("after 1")
    lab().run("one", "two", "own", (), wait=False)
    assert lab.scheduler.judges == 1
    lab.scheduler.active.discard("after 1")
    lab().run("one", "two", "own", (), wait=False)
    assert (lab.scheduler.judges, kept(tmp_path)[0].jobs) == (2, ("1",))


def test_a_night_that_is_given_up_has_ended_before_its_checkouts_move(lab, tmp_path, monkeypatch):
    lab().run("one", "two", "own", (), wait=False)
    moved = night.check_out

    def check_out(*arguments):
        assert not lab.scheduler.active
        moved(*arguments)

    monkeypatch.setattr(night, "check_out", check_out)
    lab().run("one", "three", "own", (), wait=False)
    assert sorted(each.step for each in kept(tmp_path)) == ["given up", "submitted"]
    assert lab.scheduler.cancelled == ["after 1", "1"]


@pytest.mark.parametrize(("stage", "verdict"), [("done", 1), ("incomplete", 0), ("running", None)])
def test_a_night_that_is_measured_is_judged_before_a_newer_begins(lab, tmp_path, monkeypatch, stage, verdict):
    """The job that would have judged it was still waiting: what was measured, and an alarm of it, are not lost."""
    for name in ("GATE_COMMAND", "REPORT_COMMAND", "HISTORY_COMMAND"):
        code = f"{JUDGED}; sys.exit({verdict})" if name == "GATE_COMMAND" else ""
        monkeypatch.setattr(night, name, (sys.executable, "-c", code))
    lab().run("one", "two", "own", (), wait=False)
    (folder,) = tmp_path.glob("nights/*/job")
    BlockState(stage=stage, job="1", node="n", started_at="now", planned=4).write(folder)
    lab.scheduler.active.clear()
    assert lab().run("one", "three", "own", (), wait=False) == (verdict or 0)
    earlier = read_night(folder.parent)
    assert (earlier.step, earlier.verdict) == ("given up" if verdict is None else "judged", verdict)
    assert lab.scheduler.cancelled == ["after 1", "1"]


def test_a_night_of_other_data_does_not_go_on_with_the_unfinished_one(lab, tmp_path):
    for data in ("/old", "/old", "/new"):
        lab().run("one", "two", "own", ("--data", data), wait=False)
    steps = {each.options[1]: each.step for each in kept(tmp_path)}
    assert steps == {"/old": "given up", "/new": "submitted"}


def test_the_job_that_would_go_on_with_a_night_that_was_given_up_leaves_the_newer_one_alone(lab, tmp_path, capsys):
    lab().run("one", "two", "own", (), wait=False)
    lab().run("one", "three", "own", (), wait=False)
    (folder,) = [path.parent for path in tmp_path.glob("nights/*/night.json") if "given up" in path.read_text()]
    assert called_back(folder / "job") == 0
    assert "is over: given up" in capsys.readouterr().out
    assert [each.step for each in kept(tmp_path)].count("submitted") == 1


@pytest.mark.parametrize(
    ("suite", "text", "changes", "complaint"),
    [
        ("of-two", None, {}, "suite 'of-two' is not in the commit of the baseline; did you mean 'of-one'?"),
        ("wide.yaml", SUITE + "devices: [1, '4']\n", {"devices_per_node": 2}, "takes 4 devices, and a node of this"),
        ("far.yaml", SUITE + FAR, {"scheduler": "local", "time_limit_min": None}, "takes 2 nodes, and a local site"),
        ("far.yaml", SUITE + FAR, {"results": {"place": "node", "scratch": "/scratch"}}, "must see one folder"),
        ("gone.yaml", None, {}, "gone.yaml: no such file"),
        ("own.yaml", f"{SUITE}data: gone.yaml\n", {}, "gone.yaml: no such file"),
        ("own", None, {"chip": "a100", "gres": {"h100": "gpu"}}, "gres of the site 'lab' has no entry for chip 'a100'"),
    ],
)
def test_a_suite_that_cannot_be_is_refused_before_an_environment_is_made(
    lab, tmp_path, suite, text, changes, complaint
):
    if text is not None:
        (tmp_path / suite).write_text(text)
    nights = lab(**changes, night={"environment": "made"})
    with pytest.raises(UserError, match=complaint):
        nights.run("one", "two", suite, (), wait=False)
    assert [path.name for path in (tmp_path / "nights").iterdir() if path.name[0] != "."] == ["checkouts"]


@pytest.mark.parametrize(
    ("judged", "ended", "verdict"),
    [
        (JUDGED, "sys.exit(0)", 0),
        (JUDGED, "sys.exit(1)", 1),
        (JUDGED, "sys.exit(2)", 2),
        (JUDGED, "sys.exit(77)", 3),
        (JUDGED, "os.kill(os.getpid(), 9)", 3),
        ("import nowhere", "", 3),
        ("sys.exit(1)", "", 3),
    ],
)
def test_an_ending_that_is_no_verdict_did_not_run(lab, tmp_path, monkeypatch, judged, ended, verdict):
    """A gate that has judged leaves its judgement; one that could not begin ends with 1, too."""
    code = f"import os, sys; {judged}; {ended}"
    monkeypatch.setattr(night, "GATE_COMMAND", (sys.executable, "-c", code))
    for name in ("REPORT_COMMAND", "HISTORY_COMMAND"):
        monkeypatch.setattr(night, name, (sys.executable, "-c", ""))
    lab().run("one", "two", "own", (), wait=False)
    lab.scheduler.active.clear()
    (folder,) = (path.parent for path in tmp_path.glob("nights/*/night.json"))
    BlockState(stage="done", job="1", node="n", started_at="now").write(folder / "job")
    assert lab().run("one", "two", "own", (), wait=True) == verdict
    assert kept(tmp_path)[0].verdict == verdict


@pytest.mark.parametrize(
    ("stage", "said", "handed_on"),
    [
        (None, "job 1 has left no word; its output is in ", "nothing was made; the output of its jobs is in "),
        ("running", "job 1 ended without a last word", "1 of 4 rounds of the two commits are made: its last job ended"),
        ("failed", "job 1 failed: no scratch; its output", "1 of 4 rounds of the two commits are made: its last job"),
        ("incomplete", "job 1 lacks launches: no scratch", None),
        ("done", None, None),
    ],
)
def test_a_night_says_how_its_jobs_ended_and_the_gate_what_they_did_not_make(
    lab, tmp_path, monkeypatch, capsys, stage, said, handed_on
):
    note = f"import json, sys; json.dump(sys.argv[1:], open({str(tmp_path / 'asked.json')!r}, 'w')); {JUDGED}"
    monkeypatch.setattr(night, "GATE_COMMAND", (sys.executable, "-c", note))
    for name in ("REPORT_COMMAND", "HISTORY_COMMAND"):
        monkeypatch.setattr(night, name, (sys.executable, "-c", ""))
    nights = lab(night={"launches": 2, "jobs": 1})
    nights.run("one", "two", "own", (), wait=False)
    lab.scheduler.active.clear()
    (folder,) = tmp_path.glob("nights/*/job")
    if stage is not None:
        reason = "no scratch" if stage in ("failed", "incomplete") else None
        fields = {"job": "1", "node": "n", "started_at": "now", "planned": 4, "records": ("baseline/0",)}
        BlockState(stage=stage, reason=reason, **fields).write(folder)
    capsys.readouterr()
    nights.run("one", "two", "own", (), wait=True)
    told = capsys.readouterr().out
    assert (f": {said}" in told) if said else ("job 1" not in told)
    asked = json.loads((tmp_path / "asked.json").read_text())
    assert asked[asked.index("--launches") + 1 :][:3] == ["2", "--suite", "own"]
    if handed_on is None:
        assert "--unfinished" not in asked
    else:
        assert asked[asked.index("--unfinished") + 1].startswith(handed_on)


def test_paths_are_those_of_the_folder_in_which_the_command_is_given(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own-model.yaml").write_text("")
    text = SUITE.replace("fourcastnet", "own-model.yaml")
    (tmp_path / "mine.yaml").write_text(f"{text}data: own-data.yaml\n")
    (tmp_path / "own-data.yaml").write_text(WAVE)
    (tmp_path / "mine.yml").write_text(WAVE.replace("waves: 12", "waves: 11"))
    site = {"title": "t", "scheduler": "local", "python": sys.executable}
    (tmp_path / "site.yaml").write_text(json.dumps({**site, "night": {"environment": "given", "launches": 1}}))
    words = ["--site", "site.yaml", "--repository", "project", "--baseline", "one", "--candidate", "two", "--no-wait"]
    words += ["--data", "era5", "--mapping", "mine.yml", "--suite", "mine.yaml"]
    with pytest.raises(SystemExit) as ended:
        cli.cli.main(["nightly", *words], standalone_mode=False)
    assert not ended.value.code
    asked = [tmp_path / f"nights/checkouts/{name}/asked.json" for name in ("baseline", "candidate")]
    wait_until(lambda: all(path.exists() and path.read_text().endswith("\n") for path in asked))
    for path in asked:
        (said,) = map(json.loads, path.read_text().splitlines())
        options = dict(zip(said[1::2], said[2::2], strict=True))
        assert options["--data"] == str(tmp_path / "era5")
        suite = Path(options["--suite"]).read_text()
        assert Path(options["--suite"]).stem == "mine"
        assert f"model: {tmp_path / 'own-model.yaml'}" in suite
        for path, name in ((options["--mapping"], "mine.yml"), (yaml.safe_load(suite)["data"], "own-data.yaml")):
            assert Path(path).read_text() == (tmp_path / name).read_text()
            assert Path(path).name == name
            assert Path(path).is_relative_to(tmp_path / "nights")
    (noted,) = kept(tmp_path)
    assert noted.options == ("--data", str(tmp_path / "era5"), "--mapping", str(tmp_path / "mine.yml"))
    assert noted.suite == str(tmp_path / "mine.yaml")
