"""What the sensors of a node ask of a launch there, and how long they are read after its work."""

import json
from types import SimpleNamespace

import pytest

from collectors.base import Reading, Sensor
from collectors.samples import Header, encode, reading_record
from collectors.sampling.process import SamplerOutcome
from harness.calibration.store import Calibration, SensorCalibration, load, save
from harness.launch import watched_node
from harness.launch.energy import account, power_plan
from harness.launch.plan import LaunchPlan, PowerPlan
from harness.launch.watched_node import WatchedNode
from harness.machine.environment import host_digest
from harness.results.measurements import MeasuredParts
from harness.results.phases import Phase
from harness.scenario import catalogue
from tests.analysis.made_records import make_scenario

ORIGIN_NS = 10**15
CARD = Sensor("0000:33:00.0", "card", "average_window", update_period_s=0.1, devices=(0,))
NODE = Sensor("ipmi:dcmi", "node", "instant", update_period_s=1.0)
AT_REST_W, AT_WORK_W = 80.0, 300.0


def header(*sensors: Sensor, collector: str = "hy-smi") -> Header:
    return Header(collector if sensors else None, sensors, {}, 0.1, ORIGIN_NS, 0)


def calibrate(results, **found: float):
    """Keep what a calibration found of the card."""
    sensor = SensorCalibration(sensor=CARD.id, tool_version=None, driver_version=None, **found)
    made = Calibration(
        chip="dcu-z100l",
        collector="hy-smi",
        host=host_digest(),
        device_name="Z100L",
        framework="pytorch",
        made_at="2026-01-01T00:00:00+00:00",
        half_period_s=5.0,
        sensors=(sensor,),
    )
    return save(made, results)


@pytest.fixture
def watched(monkeypatch, tmp_path):
    """watched(header, beside): a node whose samplers have found that, and what happens there, in order."""

    def start(found: Header | None, *beside: Sensor):
        happened: list[object] = []
        sampler = SimpleNamespace(
            wait_ready=lambda timeout_s=None: True, header=found, stop=lambda: happened.append("sampler ends")
        )
        occupants = SimpleNamespace(wait_ready=lambda: None, stop=lambda count: None)
        hosts = SimpleNamespace(start=lambda *given: None, stop=lambda: None, sensors=beside)
        monkeypatch.setattr(watched_node.SamplerProcess, "start", lambda *given: sampler)
        monkeypatch.setattr(watched_node.OccupantWatch, "start", lambda *given: occupants)
        monkeypatch.setattr(watched_node, "HostSamplers", lambda folder: hosts)
        monkeypatch.setattr(watched_node, "time", SimpleNamespace(sleep=happened.append))
        scenario = make_scenario(chip="dcu-z100l", idle_s=10.0)
        chip = catalogue.chip("cpu")
        plan = LaunchPlan(scenario=scenario, chip=chip, launch=0, order=0, bench="b", attempt="a")
        return WatchedNode(plan, tmp_path / "launch", {}), happened

    return start


def energy_of(folder, results, idle_s: float, window_s: float, late_s: float):
    """The account of a launch that does what it was told, read every 0.1 s until `late_s` after its end.

    The sensor tells the power as it was 0.8 s before: its delay, and half of its averaging.
    """
    edges_s = [5.0, 5.0 + idle_s, 6.0 + idle_s, 6.0 + idle_s + window_s, 7.0 + idle_s + window_s]
    phases = tuple(
        Phase(name=name, t0_ns=ORIGIN_NS + round(t0_s * 1e9), t1_ns=ORIGIN_NS + round(t1_s * 1e9), steps=1, samples=1)
        for name, t0_s, t1_s in (
            ("idle before", *edges_s[:2]),
            ("inference", *edges_s[2:4]),
            ("idle after", edges_s[4], edges_s[4] + idle_s),
        )
    )
    folder.mkdir()
    with (folder / "power.jsonl").open("wb") as log:
        log.write(encode(header(CARD).to_dict()))
        for tick in range(round(10 * (edges_s[4] + idle_s + late_s)) + 1):
            works = edges_s[2] <= tick / 10 - 0.8 <= edges_s[3]
            t_ns = ORIGIN_NS + tick * 10**8
            log.write(encode(reading_record(Reading(t_ns, t_ns, CARD.id, AT_WORK_W if works else AT_REST_W))))
        log.write(encode({"type": "end", "t_ns": t_ns, "reason": "SIGTERM"}))
    outcome = SamplerOutcome(folder / "power.jsonl", "hy-smi", None, False, 0)
    return account(folder, outcome, MeasuredParts(phases=phases), "dcu-z100l", results)


