import gzip
import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.runners import profiling
from harness.runners.profiling import KEPT, SKIPPED, StepHook, profiled, profiler_for
from tests.shared import REPOSITORY


class Noting:
    file_name = "noted.txt"

    def __init__(self, device):
        self.device, self.calls = device, []

    def start(self):
        self.calls.append("start")

    def stop(self, path):
        self.calls.append("stop")
        path.write_text("trace")


def run(steps, tmp_path, *, raises=None):
    profiler = Noting("cpu")
    hook = StepHook(profiler, tmp_path / "noted.txt", steps)
    for _ in range(steps):
        profiler.calls.append("step")
        hook()
    hook.stop()
    return profiler.calls


def test_some_steps_are_skipped_and_some_recorded(tmp_path):
    calls = run(SKIPPED + KEPT + 5, tmp_path)
    assert calls == ["step"] * SKIPPED + ["start"] + ["step"] * KEPT + ["stop"] + ["step"] * 5


@pytest.mark.parametrize(("steps", "recorded"), [(1, 1), (2, 1), (3, 1), (5, 3)])
def test_few_steps_are_recorded_all_the_same(tmp_path, steps, recorded):
    calls = run(steps, tmp_path)
    assert calls[calls.index("start") : calls.index("stop")].count("step") == recorded
    assert (tmp_path / "noted.txt").exists()


def test_an_ending_writes_what_there_is_and_keeps_its_error(tmp_path, monkeypatch):
    monkeypatch.setattr(profiling, "entry_points", lambda group: [EntryPoint("mine", f"{__name__}:Noting", group)])
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])

    def loop():
        with profiled("mine", "cpu", tmp_path, 50) as (hook, name):
            assert name == "noted.txt"
            for _ in range(SKIPPED + 1):
                hook()
            raise KeyError("the step failed")

    with pytest.raises(KeyError, match="the step failed"):
        loop()
    assert (tmp_path / "noted.txt").read_text() == "trace"


class Failing:
    file_name = "trace.json"

    def start(self):
        pass

    def stop(self, path):
        raise RuntimeError("wrote no trace")


def profiled_work(folder, failure=None):
    with profiled("mine", "cpu", folder, steps=4) as (hook, _):
        for _ in range(SKIPPED + 1):
            hook()
        if failure:
            raise failure("the step failed")


def test_a_profiler_that_fails_is_one_line_and_hides_no_failure_of_the_work(monkeypatch, tmp_path):
    monkeypatch.setattr(profiling, "profiler_for", lambda framework, device: Failing())
    with pytest.raises(UserError, match="the profiler failed: RuntimeError: wrote no trace"):
        profiled_work(tmp_path)
    with pytest.raises(KeyError, match="the step failed"):
        profiled_work(tmp_path, KeyError)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "no profiler for mine is installed: none is registered in the group crosscast.profilers"),
        ([EntryPoint("mine", "no.such.module:Profiler", "g")], "cannot be loaded: ModuleNotFoundError: No module"),
    ],
)
def test_a_profiler_that_is_not_there_is_one_line(monkeypatch, found, said):
    monkeypatch.setattr(profiling, "entry_points", lambda group: found)
    with pytest.raises(UserError, match=said):
        profiler_for("mine", "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["pytorch", "mindspore"])
def test_each_framework_leaves_one_trace_of_its_steps(framework, tmp_path):
    path = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests/models")))
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("drive_profile.py"), framework, tmp_path],
        env={**os.environ, "PYTHONPATH": path, "GLOG_v": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told["loss"]) == told["steps"] > SKIPPED + KEPT
    assert [entry.name for entry in tmp_path.iterdir()] == [told["file"]]
    content = (tmp_path / told["file"]).read_bytes()
    trace = json.loads(gzip.decompress(content) if told["file"].endswith(".gz") else content)
    events = trace if isinstance(trace, list) else trace["traceEvents"]
    names = [str(event.get("name")) for event in events]
    if framework == "pytorch":
        assert sum(name.startswith("Optimizer.step#") for name in names) == KEPT
    else:
        assert any("MatMul" in name or "Mul" in name for name in names)
