"""The npu-smi collector on a program of that name that replays recorded and made outputs, in good and bad order."""

from __future__ import annotations

import time

import pytest
from fake_npu_smi import FakeNpuSmi, mapping, power_block, watch_row, watch_script
from npu_smi_outputs import A3_TABLE, DEVICE_TABLE_310P, POWER_310, WIDE_TABLE_26
from power_logs import ANY_LENGTH
from shared import shared_path

from collectors.accounting.energy import window_energy
from collectors.samples import read_samples
from collectors.sampling.process import SamplerProcess
from collectors.vendors.ascend import npu_smi_reader
from collectors.vendors.ascend.npu_smi import NpuSmiCollector

pytestmark = pytest.mark.alone


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """The program, first on PATH, and short time limits."""
    program = FakeNpuSmi(tmp_path)
    for name in ("PATH", "NPU_SMI_FOLDER"):
        monkeypatch.setenv(name, program.environment[name])
    monkeypatch.setattr(npu_smi_reader, "LINE_LIMIT_S", 0.6)
    monkeypatch.setattr(npu_smi_reader, "ASK_LIMIT_S", 0.6)
    monkeypatch.setattr(npu_smi_reader, "PERIOD_S", 1)
    monkeypatch.setattr("collectors.vendors.ascend.npu_smi_inventory.ASK_LIMIT_S", 0.6)
    return program


def recorded(name):
    return shared_path(f"power-samples/npu-smi_{name}.txt")


@pytest.fixture
def collect():
    """collect(until): the sensors and the readings until the condition on all of them holds, at most 10 s."""
    started = []

    def run(until=lambda readings: readings, **environ):
        collector = NpuSmiCollector(environ)
        found = collector.probe()
        if not found.works:
            return found, []
        collector.start(1.0)
        started.append(collector)
        readings, deadline_s = [], time.monotonic() + 10
        while not until(readings) and time.monotonic() < deadline_s:
            readings += collector.sample()
            time.sleep(0.02)
        assert until(readings)
        return found, readings

    yield run
    for collector in started:
        collector.stop()
        collector.stop()


def powers(readings):
    return [reading.power_w for reading in readings if reading.power_w is not None]


def test_the_watch_stream_is_preferred_and_gives_the_recorded_watts(smi, collect):
    smi.say("map", mapping((2, 0, 0, "Ascend 910B")))
    smi.do("watch", f"cat {recorded('watch_910B_31s')}; sleep 600\n")
    smi.say("power", power_block((0, "1.0"), card=2))
    smi.say("board", recorded("t-board_910B_25.5.1"))
    found, readings = collect(lambda readings: len(readings) >= 31)
    (sensor,) = found.sensors
    assert (sensor.id, sensor.devices, sensor.scope, sensor.kind) == ("0000:C1:00.0", (0,), "card", "instant")
    assert (sensor.update_period_s, sensor.driver_version) == (1.0, "25.5.1")
    assert sensor.tool_version.endswith("info watch")
    assert powers(readings)[:3] == [90.1, 90.2, 90.3]
    assert len(powers(readings)) == 31
    assert all(reading.utilisation == 0.0 for reading in readings)
    assert [reading.t0_ns for reading in readings] == sorted(reading.t0_ns for reading in readings)


@pytest.mark.parametrize("watch", ["Error parameter of watch", None, "silent", "no power"])
def test_each_mode_gives_way_to_the_next_that_works(smi, collect, watch):
    smi.say("map", mapping((0, 0, 0, "Ascend 910B")))
    if watch == "silent":
        smi.do("watch", "sleep 600\n")
    elif watch == "no power":
        smi.do("watch", watch_script(watch_row(0, 0, "NA"), after="again"))
    elif watch:
        smi.say("watch", f"{watch}\n")
    smi.say("table", recorded("info_23.0.rc3_910B4_8cards"))
    found, readings = collect()
    assert (found.sensors[0].tool_version, powers(readings)[0]) == ("npu-smi 23.0.rc3: info", 82.6)
    smi.say("common", recorded("t-common_910B_mcu"))
    found, readings = collect()
    assert (found.sensors[0].tool_version, powers(readings)[0]) == ("npu-smi 23.0.rc3: info -t common", 69.0)
    assert readings[0].utilisation == 0.0
    smi.say("power", recorded("t-power_910B_25.5.1"))
    found, readings = collect()
    assert (found.sensors[0].tool_version, powers(readings)[0]) == ("npu-smi 23.0.rc3: info -t power", 103.5)
    assert (found.sensors[0].id, found.sensors[0].name) == ("0000:C1:00.0", "910B4")


