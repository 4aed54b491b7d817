"""A cell's first launch on a device follows a short one of which nothing is kept; on a CPU there is none."""

import json
from io import StringIO

import pytest
import yaml
from rich.console import Console

from harness.errors import UserError
from harness.launch import bench as benches
from harness.launch.plan import LaunchPlan
from harness.launch.warm_up import needs_warm_up, shortened
from harness.machine import environment
from harness.scenario import catalogue
from harness.scenario.limits import FIRST_COMPILE_S
from harness.scenario.scenario import Selection
from tests.analysis.made_records import make_environment, make_scenario
from tests.launch.conftest import records, write_micro
from tests.launch.stand_in import COMPLETE, stand_in

BOTH = ("pytorch", "mindspore")
NOTE = """
with open(folder.parents[3] / "asked.jsonl", "a") as file:
    file.write(json.dumps({"folder": str(folder), "scenario": plan["scenario"]}) + "\\n")
is_short = plan["scenario"]["training"].get("max_steps_per_epoch") == 2
"""
FAILS = """
end("failed", "CANN's libraries are not on the path: source set_env.sh")
os._exit(2)
"""


@pytest.fixture
def device(tmp_path):
    """A chip with a device file, whose device is the CPU."""
    chip = yaml.safe_load(catalogue.path_of("chips", "cpu").read_text())
    path = tmp_path / "device.yaml"
    path.write_text(yaml.safe_dump({**chip, "title": "Test device", "device_nodes": "/dev/null"}))
    return path


@pytest.fixture
def bench(tmp_path, device, monkeypatch):
    """bench(behaviour): what a bench did, what its workers were asked for, and what it said."""

    def run(behaviour, chip=device, frameworks=("pytorch",), **changes):
        changes = {"idle_s": 0, "launches": 1, "time_limit_s": 60} | changes
        frameworks = [{"framework": name} for name in frameworks]
        suite = write_micro(tmp_path, frameworks=frameworks, **changes)
        for name, value in stand_in(tmp_path / "stand_in", NOTE + behaviour).items():
            monkeypatch.setenv(name, value)
        said, log = StringIO(), tmp_path / "asked.jsonl"
        selection = Selection(chip=str(chip), suite=str(suite))
        outcome = benches.bench(selection, tmp_path / "results", Console(file=said, width=200))
        asked = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return outcome, asked, said.getvalue()

    return run


def short(asked):
    return asked["scenario"]["training"].get("max_steps_per_epoch") == 2


def test_each_cell_has_one_before_its_first_launch_and_nothing_of_it_is_kept(bench, tmp_path):
    done, asked, _ = bench(COMPLETE, frameworks=BOTH, launches=2)
    assert done.failed == 0
    assert [(each["scenario"]["framework"], short(each)) for each in asked] == [
        ("pytorch", True),
        ("pytorch", False),
        ("mindspore", True),
        ("mindspore", False),
        ("mindspore", False),
        ("pytorch", False),
    ]
    made = records(tmp_path / "results")
    assert [record["status"] for record in made] == ["completed"] * 4
    assert {record["scenario"]["time_limit_s"] for record in made} == {FIRST_COMPILE_S}
    cells = list((tmp_path / "results" / "micro").glob("micro-model-*"))
    assert len(cells) == 2
    assert {each["folder"].rsplit("/", 2)[1] for each in asked if short(each)}.isdisjoint(path.name for path in cells)
    again, asked_again, _ = bench(COMPLETE, frameworks=BOTH, launches=2)
    assert (again.records, asked_again) == ((), asked)


def test_one_that_fails_as_the_launch_after_it_does_spares_the_others(bench, tmp_path):
    only_there = "if plan['scenario']['framework'] == 'mindspore':" + FAILS.replace("\n", "\n    ")
    done, asked, said = bench(only_there + COMPLETE, frameworks=BOTH, launches=2)
    assert done.failed == 1
    found = [(each["scenario"]["framework"], short(each)) for each in asked]
    assert found.count(("mindspore", False)) == 1
    assert found.count(("pytorch", False)) == 2
    (failed,) = [record for record in records(tmp_path / "results") if record["status"] == "failed"]
    assert failed["reason"] == "CANN's libraries are not on the path: source set_env.sh"
    assert "its other launches are not made" in said