def test_a_launch_is_as_long_as_a_calibrated_sensor_asks_for_and_is_read_until_it_has_told_all(watched, tmp_path):
    """An update of 1 s asks for windows of 20 s, where the tool's word of 0.1 s asks for 5 s."""
    results = tmp_path / "results"
    calibrate(results, delay_s=0.3, window_s=1.0, update_period_s=1.0)
    node, happened = watched(header(CARD))
    asked = node.wait_ready(results)
    assert (asked.idle_s, asked.min_window_s) == (20.0, 20.0)
    node.stop()
    assert happened == [pytest.approx(0.8), "sampler ends"]
    energy = energy_of(tmp_path / "launch", results, asked.idle_s, asked.min_window_s, happened[0])
    assert [each.delay_s for each in energy.calibrations] == [0.3]
    windows = {each.phase: each.window for each in energy.phases}
    assert all(window.valid for window in windows.values()), [window.reasons for window in windows.values()]
    inference = next(each for each in energy.phases if each.phase == "inference")
    assert inference.window.energy_j == pytest.approx(AT_WORK_W * 20, rel=0.01)
    assert inference.net_energy_j == pytest.approx((AT_WORK_W - AT_REST_W) * 20, rel=0.01)


@pytest.mark.parametrize(
    ("found", "beside", "expected_s"),
    [
        (header(CARD), (NODE,), (10.0, 5.0)),
        (header(collector=None), (NODE,), (20.0, 20.0)),
        (None, (NODE,), (20.0, 20.0)),
        (header(collector=None), (), (0.0, 0.0)),
    ],
    ids=["a device's sensor", "none of the device", "nothing said", "none at all"],
)
def test_sensors_of_the_host_count_where_no_device_has_one(watched, tmp_path, found, beside, expected_s):
    node, happened = watched(found, *beside)
    asked = node.wait_ready(tmp_path / "results")
    assert (asked.idle_s, asked.min_window_s) == expected_s
    node.stop()
    assert happened == [0.0, "sampler ends"]


@pytest.mark.parametrize(("name", "value"), [("delay_s", 1e9), ("delay_s", -1.0), ("update_period_s", 1e9)])
def test_a_calibration_with_an_impossible_time_is_not_waited_for(tmp_path, name, value):
    path = calibrate(tmp_path, delay_s=0.3, update_period_s=1.0)
    assert load(tmp_path, "dcu-z100l", "hy-smi") is not None
    content = json.loads(path.read_text())
    content["sensors"][0][name] = value
    path.write_text(json.dumps(content))
    assert load(tmp_path, "dcu-z100l", "hy-smi") is None


def test_windows_suit_the_slowest_sensor_and_nobody_rests_unasked():
    sensors = [Sensor(name, "card", "instant", update_period_s=update_s) for name, update_s in (("a", 1.0), ("b", 0.1))]
    assert power_plan(sensors, 0.0) == PowerPlan(idle_s=0.0, min_window_s=20.0)
    assert power_plan(sensors, 3.0) == PowerPlan(idle_s=20.0, min_window_s=20.0)
    assert power_plan(sensors, 30.0) == PowerPlan(idle_s=30.0, min_window_s=20.0)
    assert power_plan([], 30.0) == PowerPlan()
