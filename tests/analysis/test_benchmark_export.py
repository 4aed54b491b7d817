import io
import json
import statistics
import subprocess
import sys

import numpy as np
import pytest
from made_records import make_environment, make_failure, make_measurements, make_record, make_scenario
from reports import STEPS_S, add_pair
from rich.console import Console

from harness.analysis.benchmark_export import export_pytest_benchmark
from harness.errors import UserError


def compare(*files):
    """What `pytest-benchmark compare` prints of files, grouped as they say."""
    command = [sys.executable, "-m", "pytest_benchmark", "compare", *map(str, files), "--columns=median"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Failed to load" not in done.stderr + done.stdout
    return done.stdout


def export(results, target, suite=None):
    """Write the times; returns the terminal's text."""
    console = Console(file=io.StringIO(), width=100)
    export_pytest_benchmark(results.path, target, suite=suite, console=console)
    return console.file.getvalue()


def test_the_newest_launch_is_so_in_every_time_zone(results, tmp_path):
    """07:00 in the east is 23:00 of the day before by UTC, and so before 00:30."""
    for launch, (started_at, name) in enumerate(
        (
            ("2026-01-02T00:30:00+00:00", "NEW"),
            ("2026-01-02T07:00:00+08:00", "OLD"),
            ("2026-01-01T19:29:00-05:00", "-5"),
        )
    ):
        results.add(make_record("pytorch", launch, started_at=started_at, environment=make_environment(cpu_name=name)))
    export(results, tmp_path / "times.json")
    content = json.loads((tmp_path / "times.json").read_text())
    assert content["machine_info"]["cpu"]["brand_raw"] == "NEW"
    assert content["datetime"] == "2026-01-02T00:30:00+00:00"


def test_every_commit_of_a_benchmark_is_told(results, tmp_path):
    for launch, (commit, dirty) in enumerate((("b" * 40, False), ("a" * 40, True), ("b" * 40, False), (None, None))):
        results.add(make_record("pytorch", launch, environment=make_environment(git_commit=commit, git_dirty=dirty)))
    export(results, tmp_path / "times.json")
    for each in json.loads((tmp_path / "times.json").read_text())["benchmarks"]:
        assert each["extra_info"]["commits"] == ["a" * 40 + " with changes", "b" * 40, "unknown"]


def test_pytest_benchmark_compares_two_exports(results, tmp_path):
    add_pair(results)
    first, second = tmp_path / "monday.json", tmp_path / "tuesday.json"
    export(results, first)
    newer = make_measurements(launch=0, step_s=0.25)
    results.add(make_record("pytorch", 0, attempt="newer", started_at="2026-02-01T00:00:00+00:00", measurements=newer))
    export(results, second)
    printed = compare(first, second)
    assert "benchmark 'fourcastnet tiny, data rossby: train step': 4 tests" in printed
    assert printed.count("train_step_s[fourcastnet-tiny-cpu-pytorch-eager]") == 2
    assert "monday" in printed
    assert "tuesday" in printed


def test_a_round_for_each_launch_and_a_benchmark_for_each_time(results, tmp_path):
    add_pair(results)
    results.add(make_failure("mindspore", 5))
    target = tmp_path / "out.json"
    export(results, target)
    content = json.loads(target.read_text())
    benchmarks = {entry["name"]: entry for entry in content["benchmarks"]}
    entry = benchmarks["train_step_s[fourcastnet-tiny-cpu-pytorch-eager]"]
    assert entry["stats"]["data"] == list(STEPS_S)
    found = entry["stats"]
    assert (found["median"], found["rounds"], found["iterations"]) == (0.51, 5, 1)
    assert found["mean"] == pytest.approx(statistics.fmean(STEPS_S))
    assert found["stddev"] == pytest.approx(np.std(STEPS_S, ddof=1))
    assert (found["min"], found["max"]) == (min(STEPS_S), max(STEPS_S))
    assert (found["q1"], found["q3"], found["iqr"]) == pytest.approx((0.4975, 0.5225, 0.025))
    assert entry["fullname"].startswith("smoke/fourcastnet-tiny.pytorch-eager.cpu.rossby.")
    assert entry["fullname"].endswith("@aaaabbbbcccc::train_step_s")
    assert content["commit_info"] == {"id": "c" * 40, "dirty": False, "project": "crosscast"}
    assert not any("rate" in name or "bytes" in name for name in benchmarks)


def test_cells_of_other_settings_have_other_names(results, tmp_path):
    results.add(make_record("pytorch", 0), make_record("pytorch", 0, scenario=make_scenario(seed=5)))
    target = tmp_path / "out.json"
    export(results, target)
    names = [entry["fullname"] for entry in json.loads(target.read_text())["benchmarks"]]
    assert len(set(names)) == len(names) > 0


class TestMistakes:
    def test_nothing_completed(self, results, tmp_path):
        results.add(make_failure("mindspore", 0))
        with pytest.raises(UserError, match="no completed launch to export"):
            export(results, tmp_path / "out.json")
        assert not (tmp_path / "out.json").exists()

    def test_a_damaged_record_is_named(self, results, tmp_path):
        results.add(make_record("pytorch", 0))
        damaged = results.add(make_record("pytorch", 1))
        damaged.write_text("{")
        assert f"warning: {damaged}: damaged" in export(results, tmp_path / "out.json")
        assert (tmp_path / "out.json").exists()

    def test_damaged_records_alone(self, results, tmp_path):
        results.add(make_record()).write_text("{")
        with pytest.raises(UserError, match=r"1 cannot be used, the first: .*record\.json: damaged"):
            export(results, tmp_path / "out.json")

    def test_an_unknown_suite(self, results, tmp_path):
        results.add(make_record())
        with pytest.raises(UserError, match="no records of suite 'smok'; did you mean 'smoke'"):
            export(results, tmp_path / "out.json", suite="smok")

    def test_a_folder_that_does_not_exist(self, results, tmp_path):
        results.add(make_record())
        with pytest.raises(UserError, match="cannot be written"):
            export(results, tmp_path / "nowhere" / "out.json")


def test_no_two_of_a_group_have_the_same_name(results, tmp_path):
    """Cells that differ in their network, their host or their suite alone; one that has no such twin keeps its name."""
    twins = [
        {"scenario": make_scenario(network={"patch_size": 4, "depth": depth}, suite=suite), "host": host}
        for depth, suite, host in ((2, "smoke", "a"), (3, "smoke", "a"), (2, "smoke", "b"), (2, "timing", "a"))
    ]
    for number, twin in enumerate(twins):
        environment = make_environment(host=twin["host"], cpu_name=twin["host"])
        results.add(make_record(scenario=twin["scenario"], attempt=f"{number}", environment=environment))
    results.add(make_record("mindspore", environment=make_environment(host="a", cpu_name="a")))
    export(results, tmp_path / "times.json")
    names = [each["name"] for each in json.loads((tmp_path / "times.json").read_text())["benchmarks"]]
    steps = [name for name in names if name.startswith("train_step_s[")]
    assert len(set(steps)) == len(steps) == 5
    assert "train_step_s[fourcastnet-tiny-cpu-mindspore-graph]" in steps
