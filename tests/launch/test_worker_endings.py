"""How workers end, with real processes that do what the test says: what is kept, what is told, what is left running."""

import json
import os
import re
import signal

import pytest

from collectors.children import Child, start
from harness.launch import worker_process
from harness.launch.plan import LaunchPlan
from harness.launch.supervisor import launch
from harness.launch.worker_log import HEAD_BYTES, TAIL_BYTES
from harness.scenario import catalogue
from harness.worker import measuring
from tests.analysis.made_records import make_environment, make_scenario
from tests.launch.processes import is_gone, pid_in, wait_until
from tests.launch.stand_in import COMPLETE, stand_in


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(behaviour): the record of one launch, its folder, and what its progress was."""

    def run_one(behaviour: str, **changes):
        for name, value in stand_in(tmp_path / "stand_in", behaviour).items():
            monkeypatch.setenv(name, value)
        chip = catalogue.chip("cpu").model_copy(update={"power_collectors": ("null",)})
        scenario = make_scenario(**changes)
        plan = LaunchPlan(scenario=scenario, chip=chip, launch=0, order=0, bench="b", attempt="0123abcd")
        told = []
        record = launch(plan, tmp_path / "results", make_environment(), lambda *said: told.append(said))
        return record, plan.folder(tmp_path / "results"), told

    return run_one


def test_a_launch_that_ends_well_says_nothing(run):
    record, folder, told = run(COMPLETE)
    assert (record.status, record.reason) == ("completed", None)
    assert told[3] == ("step 3", 0.3)
    assert sorted(path.name for path in folder.iterdir()) == ["log.txt", "record.json", "steps.parquet"]


@pytest.mark.parametrize(
    ("crash", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("os.abort()", "killed by SIGABRT"),
        ("os._exit(7)", "ended with status 7"),
        ("os.close(plan['progress_fd']); os._exit(134)", "ended with status 134"),
    ],
)
def test_a_finished_launch_that_crashes_while_it_ends_keeps_its_measurements(run, crash, reason):
    record, _, _ = run(COMPLETE + crash)
    assert (record.status, record.reason) == ("completed", f"after the last measurement: {reason}; see log.txt")
    assert record.measurements.skill is not None
    assert record.measurements.training


@pytest.mark.parametrize(
    "hang",
    [
        "time.sleep(600)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.close(plan['progress_fd']); time.sleep(600)",
        "os.kill(os.getpid(), signal.SIGSTOP)",
    ],
)
def test_a_finished_launch_that_hangs_keeps_its_measurements(run, monkeypatch, hang):
    monkeypatch.setattr(worker_process, "EXIT_GRACE_S", 0.5)
    monkeypatch.setattr(worker_process, "TERMINATE_GRACE_S", 0.2)
    record, _, _ = run(COMPLETE + hang)
    assert record.status == "completed"
    assert record.reason == (
        "after the last measurement: its process did not end within 0.5 s and was ended; see log.txt"
    )
    assert record.measurements.skill is not None


def test_a_failure_that_was_told_is_kept_though_the_process_hangs(run, monkeypatch):
    monkeypatch.setattr(worker_process, "EXIT_GRACE_S", 0.5)
    record, _, _ = run('end("failed", "no such data"); time.sleep(600)')
    assert (record.status, record.reason) == ("failed", "no such data")


def test_a_worker_that_says_nothing_is_ended(run, monkeypatch):
    monkeypatch.setattr(worker_process, "SILENCE_S", 1.0)
    record, _, _ = run('tell("compiling"); time.sleep(600)', time_limit_s=1e6)
    assert (record.status, record.reason) == ("timed_out", "said nothing for 1 s; see log.txt")


def test_a_worker_that_speaks_is_not(run, monkeypatch):
    monkeypatch.setattr(worker_process, "SILENCE_S", 6.0)
    slow = 'for _ in range(35):\n    tell("step")\n    time.sleep(0.2)\nmeasure()\nend()'
    assert run(slow)[0].status == "completed"


def test_junk_on_the_pipe_is_passed_over(run):
    junk = r"""
for line in (b"\xff\xfe\x00\n", b"[1, 2]\n", b"{}\n", b"null\n", b"nonsense\n", b"[" * 100_000 + b"\n", b"\n",
             b'{"text": 1, "fraction": 0.5}\n', b'{"text": "far", "fraction": 1e999}\n', b'{"text": "x"}\n',
             b'{"text": "x", "fraction": "0.5"}\n', b'{"status": "excellent", "reason": null}\n',
             b'{"status": [], "reason": null}\n', b'{"status": "failed", "reason": 5}\n', b"9" * 5000 + b"\n",
             b"no end of line " * 20_000, b"\n"):
    say(line)
"""
    record, _, told = run(junk + COMPLETE)
    assert (record.status, record.reason) == ("completed", None)
    assert [text for text, _ in told] == [f"step {number}" for number in range(10)]


def test_a_log_without_end_is_kept_at_both_ends(run):
    chatter = """
print("the beginning")
for number in range(200):
    os.write(2, b"%07d " % number + b"x" * 49_991 + b"\\n")
