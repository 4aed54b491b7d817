"""Submissions to a real Slurm of two nodes: blocks, arrays, resuming, cancelling; nothing lost, nothing twice."""

import pytest

from harness.commands import cli
from harness.errors import UserError
from tests.cluster.conftest import AT_GATE, behave
from tests.launch.stand_in import COMPLETE


def test_a_suite_is_one_job_a_model_and_only_what_is_missing_is_made(lab, capsys):
    site, suite = lab.write_site(array_limit=1), lab.write_suite(models=2)
    jobs = lab.submit("--site", site, "--suite", suite)
    assert len(jobs) == 2
    assert {job.partition("_")[0] for job in jobs} == {jobs[0].partition("_")[0]}
    (submitted,) = lab.submitted()
    assert [block["name"] for block in submitted["blocks"]] == ["micro 0", "micro 1"]
    (script,) = lab.results.glob("submissions/*/*_submission.sh")
    assert "#SBATCH --array=0-1%1\n" in script.read_text()
    lab.wait(*jobs)
    every = {(f"micro {model}", launch): 1 for model in (0, 1) for launch in (0, 1)}
    assert lab.completed() == every

    capsys.readouterr()
    assert lab.submit("--site", site, "--suite", suite) == []
    assert capsys.readouterr().out.count("not submitted: all its launches are done, by job ") == 2
    cli.cli.main(["status", "--results", str(lab.results)], standalone_mode=False)
    assert capsys.readouterr().out.count("2 of 2") == 2

    kept = {record.attempt for record in lab.records()}
    (lost,) = lab.results.glob("micro/micro 1-*/01-*/record.json")
    lost.unlink()
    (again,) = lab.submit("--site", site, "--suite", suite)
    lab.wait(again)
    assert lab.completed() == every
    assert len(kept & {record.attempt for record in lab.records()}) == 3


def test_what_waits_or_runs_is_not_submitted_again_and_what_is_cancelled_says_so(lab, monkeypatch, capsys):
    behave(lab.folder, AT_GATE + COMPLETE, monkeypatch)
    site, suite = lab.write_site(array_limit=1), lab.write_suite(models=2, launches=1)
    jobs = lab.submit("--site", site, "--suite", suite)
    lab.wait_for_worker()
    capsys.readouterr()
    assert lab.submit("--site", site, "--suite", suite) == []
    told = capsys.readouterr().out
    assert f"micro 0: not submitted: job {jobs[0]} of root runs for the same launches" in told
    assert f"micro 1: not submitted: job {jobs[1]} of root waits for the same launches" in told
    cli.cli.main(["cancel", "--all", "--results", str(lab.results)], standalone_mode=False)
    lab.wait(*jobs)
    (record,) = lab.records()
    assert record.status == "interrupted"
    assert record.reason.startswith("ended by the scheduler (SIGTERM)")
    capsys.readouterr()
    cli.cli.main(["status", "--results", str(lab.results)], standalone_mode=False)
    told = capsys.readouterr().out
    assert "stopped" in told
    assert "never began" in told
    (lab.folder / "open").touch()
    again = lab.submit("--site", site, "--suite", suite)
    lab.wait(*again)
    assert lab.completed() == {("micro 0", 0): 1, ("micro 1", 0): 1}


def test_a_refused_job_leaves_nothing(lab):
    site, suite = lab.write_site(partition="nowhere"), lab.write_suite()
    with pytest.raises(UserError, match=r"Slurm refuses the job: .*[Ii]nvalid partition"):
        lab.submit("--site", site, "--suite", suite)
    assert not list(lab.results.glob("submissions/*/"))