@pytest.mark.parametrize("end", ["exit 1", "sleep 600", "echo 'dcmi module initialize failed. ret is -8020'; exit 0"])
def test_a_stream_that_stops_in_mid_run_is_followed_by_the_next_mode(smi, collect, end):
    smi.say("map", mapping((0, 0, 0, "Ascend 910B")))
    smi.do("watch", watch_script(watch_row(0, 0, "90.1", "7"), after=f"sleep 0.2; {end}"))
    smi.say("power", recorded("t-power_910B_25.5.1"))
    found, readings = collect(lambda readings: 103.5 in powers(readings))
    assert found.sensors[0].tool_version.endswith("info watch")
    assert powers(readings)[:2] == [90.1, 103.5]
    (failed,) = [reading for reading in readings if reading.power_w is None]
    assert failed.status == "error"
    assert "going on with npu-smi info -t power" in failed.raw
    assert ("not mounted" in failed.raw) == ("8020" in end)


def test_a_device_lost_in_mid_run_fails_alone_and_the_others_go_on(smi, collect):
    smi.say("map", mapping((0, 0, 0, "Ascend 910B"), (5, 0, 1, "Ascend 910B")))
    smi.do("watch-0", watch_script(watch_row(0, 0, "90.1"), after="again"))
    smi.do("watch-5", watch_script(watch_row(5, 0, "95.5"), after="exit 1"))
    lost = "dcmi module initialize failed. ret is -8008\n"
    for name in ("power-5", "common-5"):
        smi.say(name, lost)

    def both(readings):
        return len(readings) > 20 and any("-8008" in str(reading.raw) for reading in readings)

    found, readings = collect(both)
    ids = {sensor.devices: sensor.id for sensor in found.sensors}
    assert set(ids) == {(0,), (1,)}
    kept = [reading for reading in readings if reading.sensor == ids[0,]]
    assert {reading.power_w for reading in kept} == {90.1}
    failed = [reading for reading in readings if reading.sensor == ids[1,]]
    assert {reading.power_w for reading in failed} <= {95.5, None}
    assert any("the device does not exist" in str(reading.raw) for reading in failed)


def test_zero_watts_are_failed_reads_and_no_sensor_where_there_is_nothing_else(smi, collect):
    smi.say("map", mapping((0, 0, 0, "Ascend 910B")))
    smi.do("watch", watch_script(watch_row(0, 0, "90.1"), watch_row(0, 0, "0.0"), after="again"))
    _, readings = collect(lambda readings: len(readings) >= 4)
    assert {(reading.power_w, reading.status) for reading in readings} == {(90.1, "ok"), (None, "not_physical")}
    smi.do("watch", watch_script(watch_row(0, 0, "0.0"), after="again"))
    found, _ = collect()
    assert not found.works
    assert "info watch: no power in '0.0'" in found.reason


def test_a_spike_that_no_card_can_draw_is_a_failed_read(smi, collect):
    smi.say("map", mapping((0, 0, 0, "Ascend 910B")))
    smi.do("watch", watch_script(watch_row(0, 0, "90.1"), watch_row(0, 0, "65535.0"), after="again"))
    _, readings = collect(lambda readings: len(readings) >= 2)
    assert (readings[1].power_w, readings[1].status, readings[1].raw) == (None, "not_physical", "65535.0")


