"""rocm-smi, hy-smi and amd-smi beside hwmon: programs of those names on PATH and sysfs trees of real files."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from drm_tree import add_board, add_node
from power_logs import ANY_LENGTH

from collectors.accounting.energy import window_energy
from collectors.samples import Header, SampleLog, read_samples
from collectors.sampling.process import SamplerProcess
from collectors.vendors.hygon_amd.amd_smi import AmdSmiCollector
from collectors.vendors.hygon_amd.rocm_smi import HySmiCollector, RocmSmiCollector
from tests.shared import shared_path

A, B, C, D = "0000:03:00.0", "0000:26:00.0", "0000:43:00.0", "0000:63:00.0"
AMD = {"vendor": "0x1002", "device": "0x740f"}
Z100L = "power-samples/rocm-smi_table_Z100L_dtk23.10.1_4cards.txt"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """program(name, script): a shell program first on PATH, and nothing else of the vendors'."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def write(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def collector(kind, root: Path, timeout_s: float = 3.0, **environ: str):
    return kind(environ, root / "sys", root / "dev", timeout_s)


def four_boards(root: Path, powers_w=(None,) * 4) -> list[Path]:
    return [
        add_board(root, card, pci, power_uw=None if power_w is None else round(power_w * 1e6), cap_uw=280_000_000)
        for card, (pci, power_w) in enumerate(zip((A, B, C, D), powers_w, strict=True))
    ]


def until_readings(reader, sensor: str, limit_s: float = 6.0):
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        found = [reading for reading in reader.sample() if reading.sensor == sensor]
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"no reading of {sensor}")


def test_no_board_and_no_program_say_why(root):
    assert collector(HySmiCollector, root).probe().reason == "hy-smi is not on PATH; no Hygon board in sysfs"


def test_hwmon_alone_gives_power_use_cap_and_counter(root):
    monitor = add_board(root, 0, A, power_uw=564_000_000, cap_uw=600_000_000, energy_uj=7_500_000, busy=74)
    reader = collector(RocmSmiCollector, root)
    (sensor,) = reader.probe().sensors
    assert (sensor.id, sensor.devices, sensor.kind, sensor.power_cap_w) == (A, (0,), "average_window", 600)
    reader.start(0.1)
    (reading,) = reader.sample()
    assert (reading.power_w, reading.utilisation) == (pytest.approx(564), 0.74)
    assert reader.read_counter(A) == pytest.approx(7.5)
    (monitor / "power1_average").write_text("0\n")
    assert (reader.sample()[0].power_w, reader.sample()[0].status) == (None, "not_physical")
    (monitor / "power1_average").unlink()
    assert "No such file" in str(reader.sample()[0].raw)
    reader.stop()


def test_the_program_checks_hwmon_and_disagreement_is_in_both_readings(root, program):
    add_board(root, 0, A, power_uw=564_000_000)
    program("hy-smi", "printf 'DCU  Temp  AvgPwr  PwrCap  DCU%%\\n0  60.0C  79.0W  600.0W  90%%\\n'")
    reader = collector(HySmiCollector, root)
    main, check = reader.probe().sensors
    assert (main.id, check.id, check.checks, check.devices) == (A, f"{A}/hy-smi", A, (0,))
    reader.start(0.1)
    assert until_readings(reader, check.id)[0].power_w == 79.0
    assert until_readings(reader, main.id)[0].power_w == pytest.approx(564)
    reader.stop()
    reader.stop()


def test_a_hang_with_a_grandchild_does_not_stop_hwmon(root, program, tmp_path):
    add_board(root, 0, A, power_uw=100_000_000)
    table = "DCU  AvgPwr  PwrCap\\n0    99.0W   280.0W\\n"
    program(
        "hy-smi",
        f"[ -f {tmp_path}/hang ] && {{ sleep 600 & echo $! > {tmp_path}/pid; wait; }}\nprintf '{table}'",
    )
    reader = collector(HySmiCollector, root, timeout_s=0.5)
    check = reader.probe().sensors[1]
    (tmp_path / "hang").touch()
    reader.start(0.1)
    began_s = time.monotonic()
    for _ in range(20):
        assert reader.sample()[-1].power_w == pytest.approx(100)
    assert time.monotonic() - began_s < 5
    assert "did not end within 0.5 s" in str(until_readings(reader, check.id)[0].raw)
    reader.stop()
    grandchild = int((tmp_path / "pid").read_text())
    time.sleep(0.1)
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie"


