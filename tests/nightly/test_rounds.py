"""Rounds of a night's job with stand-ins for benches, so that each takes milliseconds."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness import stopping
from harness.launch.submission.claim import ClaimFile
from harness.launch.submission.job import this_machine
from harness.launch.submission.state import BlockState
from harness.nightly.commands import run
from harness.nightly.rounds import Rounds, Side, run_night
from harness.processes import started
from harness.results.file_names import ABSENT
from tests.launch.processes import is_gone, pid_in, wait_until


@pytest.fixture
def rounds(tmp_path, monkeypatch):
    """rounds(script, launches): the folder of a night's job, whose benches are this shell script."""
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "ASCEND_RT_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(stopping.IN_A_JOB, "")

    def make(script: str, launches: int = 1, suite: str = "smoke", **changes) -> Path:
        bench = tmp_path / "bench"
        bench.write_text(f"#!/bin/sh\necho $7 >> {tmp_path}/asked\ncd {tmp_path}\n{script}\n")
        bench.chmod(0o755)
        sides = [
            Side(name=name, checkout=str(tmp_path), python=str(bench), chip=name, results=str(tmp_path / name))
            for name in ("baseline", "candidate")
        ]
        folder = tmp_path / "job"
        folder.mkdir(exist_ok=True)
        Rounds(sides=sides, suite=suite, launches=launches, scheduler="local", **changes).write(folder)
        return folder

    return make


def test_a_round_that_failed_is_made_by_the_job_that_goes_on(rounds, tmp_path):
    folder = rounds("if test -e broken -a $7 = baseline; then echo broken >&2; exit 1; fi")
    (tmp_path / "broken").touch()
    assert run_night(folder) == 1
    state = BlockState.read(folder)
    assert (state.stage, state.reason, state.records) == ("incomplete", "baseline: broken", ("candidate/0",))
    (tmp_path / "broken").unlink()
    assert run_night(folder) == 0
    assert (tmp_path / "asked").read_text().split() == ["baseline", "candidate", "baseline"]
    assert BlockState.read(folder).records == ("candidate/0", "baseline/0")


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_round_that_was_made_half_is_made_whole_on_the_node_that_goes_on(rounds, tmp_path, monkeypatch, node):
    """The gate pairs launches of one node: the halves of a round on two nodes are none."""
    made = '{\\"cell\\": \\"c\\", \\"launch\\": %d, \\"status\\": \\"completed\\", '
    made += '\\"environment\\": {\\"host\\": \\"%s\\"}}'
    script = "place=${11}/smoke/c/0$(($9-1))-abcdef01\nif test -e broken -a $7$9 = baseline2; then exit 1; fi\n"
    script += f'mkdir -p $place\nprintf "{made}" $(($9-1)) $SLURMD_NODENAME > $place/record.json'
    folder = rounds(script, launches=2)
    (tmp_path / "broken").touch()
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    assert run_night(folder) == 1
    assert BlockState.read(folder).records == ("baseline/0", "candidate/0", "candidate/1")
    (tmp_path / "broken").unlink()
    (tmp_path / "asked").unlink()
    monkeypatch.setenv("SLURMD_NODENAME", node)
    assert run_night(folder) == 0
    again = ["baseline"] if node == "n1" else ["candidate", "baseline"]
    assert (tmp_path / "asked").read_text().split() == again
    assert sorted(BlockState.read(folder).records) == ["baseline/0", "baseline/1", "candidate/0", "candidate/1"]
    hosts = {
        (path.parts[-5], path.parent.name[:2]): json.loads(path.read_text())["environment"]["host"]
        for path in tmp_path.glob("*/smoke/c/*/record.json")
    }
    assert [hosts[side, launch] for launch in ("00", "01") for side in ("baseline", "candidate")] == [
        *("n1", "n1"),
        *(node, node),
    ]
    kept = [path.relative_to(folder).as_posix() for path in folder.rglob("without-partner.json")]
    moved = ["without-partner/candidate/smoke/c/01-abcdef01/without-partner.json"]
    assert kept == (moved if node == "n2" else [])


@pytest.mark.parametrize("suite", ["/a/own v1.5.yaml", "own v1.5"])
def test_launches_of_a_suite_with_a_dot_in_its_name_come_from_the_node(rounds, tmp_path, suite):
    (tmp_path / "scratch").mkdir()
    writes = {"place": "node", "scratch": str(tmp_path / "scratch")}
    place = '"${11}/own v1.5/c/00-abcdef01"'
    folder = rounds(f"mkdir -p {place}; touch {place}/record.json", writes=writes, suite=suite)
    assert run_night(folder) == 0
    assert len(list(tmp_path.glob("*/own v1.5/c/00-abcdef01/record.json"))) == 2


def test_what_cannot_run_on_a_node_is_known_where_the_night_is_judged(rounds, tmp_path):
    (tmp_path / "scratch").mkdir()
    writes = {"place": "node", "scratch": str(tmp_path / "scratch")}
    folder = rounds(f"mkdir -p ${{11}}/smoke; echo $7 >> ${{11}}/smoke/{ABSENT}", launches=2, writes=writes)
    assert run_night(folder) == 0
    for side in ("baseline", "candidate"):
        assert (tmp_path / side / "smoke" / ABSENT).read_text() == f"{side}\n" * 2
    assert not list((tmp_path / "scratch").iterdir())


def test_a_night_on_this_host_asks_no_scheduler_for_its_devices(rounds):
    folder = rounds("exit 0", devices=2, visible_devices="ASCEND_RT_VISIBLE_DEVICES")
    assert run_night(folder) == 0
    assert "ASCEND_RT_VISIBLE_DEVICES" not in os.environ


def test_a_job_that_has_no_claim_on_a_night_leaves_the_state_of_the_one_that_has_it(rounds, tmp_path):
    folder = rounds("exit 0")
    with subprocess.Popen(["sleep", "600"]) as other:
        holder = f"{this_machine()}-{other.pid}-{started(other.pid)}"
        ClaimFile(folder, "claim").take(holder, "n2", lambda job: False, print)
        winner = BlockState(stage="running", job=holder, node="n2", started_at="before", records=("baseline/0",))
        winner.write(folder)
        status = run_night(folder)
        other.kill()
    assert status == 2
    assert BlockState.read(folder) == winner
    assert not (tmp_path / "asked").exists()


def test_a_bench_that_says_much_when_it_is_ended_is_heard_to_its_end(tmp_path):
    program = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    sys.stderr.write('x' * 2**20)\n"
        "    pathlib.Path('ended').touch()\n"
        "    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path('ready').touch()\n"
        "time.sleep(600)\n"
    )

    def interrupt():
        wait_until((tmp_path / "ready").exists)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt), stopping.catching():
        run([sys.executable, "-c", program], keep="errors", cwd=tmp_path, ask_s=60)
    thread.join()
    assert (tmp_path / "ended").exists()


def test_what_a_night_runs_is_gone_when_its_job_is_killed(rounds, tmp_path):
    folder = rounds("sleep 600 & echo $! > inner\necho $$ > outer\nwait")
    words = f"from pathlib import Path; from harness.nightly.rounds import run_night; run_night(Path({str(folder)!r}))"
    with subprocess.Popen([sys.executable, "-c", words]) as job:
        pids = [pid_in(tmp_path / name) for name in ("outer", "inner")]
        job.kill()
    wait_until(lambda: all(map(is_gone, pids)))