def test_two_dies_of_a_card_are_one_sensor(smi, collect):
    rows = [(0, 0, 0, "Ascend910"), (0, 1, 1, "Ascend910"), (3, 0, 2, "Ascend910"), (3, 1, 3, "Ascend910")]
    smi.say("map", mapping(*rows))
    smi.say("table", A3_TABLE)
    found, readings = collect(lambda readings: len(readings) >= 4)
    assert [(sensor.devices, sensor.scope, sensor.shared) for sensor in found.sensors] == [
        ((0, 1), "card", None),
        ((2, 3), "card", None),
    ]
    assert {(reading.sensor, reading.power_w) for reading in readings} == {
        ("0000:9D:00.0", 171.5),
        ("0000:99:00.0", 168.1),
    }
    die = "".join(watch_row(3, chip, watts, "50") + "\n" for chip, watts in ((0, "168.9"), (1, "-")))
    smi.do("watch-3", watch_script(*die.splitlines(), after="again"))
    found, readings = collect(lambda readings: len(readings) >= 4, ASCEND_RT_VISIBLE_DEVICES="3")
    (sensor,) = found.sensors
    assert (sensor.devices, sensor.id) == ((0,), "0000:99:00.0")
    assert "not the job's" in sensor.shared
    assert set(powers(readings)) == {168.9}
    assert len(powers(readings)) == len(readings)


def test_chips_with_powers_of_their_own_are_sensors_of_their_own(smi, collect):
    smi.say("map", mapping((0, 0, 0, "Ascend 310B"), (0, 1, 1, "Ascend 310B")))
    smi.say("power", power_block((0, "50.1"), (1, "60.2")))
    found, readings = collect(lambda readings: len(readings) >= 2)
    assert [(sensor.id, sensor.devices, sensor.scope) for sensor in found.sensors] == [
        ("npu-0-0", (0,), "die"),
        ("npu-0-1", (1,), "die"),
    ]
    assert powers(readings)[:2] == [50.1, 60.2]


def test_the_310_is_read_by_its_card(smi, collect):
    smi.say("map", mapping((0, 0, 0, "Ascend 310"), (0, 1, 1, "Ascend 310")))
    smi.say("power", POWER_310)
    found, readings = collect()
    assert ([sensor.devices for sensor in found.sensors], powers(readings)[0]) == ([(0, 1)], 31.4)


def test_only_the_jobs_devices_are_read(smi, collect):
    smi.say("map", recorded("info-m_910B"))
    smi.say("table", recorded("info_25.0.rc1.b010_910B3_8cards_load"))
    found, readings = collect(lambda readings: len(readings) >= 2, ASCEND_RT_VISIBLE_DEVICES="2,6")
    assert [(sensor.id, sensor.devices) for sensor in found.sensors] == [("0000:81:00.0", (0,)), ("0000:41:00.0", (1,))]
    assert [(reading.power_w, reading.utilisation) for reading in readings[:2]] in (
        [(124.0, 0.29), (127.4, 0.29)],
        [(127.4, 0.29), (124.0, 0.29)],
    )
    smi.say("map", mapping((5, 0, 0, "Ascend 910B")))
    found, readings = collect(ASCEND_RT_VISIBLE_DEVICES="0")
    assert ([sensor.devices for sensor in found.sensors], powers(readings)[0]) == ([(0,)], 122.5)
    found, _ = collect(ASCEND_RT_VISIBLE_DEVICES="5")
    assert "shows none of the 1 NPUs" in found.reason


