"""Files of pytest-benchmark on both sides: a real run, several processes, and what `crosscast export` wrote."""

import io
import json
import math
import os
import subprocess
import sys

import pytest
from junitparser import JUnitXml
from rich.console import Console

from harness.analysis.benchmark_export import export_pytest_benchmark
from harness.errors import UserError
from harness.history.gate import gate
from harness.history.statuses import DID_NOT_RUN, NOTHING, REGRESSED
from harness.history.writing import write_all
from tests.history.made_nights import make_night

SLEEPER = """
import time
def test_sleep(benchmark):
    benchmark.pedantic(time.sleep, args=(0.002,), rounds=12)
"""


def write(path, times_s, name="test_a.py::test_b", data=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    stats = {"data": list(times_s)} if data else {"median": sorted(times_s)[len(times_s) // 2]}
    content = {
        "machine_info": {"node": "lab"},
        "commit_info": {"id": "c" * 40},
        "benchmarks": [{"fullname": name, "stats": stats}],
    }
    path.write_text(json.dumps(content))
    return path


def rounds(begin):
    return [begin * (1 + 0.001 * (number % 5)) for number in range(20)]


def test_the_rounds_of_two_files_are_compared_with_a_caution(tmp_path):
    result = gate(write(tmp_path / "a.json", rounds(1.0)), write(tmp_path / "b.json", rounds(1.2)))
    (finding,) = (each for each in result.findings if each.kind == "change")
    assert finding.change.ratio == pytest.approx(1.2, rel=1e-3)
    assert not finding.change.paired
    assert result.exit_status == REGRESSED
    assert any("one process" in each.text for each in result.findings if each.kind == "remark")


@pytest.mark.parametrize(("before", "after"), [(20, 9), (9, 20)])
@pytest.mark.parametrize(("factor", "status"), [(1.0, NOTHING), (1.2, REGRESSED)])
def test_the_number_of_rounds_is_what_there_was_time_for(tmp_path, before, after, factor, status):
    sides = write(tmp_path / "a.json", rounds(1.0)[:before]), write(tmp_path / "b.json", rounds(factor)[:after])
    result = gate(*sides)
    assert result.exit_status == status
    assert not any(each.kind == "did not run" for each in result.findings)


@pytest.mark.parametrize("several", ["a", "b"])
def test_rounds_on_one_side_and_processes_on_the_other_are_compared(tmp_path, several):
    for number in range(4):
        write(tmp_path / several / f"{number}.json", rounds(1 + 0.001 * number))
    one = write(tmp_path / "one.json", rounds(1.0))
    sides = (tmp_path / "a", one) if several == "a" else (one, tmp_path / "b")
    assert gate(*sides).exit_status == NOTHING


def test_a_process_that_is_missing_is_still_found(tmp_path):
    for side, number in (("a", 4), ("b", 3)):
        for process in range(number):
            write(tmp_path / side / f"{process}.json", rounds(1.0))
    result = gate(tmp_path / "a", tmp_path / "b")
    assert result.exit_status == DID_NOT_RUN
    assert [each.text for each in result.findings if each.kind == "did not run"] == ["launches 3 are missing"]


def test_equal_files_are_silent(tmp_path):
    path = write(tmp_path / "a.json", rounds(1.0))
    assert gate(path, path).exit_status == NOTHING


def test_several_files_are_several_processes(tmp_path):
    for side, factor in (("a", 1.0), ("b", 1.1)):
        for number in range(4):
            write(tmp_path / side / f"{number:04d}_run.json", rounds(factor * (1 + 0.001 * number)), data=number > 0)
    result = gate(tmp_path / "a", tmp_path / "b")
    (finding,) = (each for each in result.findings if each.kind == "change")
    assert finding.change.launches == 4
    assert finding.change.ratio == pytest.approx(1.1, rel=1e-3)
    assert not any(each.kind == "remark" for each in result.findings)


def test_a_benchmark_that_vanished_did_not_run(tmp_path):
    result = gate(write(tmp_path / "a.json", rounds(1.0)), write(tmp_path / "b.json", rounds(1.0), name="other"))
    assert result.exit_status == DID_NOT_RUN
    assert any(each.cell == "test_a.py::test_b" for each in result.findings if each.kind == "did not run")


def test_a_real_run_of_pytest_benchmark_is_read(tmp_path):
    (tmp_path / "test_sleep.py").write_text(SLEEPER)
    target = tmp_path / "run.json"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        f"--benchmark-json={target}",
        ".",
    ]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    subprocess.run(command, cwd=tmp_path, env=alone, check=True, capture_output=True, timeout=120)
    result = gate(target, target)
    (cell,) = result.cells
    assert cell.cell == "test_sleep.py::test_sleep"
    assert cell.changes[0].baseline >= 0.002
    assert cell.changes[0].launches == 12


def test_what_was_exported_is_read_again_as_launches(tmp_path):
    sides = make_night(tmp_path, slower=1.2)
    for side in sides:
        export_pytest_benchmark(side, tmp_path / f"{side.name}.json", suite=None, console=Console(file=io.StringIO()))
    result = gate(tmp_path / "baseline.json", tmp_path / "candidate.json")
    assert result.exit_status == REGRESSED
    assert not any("one process" in each.text for each in result.findings)
    step = next(each for each in result.findings if "train_step_s" in each.cell)
    assert step.change.ratio == pytest.approx(1.2, rel=0.01)


def of(**changes):
    """A file with one benchmark, some fields of which are replaced."""
    return json.dumps({"benchmarks": [{"fullname": "x", "stats": {"data": [1.0]}, **changes}]})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no file of pytest-benchmark"),
        (of(stats={"data": [0.0]}), r"stats\.data\.0: .* greater than 0"),
        (of(stats={"data": [math.nan]}), r"stats\.data\.0: .* finite"),
        (of(stats={"data": [10**400]}), r"stats\.data\.0: .* finite"),
        (of(stats={"data": 5}), r"stats\.data: .* array"),
        (of(stats={}), "x: no time in its stats"),
        (of(stats=[]), r"stats: .* object"),
        (of(fullname=None), "fullname: .* string"),
        (of(extra_info=[1]), "extra_info: .* object"),
        (json.dumps({"benchmarks": [{"fullname": "x"}]}), "stats: Field required"),
        (json.dumps({"benchmarks": {}}), "benchmarks: .* array"),
        (json.dumps({"benchmarks": [json.loads(of())["benchmarks"][0]] * 2}), "x is there 2 times"),
        (json.dumps({**json.loads(of()), "machine_info": []}), "machine_info: .* object"),
        (json.dumps({**json.loads(of()), "commit_info": "abc"}), "commit_info: .* object"),
        (json.dumps({**json.loads(of()), "machine_info": {"node": 5}}), r"machine_info\.node: .* string"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path, content, words):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=words) as refused:
        gate(tmp_path / "a.json", tmp_path / "a.json")
    assert "\n" not in str(refused.value)


def test_times_out_of_all_proportion_are_a_regression(tmp_path):
    result = gate(write(tmp_path / "a.json", rounds(1e-300)), write(tmp_path / "b.json", rounds(1e300)))
    assert result.exit_status == REGRESSED
    assert any("out of all proportion to the baseline in launches 0, 1" in each.text for each in result.findings)


def test_noise_beyond_all_measure_has_no_interval(tmp_path):
    times = write(tmp_path / "b.json", [1e-290, 1.0, 1e290])
    (cell,) = gate(write(tmp_path / "a.json", rounds(1.0)), times).cells
    (change,) = cell.changes
    assert (change.low, change.high, change.visible) == (None, None, None)
    assert math.isfinite(change.ratio)


@pytest.mark.parametrize("content", ["{", of(stats={"data": ["x"]})])
def test_a_damaged_file_beside_good_ones_is_no_launch_less(tmp_path, content):
    write(tmp_path / "a" / "0001.json", rounds(1.0))
    (tmp_path / "a" / "0002.json").write_text(content)
    (tmp_path / "a" / "settings.json").write_text('{"theme": "dark"}')
    with pytest.raises(UserError, match=r"0002\.json"):
        gate(tmp_path / "a", tmp_path / "a")


def test_all_files_of_two_benchmarks_in_folders_say_what_the_gate_says(tmp_path):
    """Both have the same name once the folders of a person are cut off."""
    names = [f"/home/somebody/{part}/test_a.py::test_b" for part in ("one", "two")]
    sides = []
    for side, factors in (("a", (1.0, 1.0)), ("b", (1.0, 1.2))):
        paths = [write(tmp_path / f"{side}{n}.json", rounds(factors[n]), name=names[n]) for n in range(2)]
        merged = [json.loads(path.read_text()) for path in paths]
        merged[0]["benchmarks"] += merged[1]["benchmarks"]
        paths[0].write_text(json.dumps(merged[0]))
        sides.append(paths[0])
    result = gate(*sides)
    assert result.exit_status == REGRESSED
    write_all(result, tmp_path / "out")
    xml = JUnitXml.fromfile(str(tmp_path / "out/gate.xml"))
    assert (xml.tests, xml.failures) == (2, 1)
    told = json.loads((tmp_path / "out/gate.json").read_text())
    (finding,) = (each for each in told["findings"] if each["change"])
    assert finding["cell"] == told["cells"][1]["cell"] != told["cells"][0]["cell"]
    assert not any("somebody" in path.read_text() for path in (tmp_path / "out").iterdir())
