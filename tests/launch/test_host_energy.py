"""Energy of the host beside that of the devices: each scope by itself, from whatever collectors of the host work."""

import os
import stat

import pandas as pd
import pytest

from collectors.base import Reading, Sensor
from collectors.samples import CounterReading, Header, SampleLog, read_parquet
from harness.analysis.cells import load_results
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.tables.energy import energy_table
from harness.launch.host_energy import scopes
from harness.launch.plan import LaunchPlan
from harness.launch.supervisor import launch
from harness.results.record import Energy, Phase, PhaseEnergy, ScopeEnergy
from harness.scenario import catalogue
from tests.analysis.made_records import ResultsFolder, make_environment, make_record, make_scenario, make_window
from tests.launch.stand_in import stand_in

ORIGIN_NS = 10**15
IPMITOOL = """#!/bin/sh
echo "    Instantaneous power reading:                   250 Watts"
echo "    Power reading state is:                   activated"
"""


def at_ns(t_s: float) -> int:
    """A time on the monotonic clock."""
    return ORIGIN_NS + round(t_s * 1e9)


def host_log() -> SampleLog:
    """60 s of two packages of 100 W each, their memory of 20 W and a node of 300 W that is shared, as it always is."""
    counted = {"package-0": 100.0, "package-1": 100.0, "dram": 20.0}
    sensors = (
        Sensor("package-0", "cpu_package", "counter", has_counter=True, update_period_s=0.1),
        Sensor("package-1", "cpu_package", "counter", has_counter=True, update_period_s=0.1),
        Sensor("dram", "dram", "counter", has_counter=True, update_period_s=0.1),
        Sensor("node", "node", "instant", update_period_s=1.0, shared="all that runs on it"),
    )
    times_s = [0.1 * k for k in range(601)]
    counters = tuple(
        CounterReading(at_ns(t_s), at_ns(t_s), sensor, power_w * t_s)
        for t_s in times_s
        for sensor, power_w in counted.items()
    )
    readings = tuple(Reading(at_ns(t_s), at_ns(t_s), "node", 300.0) for t_s in range(61))
    return SampleLog(Header("rapl", sensors, {}, 0.1, ORIGIN_NS, 0), readings, counters, {"type": "end"})


def test_each_scope_has_its_own_window_and_verdict():
    phases = [
        Phase(name="training", t0_ns=at_ns(10), t1_ns=at_ns(40), steps=3, samples=6),
        Phase(name="inference", t0_ns=at_ns(45), t1_ns=at_ns(55), steps=3, samples=6),
    ]
    found = {each.scope: each for each in scopes([("rapl", host_log())], phases)}
    assert list(found) == ["cpu_package", "dram", "node"]
    training = {scope: each.phases[0].window for scope, each in found.items()}
    assert training["cpu_package"].energy_j == pytest.approx(2 * 100 * 30)
    assert training["dram"].energy_j == pytest.approx(20 * 30)
    assert training["node"].energy_j == pytest.approx(300 * 30)
    assert all(window.valid for window in training.values())
    assert [found[scope].phases[1].window.valid for scope in found] == [True, True, False]
    assert "shorter than 20 s" in found["node"].phases[1].window.reasons[0]


def test_a_scope_is_taken_from_the_first_collector_that_has_it():
    log = host_log()
    phases = [Phase(name="training", t0_ns=at_ns(10), t1_ns=at_ns(40), steps=3, samples=6)]
    found = scopes([("rapl", log), ("ipmi", log)], phases)
    assert [each.collector for each in found] == ["rapl"] * 3
    assert scopes([], phases) == ()


@pytest.fixture
def launched(tmp_path, monkeypatch):
    """A launch on a chip without a sensor of its own, on a host whose controller tells 250 W."""
    tool = tmp_path / "bin" / "ipmitool"
    tool.parent.mkdir()
    tool.write_text(IPMITOOL)
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    behaviour = "tell('working')\ntraining = rest(2.5)\ntime.sleep(1.5)\nmeasure(training=training)\nend()"
    for name, value in stand_in(tmp_path / "stand_in", behaviour).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    changes = {"power_collectors": ("null",), "host_collectors": ("ipmi", "no-such")}
    chip = catalogue.chip("cpu").model_copy(update=changes)
    plan = LaunchPlan(scenario=make_scenario(), chip=chip, launch=0, order=0, bench="b", attempt="0123abcd")
    record = launch(plan, tmp_path / "results", make_environment(), lambda text, fraction: None)
    return record, plan.folder(tmp_path / "results")


@pytest.mark.alone
def test_the_host_is_measured_though_the_device_has_no_sensor(launched):
    record, folder = launched
    assert record.status == "completed"
    assert record.energy.collector is None
    (node,) = record.energy.hosts
    assert (node.scope, node.collector) == ("node", "ipmi")
    window = node.phases[0].window
    assert window.energy_j == pytest.approx(250 * window.duration_s, rel=1e-6)
    assert any("shorter than 20 s" in reason for reason in window.reasons)
    assert any(line.startswith("no-such: ") and "no collector of this name" in line for line in record.energy.without)
    assert read_parquet(folder / "power-ipmi.parquet").readings
    assert not list(folder.glob("power*.jsonl"))
    assert not list(folder.glob("power*.log"))


def energy(device_j: float, node_j: float, scope: str = "card") -> Energy:
    """Of one training phase, by its devices and by the node."""
    of_device = PhaseEnergy(phase="training", window=make_window(device_j, 10.0, scopes=(scope,)))
    of_node = PhaseEnergy(phase="training", window=make_window(node_j, 10.0, scopes=("node",)))
    hosts = (ScopeEnergy(scope="node", collector="ipmi", phases=(of_node,)),)
    return Energy(collector="nvml", reason=None, phases=(of_device,), hosts=hosts)


def test_the_table_has_each_scope_in_rows_of_its_own_and_ratios_of_the_same_scope(tmp_path):
    made = ResultsFolder(tmp_path / "results")
    phase = Phase(name="training", t0_ns=0, t1_ns=10**10, steps=2, samples=16)
    for launch_number in range(3):
        for framework, joules in (("pytorch", (100.0, 400.0)), ("mindspore", (150.0, 800.0))):
            scope = "card" if framework == "pytorch" else "module"
            record = make_record(framework, launch_number, energy=energy(*joules, scope))
            measured = record.measurements.model_copy(update={"phases": (phase,)})
            made.add(record.model_copy(update={"measurements": measured}))
    found = load_results(made.path)
    assert not found.problems
    comparisons = BaselineName("pytorch").compare_all(found.cells)
    table = energy_table("smoke", found.groups(), comparisons)
    rows = {(row[0], row[2]): row for row in table.sections[0].texts if row[1].startswith("gross energy per run")}
    whole = "training, whole"
    node = f"{whole} [node, with all that runs on it]"
    assert set(rows) == {
        (activity, f"{cell}") for activity in (whole, node) for cell in ("pytorch eager", "mindspore graph")
    }
    assert rows[whole, "mindspore graph"][6] == "refused"
    assert rows[node, "mindspore graph"][6].startswith("2.0")
    data = pd.DataFrame(table.data.rows, columns=table.data.names)
    of_node = data[data.activity == node]
    assert set(of_node.scopes) == {"node"}
    assert sorted(of_node.sample_energy_j) == [25.0] * 1 + [50.0] * 1