def test_one_that_crashes_alone_costs_nothing(bench, tmp_path):
    done, _, _ = bench("if is_short: os.abort()\n" + COMPLETE)
    assert done.failed == 0
    assert [record["status"] for record in records(tmp_path / "results")] == ["completed"]


def test_there_is_none_on_a_cpu_and_its_limit_is_the_suites(bench, tmp_path):
    _, asked, _ = bench(COMPLETE, chip="cpu")
    assert not any(map(short, asked))
    assert {record["scenario"]["time_limit_s"] for record in records(tmp_path / "results")} == {60}


def test_a_short_launch_is_two_steps_of_each_stage_and_no_forecast():
    chip = catalogue.chip("a100")
    scenario = make_scenario(chip="a100", idle_s=10.0)
    plan = LaunchPlan(scenario=scenario, chip=chip, launch=0, order=0, bench="b", attempt="0123abcd", profile=True)
    found = shortened(plan)
    training, inference = found.scenario.training, found.scenario.inference
    assert (training.epochs, training.max_steps_per_epoch, training.batch_size) == (1, 2, 8)
    assert (inference.skill, inference.longest_lead, inference.max_steps) == ("none", 1, 2)
    assert (found.scenario.idle_s, found.profile, found.seed) == (0.0, False, plan.seed)
    assert found.attempt != plan.attempt
    assert found.scenario.cell != scenario.cell
    assert [needs_warm_up(catalogue.chip(name)) for name in ("cpu", "ascend910b", "rtx3090")] == [False, True, True]


@pytest.mark.parametrize(("chip", "suite"), [("cpu", "smoke"), ("a100", "timing"), ("dcu-z100l", "timing")])
def test_a_bench_without_a_suite_has_that_of_its_chip(chip, suite):
    assert catalogue.usual_suite(catalogue.chip(chip)) == suite


class TestVariants:
    """What the driver, or else the framework, calls the device decides which figures count, and what is said."""

    @pytest.fixture
    def device(self, device):
        chip = yaml.safe_load(device.read_text())
        chip["frameworks"]["pytorch"]["device"], chip["frameworks"]["mindspore"]["device"] = "npu", "Ascend"
        chip["device_name"] = "Test|some CPU"
        chip["variants"] = [
            {"name": "Small one", "pattern": "S1", "memory_gib": {"value": 1e-6, "source": "test"}},
            {"name": "Large one", "pattern": "L1", "memory_gib": {"value": 1000, "source": "test"}},
        ]
        device.write_text(yaml.safe_dump(chip))
        return device

    def told(self, monkeypatch, **device):
        captured = make_environment(accelerator={"devices": [{"index": 0, **device}]} if device else {})
        monkeypatch.setattr(environment, "capture", lambda variable, devices=None: captured)

    @pytest.mark.parametrize("driver", [{"name": "Test S1"}, {"name": "Test L1", "memory_bytes": 1024}])
    def test_a_device_with_too_little_memory_is_refused_before_the_first_launch(self, bench, monkeypatch, driver):
        self.told(monkeypatch, **driver)
        with pytest.raises(UserError, match=r"the memory of the device is 1\.0 KiB"):
            bench(COMPLETE)

    @pytest.mark.parametrize(
        ("driver", "pattern", "said"),
        [
            ({"name": "Test L1"}, "L1|some CPU", None),
            (
                {"name": "Test X1"},
                "L1",
                "'Test X1', which is none of the variants that the chip's file knows (Small",
            ),
            ({"name": "Other"}, "L1", "'Other', which is no Test device"),
            ({}, "L1", "'some CPU', which is none of the variants"),
        ],
        ids=["known", "unknown", "another chip", "told by the framework alone"],
    )
    def test_what_does_not_fit_is_said_once(self, bench, device, monkeypatch, driver, pattern, said):
        self.told(monkeypatch, **driver)
        device.write_text(device.read_text().replace("pattern: L1", f"pattern: {pattern}"))
        _, _, output = bench(COMPLETE)
        text = " ".join(output.split())
        assert text.count("warning: the device here is called") == (0 if said is None else 1)
        assert (said or "") in text