def test_the_listing_stands_in_for_the_mapping_and_the_table_for_both(smi, collect):
    smi.say("table", WIDE_TABLE_26)
    found, readings = collect()
    assert ([(s.id, s.devices) for s in found.sensors], powers(readings)[0]) == ([("0000:C1:00.0", (0,))], 96.3)
    smi.say("list", recorded("info-l_910B_25.5.1"))
    smi.say("power", recorded("t-power_910B_25.5.1"))
    found, _ = collect(lambda readings: len(readings) >= 8)
    assert [sensor.devices for sensor in found.sensors] == [(k,) for k in range(8)]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [("error_no-permission_8005", "usermod -aG HwHiAiUser"), ("error_device-used_8020", "not mounted into this one")],
)
@pytest.mark.parametrize("status", [0, 1])
def test_errors_on_stdout_are_a_reason_with_a_remedy_whatever_the_status(smi, collect, error, remedy, status):
    for name in ("map", "list", "table", "watch", "power", "common", "board"):
        smi.do(name, f"cat {recorded(error)}; exit {status}\n")
    found, _ = collect()
    assert not found.works
    assert remedy in found.reason


def test_odd_output_is_read_right_or_not_at_all(smi, collect):
    smi.say("map", mapping((0, 0, 0, "Ascend 910B")))
    odd = "\x1b[1;32m" + power_block((0, "103,5")).replace("\n", "\x1b[0m\r\n")
    smi.say("power", "功率信息\n".encode("gb2312") + odd.encode())
    _, readings = collect()
    assert powers(readings)[0] == 103.5
    smi.say("power", power_block((0, "103.5"))[:70])
    found, _ = collect()
    assert not found.works


def test_a_program_that_hangs_or_is_not_there_is_a_reason(smi, collect, monkeypatch):
    smi.do("map", "(sleep 600 & wait)\n")
    began_s = time.monotonic()
    found, _ = collect()
    assert "npu-smi did not end within 0.6 s" in found.reason
    assert time.monotonic() - began_s < 3
    (smi.bin / "npu-smi").chmod(0o644)
    assert "may not be executed" in NpuSmiCollector({}).probe().reason
    monkeypatch.setenv("PATH", "/nonexistent")
    assert NpuSmiCollector({}).probe().reason == "npu-smi is not on PATH"


def test_a_chip_whose_tool_gives_no_power_is_a_reason(smi, collect):
    smi.say("map", mapping((2, 0, 0, "Ascend 310P3")))
    smi.say("table", DEVICE_TABLE_310P)
    found, _ = collect()
    assert "info: no power in 'NA'" in found.reason


def test_sampling_never_waits_for_the_program(smi, collect):
    smi.say("map", mapping((0, 0, 0, "Ascend 910B")))
    smi.say("power", recorded("t-power_910B_25.5.1"))
    collector = NpuSmiCollector({})
    assert collector.probe().works
    smi.do("power", "sleep 600\n")
    collector.start(0.1)
    began_s = time.monotonic()
    for _ in range(20):
        collector.sample()
        time.sleep(0.01)
    assert time.monotonic() - began_s < 0.4
    collector.stop()


def test_the_sampler_measures_the_energy_of_the_jobs_card(smi, tmp_path):
    smi.say("map", mapping((0, 0, 0, "Ascend 910B"), (1, 0, 1, "Ascend 910B")))
    smi.do("watch-0", watch_script(watch_row(0, 0, "500.0"), delay_s=0.1, after="again"))
    smi.do("watch-1", watch_script(watch_row(1, 0, "90.5"), delay_s=0.1, after="again"))
    env = {**smi.environment, "ASCEND_RT_VISIBLE_DEVICES": "1"}
    sampler = SamplerProcess.start(tmp_path / "power.jsonl", ["npu-smi"], env, period_s=0.05)
    assert sampler.wait_ready()
    t0_ns = time.monotonic_ns()
    time.sleep(1)
    t1_ns = time.monotonic_ns()
    outcome = sampler.stop()
    assert (outcome.collector, outcome.reason, outcome.sampler_died) == ("npu-smi", None, False)
    found = window_energy(read_samples(tmp_path / "power.jsonl"), t0_ns, t1_ns, device_count=1, limits=ANY_LENGTH)
    assert found.reasons == ()
    assert found.energy_j == pytest.approx(90.5 * found.duration_s, rel=1e-6)