def test_the_program_alone_reads_the_recorded_boards(root, program):
    four_boards(root)
    program("rocm-smi", f'[ -z "$1" ] && cat {shared_path(Z100L)}')
    reader = collector(RocmSmiCollector, root, HIP_VISIBLE_DEVICES="3,1")
    sensors = {sensor.devices: sensor for sensor in reader.probe().sensors}
    assert {devices: sensor.id for devices, sensor in sensors.items()} == {(0,): D, (1,): B}
    assert {sensor.power_cap_w for sensor in sensors.values()} == {280}
    reader.start(1.0)
    until = time.monotonic() + 5
    readings = []
    while not readings and time.monotonic() < until:
        readings = reader.sample()
        time.sleep(0.02)
    assert {reading.sensor: reading.power_w for reading in readings} == {D: 39.0, B: 41.0}
    reader.stop()


def test_eight_watts_under_load_are_flagged(root, program):
    recorded = shared_path("power-samples/hy-smi_table_K100AI_8W_implausible.txt")
    program("hy-smi", f'[ -z "$1" ] && cat {recorded}')
    reader = collector(HySmiCollector, root, HIP_VISIBLE_DEVICES="0")
    found = reader.probe()
    reader.start(1.0)
    t0_ns = time.monotonic_ns()
    readings = until_readings(reader, found.sensors[0].id) + until_readings(reader, found.sensors[0].id)
    reader.stop()
    header = Header("hy-smi", found.sensors, {}, 1.0, t0_ns, 1)
    window = [reading.t0_ns + (reading.t1_ns - reading.t0_ns) // 2 for reading in readings]
    log = SampleLog(header, tuple(readings), (), {"type": "end"})
    energy = window_energy(log, window[0], window[-1], device_count=1, limits=ANY_LENGTH)
    assert energy.low_power_at_high_use
    assert not energy.valid


def test_the_reason_is_that_of_the_first_call_and_not_of_one_that_the_program_does_not_know(root, program):
    add_board(root, 0, A)
    program("hy-smi", "[ -n \"$1\" ] && exit 2; printf 'DCU  AvgPwr  PwrCap\\n0    0.0W   280.0W\\n'")
    told = str(collector(HySmiCollector, root).probe().reason)
    assert "hy-smi gives no power: DCU AvgPwr PwrCap; 0 0.0W 280.0W" in told
    assert "status 2" not in told


def test_the_program_of_another_vendor_is_not_believed(root, program):
    four_boards(root)
    program("rocm-smi", "printf 'GPU  Temp  AvgPwr  PwrCap  GPU%%\\n0  40c  99.0W  300.0W  0%%\\n'")
    found = collector(RocmSmiCollector, root).probe()
    assert "the rocm-smi on PATH is AMD's and the boards are Hygon's" in str(found.reason)
    program("rocm-smi", f"cat {shared_path(Z100L)}")
    amd = root.with_name("amd")
    add_board(amd, 0, A, power_uw=50_000_000, **AMD)
    (sensor,) = collector(RocmSmiCollector, amd).probe().sensors
    assert "is Hygon's and the boards are AMD's: not used" in str(sensor.tool_version)


@pytest.mark.parametrize(
    "script",
    [
        "echo 'ERROR: driver not loaded'",
        "exit 3",
        "printf 'DCU  AvgPwr\\n0    0.0W\\n'",
        "printf '\\271\\246\\302\\312 12.0W\\n'",
        "sleep 30",
    ],
)
def test_faults_of_the_program_are_a_reason(root, program, script):
    add_board(root, 0, A)
    program("hy-smi", script)
    found = collector(HySmiCollector, root, timeout_s=0.4).probe()
    assert found.sensors == ()
    assert "no power in hwmon" in str(found.reason)


@pytest.mark.parametrize(
    ("left", "powers_w"),
    [("0    50,5W\\n1    N/A\\n", (50.5, None)), ("0    50,5W\\n", (None, None)), ("0    60.0W\\n", (None, None))],
)
def test_a_board_lost_in_mid_run_has_no_power_and_none_has_where_numbers_may_have_moved(
    root, program, tmp_path, left, powers_w
):
    add_board(root, 0, A)
    add_board(root, 1, B)
    rows = f"$([ -f {tmp_path}/lost ] && echo '{left}' || echo '0    50,5W\\n1    60.0W\\n')"
    program("hy-smi", f'printf "\\033[1mDCU  AvgPwr\\033[0m\\n{rows}"')
    reader = collector(HySmiCollector, root)
    assert len(reader.probe().sensors) == 2
    (tmp_path / "lost").touch()
    reader.start(1.0)
    deadline_s = time.monotonic() + 5
    readings = []
    while not readings and time.monotonic() < deadline_s:
        readings = reader.sample()
        time.sleep(0.02)
    reader.stop()
    assert [(reading.sensor, reading.power_w) for reading in readings] == list(zip((A, B), powers_w, strict=True))
    told = ["1 N/A"] if powers_w[0] else ["lists devices 0, at first 0, 1"] * 2
    assert [str(reading.raw).partition(":")[0] for reading in readings if reading.power_w is None] == told


def test_more_rows_than_boards_without_addresses_are_not_guessed(root, program):
    add_board(root, 0, A)
    program("hy-smi", "printf 'DCU  AvgPwr\\n0    50.0W\\n1    60.0W\\n'")
    assert "does not tell which" in str(collector(HySmiCollector, root).probe().reason)


def test_addresses_of_the_program_go_before_its_order(root, program):
    add_board(root, 0, A, **AMD)
    add_board(root, 1, B, **AMD)
    bus = f"GPU[0] : PCI Bus: {B}\\nGPU[1] : PCI Bus: {A}\\n"
    power = "GPU[0] : Average Graphics Package Power (W): 10.0\\nGPU[1] : Average Graphics Package Power (W): 20.0\\n"
    program("rocm-smi", f"[ \"$1\" = --showbus ] && printf '{bus}' || printf '{power}'")
    reader = collector(RocmSmiCollector, root, ROCR_VISIBLE_DEVICES="0")
    (sensor,) = reader.probe().sensors
    assert (sensor.id, sensor.devices) == (A, (0,))
    reader.start(1.0)
    assert until_readings(reader, A)[0].power_w == 20.0
    reader.stop()


def test_two_dies_are_one_sensor_and_one_alone_is_shared(root):
    two = {"vendor": "0x1002", "device": "0x740c"}
    add_board(root, 0, A, power_uw=101_000_000, **two)
    add_board(root, 1, B, power_uw=0, **two)
    (sensor,) = collector(RocmSmiCollector, root).probe().sensors
    assert (sensor.id, sensor.devices, sensor.shared) == (A, (0, 1), None)
    (sensor,) = collector(RocmSmiCollector, root, HIP_VISIBLE_DEVICES="1").probe().sensors
    assert (sensor.id, sensor.devices) == (A, (0,))
    assert "both dies" in str(sensor.shared)


def test_kfd_order_partitions_and_hidden_render_nodes(root):
    add_board(root, 0, A, power_uw=10_000_000, **AMD)
    add_board(root, 1, B, power_uw=20_000_000, partition="CPX", **AMD)
    add_board(root, 2, C, power_uw=30_000_000, **AMD)
    add_node(root, 0, None)
    for number, (pci, function) in enumerate([(B, 0), (B, 1), (C, 0), (A, 0)], start=1):
        add_node(root, number, pci, unique_id=number, function=function)
    (root / "dev/dri/renderD130").unlink()
    sensors = collector(RocmSmiCollector, root).probe().sensors
    assert [(sensor.id, sensor.devices) for sensor in sensors] == [(B, (0, 1)), (A, (2,))]
    assert "CPX" in str(sensors[0].shared)
    (sensor,) = collector(RocmSmiCollector, root, ROCR_VISIBLE_DEVICES="GPU-0000000000000004").probe().sensors
    assert (sensor.id, sensor.devices) == (A, (0,))


def test_amd_smi_maps_its_numbers_by_address(root, program):
    add_board(root, 0, A, **AMD)
    add_board(root, 1, B, **AMD)
    listed = f'[{{"gpu": 0, "bdf": "{B}"}}, {{"gpu": 1, "bdf": "{A}"}}]'
    power = '[{"gpu": %d, "power": {"socket_power": {"value": %d, "unit": "W"}}}]'
    gpus = f"[{(power % (0, 90))[1:-1]}, {(power % (1, 91))[1:-1]}]"
    program("amd-smi", f"[ $1 = list ] && echo '{listed}' || echo '{gpus}'")
    reader = collector(AmdSmiCollector, root, CUDA_VISIBLE_DEVICES="1")
    (sensor,) = reader.probe().sensors
    assert sensor.id == B
    reader.start(1.0)
    assert until_readings(reader, B)[0].power_w == 90.0
    reader.stop()


def test_the_sampler_runs_the_registered_collector(program, tmp_path):
    recorded = shared_path("power-samples/rocm-smi_table_Z100_450W_1card.txt")
    program("hy-smi", f'[ -z "$1" ] && cat {recorded}')
    sampler = SamplerProcess.start(tmp_path / "power.jsonl", ["hy-smi"], period_s=0.1)
    assert sampler.wait_ready()
    time.sleep(1.5)
    outcome = sampler.stop()
    assert (outcome.collector, outcome.reason) == ("hy-smi", None)
    log = read_samples(tmp_path / "power.jsonl")
    assert len(log.readings) >= 2
    assert {reading.power_w for reading in log.readings} == {58.0}