print("the end")
"""
    _, folder, _ = run(chatter + COMPLETE)
    log = (folder / "log.txt").read_bytes()
    assert len(log) < HEAD_BYTES + TAIL_BYTES + 200_000
    assert log.startswith(b"the beginning\n0000000 xxx")
    assert log.endswith(b"xxx\nthe end\n")
    [note] = [line for line in log.split(b"\n") if line.startswith(b"[")]
    left_out = int(note.split()[0][1:])
    assert left_out + len(log) - len(note) - 2 == 200 * 50_000 + len("the beginning\nthe end\n")


def test_what_a_worker_started_is_gone_with_it(run, tmp_path):
    start = f"""
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
Path({str(tmp_path / "child")!r}).write_text(str(child.pid))
"""
    record, _, _ = run(start + COMPLETE)
    assert record.status == "completed"
    wait_until(lambda: is_gone(pid_in(tmp_path / "child")))


def test_a_process_that_the_kernel_does_not_let_go_is_left_behind_and_named(run, monkeypatch):
    """Such a state cannot be made here: the child is ended, and said not to be."""
    end = Child.end
    monkeypatch.setattr(Child, "end", lambda child, grace_s=0.0: end(child, grace_s) and False)
    record, _, _ = run(COMPLETE)
    assert record.status == "completed"
    assert re.fullmatch(r"process \d+ waits in the kernel and could not be killed", record.reason)


def test_no_process_is_waited_for_without_limit(monkeypatch):
    monkeypatch.setattr("collectors.children.KILL_WAIT_S", 0.2)
    monkeypatch.setattr("collectors.guard.kill_family", lambda mark, leader: None)
    monkeypatch.setattr("os.kill", lambda pid, number: None)
    child = start(["sleep", "600"])
    assert child.end() is False
    monkeypatch.undo()
    assert child.end() is True


def test_an_error_after_the_record_keeps_it(run, monkeypatch):
    from pathlib import Path

    unlink = Path.unlink

    def refuse(path, missing_ok=False):
        if path.name == "measurements.json":
            raise OSError(5, "Input/output error")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    record, folder, _ = run(COMPLETE)
    assert record.status == "completed"
    assert (folder / "record.json").exists()


def test_progress_that_cannot_be_shown_ends_nothing(run, tmp_path, monkeypatch):
    for name, value in stand_in(tmp_path / "stand_in").items():
        monkeypatch.setenv(name, value)
    chip = catalogue.chip("cpu").model_copy(update={"power_collectors": ("null",)})
    plan = LaunchPlan(scenario=make_scenario(), chip=chip, launch=0, order=0, bench="b", attempt="0123abcd")

    def fail(text, fraction):
        raise OSError(5, "Input/output error")

    assert launch(plan, tmp_path / "results", make_environment(), fail).status == "completed"


def test_a_power_log_that_cannot_be_used_costs_the_energy_alone(run, monkeypatch):
    from harness.launch import watched_node

    def fail(*arguments):
        raise ValueError("no such column")

    monkeypatch.setattr(watched_node, "account", fail)
    record, _, _ = run(COMPLETE)
    assert (record.status, record.energy.reason) == (
        "completed",
        "the power log cannot be used: ValueError: no such column",
    )


def test_a_signal_after_the_last_measurement_costs_nothing(run, tmp_path):
    stop = f"os.kill({os.getpid()}, signal.SIGTERM); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt) as raised:
        run(COMPLETE + stop)
    assert raised.value.number == signal.SIGTERM
    [path] = (tmp_path / "results").glob("*/*/*/record.json")
    assert '"status": "completed"' in path.read_text()


@pytest.mark.parametrize(
    ("said", "status", "remedy"),
    [
        ("RuntimeError: NPU out of memory. Tried to allocate 52.00 MiB (NPU 0; 60.96 GiB)", "out_of_memory", "FIT=1"),
        ("[ERROR] KERNEL: Malloc device memory failed, size[1073741824]", "out_of_memory", "FIT=1"),
        ("ImportError: libhccl.so: cannot open shared object file: No such file", "failed", "set_env.sh"),
        ("CUDA error: all CUDA-capable devices are busy or unavailable", "crashed", "choose an idle device"),
    ],
)
def test_a_worker_that_could_not_say_why_it_died_is_judged_by_its_log(run, said, status, remedy):
    record, _, _ = run(f"os.write(1, b'x' * 70000 + b'\\n' + {said.encode()!r} + b'\\n'); os.abort()")
    assert record.status == status
    assert record.reason.startswith(f"killed by SIGABRT, after: {said}: ")
    assert remedy in record.reason


def test_a_log_without_known_words_is_pointed_to(run):
    record, _, _ = run("os.write(1, b'nothing known\\n'); os.abort()")
    assert (record.status, record.reason) == ("crashed", "killed by SIGABRT; see log.txt")


@pytest.mark.parametrize(
    ("error", "status", "remedy"),
    [
        (RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB.\nmore"), "out_of_memory", "FIT=1"),
        (MemoryError(), "out_of_memory", ""),
        (OSError("libascendcl.so: cannot open shared object file"), "failed", "set_env.sh"),
        (RuntimeError("CUDA error: CUDA driver version is insufficient"), "failed", "upgrade the driver"),
        (RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable"), "crashed", "idle device"),
        (RuntimeError("anything else"), "crashed", ""),
    ],
)
def test_a_worker_says_what_a_vendors_words_mean(tmp_path, monkeypatch, error, status, remedy):
    def fails(*_):
        raise error

    monkeypatch.setattr(measuring, "measure", fails)
    read_end, write_end = os.pipe()
    chip = catalogue.chip("cpu")
    plan = LaunchPlan(scenario=make_scenario(), chip=chip, launch=0, order=0, bench="b", attempt="0123abcd")
    plan.model_copy(update={"progress_fd": write_end}).write(tmp_path)
    measuring.main(tmp_path, 0.0)
    with os.fdopen(read_end) as pipe:
        told = json.loads(pipe.read())
    assert told["status"] == status
    assert remedy in told["reason"]
    assert "\n" not in told["reason"]
